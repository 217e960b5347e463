"""Steps that change the shape of a distribution (ch. 2), as a rule towards the normal: logarithm, root, power, ranks.

What training never showed is no reason for NaN: a logarithm takes what is below the smallest training value as that
value.

Shape: (B,) float64 without NaN, or (w, B) after a step that widens -> the same; `Polynomial` (n · w, B).

>>> root = SquareRoot()
>>> root.fit(torch.tensor([4.0, 9.0], dtype=torch.float64))
>>> root(torch.tensor([16.0, -7.0], dtype=torch.float64))
tensor([4., 2.], dtype=torch.float64)
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mlp_torch.representation.statistics import by_row, knots
from mlp_torch.representation.steps import Step

# Polynomials in the square of the distance to 1/2, and near the ends in the root of the logarithm: numerators, and
# denominators below them, highest powers first.
INVERSE = (
    (
        -39.69683028665376,
        220.9460984245205,
        -275.9285104469687,
        138.3577518672690,
        -30.66479806614716,
        2.506628277459239,
    ),
    (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0),
    (
        -0.007784894002430293,
        -0.3223964580411365,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ),
    (0.0, 0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0),
)


class Log(Step):
    """Natural logarithm.

    Raises:
        ValueError: in `fit`, unless every value is more than 0.
    """

    least: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least", torch.ones((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        self.least = at_least(x, "must be more than 0 for Log (else take Log1p or Power)", lambda low: low > 0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.least).log_()


class Log1p(Step):
    """Natural logarithm of 1 + x, which 0 has too.

    Raises:
        ValueError: in `fit`, unless every value is more than -1.
    """

    least: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least", torch.zeros((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        self.least = at_least(x, "must be more than -1 for Log1p (else take Power)", lambda low: low > -1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.least).log1p_()


class SquareRoot(Step):
    """Square root.

    Raises:
        ValueError: in `fit`, unless every value is at least 0.
    """

    least: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least", torch.zeros((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        self.least = at_least(x, "must be at least 0 for SquareRoot (else take Power)", lambda low: low >= 0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.least).sqrt_()


class Power(Step):
    """The power that makes values most normal: Yeo-Johnson, with the exponent of maximum likelihood.

    Source: Yeo and Johnson, A new family of power transformations, Biometrika 87 (2000).

    Raises:
        ValueError: in `fit`, unless there are two distinct values, or if no exponent is finite.
    """

    exponent: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("exponent", torch.ones((), dtype=torch.float64))

    def fit(self, x: Tensor) -> None:
        two_values(x, "Power")
        self.exponent = by_row(x, likeliest_exponent)

    def forward(self, x: Tensor) -> Tensor:
        above = self.power(x.clamp(min=0), self.exponent)
        return above - self.power((-x).clamp(min=0), 2 - self.exponent)  # one of both is 0

    def power(self, x: Tensor, exponent: Tensor) -> Tensor:
        """((1 + x)^exponent - 1) / exponent of x ≥ 0; the logarithm where the exponent is 0."""
        divisor = torch.where(exponent == 0, torch.ones_like(exponent), exponent)
        log = torch.log1p(x)
        return torch.where(exponent == 0, log, torch.expm1(log * exponent) / divisor)


class Sigmoid(Step):
    """1 / (1 + exp(-x)): between 0 and 1, so that far values differ little. As a rule after `ZScore`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


class Polynomial(Step):
    """x, x², … up to a degree: a feature each. As a rule between two `ZScore`, else x and x² nearly agree.

    Args:
        degree: the highest power.
    """

    def __init__(self, degree: int = 2):
        super().__init__()
        if not 2 <= degree <= 10:
            raise ValueError(f"degree must be from 2 to 10, however: {degree=}")
        self.widens = degree

    def forward(self, x: Tensor) -> Tensor:
        powers = [x if x.dim() == 2 else x.unsqueeze(0)]  # (w, B) each
        for _ in range(1, self.widens):
            powers.append(powers[-1] * powers[0])
        return torch.cat(powers)  # (degree · w, B)


