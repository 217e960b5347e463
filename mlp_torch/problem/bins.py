"""A distribution over bins of a number's values, and what is read from it.

Within a bin the density is even, beyond the outermost edges exponential (see `piecewise`); mean, spread and P(y > t)
use what the training rows in each bin were like, because the bins of a long tail are wide and far from even.

Shape: probabilities p (B, n) float64 -> (B,) or (B, …) float32, in the unit of y.

>>> bins = Bins(4, [0.0, 10.0, 20.0], quantiles=(0.25,), thresholds={"over_9": 9.0})
>>> bins.fit(torch.tensor([1.0, 3.0, 18.0]).double(), torch.ones(3))
>>> found = bins.read(torch.tensor([[0.0, 0.5, 0.5, 0.0]]).double())
>>> {name: found[name].item() for name in ("mean", "median", "mode", "quantile_25", "over_9")}
{'mean': 10.0, 'median': 10.0, 'mode': 2.0, 'quantile_25': 5.0, 'over_9': 0.5}
>>> found["interval_80"]
tensor([[ 2., 18.]])
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlp_torch.problem import intervals, piecewise, priors
from mlp_torch.problem.edges import quantile_edges, uniform_edges
from mlp_torch.problem.intervals import SHARES

RULES = ("quantile", "uniform")
READ_OUTS = {"y", "mean", "median", "mode", "std", "probabilities", "densities", *map(intervals.interval_name, SHARES)}
FURTHEST = 1e-6  # from the levels 0 and 1, where quantiles are infinite


class Bins(nn.Module):
    """Bins that are fitted on training rows: n of them, with n - 1 edges.

    Args:
        n: how many, those below the first and above the last edge included.
        edges: `quantile`, `uniform`, or the n - 1 edges themselves.
        quantiles: levels between 0 and 1 to be read.
        thresholds: t by the name under which P(y > t) is read.
    """

    edges: Tensor
    tails: Tensor
    centers: Tensor
    variances: Tensor
    above: Tensor
    levels: Tensor
    reach: Tensor
    level_names: list[str]
    threshold_names: list[str]
    interval_names: list[str]

    def __init__(self, n: int, edges: str | list[float], *, quantiles: tuple[float, ...], thresholds: dict[str, float]):
        super().__init__()
        check(n, edges, quantiles, thresholds)
        self.rule = edges if isinstance(edges, str) else "given"
        self.thresholds = {name: float(t) for name, t in thresholds.items()}
        self.threshold_names = list(thresholds)
        self.level_names = [*(intervals.quantile_name(q) for q in quantiles), "median"]
        self.interval_names = [intervals.interval_name(share) for share in SHARES]
        levels = torch.tensor([*quantiles, 0.5], dtype=torch.float64)
        self.register_buffer("levels", levels, persistent=False)
        # of each interval, how far its ends are from the level 0.5: half its share, or what calibration rows need
        self.register_buffer("reach", torch.tensor(SHARES, dtype=torch.float64) / 2)
        given = torch.arange(n - 1) if isinstance(edges, str) else torch.tensor(edges)
        self.register_buffer("edges", given.double())
        self.register_buffer("tails", torch.ones(2, dtype=torch.float64))  # the scale of each
        # mean and variance of the training rows in each bin; (thresholds, n): the share of them above the threshold
        self.register_buffer("centers", torch.zeros(n, dtype=torch.float64))
        self.register_buffer("variances", torch.zeros(n, dtype=torch.float64))
        self.register_buffer("above", torch.zeros(len(thresholds), n, dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Learns from labelled training rows, (N,) float64 and (N,).

        Raises:
            DataError: `constant_target`.
        """
        n, weight = len(self.centers), weight.double()
        if self.rule == "quantile":
            self.edges.copy_(quantile_edges(y, weight, n)[1:-1])
        elif self.rule == "uniform":
            self.edges.copy_(uniform_edges(y, n)[1:-1])
        low, high = (self.edges[0] - y), (y - self.edges[-1])
        self.tails.copy_(torch.stack([scale(low, weight), scale(high, weight)]))
        self.describe(y, weight)

    def describe(self, y: Tensor, weight: Tensor) -> None:
        """What the rows in each bin are like; where a bin has none, what its density says."""
        n, index = len(self.centers), piecewise.bin_of(y, self.edges)
        mass = torch.bincount(index, weight, minlength=n)
        ends = torch.stack([self.edges[0] - self.tails[0], self.edges[-1] + self.tails[1]])  # the means of the tails
        middles = torch.cat([ends[:1], (self.edges[1:] + self.edges[:-1]) / 2, ends[1:]])
        squares = torch.cat([self.tails[:1] ** 2, self.edges.diff() ** 2 / 12, self.tails[1:] ** 2])

        def mean(values: Tensor, otherwise: Tensor) -> Tensor:
            return torch.where(mass > 0, torch.bincount(index, weight * values, minlength=n) / mass, otherwise)  # (n,)

        self.centers.copy_(middles + mean(y - middles[index], torch.zeros_like(middles)))
        self.variances.copy_(mean((y - self.centers[index]) ** 2, squares))
        for row, t in enumerate(self.thresholds.values()):
            self.above[row].copy_(mean((y > t).double(), self.exceeding(t)))
            for tail in (0, -1):  # whose rows say nothing of what lies beyond them all
                self.above[row, tail] = self.exceeding(t)[tail]

    def exceeding(self, t: float) -> Tensor:
        """The share of each bin's mass above t, by its density: (n,)."""
        sure = torch.eye(len(self.centers), dtype=torch.float64)
        below = piecewise.cdf(sure, torch.full((len(sure),), t).double(), edges=self.edges, tails=self.tails)
        return (1 - below).clamp(0, 1)

    def log_shares(self, y: Tensor, weight: Tensor) -> Tensor:
        """Logarithms of the bins' weighted shares: (n,) float64."""
        index = torch.where(y.isnan(), y, piecewise.bin_of(y, self.edges))
        return priors.log_shares(index, weight, len(self.centers))

    def calibrate(self, p: Tensor, y: Tensor, weight: Tensor) -> None:
        """Widens or narrows the intervals to the ranks of calibration rows: (N, n), (N,), (N,).

        Source: Chernozhukov, Wüthrich & Zhu 2021, "Distributional Conformal Prediction".
        """
        rank = piecewise.cdf(p, y.double(), edges=self.edges, tails=self.tails)
        for i, share in enumerate(SHARES):
            reach = intervals.conformal((rank - 0.5).abs(), weight, share, otherwise=share / 2)
            self.reach[i] = reach.clamp(max=0.5 - FURTHEST)

    def read(self, p: Tensor) -> dict[str, Tensor]:
        """All read-outs by name. Must script."""
        mean = (p * self.centers).sum(dim=1)
        spread = self.variances + (self.centers - mean.unsqueeze(1)) ** 2  # (B, n)
        densities = p / piecewise.widths(self.edges, self.tails)
        readable = {
            "mean": mean.float(),
            "mode": self.centers[densities.argmax(dim=1)].float(),
            "std": (p * spread).sum(dim=1).sqrt().float(),
            "probabilities": p.float(),
            "densities": densities.float(),
        }
        ends = torch.cat([self.levels, 0.5 - self.reach, 0.5 + self.reach])
        quantiles = piecewise.quantiles(p, ends, self.edges, self.tails).float()  # (B, levels + 2 · intervals)
        for i, name in enumerate(self.level_names):
            readable[name] = quantiles[:, i]
        low, count = len(self.level_names), len(self.interval_names)
        for i, name in enumerate(self.interval_names):
            readable[name] = torch.stack([quantiles[:, low + i], quantiles[:, low + count + i]], dim=1)  # (B, 2)
        for i, name in enumerate(self.threshold_names):
            readable[name] = (p * self.above[i]).sum(dim=1).clamp(0.0, 1.0).float()
        return readable


