"""Intervals that are to hold a stated share of rows: their names, their conformal width, and how they are judged.

All heads that give intervals serve them as `interval_80`, `interval_90`: (B, 2), low and high. How wide they must be is
learned from the calibration split: the score of the row with rank ⌈share · (n + 1)⌉ among its n rows makes them hold at
least `share` of further rows of the same distribution, whatever the model is (Vovk, Gammerman & Shafer 2005; for
quantiles Romano et al. 2019, in ranks Chernozhukov et al. 2021).

>>> interval_name(0.9), quantile_name(0.05), quantile_name(0.975)
('interval_90', 'quantile_05', 'quantile_97_5')
>>> conformal(torch.arange(1.0, 20), torch.ones(19), 0.9, otherwise=1.64).item()  # ⌈.9 · 20⌉ = 18
18.0
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.regression import MeanSquaredError

from mlp_torch.problem.scores import AUROC, Loss

SHARES = (0.8, 0.9)
LEVELS = 200  # at which the distribution of ranks is compared with an even one


def percent(share: float) -> str:
    """A share as part of a name: `05`, `97_5`."""
    whole, _, part = f"{100 * share:g}".partition(".")
    return whole.zfill(2) + (f"_{part}" if part else "")


def interval_name(share: float) -> str:
    """The name of a central interval by the percentage of rows that it is to hold."""
    return f"interval_{percent(share)}"


def quantile_name(level: float) -> str:
    """The name of a quantile by its percentage."""
    return f"quantile_{percent(level)}"


def check_levels(levels: tuple[float, ...], name: str) -> None:
    """Refuses levels that no distribution reaches."""
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"{name} must lie between 0 and 1, however: {name}={levels}")


def check_thresholds(thresholds: dict[str, float], taken: set[str]) -> None:
    """Refuses names of thresholds that predictions, or columns of the table of them, have already, and no numbers."""
    if both := set(thresholds) & (taken | {"target", "loss"}):
        raise ValueError(f"thresholds must have names of their own, however: {', '.join(sorted(both))}")
    if wrong := [f"{name}={t}" for name, t in thresholds.items() if not math.isfinite(t)]:
        raise ValueError(f"thresholds must be finite, however: {', '.join(wrong)}")


def exceeds(y: Tensor, thresholds: dict[str, float]) -> dict[str, Tensor]:
    """Whether y is more than each threshold, as a label: (N,) int64, -1 where y is NaN."""
    return {name: (y > t).long().masked_fill(y.isnan(), -1) for name, t in thresholds.items()}


def conformal(scores: Tensor, weight: Tensor, share: float, *, otherwise: float) -> Tensor:
    """The score that a further row exceeds with a probability of at most 1 - share: () float64.

    Args:
        scores: (N,) of calibration rows, how far out y lies; NaN = no label.
        weight: (N,) of these rows; the further row has their mean weight.
        share: what the interval is to hold.
        otherwise: where there are too few rows to say so, fewer than share / (1 - share): 9 for 90 %.
    """
    known = ~scores.isnan() & (weight > 0)
    values, order = scores[known].double().sort()
    reached = weight[known].double()[order].cumsum(0)
    if not len(values):
        return torch.tensor(otherwise, dtype=torch.float64)
    # less rounding, which must not cost a rank
    asked = share * reached[-1] * (1 + 1 / len(values)) * (1 - 1e-9)
    at = int((reached < asked).sum())
    return values[at] if at < len(values) else torch.tensor(otherwise, dtype=torch.float64)


def held(interval: Tensor, y: Tensor) -> Tensor:
    """Whether y lies in the interval (B, 2), ends included: (B,) float64."""
    return ((interval[:, 0] <= y) & (y <= interval[:, 1])).double()


class Coverage(Loss):
    """The share of rows that the interval holds: neither more nor less than it says is better."""

    higher_is_better: bool | None = None

    def __init__(self, share: float):
        super().__init__(held)
        self.share = share


class CoverageError(Coverage):
    """How far the share of rows that the interval holds is from what it says."""

    higher_is_better = False

    def compute(self) -> Tensor:
        return (super().compute() - self.share).abs()


class Width(Loss):
    """The mean width of the interval: narrower is better only of two that hold the same share."""

    higher_is_better: bool | None = None

    def __init__(self) -> None:
        super().__init__(width)


def width(interval: Tensor, y: Tensor) -> Tensor:
    """(B, 2) -> (B,) float64."""
    return interval[:, 1].double() - interval[:, 0].double()


def interval_metrics(shares: tuple[float, ...] = SHARES) -> dict[str, tuple[str, str, Metric]]:
    """`coverage_90`, `coverage_90_error` and `width_90` of each interval, as a head's metrics."""
    found: dict[str, tuple[str, str, Metric]] = {}
    for share in shares:
        name = interval_name(share)
        found[f"coverage_{percent(share)}"] = (name, "y", Coverage(share))
        found[f"coverage_{percent(share)}_error"] = (name, "y", CoverageError(share))
        found[f"width_{percent(share)}"] = (name, "y", Width())
    return found


def threshold_metrics(names: list[str]) -> dict[str, tuple[str, str, Metric]]:
    """What P(y > t) is worth: `auroc_NAME` and `brier_NAME` of each threshold's name."""
    found: dict[str, tuple[str, str, Metric]] = {}
    for name in names:
        found[f"auroc_{name}"] = (name, name, AUROC())
        found[f"brier_{name}"] = (name, name, MeanSquaredError().set_dtype(torch.float64))
    return found


class PITError(Metric):
    """How far ranks of y in their predicted distributions are from even: 0 if every quantile is reached as often as
    its level says, at most 1.

    It is the largest distance between the share of rows whose rank P(value ≤ y) is at most u, and u, over 200 levels.
    n rows of a right distribution have about 0.9 / √n.

    Args:
        rank: (predictions, y) -> (B,) in [0, 1].
    """

    higher_is_better: bool | None = False
    is_differentiable = False
    full_state_update = False
    counts: Tensor

    def __init__(self, rank: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.rank = rank
        self.add_state("counts", default=torch.zeros(LEVELS, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        cell = (self.rank(preds, target) * LEVELS).ceil().long().clamp(1, LEVELS) - 1
        self.counts += torch.bincount(cell, minlength=LEVELS)

    def compute(self) -> Tensor:
        reached = (self.counts / self.counts.sum()).cumsum(0)
        levels = torch.arange(1, LEVELS + 1, device=reached.device, dtype=torch.float64) / LEVELS
        return (reached - levels).abs().max()
