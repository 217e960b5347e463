"""Probe rows: the synthetic example of a schema, and each of its fields once missing, unseen, empty and non-ASCII.

A model is exported only if graph and modules agree on them, bit for bit.
"""

from typing import Any

import torch
from torch import Tensor

from mlp_torch.ingest.schema import Field, Schema

WORDS = [
    "",
    " ",
    "日本",
    "naïve",
    "a word that no training row has, longer than sixty-four bytes, so that each length of hash runs",
]
TIMES = ["1969-12-31T23:59:59", "2000-02-29", "2024-12-31 00:00"]


def probes(schema: Schema) -> list[dict[str, Any]]:
    """Rows by field name; the number of rows is no multiple of 16."""
    example = dict(schema.example)
    rows = [example]
    for name, field in schema.fields.items():
        rows += [{**example, name: value} for value in troubles(field)]
    return rows + [example] * (1 if (len(rows) + 1) % 16 else 2)


def troubles(field: Field) -> list[Any]:
    """Values that a field may hold and that something could treat otherwise."""
    values: list[Any] = [None] if field.missing == "keep" else []
    if field.kinds == ("string",):
        return values + [word for word in WORDS if word not in field.na_values]
    if field.kinds == ("time",):
        return values + [time for time in TIMES if time not in field.na_values]
    if "string" in field.kinds:  # a whole number, read as text too
        return values
    inside = [x for x in (field.low, field.high) if x is not None]
    return values + [x for x in inside if x == x]


def raw_arguments(rows: list[dict[str, Any]], schema: Schema) -> tuple[dict[str, Tensor], dict[str, list[str | None]]]:
    """Rows as `forward(tensors, strings)` of a model.pt takes them."""
    tensors: dict[str, Tensor] = {}
    strings: dict[str, list[str | None]] = {}
    for name in schema.fields:
        values = [row[name] for row in rows]
        if any(isinstance(value, str) for value in values):
            strings[name] = values
        else:
            filled = [float("nan") if value is None else float(value) for value in values]
            tensors[name] = torch.tensor(filled, dtype=torch.float64)
    return tensors, strings
