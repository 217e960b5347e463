"""Links: how the one number that a network gives becomes a prediction in the unit of y, and where errors are measured.

`Standardized`, also of a logarithm or a root of y, measures them on the network's side; `Bounded` and `Rate`, which y
may touch though the link never does, on the side of the prediction.

Shape: out (N,) and predictions (N,) float64.

>>> link = Standardized("log")
>>> link.fit(torch.tensor([1.0, 100.0]).double(), torch.ones(2))
>>> link.prediction(torch.tensor([0.0, 1.0]).double()).round()  # 10 is the geometric mean
tensor([ 10., 100.], dtype=torch.float64)
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem

TRANSFORMS = ("none", "log", "log1p", "sqrt")


class Domain(NamedTuple):
    """The values that y may have, and why."""

    low: float
    high: float
    open: bool  # whether `low` itself is none of them
    rule: str
    key: str


def check_domain(y: Tensor, domain: Domain, fields: tuple[str, ...]) -> None:
    """Refuses training targets that a link cannot give; NaN = no label.

    Raises:
        DataError: `target_domain`.
    """
    wrong = (y < domain.low) | (y > domain.high) | ((y == domain.low) & domain.open)
    if bad := int(wrong.sum()):
        rows = tuple(wrong.nonzero()[:MAX_ROWS, 0].tolist())
        examples = tuple(f"{value:g}" for value in torch.unique(y[wrong])[:MAX_EXAMPLES].tolist())
        raise DataError(Problem("target_domain", domain.rule, fields, bad, len(y), rows, examples, domain.key))


def moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation of (N,) float64; 1 where the deviation is only rounding."""
    w = weight.double()
    mean = (w * x).sum() / w.sum()
    mean = mean + (w * (x - mean)).sum() / w.sum()  # what rounding took from many rows
    deviation = ((w * (x - mean) ** 2).sum() / w.sum()).sqrt()
    constant = deviation <= x.abs().max() * torch.finfo(torch.float64).eps
    return mean, torch.where(constant, torch.ones_like(deviation), deviation)