def scale(distance: Tensor, weight: Tensor) -> Tensor:
    """The mean distance from an edge of the training rows beyond it, which is the exponential's best fit: ().

    Where none lies beyond it, or all on the edge, the mean distance of all rows.
    """
    for rows in (distance > 0, torch.ones_like(distance, dtype=torch.bool)):
        found = (weight[rows] * distance[rows].abs()).sum() / weight[rows].sum()
        if found > 0:
            return found
    return torch.ones_like(weight.sum())


def check(n: int, edges: str | list[float], quantiles: tuple[float, ...], thresholds: dict[str, float]) -> None:
    """Refuses arguments that make no distribution."""
    if n < 2:
        raise ValueError(f"bins must be at least 2, however: bins={n}")
    if isinstance(edges, str) and edges not in RULES:
        raise ValueError(f"edges must be {', '.join(RULES)} or a list of numbers, however: edges={edges!r}")
    if not isinstance(edges, str) and not all(low < high for low, high in pairwise(edges)):
        raise ValueError(f"edges must rise, however: edges={list(edges)}")
    if not isinstance(edges, str) and not all(math.isfinite(edge) for edge in edges):
        raise ValueError(f"edges must be finite, however: edges={list(edges)}")
    intervals.check_levels(quantiles, "quantiles")
    intervals.check_thresholds(thresholds, READ_OUTS | {intervals.quantile_name(q) for q in quantiles})
