"""The head for one number and how sure it is: mean and standard deviation of each row, by the likelihood of a normal.

Book: ch. 3, Reframing, where the distribution is known to be a bell: two numbers a row instead of forty. Where errors
are skewed or have two humps, take `Reframed` or `Quantiles`.

Shape: h (B, d_in) -> out (B, 2): the mean, standardized, and a number whose softplus is the deviation.

>>> from mlp_torch.target import Number
>>> head = Gaussian(4, Number("price"), quantiles=(), thresholds={"over_40": 40.0})
>>> head.fit(torch.tensor([10.0, 30.0], dtype=torch.float64), torch.ones(2))
>>> found = head.predict(head.constant(torch.tensor([10.0, 30.0]), torch.ones(2)).unsqueeze(0))
>>> {name: round(found[name].item(), 3) for name in ("mean", "std", "over_40")}
{'mean': 20.0, 'std': 10.0, 'over_40': 0.023}
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import intervals, links, pictures, priors, scores
from mlp_torch.problem.intervals import SHARES
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READ_OUTS = {"y", "mean", "std", "moments", *map(intervals.interval_name, SHARES)}


class Gaussian(Head):
    """Mean and standard deviation of a number.

    Predicts, in the target's unit, (B,): `mean`, `std`, `quantile_05` …, P(y > t) by the name of each threshold;
    (B, 2): `moments`, which are mean and std in one, and `interval_80` and `interval_90`, which hold that share of rows
    once there are calibration rows.

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has.
        quantiles: levels between 0 and 1.
        thresholds: t by the name under which P(y > t) is served.
        floor: the least deviation, as a share of that of all training rows, so that no row is beyond doubt.

    Raises:
        DataError: `class_target`.
    """

    mean: Tensor
    scale: Tensor
    levels: Tensor
    reach: Tensor
    limits: Tensor
    level_names: list[str]
    interval_names: list[str]
    threshold_names: list[str]

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        quantiles: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95),
        thresholds: dict[str, float] | None = None,
        floor: float = 0.01,
    ):
        if not 0 < floor < 1:
            raise ValueError(f"floor must lie between 0 and 1, however: floor={floor}")
        self.thresholds = {name: float(t) for name, t in (thresholds or {}).items()}
        intervals.check_levels(tuple(quantiles), "quantiles")
        intervals.check_thresholds(self.thresholds, READ_OUTS | {intervals.quantile_name(q) for q in quantiles})
        priors.require_number(target)
        super().__init__(d_in, target, 2, members=members, point="mean")
        self.floor = float(floor)
        self.level_names = [intervals.quantile_name(q) for q in quantiles]
        self.interval_names = [intervals.interval_name(share) for share in SHARES]
        self.threshold_names = list(self.thresholds)
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("levels", normal_quantile(torch.tensor(quantiles, dtype=torch.float64)), persistent=False)
        # of each interval, how many deviations its ends are from the mean
        self.register_buffer("reach", normal_quantile(0.5 + torch.tensor(SHARES, dtype=torch.float64) / 2))
        self.register_buffer("limits", torch.tensor([*self.thresholds.values()]).double(), persistent=False)

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        known = ~y.isnan()
        mean, scale = links.moments(y[known].double(), weight[known])
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        with torch.no_grad():
            self.output.bias.copy_(self.constant(y, weight))

    def deviation(self, raw: Tensor) -> Tensor:
        """(B,) -> (B,), standardized. Must script."""
        return self.floor + nn.functional.softplus(raw)

    def raw(self, mean: Tensor, variance: Tensor) -> Tensor:
        """The `out` of standardized moments: (B,), (B,) float64 -> (B, 2) float32. Must script."""
        above = (variance.sqrt() - self.floor).clamp(min=1e-9)
        return torch.stack([mean, above + (1 - (-above).exp()).log()], dim=1).float()  # the inverse of softplus

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """-log of the density at y, in nats above that of a row that is known as exactly as `floor` allows."""
        y, s = ((batch.y.double() - self.mean) / self.scale).to(out.dtype), self.deviation(out[:, 1])
        return (s / self.floor).log() + ((y - out[:, 0]) / s) ** 2 / 2

    def moments(self, out: Tensor) -> Tensor:
        """(B, 2) float64, in the unit of y. Must script."""
        mean, s = out[:, 0].double(), self.deviation(out[:, 1]).double()  # ONNX Runtime has no other softplus
        return torch.stack([self.mean + self.scale * mean, self.scale * s], dim=1)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        moments = self.moments(out)
        mean, std = moments[:, :1], moments[:, 1:]  # (B, 1)
        readable = {"mean": mean[:, 0].float(), "std": std[:, 0].float(), "moments": moments.float()}
        quantiles = (mean + std * self.levels).float()  # (B, levels)
        for i, name in enumerate(self.level_names):
            readable[name] = quantiles[:, i]
        low, high = mean - std * self.reach, mean + std * self.reach  # (B, intervals)
        for i, name in enumerate(self.interval_names):
            readable[name] = torch.stack([low[:, i], high[:, i]], dim=1).float()
        over = ((mean - self.limits) / std / 2**0.5).float()  # (B, thresholds)
        for i, name in enumerate(self.threshold_names):
            readable[name] = (1 + over[:, i].erf()) / 2
        return readable

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        """Widens or narrows the intervals by one factor, that which calibration rows need."""
        moments = self.moments(out)
        away = ((y.double() - moments[:, 0]) / moments[:, 1]).abs()
        for i, share in enumerate(SHARES):
            normal = float(normal_quantile(torch.tensor(0.5 + share / 2, dtype=torch.float64)))
            self.reach[i] = intervals.conformal(away, weight, share, otherwise=normal)

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        known = ~y.isnan()
        y, w = (y[known].double() - self.mean) / self.scale, weight[known].double()
        mean = (w * y).sum() / w.sum()
        variance = (w * (y - mean) ** 2).sum() / w.sum()
        return self.raw(mean.unsqueeze(0), variance.unsqueeze(0))[0]  # (2,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        """A normal has no mixture among normals: its mean and variance are the mixture's."""
        mean, s = outs[:, :, 0].double(), self.deviation(outs[:, :, 1]).double()  # (B, k)
        w = torch.full_like(mean, 1 / outs.shape[1]) if weight is None else weight.double()
        common = (w * mean).sum(dim=1, keepdim=True)  # (B, 1)
        return self.raw(common[:, 0], (w * (s**2 + (mean - common) ** 2)).sum(dim=1))

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"y": y, **intervals.exceeds(y, self.thresholds)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        found: dict[str, tuple[str, str, Metric]] = {
            "crps": ("moments", "y", scores.Loss(crps)),
            "log_loss": ("moments", "y", scores.Loss(log_loss)),
            "rmse": ("mean", "y", MeanSquaredError(squared=False).set_dtype(torch.float64)),
            "mae": ("mean", "y", MeanAbsoluteError().set_dtype(torch.float64)),
            **intervals.interval_metrics(),
            "pit_error": ("moments", "y", intervals.PITError(cdf)),
        }
        return found | intervals.threshold_metrics(self.threshold_names)

    def teach(self, y: Tensor) -> Tensor:
        return (y.double() - self.mean) / self.scale

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Standardized predictions of trees, each with the mean square of the held rows' residuals around it."""
        residuals = self.teach(held_y) - held_scores.reshape(-1).double()
        points = scores.reshape(-1).double()
        return self.raw(points, (residuals[~residuals.isnan()] ** 2).mean().expand_as(points))

    def from_quantiles(self, levels: Tensor, values: Tensor) -> Tensor:
        """The normal whose quantiles are nearest by squares: a line through them over those of the standard normal."""
        z, x = normal_quantile(levels), self.teach(values)  # (L,), (N, L)
        away = z - z.mean()
        slope = (x * away).sum(dim=1) / (away**2).sum().clamp(min=torch.finfo(torch.float64).tiny)  # 0 of one level
        return self.raw(x.mean(dim=1) - slope * z.mean(), slope**2)

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        found, y = predictions["moments"][known], labels["y"][known]
        return {"residuals": pictures.residuals(found[:, 0], y), "pit": pictures.pit(cdf(found, y))}


