"""Rows of any kind to one Arrow table, and checked Arrow to tensors.

Records, pandas frames and Arrow tables go the same way as files do: first Arrow, then the one validator, then Inputs.

>>> table = table_of([{"hour": 5, "origin": "JFK"}, {"hour": None, "origin": "LGA"}])
>>> table.column("hour").to_pylist(), table.column("origin").to_pylist()
([5, None], ['JFK', 'LGA'])
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem
from mlp_torch.ingest.cells import LARGEST
from mlp_torch.ingest.checks import Checked, no_value
from mlp_torch.ingest.fingerprint import arrow_fingerprints, cross, distinct, fingerprints
from mlp_torch.ingest.reads import Inputs, Read, Words

Bad = Callable[[object], bool]


@runtime_checkable
class Frame(Protocol):
    """What is asked of a pandas frame, so that pandas need not be there."""

    columns: Any
    dtypes: Any

    def __getitem__(self, name: Any) -> Any: ...


def table_of(rows: Any) -> pa.Table:
    """One row (a dict), several (a list of dicts), a pandas frame, an Arrow table or batch, as an Arrow table.

    Raises:
        DataError: `missing_field`, `nested_value`, `too_large_integer`, `invalid_unicode`, `duplicate_column`, or
            `not_rows` for anything else.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, Mapping):
        return from_records([rows])
    if isinstance(rows, list | tuple):
        return from_records(rows)
    if isinstance(rows, Frame):
        return from_frame(rows)
    raise DataError(Problem("not_rows", f"rows must be dicts, a pandas frame or Arrow, however: {type(rows).__name__}"))


def from_frame(frame: Any) -> pa.Table:
    """A pandas frame, column by column; an object column of mixed types goes the way of records."""
    names = [str(name) for name in frame.columns]
    if twice := tuple(dict.fromkeys(name for name in names if names.count(name) > 1)):
        raise DataError(Problem("duplicate_column", "a column's name must be there once", twice))
    arrays: list[Any] = []
    problems: list[Problem] = []
    for name, original in zip(names, frame.columns, strict=True):
        try:
            arrays.append(pa.Array.from_pandas(frame[original]))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            values = frame[original].tolist()
            problems += value_problems(name, values)
            arrays.append(pa.nulls(len(values)) if problems else column_of(values))
    if problems:
        raise DataError(problems)
    arrays = [array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array for array in arrays]
    return pa.table(arrays, names=names)


def from_records(records: Sequence[object]) -> pa.Table:
    """Dicts with the same keys, in any order."""
    names: dict[str, None] = {}
    problems: list[Problem] = []
    for row, record in enumerate(records):
        if not isinstance(record, Mapping) or not all(isinstance(name, str) for name in record):
            text = f"a row must be an object with names as keys, however: {type(record).__name__}"
            raise DataError(Problem("not_rows", text, bad=1, total=len(records), rows=(row,)))
        names.update(dict.fromkeys(record))
    rows = cast("Sequence[Mapping[str, object]]", records)
    for name in names:
        absent = [i for i, record in enumerate(rows) if name not in record]
        if absent:
            text = "a field that some rows have must be in all, null where it is missing"
            problems.append(problem("missing_field", text, name, absent, len(rows)))
        problems += value_problems(name, [record.get(name) for record in rows])
    if problems:
        raise DataError(problems)
    arrays = {name: column_of([record[name] for record in rows]) for name in names}
    return pa.table(arrays) if arrays else pa.table({"": pa.nulls(len(rows))}).select([])


def value_problems(name: str, values: list[Any]) -> Iterable[Problem]:
    """Values that no cell may hold."""
    rules: tuple[tuple[str, str, Bad], ...] = (
        ("nested_value", "a value must be text, a number, true, false or null", is_nested),
        ("too_large_integer", "whole numbers must fit: 64 bits, or ±2^53 beside fractions", is_beyond(values)),
        ("invalid_unicode", "text must be Unicode without lone surrogates", is_torn),
    )
    for code, text, is_bad in rules:
        if at := [i for i, value in enumerate(values) if is_bad(value)]:
            found = dict.fromkeys(ascii(values[i])[:200] for i in at[:1000])
            yield problem(code, text, name, at, len(values), tuple(found)[:MAX_EXAMPLES])


def problem(code: str, text: str, name: str, at: Sequence[int], total: int, examples: tuple[str, ...] = ()) -> Problem:
    """A problem of some rows of one field."""
    return Problem(code, text, (name,), len(at), total, tuple(at[:MAX_ROWS]), examples)


def is_nested(value: object) -> bool:
    """Whether a value is none of a cell's types."""
    return value is not None and not isinstance(value, str | int | float | np.bool_ | np.integer | np.floating)


def is_torn(value: object) -> bool:
    """Whether text holds a lone surrogate, which has no UTF-8."""
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)


