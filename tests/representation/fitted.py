"""Columns of one number, fitted on a few values."""

import numpy
import torch
from torch import Tensor

from mlp_torch.column import Column, Sample

NAN = float("nan")


def inputs(values: list[float], key: str = "x") -> dict[str, Tensor]:
    return {key: torch.tensor(values, dtype=torch.float64)}


def fit(column: Column, values: list[float], y: list[float] | None = None) -> Column:
    rows = inputs(values, next(iter(column.reads.values())).key)
    target = torch.tensor(y or [0.0] * len(values), dtype=torch.float64)
    column.fit(Sample(rows, target, lambda read: []))
    column.resize()
    if column.codes:
        column.see(column.encode(rows))
    return column


def encoded(column: Column, values: list[float]) -> Tensor:
    return column.encode(inputs(values, next(iter(column.reads.values())).key))


def lognormal(n: int) -> list[float]:
    values: list[float] = numpy.random.default_rng(0).lognormal(3, 1, n).tolist()
    return values
