"""Probe rows: the synthetic example of a schema, and each of its fields once missing, unseen, empty and non-ASCII.

A model is exported only if graph and modules agree on them, bit for bit.
"""

from typing import Any

from torch import Tensor

from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Field, Schema

TIMES = ["1969-12-31T23:59:59", "2000-02-29", "2024-12-31 00:00"]


def probes(schema: Schema) -> list[dict[str, Any]]:
    """Rows by field name; the number of rows is no multiple of 16."""
    example = dict(schema.example)
    rows = [example]
    for name, field in schema.fields.items():
        reads = [item for item in schema.reads.values() if item.field == name]
        rows += [{**example, name: value} for value in troubles(field, reads, example[name])]
    return rows + [example] * (1 if (len(rows) + 1) % 16 else 2)


def troubles(field: Field, reads: list[Read], example: object) -> list[Any]:
    """Values that a field may hold and that something could treat otherwise."""
    values: list[Any] = [None] if field.missing == "keep" else []
    if field.kinds == ("time",):
        return values + [time for time in TIMES if time not in field.na_values]
    if not {"number", "time"}.isdisjoint(field.kinds):
        if len(field.kinds) > 1:  # a whole number, or a time, that is read as text too
            return values
        return values + [x for x in (field.low, field.high) if x is not None and x == x]
    return values + [value for value in KINDS[reads[0].kind].troubles(example) if value not in field.na_values]


def raw_arguments(rows: list[dict[str, Any]], schema: Schema) -> tuple[dict[str, Tensor], dict[str, list[str | None]]]:
    """Rows as `forward(tensors, strings)` of a model.pt takes them."""
    tensors: dict[str, Tensor] = {}
    strings: dict[str, list[str | None]] = {}
    first = {item.field: item for item in reversed([*schema.reads.values()])}
    for name in schema.fields:
        numbers, texts = KINDS[first[name].kind].raw([row[name] for row in rows], first[name])
        tensors |= {} if numbers is None else {name: numbers}
        strings |= {} if texts is None else {name: texts}
    return tensors, strings