class Quantile(Step):
    """The share of training rows below a value: uniform in [0, 1], or the normal score of that share.

    Args:
        quantiles: how many values of training rows are kept; between them the share grows linearly.
        output: `uniform`, or `normal`, which ends at ±5.2.

    Raises:
        ValueError: in `fit`, unless there are two distinct values.
    """

    knots: Tensor
    ends: Tensor
    inverse: Tensor

    def __init__(self, quantiles: int = 1000, *, output: Literal["uniform", "normal"] = "uniform"):
        super().__init__()
        if quantiles < 2:
            raise ValueError(f"quantiles must be at least 2, however: {quantiles=}")
        if output not in ("uniform", "normal"):
            raise ValueError(f"output must be uniform or normal, however: {output=}")
        self.quantiles, self.normal = quantiles, output == "normal"
        self.register_buffer("knots", torch.arange(2, dtype=torch.float64))
        # buffers, since ONNX rounds Python floats to float32; constants, so no part of the state
        self.register_buffer("ends", torch.tensor([1e-7, 1 - 1e-7], dtype=torch.float64), persistent=False)
        self.register_buffer("inverse", torch.tensor(INVERSE, dtype=torch.float64), persistent=False)

    def fit(self, x: Tensor) -> None:
        if x.dim() > 1:
            raise ValueError(f"must be one number for Quantile (so put it before Polynomial), however: {len(x)} powers")
        two_values(x, "Quantile")
        self.knots = knots(x.sort().values, min(self.quantiles, len(x)))

    def forward(self, x: Tensor) -> Tensor:
        x = x.clamp(self.knots[0], self.knots[-1])
        # NOTE[scikit-learn] an end that many rows share is 0 or 1 there; here the middle of its share, as elsewhere
        share = (self.below(x, right=True) + self.below(x, right=False)) / 2
        return normal_score(share.clamp(self.ends[0], self.ends[1]), self.inverse) if self.normal else share

    def below(self, x: Tensor, *, right: bool) -> Tensor:
        """The share of knots below x, from the last of equal knots (right) or the first."""
        last = self.knots.shape[0] - 1
        upper = torch.bucketize(x, self.knots, right=right).clamp(1, last)
        low, high = self.knots[upper - 1], self.knots[upper]
        tied = torch.full_like(x, 1.0 if right else 0.0)  # x is a smallest or largest value that several knots share
        within = torch.where(high > low, (x - low) / (high - low), tied)
        return (upper - 1 + within) / last


def normal_score(share: Tensor, inverse: Tensor) -> Tensor:
    """The value below which a share of the normal distribution lies, to 1.2e-9 of it; ONNX has no such function.

    Source: P. J. Acklam, An algorithm for computing the inverse normal cumulative distribution function (2003).

    Args:
        share: 0 < share < 1.
        inverse: the polynomials `INVERSE`.
    """
    end, center = torch.minimum(share, 1 - share), share - 0.5
    square, far = center * center, (-2 * end.log()).sqrt()
    a, b, c, d = inverse[0, 0], inverse[1, 0], inverse[2, 0], inverse[3, 0]
    for i in range(1, inverse.shape[1]):
        a, b = a * square + inverse[0, i], b * square + inverse[1, i]
        c, d = c * far + inverse[2, i], d * far + inverse[3, i]
    return torch.where(end < 0.02425, -torch.sign(center) * c / d, center * a / b)


def at_least(x: Tensor, rule: str, holds: Callable[[float], bool]) -> Tensor:
    """The smallest of all values, for which the rule must hold.

    Raises:
        ValueError: if it does not.
    """
    low = x.min()
    if not holds(float(low)):
        raise ValueError(f"{rule}, however: {low:g} is a value")
    return low


def two_values(x: Tensor, step: str) -> None:
    """Refuses values that cannot be told apart.

    Raises:
        ValueError: if a row of (N,) or (w, N) has one distinct value.
    """
    low, high = x.amin(-1), x.amax(-1)
    if not (low < high).all() or not (high - low).isfinite().all():
        text = f"must have two distinct values for {step}, and a finite spread (else leave {step} out)"
        raise ValueError(f"{text}, however: values from {low.min():g} to {high.max():g}")


def likeliest_exponent(x: Tensor) -> Tensor:
    """The Yeo-Johnson exponent of (N,) values, the same in any order of them.

    Raises:
        ValueError: if it is not finite.
    """
    from sklearn.preprocessing import PowerTransformer

    try:
        with np.errstate(
            over="raise", divide="raise", invalid="raise"
        ):  # else an overflow passes for the best exponent
            found = PowerTransformer(standardize=False).fit(x.sort().values.numpy()[:, None]).lambdas_[0]
    except (ValueError, ArithmeticError) as error:  # the search left float64's range
        text = "must have an exponent of maximum likelihood for Power (else take Quantile), however: none is finite"
        raise ValueError(text) from error
    return torch.tensor(float(found), dtype=torch.float64)
