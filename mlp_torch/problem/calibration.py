"""Calibration: logits whose probabilities come true as often as they say, learned on the calibration split.

Book: ch. 3. A network that has fitted its training rows closely is surer than it is right (Guo et al. 2017, "On
Calibration of Modern Neural Networks"), one trained with focal loss is too cautious. No row passes another.

Shape: logits (B,), (B, k) or (B, n) float32 -> the same; before `fit` they are left as they are.

>>> logits = torch.tensor([4.0, 4.0, 4.0, 4.0, -4.0, -4.0, -4.0, -4.0]).repeat(10)  # sure of 98 %, right in 75 %
>>> temperature = Temperature()
>>> temperature.fit(logits, torch.tensor([1, 1, 1, 0, 0, 0, 0, 1]).repeat(10), torch.ones(80))
>>> temperature(logits).sigmoid()[:1]
tensor([0.7500])
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.errors import how_many
from mlp_torch.problem.thresholds import FEW

Calibration = Literal["none", "temperature"]  # of a head with several logits
BOUND = 20.0  # a temperature lies between 1 / BOUND and BOUND


class Calibrator(nn.Module):
    """What learns to correct logits; this one does nothing, and needs no rows.

    Attributes:
        learns: whether it needs rows.
        least: rows, or known labels of several, from which it learns; with fewer, chance alone would speak.
    """

    learns = False
    least = 0

    def __init__(self) -> None:
        super().__init__()
        self.said = ""

    def fit(self, logits: Tensor, y: Tensor, weight: Tensor) -> None:
        """Learns anew from calibration rows; with too few of them it corrects nothing, and says so in `notes`.

        Args:
            logits: that probabilities would be made of, uncalibrated.
            y: (N,) or (N, k) 0 or 1 for each logit, NaN = not known; or (N,) classes beside (N, n) logits.
            weight: (N,).
        """
        if not self.learns:
            return
        labels = y[(~y.isnan()) & (weight > 0).reshape(-1, *[1] * (y.dim() - 1))].long()
        rest = len(labels) - int(torch.bincount(labels).max()) if len(labels) else 0
        self.said = ""
        if len(labels) < self.least or rest < FEW:
            self.forget()
            text = "WARNING: probabilities are not calibrated: the calibration split has"
            found = f"{how_many(len(labels), 'label')}, {rest} of them not of the most frequent class"
            self.said = f"{text} {found}, and {self.least} and {FEW} are needed; raise data.split.calibration"
        else:
            self.learn(logits, y, weight)

    def forget(self) -> None:
        """Back to what corrects nothing."""

    def learn(self, logits: Tensor, y: Tensor, weight: Tensor) -> None:
        """As `fit`, of rows enough."""

    def notes(self) -> list[str]:
        """What the last `fit` could not do, in sentences."""
        return [self.said] if self.said else []

    def forward(self, logits: Tensor) -> Tensor:
        return logits

    def learned(self) -> dict[str, float]:
        """What was learned, if it can be said in a number."""
        return {}


class Temperature(Calibrator):
    """One number that all logits are divided by: above 1 for a head that is surer than it is right.

    The log-loss of the scaled logits is convex in 1/T: its minimum is the root of its slope, found by bisection.
    T is held between 0.05 and 20: logits that tell the calibration rows apart without error would ask for T = 0.
    """

    learns = True
    least = 50
    inverse: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inverse", torch.ones(1, dtype=torch.float64))  # 1/T

    def forget(self) -> None:
        self.inverse.fill_(1.0)

    def learn(self, logits: Tensor, y: Tensor, weight: Tensor) -> None:
        slope = slope_of(logits.double(), y, weight.double())
        self.inverse.fill_(root(slope, 1 / BOUND, BOUND))

    def forward(self, logits: Tensor) -> Tensor:
        return (logits * self.inverse).float()

    def learned(self) -> dict[str, float]:
        return {"temperature": 1 / float(self.inverse)}


def slope_of(logits: Tensor, y: Tensor, weight: Tensor) -> Callable[[float], float]:
    """Slope of the weighted log-loss in b = 1/T: Σ w (Σ softmax(b z) z - z of the true class), for a sigmoid alike."""
    if logits.shape == y.shape:
        known = ~y.isnan()
        z, true = logits[known], y[known].double()
        w = weight.reshape(-1, *[1] * (y.dim() - 1)).expand(y.shape)[known]
        return lambda b: float((w * ((b * z).sigmoid() - true) * z).sum())
    of_true = logits.gather(1, y.long().unsqueeze(1)).squeeze(1)  # (N,)
    return lambda b: float((weight * (((b * logits).softmax(dim=1) * logits).sum(dim=1) - of_true)).sum())


def root(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes 0, or the end that is nearer to it; 1 where it is 0 throughout."""
    if slope(1.0) == 0:
        return 1.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return math.sqrt(low * high)


class Isotonic(Calibrator):
    """The rising curve of probability over probability that fits best, straight between its knots (one logit only).

    It corrects any rising error, not only too much confidence, and takes some hundred rows to do so. Between the
    knots it may be level, so that rows which the head ranked become equal.

    No probability becomes 0 or 1, which one surprise would punish without limit: half a positive row is added at the
    lowest logit and half a negative one at the highest. m rows without a positive then say 0.5 / (m + 0.5).
    Source: Zadrozny & Elkan 2002, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates".
    """

    learns = True
    least = 100
    x: Tensor
    y: Tensor
    slope: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("x", "y", "slope"):  # (K,) probabilities before and after, and the slope to the next knot
            self.register_buffer(name, torch.zeros(0, dtype=torch.float64))

    def forget(self) -> None:
        self.x, self.y, self.slope = (x.new_zeros(0) for x in (self.x, self.y, self.slope))

    def learn(self, logits: Tensor, y: Tensor, weight: Tensor) -> None:
        from sklearn.isotonic import IsotonicRegression

        p, w = logits.double().sigmoid(), weight.double()
        half = 0.5 * w.mean().reshape(1)
        rows = torch.cat([p, p.min().reshape(1), p.max().reshape(1)])
        true = torch.cat([y.double(), half.new_tensor([1.0, 0.0])])
        found = IsotonicRegression().fit(*(part.numpy(force=True) for part in (rows, true, torch.cat([w, half, half]))))
        self.x, self.y = (torch.from_numpy(x).to(self.x) for x in (found.X_thresholds_, found.y_thresholds_))
        self.slope = torch.cat([self.y.diff() / self.x.diff(), self.y.new_zeros(1)])

    def forward(self, logits: Tensor) -> Tensor:
        if self.x.shape[0] == 0:
            return logits
        p = logits.double().sigmoid().clamp(min=self.x[0])  # (B,)
        at = (p.unsqueeze(1) >= self.x).long().sum(dim=1) - 1  # (B,): the knot at or below; ONNX has no bucketize
        return (self.y[at] + (p - self.x[at]) * self.slope[at]).logit().float()  # (B,)


CALIBRATORS: dict[str, type[Calibrator]] = {"none": Calibrator, "temperature": Temperature, "isotonic": Isotonic}


def calibrator(calibration: str, *, allowed: tuple[str, ...] = ("none", "temperature")) -> Calibrator:
    """What a head's option asks for.

    Raises:
        ValueError: for another one than the head can use.
    """
    if calibration not in allowed:
        raise ValueError(f"calibration must be one of {', '.join(allowed)}, however: calibration={calibration!r}")
    return CALIBRATORS[calibration]()
