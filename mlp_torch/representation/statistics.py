"""What columns of numbers learn from training rows: a sum, a median, quantiles.

None depends on the order of rows, to the bit.

>>> exact_sum(torch.tensor([1e16, 1.0, -1e16], dtype=torch.float64))
tensor(1., dtype=torch.float64)
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

LARGE = 2.0**512  # a power of two, so that to divide by it rounds nothing that a sum of larger numbers would keep
UNBOUNDED = "must have a finite spread (else bound it by min and max in data.fields)"


def present(x: Tensor, key: str) -> Tensor:
    """The values that are not missing.

    Raises:
        ValueError: if there are none.
    """
    here = ~np.isnan(x.numpy())
    values = x if here.all() else torch.from_numpy(x.numpy()[here])  # half of torch's time
    if not len(values):
        raise ValueError(f"{key} must have a value in training rows (else leave it out), however: all are missing")
    return values


def exact_sum(x: Tensor) -> Tensor:
    """The sum of (N,) float64, the same bits in any order of them, in a tenth of the time that sorting takes.

    Each value is rounded to a multiple of a quantum so large that sums of such multiples are exact, and the rest to one
    of a smaller quantum. To add a number whose last bit is the quantum rounds to it.
    Source: Demmel and Nguyen, Fast Reproducible Floating-Point Summation, ARITH 2013.
    """
    total, exponent = torch.zeros((), dtype=x.dtype), math.frexp(farthest(x))[1]
    spare = 51 - math.ceil(math.log2(len(x)))  # bits of a value, so that no sum of N of them needs more than 53
    for _ in range(2):
        shift = math.ldexp(1.5, min(exponent + 52 - spare, 1023))
        high = (x + shift).sub_(shift)
        total, x, exponent = total + high.sum(), x - high, exponent - spare
    return total


def average(x: Tensor) -> Tensor:
    """The mean of (N,); rounding does not carry it off the only value of a constant column."""
    low, high = x.aminmax()
    if torch.maximum(-low, high) > LARGE:  # the sum might overflow
        return average(x / LARGE) * LARGE
    return (exact_sum(x) / len(x)).clamp(low, high)


def moments(x: Tensor) -> Tensor:
    """Mean and standard deviation of (N,): (2,); a constant column has no scale and gets 1.

    Raises:
        ValueError: if the deviation overflows.
    """
    low, high = x.aminmax()
    mean = exact_sum(x) / len(x)
    scale = (exact_sum((x - mean).square_()) / len(x)).sqrt()
    if not torch.isfinite(scale):
        raise ValueError(f"{UNBOUNDED}, however: values from {low:g} to {high:g}")
    # rounding leaves about 1e-16 of a constant's size instead of 0
    scale = scale if scale > 1e-12 * torch.maximum(-low, high) else torch.ones_like(scale)
    return torch.stack([mean.clamp(low, high), scale])


def by_row(x: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """What a function makes of (N,), or of each row of (w, N): (w, …), (w, 1) where it makes one number."""
    if x.dim() == 1:
        return of(x)
    found = torch.stack([of(row) for row in x])
    return found.unsqueeze(1) if found.dim() == 1 else found


def knots(values: Tensor, n: int) -> Tensor:
    """n quantiles at equal distances of (…, N) ascending values, N ≥ 1, linear between values: (…, n)."""
    at = torch.linspace(0, values.shape[-1] - 1, n, dtype=torch.float64)
    low = at.floor().long()
    high = (low + 1).clamp(max=values.shape[-1] - 1)
    return torch.lerp(values[..., low], values[..., high], at - low)


def farthest(x: Tensor) -> float:
    """The largest absolute value; 0 of none."""
    return max(map(abs, map(float, x.aminmax()))) if x.numel() else 0.0


def median(x: Tensor) -> Tensor:
    """The middle value of (N,), or the mean of the two."""
    n = len(x)
    return (x.kthvalue((n + 1) // 2).values + x.kthvalue(n // 2 + 1).values) / 2


def quantiles(values: Tensor, buckets: int) -> Tensor:
    """The inner edges of buckets that hold about as many values each, (N,) ascending; fewer where values are tied.

    By nearest rank: an edge is one of the values. Where the smallest fills more than its share (most hours have no
    rain), the next one starts the second bucket. N may exceed the 16 million values that `torch.quantile` takes.
    """
    larger = values[values > values[0]]
    if not len(larger):
        return larger
    at = torch.arange(1, buckets) * len(values) // buckets
    edges = values[at].clamp(min=larger[0])
    return edges[edges.diff(prepend=values[:1]) > 0]
