"""Simple numbers (ch. 2): scaled to a common range, or cut into buckets.

Shape: (B,) float64, NaN = missing -> `Scaled` (B, 1 or 2) float32, `Bucketized` (B,) int64.

>>> age = Scaled("age")
>>> rows = {"age": torch.tensor([20.0, 40.0, float("nan")], dtype=torch.float64)}
>>> age.fit(Sample(rows, torch.zeros(3), lambda read: [])); age.resize()
>>> age.encode(rows)
tensor([[-1.,  0.],
        [ 1.,  0.],
        [ 0.,  1.]])
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim, default_dim

FARTHEST = 1e6


class Scaled(Column):
    """A number minus its mean, over its standard deviation; missing cells by policy.

    Outliers are valid data: they are clipped if asked, never dropped. Where training rows had missing cells, a second
    feature says so. A constant column gives 0.

    Args:
        field: the raw field.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows.
        clip: largest absolute value, in standard deviations. By default 1e6, which training rows cannot reach (none of
            N lies further out than √N) and which keeps a network finite whatever number it is served.
        kind: `number`, or `time` for the days that have passed.

    Raises:
        ValueError: in `fit`, if every cell is missing, or if numbers are so large that their spread overflows.
    """

    mean: Tensor
    scale: Tensor
    fill: Tensor
    missing_seen: Tensor

    def __init__(
        self,
        field: str,
        *,
        missing: Literal["mean", "median"] = "mean",
        clip: float = FARTHEST,
        kind: Literal["number", "time"] = "number",
    ):
        super().__init__({"x": Read(field, kind)})
        if missing not in ("mean", "median"):
            raise ValueError(f"missing must be mean or median, however: {missing=}")
        if not 0 < clip <= FARTHEST:
            raise ValueError(f"clip must be more than 0 and at most {FARTHEST:g}, however: {clip=}")
        self.key, self.missing, self.limit = self.reads["x"].key, missing, float(clip)
        self.indicator, self.dim = False, 1
        for name in ("mean", "fill"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("missing_seen", torch.tensor(False))

    def fit(self, sample: Sample) -> None:
        x = present(sample.inputs[self.key], self.key)
        self.missing_seen = torch.tensor(len(x) < len(sample.inputs[self.key]))
        low, high = x.aminmax()
        mean = exact_sum(x) / len(x)
        scale = (exact_sum((x - mean).square_()) / len(x)).sqrt()
        if not torch.isfinite(scale):
            raise ValueError(f"{self.key} must have a finite spread, however: values from {low:g} to {high:g}")
        self.mean = mean.clamp(low, high)  # rounding must not carry it off the only value of a constant column
        self.fill = self.mean if self.missing == "mean" else median(x)
        # a constant column has no scale; rounding leaves about 1e-16 of its size instead of 0
        self.scale = scale if scale > 1e-12 * torch.maximum(-low, high) else torch.ones_like(scale)

    def resize(self) -> None:
        self.indicator = bool(self.missing_seen)
        self.dim = 2 if self.indicator else 1

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        missing = torch.isnan(x)
        z = torch.where(missing, self.fill, x).sub_(self.mean).div_(self.scale)  # in place: of columns memory is slow
        z = z.clamp_(-self.limit, self.limit).float()  # (B,)
        if self.indicator:
            return torch.stack([z, missing.float()], dim=-1)  # (B, 2)
        return z.unsqueeze(-1)  # (B, 1)

    def layer(self) -> nn.Module:
        return nn.Identity()


class Bucketized(Column):
    """A number as the bucket it falls in, each with a learned row; missing cells have one of their own, the last.

    Bucket i holds edges[i-1] <= x < edges[i].

    Args:
        field: the raw field.
        buckets: how many, with about as many training rows each; ties make it fewer.
        edges: the inner edges, ascending, instead of `buckets`.
        dim: width of a row; by default about 1.6 · √codes.

    Raises:
        ValueError: in `fit` with `buckets`, if training rows do not have two distinct values.
    """

    edges: Tensor

    def __init__(
        self, field: str, *, buckets: int | None = None, edges: list[float] | None = None, dim: int | None = None
    ):
        super().__init__({"x": Read(field)})
        if (buckets is None) == (edges is None):
            raise ValueError(f"one of buckets and edges must be given, however: {buckets=}, {edges=}")
        if buckets is not None and buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        given = torch.tensor([] if edges is None else edges, dtype=torch.float64)
        if edges is not None and not (edges and given.isfinite().all() and (given.diff() > 0).all()):
            raise ValueError(f"edges must be finite numbers that ascend, at least 1, however: {edges=}")
        self.key, self.buckets, self.width = self.reads["x"].key, buckets, checked_dim(dim)
        self.register_buffer("edges", given)

    def fit(self, sample: Sample) -> None:
        if self.buckets is not None:
            self.edges = quantiles(present(sample.inputs[self.key], self.key).sort().values, self.buckets)
        if not len(self.edges):
            raise ValueError(f"{self.key} must have two distinct values to be cut into buckets, however: it has one")

    def resize(self) -> None:
        self.codes = self.edges.shape[0] + 2
        self.dim = self.width or default_dim(self.codes)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key].contiguous()  # (B,); the search warns of a slice with steps
        bucket = torch.bucketize(x, self.edges, right=True)
        return torch.where(torch.isnan(x), torch.full_like(bucket, self.edges.shape[0] + 1), bucket)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(inputs)


def present(x: Tensor, key: str) -> Tensor:
    """The values that are not missing.

    Raises:
        ValueError: if there are none.
    """
    here = ~np.isnan(x.numpy())
    values = x if here.all() else torch.from_numpy(x.numpy()[here])  # half of torch's time
    if not len(values):
        raise ValueError(f"{key} must have a value in training rows, however: all are missing")
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
