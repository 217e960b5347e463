"""A split that is none: every row is learned, validated and tested, where the table is the whole truth.

Book: ch. 4, Useful Overfitting. Of a function that is known at every entry of its domain nothing is left to generalise
to: what counts is the error at each entry, and to hold entries back would only leave them unlearned.

Shape: Inputs of N rows -> (N,) int64, all 0; `rows_of` gives the training rows to validation and test as well.

>>> split = Everywhere()
>>> {name: rows.tolist() for name, rows in rows_of(split, torch.zeros(2, dtype=torch.int64)).items()}
{'train': [0, 1], 'calibration': [], 'val': [0, 1], 'test': [0, 1]}
"""

import torch
from torch import Tensor

from mlp_torch.ingest.reads import Inputs, Words
from mlp_torch.reproducibility.split import SPLITS, TRAIN, Split

TOLD = "train = val = test, on purpose: every figure is of rows that were learned, and says nothing of others"


class Everywhere(Split):
    """All rows in training, in validation and in test; none for calibration, which would be of learned rows.

    For a complete function table only. Of a sample such figures say next to nothing.
    """

    same = ("val", "test")

    def __init__(self) -> None:
        self.reads, self.needed = {}, ("train",)

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        """As in `Split`: training rows."""
        return torch.full((len(next(iter(inputs.values()))),), TRAIN)


def rows_of(split: Split, index: Tensor) -> dict[str, Tensor]:
    """The rows of each split, (n,) int64.

    Args:
        split: the rule.
        index: (N,) what its `assign` gave.
    """
    rows = {name: (index == number).nonzero().squeeze(1) for number, name in enumerate(SPLITS)}
    return rows | dict.fromkeys(split.same, rows["train"])


def notes(split: Split) -> list[str]:
    """That figures are of learned rows, where they are."""
    return [TOLD] if split.same else []
