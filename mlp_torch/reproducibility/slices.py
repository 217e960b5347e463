"""Slices of rows by what a field holds: where a model is worse than its mean says (ch. 6, and ch. 7's fairness lens).

Categories are slices as they are, numbers by quantiles, times by month, or by weekday where they span two months or
less. Missing is a slice of its own. Values of few rows are joined, for of few rows a figure says little.

>>> slices = cut(pa.array(["Oslo"] * 40 + ["Roma"] * 2 + ["東京"] + [None]))
>>> slices.names, slices.of_row[-5:].tolist()
(['Oslo', '(missing)', 'other (2 values)'], [0, 2, 2, 2, 1])
"""

import math
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch.errors import printable

FEW = 30  # rows of a value that is joined with others
MOST = 50  # values that are slices of their own, the most frequent ones
BINS = 10
MONTHS = 62 * 86400.0  # seconds that times must span to be cut by month
LENGTH = 40  # characters of a value's name
MISSING = "(missing)"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Slices(NamedTuple):
    """Which slice each row is in.

    Attributes:
        names: of the slices.
        of_row: (N,) int64, of each row's slice.
        joined: how many values are joined as `other`.
    """

    names: list[str]
    of_row: Tensor
    joined: int = 0


def cut(values: pa.Array, kind: str | None = None) -> Slices:
    """Slices of rows.

    Args:
        values: (N,) as they are in the file; or numbers, or seconds, NaN = missing.
        kind: "number", "time" or "string", where a schema knows it; else what the values look like.
    """
    kind, values = (kind, values) if kind else recognized(values)
    if kind == "string":
        return by_value(values)
    filled = pc.fill_null(pc.cast(values, pa.float64()), math.nan)
    x = torch.from_numpy(filled.to_numpy(zero_copy_only=False).copy())
    return by_time(x) if kind == "time" else by_number(x)


def recognized(values: pa.Array) -> tuple[str, pa.Array]:
    """What values that no schema knows look like, and they themselves: numbers, seconds, or words."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number", pc.cast(values, pa.float64(), safe=False)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time", seconds(values)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return read(values)
    if pa.types.is_boolean(kind) or pa.types.is_time(kind):
        return "string", pc.cast(values, pa.string())
    return "string", pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())


def read(values: pa.Array) -> tuple[str, pa.Array]:
    """Text that is all numbers or all ISO times is that; with an empty cell for a missing one. `007` is no number."""
    filled = pc.if_else(pc.equal(values, ""), None, values)
    if filled.null_count == len(filled) or pc.any(pc.match_substring_regex(filled, r"^-?0[0-9]")).as_py():
        return "string", values
    try:
        return "number", pc.cast(filled, pa.float64())
    except pa.ArrowInvalid:
        pass
    try:
        return "time", seconds(pc.cast(filled, pa.timestamp("us")))
    except pa.ArrowInvalid:
        return "string", values


def seconds(values: pa.Array) -> pa.Array:
    """Times as float64 seconds, of wall clock as they are given."""
    return pc.divide(pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64()).cast(pa.float64()), 1e6)


def by_value(values: pa.Array) -> Slices:
    """A slice for each frequent value, one for missing and one for all others."""
    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    words = [printable(word[:LENGTH]) + "…" * (len(word) > LENGTH) or '""' for word in encoded.dictionary.to_pylist()]
    codes = torch.from_numpy(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype("int64"))
    return gathered(codes, words)


def by_number(x: Tensor) -> Slices:
    """Few distinct numbers are slices of their own, of more their quantiles."""
    known = x[~x.isnan()]
    distinct = torch.unique(known)
    if len(distinct) <= BINS:
        codes = torch.searchsorted(distinct, x.nan_to_num())
        return gathered(codes.masked_fill(x.isnan(), -1), [f"{value:.15g}" for value in distinct.tolist()])
    bins = max(2, min(BINS, len(known) // (3 * FEW)))
    at = (torch.arange(1, bins) * len(known) // bins).long()
    inner = torch.unique(known.sort().values[at])
    inner = inner[inner > known.min()]
    edges = [float(known.min()), *inner.tolist(), float(known.max())]
    names = [f"{low:.4g} to below {high:.4g}" for low, high in pairwise(edges[:-1])]
    codes = torch.bucketize(x.nan_to_num(), inner, right=True)
    return gathered(codes.masked_fill(x.isnan(), -1), [*names, f"{edges[-2]:.4g} to {edges[-1]:.4g}"])


def by_time(x: Tensor) -> Slices:
    """Months, or weekdays where times span two months or less; seconds of wall clock since 1970."""
    known = x[~x.isnan()]
    days = (x.nan_to_num() / 86400).floor()
    if len(known) and float(known.max() - known.min()) > MONTHS:
        stamps = pa.array(days.long().numpy()).cast(pa.int32()).cast(pa.date32())
        months = pc.strftime(stamps.cast(pa.timestamp("s")), format="%Y-%m")
        return by_value(pc.if_else(pa.array(x.isnan().numpy()), None, months))
    weekday = (days.long() + 3) % 7  # 1970-01-01 was a Thursday
    return gathered(weekday.masked_fill(x.isnan(), -1), list(WEEKDAYS))


def gathered(codes: Tensor, names: list[str]) -> Slices:
    """Slices of codes, -1 = missing, in the order of their names: frequent ones, missing, the others joined."""
    counts = torch.bincount(codes[codes >= 0], minlength=len(names))
    frequent = counts.argsort(descending=True, stable=True)[:MOST]
    kept = frequent[counts[frequent] >= FEW].sort().values
    rare = (counts > 0).sum() - len(kept)
    if rare == 1:  # nothing to join it with
        kept = (counts > 0).nonzero()[:, 0]
    place = torch.full((len(names) + 1,), -1, dtype=torch.int64)
    place[kept] = torch.arange(len(kept))
    shown = [names[code] for code in kept.tolist()]
    if (codes < 0).any():
        place[-1] = len(shown)  # of the code -1
        shown.append(MISSING)
    if rare > 1:
        place[place < 0] = len(shown)
        shown.append(f"other ({int(rare):,} values)")
    return Slices(shown, place[codes], int(rare) if rare > 1 else 0)
