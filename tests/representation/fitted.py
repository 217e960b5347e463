"""Columns, fitted on a few rows."""

from typing import TypeVar

import numpy
import torch
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Inputs, Words

NAN = float("nan")
AnyColumn = TypeVar("AnyColumn", bound=Column)


def fitted(column: AnyColumn, rows: Inputs, y: Tensor | None = None, words: Words = lambda read: []) -> AnyColumn:
    """The column after it was fitted on these rows, and saw their codes."""
    n = len(next(iter(rows.values())))
    column.fit(Sample(rows, torch.zeros(n) if y is None else y, words))
    column.resize()
    if column.codes:
        column.see(column.encode(rows))
    return column


def inputs(values: list[float], key: str = "x") -> dict[str, Tensor]:
    return {key: torch.tensor(values, dtype=torch.float64)}


def fit(column: Column, values: list[float], y: list[float] | None = None) -> Column:
    rows = inputs(values, next(iter(column.reads.values())).key)
    return fitted(column, rows, torch.tensor(y or [0.0] * len(values), dtype=torch.float64))


def encoded(column: Column, values: list[float]) -> Tensor:
    return column.encode(inputs(values, next(iter(column.reads.values())).key))


def lognormal(n: int) -> list[float]:
    values: list[float] = numpy.random.default_rng(0).lognormal(3, 1, n).tolist()
    return values
