"""Steps of a number (ch. 2, Simple Data Representations): small fitted functions, which `Scaled` runs in a chain.

Here those that keep a distribution's shape, or cut its ends; in `curves` those that change it. `fit` learns from
training rows; `forward` maps any number, also one that training never showed, to a number and never to NaN.

Shape: (B,) float64 without NaN, or (w, B) after a step that widens -> the same; `forward` may overwrite its argument.

>>> scale = MinMax()
>>> scale.fit(torch.tensor([4.0, 8.0], dtype=torch.float64))
>>> scale(torch.tensor([4.0, 7.0], dtype=torch.float64))
tensor([-1.0000,  0.5000], dtype=torch.float64)
"""

import math

import torch
from torch import Tensor, nn

from mlp_torch.representation.statistics import by_row, moments


class Step(nn.Module):
    """One function of a number. A new step is a class with `forward`, and with `fit` where it learns.

    Attributes:
        widens: how many features it makes of one.
    """

    widens = 1

    def fit(self, x: Tensor) -> None:
        """Learns from (N,) or (w, N) values of training rows, N ≥ 1; by default there is nothing to learn.

        Raises:
            ValueError: if it cannot, without the name of the field: "must …, however: …".
        """


class Identity(Step):
    """The number as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class MinMax(Step):
    """From -1 at the smallest training value to 1 at the largest; a constant gives 0.

    Raises:
        ValueError: in `fit`, if values are not finite.
    """

    middle: Tensor
    reach: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros((), dtype=torch.float64))
        self.register_buffer("reach", torch.ones((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        low, high = x.amin(-1, keepdim=x.dim() > 1), x.amax(-1, keepdim=x.dim() > 1)
        if not (low.isfinite() & high.isfinite()).all():
            text = "must be finite for MinMax (else put Clip before it)"
            raise ValueError(f"{text}, however: values from {low.min():g} to {high.max():g}")
        half = high / 2 - low / 2
        self.middle, self.reach = low + half, torch.where(half > 0, half, torch.ones_like(half))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.middle).div_(self.reach)


class Clip(Step):
    """Values beyond given bounds count as the bounds.

    Args:
        low: the least value; None = no bound.
        high: the largest.
    """

    bounds: Tensor

    def __init__(self, low: float | None = None, high: float | None = None):
        super().__init__()
        bounds = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        if not bounds[0] < bounds[1] or (low is None and high is None):
            raise ValueError(f"low must be less than high, and one of both given, however: {low=}, {high=}")
        self.register_buffer("bounds", torch.tensor(bounds, dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.bounds[0], self.bounds[1])


class Winsorize(Step):
    """Values beyond two percentiles of training rows count as these; outliers are kept, but lie no further out.

    Args:
        low: share of training rows below the least value.
        high: share of them above the largest.
    """

    least: Tensor
    most: Tensor

    def __init__(self, low: float = 0.05, high: float = 0.05):
        super().__init__()
        if not (low >= 0 and high >= 0 and low + high < 1):
            raise ValueError(f"low and high must be at least 0 and less than 1 together, however: {low=}, {high=}")
        self.low, self.high = low, high
        self.register_buffer("least", torch.tensor(-math.inf, dtype=torch.float64))
        self.register_buffer("most", torch.tensor(math.inf, dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        x, n = x.sort(dim=-1).values, x.shape[-1]
        least, most = x[..., int(self.low * n)], x[..., n - 1 - int(self.high * n)]
        self.least, self.most = (least, most) if x.dim() == 1 else (least.unsqueeze(1), most.unsqueeze(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.least, self.most)


class ZScore(Step):
    """A number minus its mean, over its standard deviation; a constant gives 0.

    Raises:
        ValueError: in `fit`, if numbers are so large that their spread overflows.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        found = by_row(x, moments)  # (2,) or (w, 2)
        mean, scale = found.unbind() if x.dim() == 1 else found.unsqueeze(-1).unbind(1)
        self.mean, self.scale = mean.clone(), scale.clone()  # torch.export saves no two views of one tensor

    def forward(self, x: Tensor) -> Tensor:
        return x.sub_(self.mean).div_(self.scale)  # in place: of columns memory is slow
