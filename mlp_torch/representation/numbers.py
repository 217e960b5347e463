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

from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import default_dim


class Scaled(Column):
    """A number minus its mean, over its standard deviation; missing cells by policy.

    Outliers are valid data: they are clipped if asked, never dropped. Where training rows had missing cells, a second
    feature says so. A constant column gives 0.

    Args:
        field: the raw field.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows.
        clip: largest absolute value, in standard deviations; None = no limit.
    """

    mean: Tensor
    scale: Tensor
    fill: Tensor
    missing_seen: Tensor

    def __init__(self, field: str, *, missing: Literal["mean", "median"] = "mean", clip: float | None = None):
        super().__init__({"x": Read(field)})
        if missing not in ("mean", "median"):
            raise ValueError(f"missing must be mean or median, however: missing={missing!r}")
        if clip is not None and clip <= 0:
            raise ValueError(f"clip must be more than 0, however: clip={clip}")
        self.key, self.missing, self.limit = self.reads["x"].key, missing, float("inf") if clip is None else float(clip)
        self.indicator = False
        for name in ("mean", "fill"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("missing_seen", torch.tensor(False))

    def fit(self, sample: Sample) -> None:
        x = sample.inputs[self.key]
        self.missing_seen = x.isnan().any()
        x = x[~x.isnan()]
        if not len(x):
            raise ValueError(f"{self.key} must have a value in training rows, however: all are missing")
        scale = x.std(correction=0)
        self.mean, self.fill = x.mean(), x.mean() if self.missing == "mean" else x.quantile(0.5)
        # a constant column has no scale; rounding leaves about 1e-16 of its size instead of 0
        self.scale = scale if scale > 1e-12 * x.abs().max() else torch.ones_like(scale)

    def resize(self) -> None:
        self.indicator = bool(self.missing_seen)
        self.dim = 2 if self.indicator else 1

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        missing = torch.isnan(x)
        z = (torch.where(missing, self.fill, x) - self.mean) / self.scale
        z = z.clamp(-self.limit, self.limit).float()  # (B,)
        if self.indicator:
            return torch.stack([z, missing.float()], dim=-1)  # (B, 2)
        return z.unsqueeze(-1)  # (B, 1)

    def layer(self) -> nn.Module:
        return nn.Identity()


class Bucketized(Column):
    """A number as the bucket it falls in, each with a learned row; missing cells have one of their own.

    Bucket i holds edges[i-1] <= x < edges[i].

    Args:
        field: the raw field.
        buckets: how many, with about as many training rows each; ties make it fewer.
        edges: the inner edges, ascending, instead of `buckets`.
        dim: width of a row; by default about 1.6 · √codes.
    """

    edges: Tensor
    missing_seen: Tensor

    def __init__(
        self, field: str, *, buckets: int | None = None, edges: list[float] | None = None, dim: int | None = None
    ):
        super().__init__({"x": Read(field)})
        if (buckets is None) == (edges is None):
            raise ValueError(f"one of buckets and edges must be given, however: {buckets=}, {edges=}")
        if buckets is not None and buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        given = torch.tensor(edges or [], dtype=torch.float64)
        if not bool((given.diff() > 0).all()):
            raise ValueError(f"edges must ascend, however: {edges=}")
        self.key, self.buckets, self.width = self.reads["x"].key, buckets, dim
        self.register_buffer("edges", given)
        self.register_buffer("missing_seen", torch.tensor(False))

    def fit(self, sample: Sample) -> None:
        x = sample.inputs[self.key]
        self.missing_seen = x.isnan().any()
        if self.buckets is not None:
            present, _ = x[~x.isnan()].sort()
            # the nearest-rank quantiles: torch.quantile takes at most 16 million values
            at = (torch.arange(1, self.buckets) * len(present)) // self.buckets
            self.edges = present[at].unique()
            self.edges = self.edges[self.edges > present[0]]  # no bucket below the smallest value
        if not len(self.edges):
            raise ValueError(f"{self.key} must have two distinct values to be bucketized, however: it has one")

    def resize(self) -> None:
        self.codes = self.edges.shape[0] + 2
        self.dim = self.width or default_dim(self.codes)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        bucket = torch.bucketize(x, self.edges, right=True)
        return torch.where(torch.isnan(x), torch.full_like(bucket, self.edges.shape[0] + 1), bucket)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(inputs)

    def layer(self) -> nn.Module:
        return Rows(self.codes, self.dim, spare=() if self.missing_seen else (self.codes - 1,))
