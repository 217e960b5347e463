"""A split that lacks validation rows, as published ones do: shares of its training rows become them, by fingerprint.

Book: ch. 6, Repeatable Splitting. Test rows stay those that everybody tests on, and a training row that is left over
stays one for ever, as with `ByFingerprint`. Where only some are kept, as if no more were labelled, a larger share
brings further rows and takes none away.

Shape: Inputs of N rows -> (N,) int64, index into `SPLITS`.

>>> from mlp_torch.ingest.fingerprint import fingerprints
>>> from mlp_torch.reproducibility.split import ByColumn
>>> published = ByColumn("part", train=["train"], val=[], test=["test"])
>>> split = Carved(published, ["row"], val=0.5)
>>> part, row = fingerprints(["train", "train", "test"]), fingerprints(["0", "2", "0"])
>>> split.assign({"part:string": part, "row:string": row})
tensor([0, 2, 3])
"""

import torch
from torch import Tensor

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.fingerprint import cross, tensorflow_bucket
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.reproducibility.split import BUCKETS, SPLITS, TRAIN, ByFingerprint, Split

SALT = 4  # so that which rows are kept has nothing to do with the buckets by which they validate


class Carved(Split):
    """Another split's rows, but for shares of its training rows.

    Args:
        split: the other one.
        fields: whose fingerprint decides: what names a row, or a group of rows that belong together.
        val: share of the distinct values among training rows that validates; a whole number of 1/10,000.
        calibration: likewise.
        train: share of the distinct values among the rows left over that trains, by default all; the others are in no
            split. A whole number of 1/10,000, more than 0.

    Raises:
        ConfigError: as `ByFingerprint`, and for a share of training rows that is none.
    """

    def __init__(
        self, split: Split, fields: list[str], *, val: float = 0.1, calibration: float = 0.0, train: float = 1.0
    ):
        self.split, self.shares = split, ByFingerprint(fields, val=val, test=0.0, calibration=calibration)
        self.buckets = round(train * BUCKETS)
        if not 1 <= self.buckets <= BUCKETS or abs(train * BUCKETS - self.buckets) > 1e-6:
            text = f"train must be a whole number of 1/{BUCKETS:,}, more than 0 and at most 1"
            raise ConfigError(f"{text}, however: {train=}")
        self.reads = {read.key: read for part in (split, self.shares) for read in part.reads.values()}
        self.needed = tuple(name for name in SPLITS if name in {*split.needed, *self.shares.needed})

    def together(self) -> list[Read]:
        """As the shares have it."""
        return self.shares.together()

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        """As in `Split`. Raises DataError as the other split does."""
        given = self.split.assign(inputs, words)  # (N,)
        split = torch.where(given == TRAIN, self.shares.assign(inputs), given)
        row = cross([inputs[read.key] for read in self.shares.reads.values()])
        is_kept = tensorflow_bucket(cross([row, torch.full_like(row, SALT)]), BUCKETS) < self.buckets
        return torch.where((split == TRAIN) & ~is_kept, -1, split)
