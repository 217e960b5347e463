"""Groups of rows that tell of each other, and the folds of a stage, which never tear one apart.

Book: ch. 6, Repeatable Splitting; ch. 3, Cascade and stacking: what a model says out of fold must not be what it knows.

Shape: (N,) int64 groups -> (N,) int64 folds.

>>> fold_of(torch.tensor([7, 7, 8, 9, 10, 11]), 3).tolist()
[1, 1, 1, 1, 2, 1]
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlp_torch.ingest.fingerprint import cross, tensorflow_bucket
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.reproducibility.days import day_of
from mlp_torch.reproducibility.folds import check_parts

SALT = 2  # so that folds of groups have nothing to do with the buckets that a split is cut by


def groups(reads: Sequence[Read], inputs: Inputs, row: Tensor) -> Tensor:
    """Which rows must not be torn apart, because one tells of the other: (N,) int64, equal within a group.

    Args:
        reads: whose values make a group; of times the day does.
        inputs: of N rows.
        row: (N,) fingerprints of the rows' keys: the groups where there are no reads.
    """
    if not reads:
        return row
    parts = [day_of(inputs[read.key]) if read.kind == "time" else inputs[read.key].long() for read in reads]
    return parts[0] if len(parts) == 1 else cross(parts)


def fold_of(group: Tensor, of: int) -> Tensor:
    """The fold of each row, from 0, (N,) int64: by its group alone, hence the same for ever."""
    check_parts(of)
    return tensorflow_bucket(cross([group, torch.full_like(group, SALT)]), of)