class Link(nn.Module):
    """Standardized as training rows are, so that a network starts near to what it is to learn."""

    mean: Tensor
    scale: Tensor
    domain: Domain | None = None

    def __init__(self) -> None:
        super().__init__()
        # float64, so that a large mean does not swallow a small deviation
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Learns from labelled training rows of the domain, (N,) float64."""
        mean, scale = moments(y, weight)
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def prediction(self, out: Tensor) -> Tensor:
        """Must script."""
        raise NotImplementedError

    def out(self, prediction: Tensor) -> Tensor:
        """What the network would have to give. Must script."""
        raise NotImplementedError

    def within(self, y: Tensor) -> Tensor:
        """Values that the link can give, float64: y of other rows, and what others predict, may lie outside."""
        return y.double()

    def compared(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Found and wanted (N,), whose difference is the error in units of the training rows' deviation."""
        raise NotImplementedError

    def best(self, value: Tensor) -> Tensor:
        """The `out` of a value of `compared`."""
        raise NotImplementedError

    def smear(self, prediction: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """The factor on the side of `smeared`, (): see there."""
        raise NotImplementedError

    def smeared(self, prediction: Tensor, factor: Tensor) -> Tensor:
        """Predictions of the mean, given those of the median: (N,). Must script."""
        return prediction


class Standardized(Link):
    """Errors, and the mean and deviation of training rows, are those of `transform`(y).

    Where it is not `none`, what is predicted is no mean: squared error finds the mean logarithm, whose exponential is
    the median of y where logarithms are symmetric. Labels below the least training row count as that row.

    Args:
        transform: `none`, `log` (y > 0), `log1p` or `sqrt` (y ≥ 0).
    """

    least: Tensor

    def __init__(self, transform: str):
        super().__init__()
        if transform not in TRANSFORMS:
            raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}, however: transform={transform!r}")
        self.transform = transform
        if transform != "none":
            sign = "more than 0" if transform == "log" else "at least 0"
            rule = f"the target must be {sign} for transform={transform}"
            self.domain = Domain(0.0, float("inf"), transform == "log", rule, "head.transform")
        self.register_buffer("least", torch.full((), -torch.inf, dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor) -> None:
        super().fit(self.transformed(y), weight)
        if self.transform != "none":
            self.least.copy_(y.min())

    def transformed(self, y: Tensor) -> Tensor:
        """`transform`(y)."""
        if self.transform == "log":
            return y.log()
        if self.transform == "log1p":
            return y.log1p()
        if self.transform == "sqrt":
            return y.sqrt()
        return y

    def prediction(self, out: Tensor) -> Tensor:
        z = self.mean + self.scale * out
        if self.transform == "log":
            return z.exp()
        if self.transform == "log1p":
            return z.exp() - 1  # `expm1` is not in ONNX
        if self.transform == "sqrt":
            return z.clamp(min=0.0) ** 2
        return z

    def out(self, prediction: Tensor) -> Tensor:
        y = prediction.double()
        if self.transform == "log":  # 0 counts as 1e-300
            return (y.clamp(min=1e-300).log() - self.mean) / self.scale
        if self.transform == "log1p":
            return ((y + 1).clamp(min=1e-300).log() - self.mean) / self.scale
        if self.transform == "sqrt":
            return (y.clamp(min=0.0).sqrt() - self.mean) / self.scale
        return (y - self.mean) / self.scale

    def within(self, y: Tensor) -> Tensor:
        return torch.maximum(y.double(), self.least)

    def compared(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return out, self.out(self.within(y)).to(out.dtype)

    def best(self, value: Tensor) -> Tensor:
        return value

    def smear(self, prediction: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """The mean of exp(residual of the logarithm): Duan 1983, "Smearing Estimate"."""
        shift = 1.0 if self.transform == "log1p" else 0.0
        residual = (self.within(y) + shift).log() - (prediction + shift).log()
        return (weight * residual.exp()).sum() / weight.sum()

    def smeared(self, prediction: Tensor, factor: Tensor) -> Tensor:
        if self.transform == "log1p":
            return (prediction + 1) * factor - 1
        return prediction * factor


class Bounded(Link):
    """low + (high - low) · sigmoid(out): no prediction leaves the bounds.

    Args:
        low: where training targets start.
        high: where they end.
    """

    def __init__(self, low: float, high: float):
        super().__init__()
        if not -float("inf") < low < high < float("inf"):
            raise ValueError(f"bounds must be two numbers that rise, however: bounds={[low, high]}")
        self.low, self.range = float(low), float(high) - float(low)
        rule = f"the target must lie within bounds={[low, high]}"
        self.domain = Domain(float(low), float(high), False, rule, "head.bounds")

    def prediction(self, out: Tensor) -> Tensor:
        return self.low + self.range * out.sigmoid()

    def out(self, prediction: Tensor) -> Tensor:
        share = (prediction.double() - self.low) / self.range
        return share.clamp(min=1e-12).log() - (1 - share).clamp(min=1e-12).log()

    def compared(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        low = (self.low - self.mean) / self.scale
        found = low.to(out.dtype) + (self.range / self.scale).to(out.dtype) * out.sigmoid()
        return found, ((y.double() - self.mean) / self.scale).to(out.dtype)

    def best(self, value: Tensor) -> Tensor:
        return self.out(self.mean + self.scale * value)


class Rate(Link):
    """mean · exp(out): what a Poisson regression predicts, the mean of counts or other y ≥ 0."""

    domain = Domain(0.0, float("inf"), False, "the target must be at least 0 for loss=poisson", "head.loss")

    def fit(self, y: Tensor, weight: Tensor) -> None:
        mean, _ = moments(y, weight)
        self.mean.copy_(mean.clamp(min=torch.finfo(torch.float32).tiny))  # where all counts are 0
        self.scale.copy_(self.mean)

    def prediction(self, out: Tensor) -> Tensor:
        return self.mean * out.exp()

    def out(self, prediction: Tensor) -> Tensor:
        return prediction.double().clamp(min=1e-30).log() - self.mean.log()

    def compared(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of the rate, and y, both over the training rows' mean."""
        return out, (y.double().clamp(min=0) / self.mean).to(out.dtype)

    def best(self, value: Tensor) -> Tensor:
        return value.clamp(min=1e-30).log()