def normal_quantile(level: Tensor) -> Tensor:
    """Of the standard normal, float64 each; a level of float32 would be off in the eighth digit."""
    found: Tensor = torch.special.ndtri(level.double())
    return found


def standard(moments: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How many deviations y is from the mean, and the deviation: (B, 2), (B,) -> (B,) float64 each."""
    mean, std = moments.double().unbind(1)
    return (y - mean) / std, std


def cdf(moments: Tensor, y: Tensor) -> Tensor:
    """P(value ≤ y): (B,)."""
    found: Tensor = torch.special.ndtr(standard(moments, y)[0])
    return found


def log_loss(moments: Tensor, y: Tensor) -> Tensor:
    """-log of the density at y, (B,) nats; the unit of y enters."""
    z, std = standard(moments, y)
    return std.log() + z**2 / 2 + math.log(2 * math.pi) / 2


def crps(moments: Tensor, y: Tensor) -> Tensor:
    """Continuous ranked probability score of a normal, (B,), in the unit of y.

    Source: Gneiting et al. 2005, "Calibrated Probabilistic Forecasting Using Ensemble MOS", (5).
    """
    z, std = standard(moments, y)
    density = (-(z**2) / 2).exp() / math.sqrt(2 * math.pi)
    found: Tensor = std * (z * (2 * torch.special.ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return found
