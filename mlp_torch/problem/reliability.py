"""How far predicted probabilities are from what comes true, in bins of equally many rows.

Bins of equal width would leave most of them empty where positives are rare. Rows of equal probability stay in one bin,
that of their middle row, so that the order of rows does not matter; a bin may then hold more rows or none.

Shape: probability (N,), y (N,) 0 or 1.

>>> bins = equal_mass(torch.tensor([0.2, 0.2, 0.2, 0.9]), torch.tensor([0, 0, 1, 1]), bins=2)
>>> bins.rows.tolist(), bins.said.tolist(), bins.true.tolist()
([3.0, 1.0], [0.20000000298023224, 0.8999999761581421], [0.3333333333333333, 1.0])
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

BINS = 15


class Reliability(NamedTuple):
    """The bins that hold rows, from low to high probability: (m,) float64 each.

    The number of `rows`, the mean probability that was `said`, and the share that came `true`.
    """

    rows: Tensor
    said: Tensor
    true: Tensor

    def error(self) -> Tensor:
        """Mean of |said - true| over rows: the expected calibration error (L1); NaN of no rows.

        Source: Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", with equal masses
        as in Nixon et al. 2019, "Measuring Calibration in Deep Learning".
        """
        return (self.rows * (self.said - self.true).abs()).sum() / self.rows.sum()


def equal_mass(probability: Tensor, y: Tensor, bins: int = BINS) -> Reliability:
    """Rows in bins of as equal a number as ties allow."""
    values, place, ties = torch.unique(probability.double(), return_inverse=True, return_counts=True)  # ascending
    middle = ties.cumsum(0) - ties / 2  # rows below the middle of each value's rows
    bin_of = (middle * bins / max(len(place), 1)).long()[place]  # (N,)
    rows = torch.bincount(bin_of, minlength=bins).double()
    said = torch.bincount(bin_of, values[place], minlength=bins)
    true = torch.bincount(bin_of, y.double(), minlength=bins)
    held = rows > 0
    return Reliability(rows[held], said[held] / rows[held], true[held] / rows[held])


class CalibrationError(Metric):
    """Expected calibration error over 15 bins of equal mass; it needs all rows at once.

    Shape: probability (N,), y (N,); or probabilities and labels (N, k), pooled, -1 = not known.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    probability: list[Tensor]
    y: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("probability", default=[], dist_reduce_fx="cat")
        self.add_state("y", default=[], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.probability.append(preds[target >= 0])
        self.y.append(target[target >= 0])

    def compute(self) -> Tensor:
        return equal_mass(dim_zero_cat(self.probability), dim_zero_cat(self.y)).error()


class TopCalibrationError(CalibrationError):
    """That of the most probable class: how often it is the true one, beside its probability.

    Shape: probabilities (N, n), y (N,) class index.
    """

    def update(self, preds: Tensor, target: Tensor) -> None:
        top = preds.max(dim=1)
        super().update(top.values, (top.indices == target).long())
