"""A distribution over bins of a number's values, and what is read from it.

Within a bin the density is even, so that the distribution function is piecewise linear; mean, spread and P(y > t) use
what the training rows in each bin were like, because the bins of a long tail are wide and far from even.

Shape: probabilities p (B, n) float64 -> (B,) float32, in the unit of y.

>>> bins = Bins(2, [0.0, 10.0, 20.0], quantiles=(0.25,), thresholds={"over_9": 9.0})
>>> bins.fit(torch.tensor([1.0, 3.0, 18.0]).double(), torch.ones(3))
>>> found = bins.read(torch.tensor([[0.5, 0.5]]).double())
>>> {name: found[name].item() for name in ("mean", "median", "mode", "quantile_25", "over_9")}
{'mean': 10.0, 'median': 10.0, 'mode': 2.0, 'quantile_25': 5.0, 'over_9': 0.5}
"""

import logging
import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlp_torch.problem import priors, scores
from mlp_torch.problem.edges import quantile_edges, uniform_edges

INTERVAL = 0.9
RULES = ("quantile", "uniform")
READ_OUTS = {"y", "mean", "median", "mode", "std", "interval_low", "interval_high", "probabilities"}


class Bins(nn.Module):
    """Bins that are fitted on training rows.

    Args:
        n: how many.
        edges: `quantile`, `uniform`, or the n + 1 edges themselves.
        quantiles: levels between 0 and 1 to be read.
        thresholds: t by the name under which P(y > t) is read.
    """

    edges: Tensor
    centers: Tensor
    variances: Tensor
    above: Tensor
    levels: Tensor
    level_names: list[str]
    threshold_names: list[str]

    def __init__(self, n: int, edges: str | list[float], *, quantiles: tuple[float, ...], thresholds: dict[str, float]):
        super().__init__()
        check(n, edges, quantiles, thresholds)
        self.rule = edges if isinstance(edges, str) else "given"
        self.thresholds = {name: float(t) for name, t in thresholds.items()}
        self.threshold_names = list(thresholds)
        self.level_names = [*(quantile_name(q) for q in quantiles), "median", "interval_low", "interval_high"]
        levels = torch.tensor([*quantiles, 0.5, (1 - INTERVAL) / 2, (1 + INTERVAL) / 2], dtype=torch.float64)
        self.register_buffer("levels", levels, persistent=False)
        given = torch.arange(n + 1) if isinstance(edges, str) else torch.tensor(edges)
        self.register_buffer("edges", given.double())
        # mean and variance of the training rows in each bin; (thresholds, n): the share of them above the threshold
        self.register_buffer("centers", torch.zeros(n, dtype=torch.float64))
        self.register_buffer("variances", torch.zeros(n, dtype=torch.float64))
        self.register_buffer("above", torch.zeros(len(thresholds), n, dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Learns from labelled training rows, (N,) float64 and (N,).

        Raises:
            DataError: `constant_target`.
        """
        if self.rule == "quantile":
            self.edges.copy_(quantile_edges(y, weight, len(self.centers)))
        elif self.rule == "uniform":
            self.edges.copy_(uniform_edges(y, len(self.centers)))
        elif outside := int(((y < self.edges[0]) | (y > self.edges[-1])).sum()):
            message = "%d of %d training rows lie outside the given edges and count for the outermost bins"
            logging.getLogger(__name__).warning(message, outside, len(y))
        self.describe(y, weight.double())

    def describe(self, y: Tensor, weight: Tensor) -> None:
        """What the rows in each bin are like; where a bin has none, an even density."""
        n, index = len(self.centers), scores.bin_of(y, self.edges)
        mass = torch.bincount(index, weight, minlength=n)
        middles, widths = (self.edges[1:] + self.edges[:-1]) / 2, self.edges.diff()

        def mean(values: Tensor, even: Tensor) -> Tensor:
            return torch.where(mass > 0, torch.bincount(index, weight * values, minlength=n) / mass, even)  # (n,)

        self.centers.copy_(middles + mean(y - middles[index], torch.zeros_like(middles)))
        self.variances.copy_(mean((y - self.centers[index]) ** 2, widths**2 / 12))
        for row, t in enumerate(self.thresholds.values()):
            even = ((self.edges[1:] - t) / widths).clamp(0, 1)
            self.above[row].copy_(mean((y > t).double(), even))

    def log_shares(self, y: Tensor, weight: Tensor) -> Tensor:
        """Logarithms of the bins' weighted shares: (n,) float64."""
        index = torch.where(y.isnan(), y, scores.bin_of(y, self.edges))
        return priors.log_shares(index, weight, len(self.centers))

    def smoothed(self, y: Tensor, deviation: float) -> Tensor:
        """The mass that a normal distribution around y, cut at the outermost edges, has in each bin: (B,) -> (B, n).

        Source: HL-Gauss, Imani & White 2018, "Improving Regression Performance with Distributional Losses".
        """
        inside = y.double().clamp(self.edges[0], self.edges[-1]).unsqueeze(1)  # (B, 1)
        below: Tensor = torch.special.ndtr((self.edges - inside) / deviation)  # (B, n + 1)
        mass = below.diff(dim=1)
        return mass / mass.sum(dim=1, keepdim=True)  # (B, n)

    def read(self, p: Tensor) -> dict[str, Tensor]:
        """All read-outs by name. Must script."""
        mean = (p * self.centers).sum(dim=1)
        spread = self.variances + (self.centers - mean.unsqueeze(1)) ** 2  # (B, n)
        likeliest = (p / (self.edges[1:] - self.edges[:-1])).argmax(dim=1)  # by density
        readable = {
            "mean": mean.float(),
            "mode": self.centers[likeliest].float(),
            "std": (p * spread).sum(dim=1).sqrt().float(),
            "probabilities": p.float(),
        }
        quantiles = self.quantiles(p).float()  # (B, levels)
        for i, name in enumerate(self.level_names):
            readable[name] = quantiles[:, i]
        for i, name in enumerate(self.threshold_names):
            readable[name] = (p * self.above[i]).sum(dim=1).clamp(0.0, 1.0).float()
        return readable

    def quantiles(self, p: Tensor) -> Tensor:
        """Where the piecewise linear distribution function reaches each level: (B, n) -> (B, levels)."""
        reached = p.cumsum(dim=1)  # (B, n): at the upper end of each bin
        # Counting instead of `searchsorted`, which ONNX has not.
        at = (reached.unsqueeze(1) < self.levels.unsqueeze(1)).sum(dim=2).clamp(max=p.shape[1] - 1)  # (B, levels)
        mass = p.gather(1, at)
        part = (self.levels - (reached.gather(1, at) - mass)) / mass.clamp(min=1e-300)
        low, high = self.edges[at], self.edges[at + 1]
        return low + (high - low) * part.clamp(0.0, 1.0)  # (B, levels)


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
    if not all(0 < q < 1 for q in quantiles):
        raise ValueError(f"quantiles must lie between 0 and 1, however: quantiles={tuple(quantiles)}")
    if taken := set(thresholds) & (READ_OUTS | {quantile_name(q) for q in quantiles}):
        raise ValueError(f"thresholds must have names of their own, however: {', '.join(sorted(taken))}")


def quantile_name(level: float) -> str:
    """The name of a quantile by its percentage.

    >>> quantile_name(0.05), quantile_name(0.975)
    ('quantile_05', 'quantile_97_5')
    """
    whole, _, part = f"{100 * level:g}".partition(".")
    return f"quantile_{whole.zfill(2)}" + (f"_{part}" if part else "")
