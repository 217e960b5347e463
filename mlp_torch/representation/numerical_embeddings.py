"""Numerical embeddings (ch. 2): numbers as vectors that a network bends at will, which closes most of its gap to trees.

A network is smooth in a number, a tree is not. Piecewise-linear: a component a bin, cut by quantiles or by a tree on
the target. Periodic: cosines and sines at learned frequencies. A column takes several fields, so that all numbers go
through one layer; to a backbone each is a vector of its own, `column.field`.

Shape: (B,) float64 a field, NaN = missing -> (B, F + M) float32, F numbers and a flag for each of the M fields that had
missing cells -> (B, dim) float32.

>>> homes = PiecewiseLinear(["rooms", "age"], bins=2, dim=3)
>>> rows = {"rooms": torch.tensor([1.0, 2.0, 9.0]).double(), "age": torch.tensor([0.0, 10.0, 90.0]).double()}
>>> homes.fit(Sample(rows, torch.zeros(3), lambda read: [])); homes.resize()
>>> homes.encode({"rooms": torch.tensor([5.5]).double(), "age": torch.tensor([5.0]).double()})
tensor([[1.5000, 0.5000]])
>>> homes.widths(), homes.layer()(torch.zeros(4, 2)).shape
({'rooms': 3, 'age': 3}, torch.Size([4, 6]))
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.representation.bucketized import tree_splits
from mlp_torch.representation.numbers import FARTHEST
from mlp_torch.representation.numerical_layers import (
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    PiecewiseLinearEncoding,
)
from mlp_torch.representation.polylines import Line, Polylines, is_constant, level, ranked, standard, through
from mlp_torch.representation.statistics import knots, moments


class PiecewiseLinear(Column):
    """Numbers cut into bins: a component a bin, or a linear layer on those, which is a broken line with learned slopes.

    Beyond the smallest and the largest training value a number goes on along the outermost bin, as far as `reach`.

    NOTE: in `rtdl_num_embeddings` it goes on for ever. An outermost bin may be as narrow as two neighbouring values, of
    which any other number is millions away; a tree, too, says the same of all that lies beyond.

    Args:
        fields: the raw fields, or one of them.
        bins: the most bins of a field; ties make it fewer.
        by: `quantile`, about as many training rows in each; `tree`, where a small decision tree on the target splits.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows, beside a learned flag.
        dim: width of a field's vector; None = the components as they are.
        version: of the linear layer: `B` starts as a plain linear function of the number, `A` at random.
        activation: whether there is a ReLU on the linear layer of version A.
        reach: how far an outermost bin goes on, in its widths.

    Raises:
        ValueError: in `fit`, for a field without values or whose spread overflows.
    """

    place: Tensor

    def __init__(
        self,
        fields: str | Sequence[str],
        *,
        bins: int = 48,
        by: Literal["quantile", "tree"] = "quantile",
        missing: Literal["mean", "median"] = "mean",
        dim: int | None = None,
        version: Literal["A", "B"] = "B",
        activation: bool = False,
        reach: float = 1.0,
    ):
        for name, least, size in (("bins", 2, bins), ("dim", 1, 1 if dim is None else dim)):
            if size < least:
                raise ValueError(f"{name} must be at least {least}, however: {name}={size}")
        if not 0 <= reach <= 1000:
            raise ValueError(f"reach must be from 0 to 1000, however: {reach=}")
        if by not in ("quantile", "tree"):
            raise ValueError(f"by must be quantile or tree, however: {by=}")
        if version not in ("A", "B"):
            raise ValueError(f"version must be A or B, however: {version=}")
        if activation and (version == "B" or dim is None):
            raise ValueError(f"activation must be false but for version A, however: {version=}, {dim=}")
        numbers = Polylines([fields] if isinstance(fields, str) else fields, missing=missing, reach=reach)
        super().__init__(numbers.reads)
        self.numbers, self.bins, self.by, self.uses_y = numbers, bins, by, by == "tree"
        self.width, self.version, self.activation = dim, version, activation
        self.register_buffer("place", torch.zeros(len(numbers.keys), 2, dtype=torch.float64))  # mean and deviation

    def fit(self, sample: Sample) -> None:
        places: list[Tensor] = []

        def draw(x: Tensor, cells: Tensor) -> Line:
            if is_constant(x):
                places.append(torch.stack([x[0], torch.ones_like(x[0])]))
                return level(x[0])
            places.append(moments(x))
            edges = self.edges(x, cells, sample.y)
            return through(edges, torch.arange(len(edges), dtype=torch.float64))

        self.numbers.fit(sample.inputs, draw)
        self.place = torch.stack(places)

    def edges(self, x: Tensor, cells: Tensor, y: Tensor) -> Tensor:
        """The edges of a field's bins, (n + 1,) ascending: from the smallest to the largest value."""
        edges = knots(x.sort().values, self.bins + 1)
        if self.by == "tree":
            below, above = tree_splits(cells, y, buckets=self.bins)
            edges = torch.cat([edges[:1], below / 2 + above / 2, edges[-1:]])
        distinct: Tensor = torch.unique_consecutive(edges)
        return distinct

    def resize(self) -> None:
        self.numbers.resize()
        self.dim = sum(self.by_field().values())

    def by_field(self) -> dict[str, int]:
        """The width of each field's vector."""
        flagged = set(self.numbers.flagged.tolist())
        alone = [n + int(i in flagged) for i, n in enumerate(self.numbers.segments.tolist())]
        return dict(zip(self.reads, alone if self.width is None else [self.width] * len(alone), strict=True))

    def widths(self) -> dict[str, int]:
        return self.by_field() if len(self.reads) > 1 else super().widths()

    def notes(self) -> list[str]:
        found = constants(self.numbers)
        cause = "values are tied" if self.by == "quantile" else "a tree splits no further"
        for field, n, rise in zip(self.reads, self.numbers.segments.tolist(), self.numbers.rise[:, 0], strict=True):
            if rise > 0 and n < self.bins:
                found.append(f"{field} has {n} bins, not {self.bins}: {cause}")
        return found

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        encoded: Tensor = self.numbers(inputs)
        return encoded  # (B, F + M); 1.25 is a quarter through the second bin

    def before_after(self, inputs: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        return self.numbers.before_after(inputs)

    def layer(self) -> nn.Module:
        numbers, flagged = self.numbers, self.numbers.flagged.tolist()
        if self.width is None:
            return PiecewiseLinearEncoding(numbers.segments.tolist(), flagged=flagged, reach=numbers.reach)
        edges = [
            (torch.cat([left[:n], left[n - 1 : n] + length[n - 1 : n]]) - mean) / deviation
            for left, length, n, (mean, deviation) in zip(
                numbers.left, numbers.length, numbers.segments.tolist(), self.place, strict=True
            )
        ]
        return PiecewiseLinearEmbedding(
            edges, flagged=flagged, d=self.width, version=self.version, activation=self.activation, reach=numbers.reach
        )


class Periodic(Column):
    """Numbers as cosines and sines at learned frequencies, then a linear layer and ReLU: PLR, or PLR-lite.

    A number is first brought to the scale on which `sigma` is chosen.

    Args:
        fields: the raw fields, or one of them.
        scale: `zscore`, or `quantile` for normal scores of ranks, which far values cannot stretch.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows, beside a learned flag.
        dim: width of a field's vector.
        n_frequencies: how many a field has.
        sigma: standard deviation of the frequencies at the start; the option that matters most, from 0.01 to 1.
        lite: whether the linear layer is one for all fields, PLR-lite, or each has its own.

    Raises:
        ValueError: in `fit`, for a field without values or whose spread overflows.
    """

    def __init__(
        self,
        fields: str | Sequence[str],
        *,
        scale: Literal["zscore", "quantile"] = "zscore",
        missing: Literal["mean", "median"] = "mean",
        dim: int = 24,
        n_frequencies: int = 48,
        sigma: float = 0.01,
        lite: bool = True,
    ):
        for name, size in (("dim", dim), ("n_frequencies", n_frequencies)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, however: {name}={size}")
        if not 0 < sigma <= 1000:
            raise ValueError(f"sigma must be more than 0 and at most 1000, however: {sigma=}")
        if scale not in ("zscore", "quantile"):
            raise ValueError(f"scale must be zscore or quantile, however: {scale=}")
        reach = FARTHEST if scale == "zscore" else 0.0
        numbers = Polylines([fields] if isinstance(fields, str) else fields, missing=missing, reach=reach)
        super().__init__(numbers.reads)
        self.numbers, self.scale, self.n_frequencies, self.sigma, self.lite = numbers, scale, n_frequencies, sigma, lite
        self.width, self.dim = dim, dim * len(numbers.reads)

    def fit(self, sample: Sample) -> None:
        self.numbers.fit(sample.inputs, lambda x, cells: (ranked if self.scale == "quantile" else standard)(x))

    def resize(self) -> None:
        self.numbers.resize()

    def widths(self) -> dict[str, int]:
        return dict.fromkeys(self.reads, self.width) if len(self.reads) > 1 else super().widths()

    def notes(self) -> list[str]:
        return constants(self.numbers)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        encoded: Tensor = self.numbers(inputs)
        return encoded  # (B, F + M)

    def before_after(self, inputs: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        return self.numbers.before_after(inputs)

    def layer(self) -> nn.Module:
        return PeriodicEmbedding(
            len(self.reads),
            flagged=self.numbers.flagged.tolist(),
            d=self.width,
            n_frequencies=self.n_frequencies,
            sigma=self.sigma,
            lite=self.lite,
        )


def constants(numbers: Polylines) -> list[str]:
    """A note on each field that is constant in training rows."""
    flat = [field for field, rise in zip(numbers.reads, numbers.rise[:, 0], strict=True) if rise == 0]
    return [f"{field} is constant in training rows and tells nothing: leave it out of fields" for field in flat]
