"""Which share of some rows holds, as a metric: recall, precision, coverage, and accuracy where it was decided.

Shape: predicted and true class indices (N,) int64 -> a number from 0 to 1; NaN where no row counts.

>>> from functools import partial
>>> recall = Rate(partial(recalled, of=2))
>>> recall.update(torch.tensor([2, 1, 0]), torch.tensor([2, 2, 0]))
>>> recall.compute().item()
0.5
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

Criterion = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Predicted and true classes -> which rows hold, and which rows count: (N,) bool each."""


class Rate(Metric):
    """The share of rows that hold among those that count. Alone it makes no model better: see its subclass.

    Args:
        rule: which rows hold, and which count.
    """

    higher_is_better: bool | None = None
    is_differentiable = False
    full_state_update = False
    held: Tensor
    counted: Tensor

    def __init__(self, rule: Criterion):
        super().__init__()
        self.rule = rule
        for name in ("held", "counted"):
            self.add_state(name, default=torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        holds, counts = self.rule(preds, target)
        self.held += (holds & counts).sum()
        self.counted += counts.sum()

    def compute(self) -> Tensor:
        return self.held.double() / self.counted


class Hits(Rate):
    """A rate of which more is better."""

    higher_is_better = True


def recalled(preds: Tensor, target: Tensor, *, of: int) -> tuple[Tensor, Tensor]:
    """Rows of a class: which are found."""
    return preds == of, target == of


def precise(preds: Tensor, target: Tensor, *, of: int) -> tuple[Tensor, Tensor]:
    """Rows said to be of a class: which are."""
    return target == of, preds == of


def answered(preds: Tensor, target: Tensor, *, neutral: int) -> tuple[Tensor, Tensor]:
    """All rows: which get one of the two classes."""
    return preds != neutral, torch.ones_like(preds, dtype=torch.bool)


def right_if_decided(preds: Tensor, target: Tensor, *, neutral: int) -> tuple[Tensor, Tensor]:
    """Rows that are answered and whose label is not neutral: which are right."""
    return preds == target, (preds != neutral) & (target != neutral)
