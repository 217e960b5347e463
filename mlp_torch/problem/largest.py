"""The largest error of all rows: what a bound that holds at every entry is about (ch. 4, Useful Overfitting).

>>> error = LargestError()
>>> error.update(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0]))
>>> error.update(torch.tensor([4.0]), torch.tensor([4.0]))
>>> error.compute()
tensor(3., dtype=torch.float64)
"""

import torch
from torch import Tensor
from torchmetrics import Metric


class LargestError(Metric):
    """max |prediction - label|, in the target's unit; for `metric.NAME` with a head for a number."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    largest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("largest", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="max")

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.largest = torch.maximum(self.largest, (preds.double() - target.double()).abs().max())

    def compute(self) -> Tensor:
        return self.largest