def is_beyond(values: list[Any]) -> Bad:
    """Whether an integer is too large for the column: beside fractions it must become float64 exactly."""
    beside = any(isinstance(value, float | np.floating) and not math.isnan(value) for value in values)
    least, most = (-LARGEST, LARGEST) if beside else (-(2**63), 2**63 - 1)
    return lambda value: isinstance(value, int | np.integer) and not least <= int(value) <= most


def column_of(values: list[Any]) -> pa.Array:
    """Python values as one Arrow column that says of each cell what it was; nothing is cast to text.

    Text beside numbers gives a union of both, so that each cell is judged as if it were alone.
    """
    plain = [None if isinstance(value, float | np.floating) and math.isnan(value) else value for value in values]
    is_text = [int(isinstance(value, str)) for value in plain]
    texts = pa.array([value if isinstance(value, str) else None for value in plain], pa.large_string())
    others = [None if isinstance(value, str) else value for value in plain]
    if all(value is None for value in others):
        return texts if any(is_text) else pa.nulls(len(values))
    kind = value_type(others)
    if kind != pa.bool_():  # Arrow takes True for no number
        others = [int(value) if isinstance(value, bool | np.bool_) else value for value in others]
    cells = pa.array(others, kind)
    return pa.UnionArray.from_sparse(pa.array(is_text, pa.int8()), [cells, texts]) if any(is_text) else cells


def value_type(values: list[Any]) -> pa.DataType:
    """The type that holds booleans, whole numbers and fractions without loss."""
    if any(isinstance(value, float | np.floating) for value in values):
        return pa.float64()
    return pa.bool_() if all(value is None or isinstance(value, bool | np.bool_) for value in values) else pa.int64()


def to_inputs(checked: Checked, reads: Iterable[Read]) -> Inputs:
    """Checked rows as tensors by `Read.key`: (K,) float64 with NaN, or (K,) int64 fingerprints with 0, for missing."""
    return {item.key: tensor_of(checked.arrays[item.key], item) for item in reads}


def tensor_of(array: pa.Array, item: Read) -> Tensor:
    """One column as a tensor."""
    if item.kind == "string":
        return arrow_fingerprints(array, field=item.field)
    return torch.from_numpy(np.array(array.to_numpy()))  # a copy: Arrow's memory must not be written to


def words_of(checked: Checked, rows: Tensor | None = None) -> Words:
    """The distinct (fingerprint, word) pairs of string fields, over some of the kept rows or over all.

    Args:
        checked: checked rows.
        rows: (n,) int64, indices into the kept rows: a fit may see training rows only.
    """
    some = None if rows is None else pa.array(rows.numpy())

    def words(item: Read) -> list[tuple[int, str]]:
        array = checked.arrays[item.key]
        found, names = distinct(array if some is None else array.take(some), field=item.field)
        return list(zip(found.tolist(), names.to_pylist(), strict=True))

    return words


def row_fingerprints(checked: Checked, key: Sequence[Read] = ()) -> Tensor:
    """Row identity, the same wherever the row lies: (K,) int64.

    One key field gives the fingerprint of its canonical text, several give their cross; without a key it is the
    fingerprint of the row's number in the table. Text stands as it is, whole numbers and seconds as decimal text.

    Raises:
        DataError: `missing_key` or `repeated_key`.
    """
    if not key:
        return fingerprints([str(row) for row in checked.keep.tolist()])
    gone = np.logical_or.reduce([no_value(checked.arrays[item.key]) for item in key])
    if gone.any():
        raise DataError(key_problem("missing_key", "a key must have a value", key, np.flatnonzero(gone), checked))
    parts = [canonical(checked.arrays[item.key], item) for item in key]
    found = parts[0] if len(parts) == 1 else cross(parts)
    _, inverse, counts = np.unique(found.numpy(), return_inverse=True, return_counts=True)
    again = np.flatnonzero(counts[inverse] > 1)
    if len(again):
        raise DataError(key_problem("repeated_key", "a key must be there once", key, again, checked))
    return found


def canonical(array: pa.Array, item: Read) -> Tensor:
    """Fingerprints of a key field's canonical text."""
    if item.kind == "string":
        return arrow_fingerprints(array, field=item.field)
    values = array.to_numpy()
    if ((values == np.floor(values)) & (np.abs(values) < 2**63)).all():  # as times and ids are: at once
        return arrow_fingerprints(pa.array(values.astype(np.int64)).cast(pa.large_string()), field=item.field)
    return fingerprints([str(int(value)) if value.is_integer() else repr(value) for value in values.tolist()])


def key_problem(code: str, text: str, key: Sequence[Read], at: Any, checked: Checked) -> Problem:
    """A problem with the key of some kept rows, numbered as in the table."""
    rows = checked.places.of(checked.keep[at[:MAX_ROWS]])
    columns = tuple(item.field for item in key)
    total = len(checked.keep)
    values = [", ".join(str(checked.arrays[item.key][int(i)].as_py()) for item in key) for i in at[:100]]
    found = tuple(dict.fromkeys(values))[:MAX_EXAMPLES]
    return Problem(code, text, columns, len(at), total, rows, found, "data.key", checked.places.unit)
