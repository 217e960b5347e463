"""The head for several quantiles of a number, which cannot cross.

Book: ch. 3, Reframing, and its neighbour: a distribution by its quantiles, without bins and without a shape that is
assumed. The middle one is a number; each further one is the one beside it plus or minus a softplus.

Shape: h (B, d_in) -> out (B, levels), rising, standardized.

>>> from mlp_torch.target import Number
>>> head = Quantiles(4, Number("price"), levels=(0.1, 0.5, 0.9))
>>> head.fit(torch.arange(101).double(), torch.ones(101))
>>> found = head.predict(head(torch.zeros(1, 4)).detach())
>>> found["quantiles"].round(), found["interval_80"].round()
(tensor([[10., 50., 90.]]), tensor([[10., 90.]]))
"""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import intervals, pictures, priors, scores
from mlp_torch.problem.likened import at_levels
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.01  # of a step between two quantiles at the start, which else would be too flat to learn


class Quantiles(Head):
    """Several quantiles of a number.

    Predicts, in the target's unit, (B,): `median` and `quantile_05` … of the other levels; (B, levels): `quantiles`,
    all of them; (B, 2): `interval_80`, `interval_90` …, one for each pair of levels that are alike far from 0.5, which
    hold that share of rows once there are calibration rows.

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has; the quantiles are the means of theirs.
        levels: between 0 and 1, rising, 0.5 among them.

    Raises:
        DataError: `class_target`.
    """

    center: Tensor
    scale: Tensor
    levels: Tensor
    wider: Tensor
    pairs: list[tuple[int, int]]
    level_names: list[str]
    interval_names: list[str]

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        levels: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
    ):
        intervals.check_levels(tuple(levels), "levels")
        if list(levels) != sorted(set(levels)) or 0.5 not in levels:
            raise ValueError(f"levels must rise and hold 0.5, however: levels={tuple(levels)}")
        priors.require_number(target)
        super().__init__(d_in, target, len(levels), members=members, point="median")
        self.middle = list(levels).index(0.5)
        self.level_names = ["median" if level == 0.5 else intervals.quantile_name(level) for level in levels]
        mirrored = {round(1 - level, 9): i for i, level in enumerate(levels)}
        self.pairs = [
            (i, mirrored[round(level, 9)])
            for i, level in enumerate(levels)
            if level < 0.5 and round(level, 9) in mirrored
        ][::-1]  # from the narrowest
        self.shares = tuple(round(levels[high] - levels[low], 9) for low, high in self.pairs)
        self.interval_names = [intervals.interval_name(share) for share in self.shares]
        self.register_buffer("center", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64), persistent=False)
        # of each interval, standardized: by how much both of its ends move out
        self.register_buffer("wider", torch.zeros(len(self.pairs), dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        """The scale is the mean distance from the median, which a far value moves less than a standard deviation."""
        known, w = y[~y.isnan()].double(), weight[~y.isnan()].double()
        self.center.copy_(weighted_quantiles(known, w, torch.tensor([0.5]).double())[0])
        away = (w * (known - self.center).abs()).sum() / w.sum()
        constant = away <= known.abs().max() * torch.finfo(torch.float64).eps
        self.scale.copy_(torch.where(constant, torch.ones_like(away), away))
        best = self.constant(y, weight).double()
        steps = best.diff().clamp(min=LEAST)
        raw = steps + (-torch.expm1(-steps)).log()  # the inverse of softplus
        with torch.no_grad():
            self.output.bias.copy_(torch.cat([best[self.middle].unsqueeze(0), raw]))  # the same for each member

    def forward(self, h: Tensor) -> Tensor:
        raw: Tensor = self.output(h)  # (B, L) or (B, k, L)
        x = raw.double()
        # softplus, of which ONNX Runtime has none in float64
        steps = x[..., 1:].clamp(min=0.0) + (1 + (-x[..., 1:].abs()).exp()).log()
        offsets = torch.cat([torch.zeros_like(x[..., :1]), steps.cumsum(dim=-1)], dim=-1)
        # rounding keeps the order: the same numbers are added to and taken from all
        return (x[..., :1] + offsets - offsets[..., self.middle : self.middle + 1]).to(raw.dtype)

    def standardized(self, y: Tensor) -> Tensor:
        """(N,) float64."""
        return (y.double() - self.center) / self.scale

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return pinball(out, self.standardized(batch.y).to(out.dtype), levels=self.levels.to(out.dtype)).mean(dim=1)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        found = out.double()
        quantiles = (self.center + self.scale * found).float()  # (B, L)
        readable = {"quantiles": quantiles}
        for i, name in enumerate(self.level_names):
            readable[name] = quantiles[:, i]
        for i, name in enumerate(self.interval_names):
            low, high = self.pairs[i]
            middle = (found[:, low] + found[:, high]) / 2  # where narrower intervals end
            ends = torch.stack(
                [
                    (found[:, low] - self.wider[i]).minimum(middle),
                    (found[:, high] + self.wider[i]).maximum(middle),
                ],
                dim=1,
            )
            readable[name] = (self.center + self.scale * ends).float()  # (B, 2)
        return readable

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        """Moves both ends of each interval by what calibration rows need, out or in (CQR: Romano et al. 2019)."""
        y, found = self.standardized(y), out.double()
        for i, (low, high) in enumerate(self.pairs):
            outside = (found[:, low] - y).maximum(y - found[:, high])
            self.wider[i] = intervals.conformal(outside, weight, self.shares[i], otherwise=0.0)

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        known = ~y.isnan()
        return weighted_quantiles(self.standardized(y[known]), weight[known].double(), self.levels).float()  # (L,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean of each quantile: distributions are averaged sideways, which keeps their width and their order."""
        if weight is None:
            return outs.mean(dim=1)  # (B, L)
        return (outs * weight.unsqueeze(2)).sum(dim=1)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"y": y}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        levels = self.levels.clone()
        return {
            "crps": ("quantiles", "y", scores.Loss(partial(crps, levels=levels))),
            "pinball": ("quantiles", "y", scores.Loss(partial(mean_pinball, levels=levels))),
            "mae": ("median", "y", MeanAbsoluteError().set_dtype(torch.float64)),
            **intervals.interval_metrics(self.shares),
        }

    def scales(self) -> dict[str, list[float]]:
        return {"levels": self.levels.tolist()}

    def teach(self, y: Tensor) -> Tensor:
        return self.standardized(y)

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Standardized predictions of trees, each with the quantiles of the held rows' residuals around it."""
        residuals = self.standardized(held_y) - held_scores.reshape(-1).double()
        known = residuals[~residuals.isnan()]
        around = weighted_quantiles(known, torch.ones_like(known), self.levels)  # (L,)
        return (scores.reshape(-1, 1).double() + around).float()

    def from_quantiles(self, levels: Tensor, values: Tensor) -> Tensor:
        """The same distributions at the levels of this head."""
        return self.standardized(at_levels(self.levels, levels, values)).float()

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        found, y = predictions["quantiles"][known], labels["y"][known]
        reached = (y.unsqueeze(1) <= found).double().sum(dim=0) / max(len(y), 1)
        return {
            "levels": pictures.levels(self.levels, reached),
            "residuals": pictures.residuals(found[:, self.middle], y),
        }


def weighted_quantiles(values: Tensor, weight: Tensor, levels: Tensor) -> Tensor:
    """The least value that each level's share of the weight does not exceed: (N,), (N,), (L,) -> (L,) float64."""
    ordered, order = values.sort()
    reached = weight[order].cumsum(0)
    at = torch.searchsorted(reached, levels * reached[-1] * (1 - 1e-12))  # less rounding
    return ordered[at.clamp(max=len(ordered) - 1)]


def pinball(quantiles: Tensor, y: Tensor, *, levels: Tensor) -> Tensor:
    """What each quantile costs, in the unit of y: (B, L), (B,), (L,) -> (B, L).

    Source: Koenker & Bassett 1978, "Regression Quantiles".
    """
    above = y.unsqueeze(1) - quantiles
    return torch.maximum(levels * above, (levels - 1) * above)


def mean_pinball(quantiles: Tensor, y: Tensor, *, levels: Tensor) -> Tensor:
    """The mean over all levels: (B,) float64."""
    return pinball(quantiles.double(), y.double(), levels=levels.to(y.device)).mean(dim=1)


def crps(quantiles: Tensor, y: Tensor, *, levels: Tensor) -> Tensor:
    """About the continuous ranked probability score: (B,) float64.

    That is twice the integral of the pinball loss over all levels; here each level stands for those nearer to it than
    to another. Seven levels find that of a normal to 2 %. Source: Gneiting & Ranjan 2011, "Comparing Density Forecasts
    Using Threshold- and Quantile-Weighted Scoring Rules".
    """
    levels = levels.to(y.device)
    ends = torch.cat([torch.zeros_like(levels[:1]), (levels[1:] + levels[:-1]) / 2, torch.ones_like(levels[:1])])
    return 2 * (pinball(quantiles.double(), y.double(), levels=levels) * ends.diff()).sum(dim=1)
