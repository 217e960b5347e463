"""Rows of any kind to one Arrow table, and checked Arrow to tensors.

Records, pandas frames and Arrow tables go the same way as files do: first Arrow, then the one validator, then Inputs.

>>> table = table_of([{"hour": 5, "origin": "JFK"}, {"hour": None, "origin": "LGA"}])
>>> table.column("hour").to_pylist(), table.column("origin").to_pylist()
([5, None], ['JFK', 'LGA'])
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem
from mlp_torch.ingest.block import twice
from mlp_torch.ingest.cells import Mask
from mlp_torch.ingest.checks import Checked, no_value
from mlp_torch.ingest.fingerprint import arrow_fingerprints, cross, fingerprints
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.kinds.string import spelled_out
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.ingest.records import ABSENT, column_of, is_torn, nested_kind


@runtime_checkable
class DataFrame(Protocol):
    """What is asked of a pandas frame, so that pandas need not be there."""

    columns: Any
    dtypes: Any

    def __getitem__(self, name: Any) -> Any: ...


def table_of(rows: Any) -> pa.Table:
    """One row (a dict), several (a list of dicts), a pandas frame, an Arrow table or batch, as an Arrow table.

    Raises:
        DataError: `not_rows` for anything else; `duplicate_column`; `invalid_unicode` for a name. Cells are judged by
            the one validator.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, Mapping):
        return from_records([rows])
    if isinstance(rows, list | tuple):
        return from_records(rows)
    if isinstance(rows, DataFrame):
        return from_frame(rows)
    raise DataError(Problem("not_rows", f"rows must be dicts, a pandas frame or Arrow, however: {type(rows).__name__}"))


def from_frame(frame: Any) -> pa.Table:
    """A pandas frame, column by column; an object column of mixed types goes the way of records."""
    names = readable_names(str(name) for name in frame.columns)
    if again := twice(names):
        raise DataError(Problem("duplicate_column", "a column's name must be there once", again))
    arrays: list[Any] = []
    for original in frame.columns:
        column = frame[original]
        try:
            found = column_of(column.tolist()) if holds_maps(column) else pa.Array.from_pandas(column)
            if column.dtype == object and pa.types.is_temporal(found.type):
                check_times(found, column.dropna().tolist())
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            found = column_of(column.astype(object).where(column.notna(), None).tolist())
        arrays.append(found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found)
    return pa.table(arrays, names=names) if names else no_columns(len(frame))


def holds_maps(column: Any) -> bool:
    """Whether a pandas column holds dicts of numbers: Arrow would make a struct with a field for each name of all."""
    first = next((cell for cell in column if cell is not None), None) if column.dtype == object else None
    return nested_kind(first) == "pairs" if isinstance(first, Mapping) else False


def check_times(found: pa.Array, times: list[object]) -> None:
    """Refuses what Arrow makes of some mixed times: it cuts hours off beside dates, and moves aware beside naive ones.

    Raises:
        TypeError: as Arrow does for other mixtures.
    """
    if found.drop_null().to_pylist() != times:
        raise TypeError("times of several kinds")


def from_records(records: Sequence[object]) -> pa.Table:
    """Dicts in any order of their keys; a key that only some have is judged as any other trouble of a cell."""
    names: dict[str, None] = {}
    for row, record in enumerate(records):
        if not isinstance(record, Mapping) or not all(isinstance(name, str) for name in record):
            text = f"a row must be an object with names as keys, however: {type(record).__name__}"
            raise DataError(Problem("not_rows", text, bad=1, total=len(records), rows=(row,)))
        names.update(dict.fromkeys(record))
    rows = cast("Sequence[Mapping[str, object]]", records)
    arrays = {name: column_of([record.get(name, ABSENT) for record in rows]) for name in readable_names(names)}
    return pa.table(arrays) if arrays else no_columns(len(rows))


def readable_names(names: Iterable[str]) -> list[str]:
    """Names of columns that have UTF-8."""
    found = list(names)
    if torn := tuple(ascii(name) for name in found if is_torn(name)):
        raise DataError(Problem("invalid_unicode", "text must be Unicode without lone surrogates", torn))
    return found


def no_columns(rows: int) -> pa.Table:
    """Rows without any cell."""
    return pa.table({"": pa.nulls(rows)}).select([])


def to_inputs(checked: Checked, reads: Iterable[Read]) -> Inputs:
    """Checked rows as tensors by `Read.key`, (K, …) each."""
    return {item.key: tensor_of(checked.arrays[item.key], item) for item in reads}


def tensor_of(array: pa.Array, item: Read) -> Tensor:
    """One column as a tensor."""
    return KINDS[item.kind].tensor(array, item)


def words_of(checked: Checked, rows: Tensor | None = None) -> Words:
    """The distinct (fingerprint, word) pairs of string fields, over some of the kept rows or over all.

    Args:
        checked: checked rows.
        rows: (n,) int64, indices into the kept rows: a fit may see training rows only.
    """
    some = None if rows is None else pa.array(rows.numpy())

    @cache  # several columns and the schema ask for the same field's
    def words(item: Read) -> list[tuple[int, str]]:
        array = checked.arrays[item.key]
        return KINDS[item.kind].words(array if some is None else array.take(some), item)

    return words


def row_fingerprints(checked: Checked, key: Sequence[Read] = ()) -> Tensor:
    """Row identity, the same wherever the row lies: (K,) int64.

    One key field gives the fingerprint of its canonical text; several give their cross, in which a time is its float64
    bits, since times are many; without a key it is the fingerprint of the row's number in the table. Text stands as it
    is, whole numbers and seconds as decimal text.

    Raises:
        DataError: `missing_key` or `repeated_key`.
    """
    if not key:
        return fingerprints([str(row) for row in checked.keep.tolist()])
    found = key_fingerprints(checked, key)
    if not found.sort().values.diff().all():  # in a quarter of the time that counting each takes
        _, inverse, counts = np.unique(found.numpy(), return_inverse=True, return_counts=True)
        again = np.flatnonzero(counts[inverse] > 1)
        raise DataError(key_problem("repeated_key", "a key must be there once", key, again, checked))
    return found


def key_fingerprints(checked: Checked, key: Sequence[Read]) -> Tensor:
    """The same of a key of one field or more that may be there again: (K,) int64.

    Raises:
        DataError: `missing_key`.
    """
    gone = without_key(checked, key)
    if gone.any():
        raise DataError(missing_key(checked, key, gone))
    if len(key) == 1:
        return canonical(checked.arrays[key[0].key], key[0])
    return cross([part(checked.arrays[item.key], item) for item in key])


def part(array: pa.Array, item: Read) -> Tensor:
    """What a key field of several gives to their cross; -0 seconds are 0."""
    return (tensor_of(array, item) + 0.0).view(torch.int64) if item.kind == "time" else canonical(array, item)


def without_key(checked: Checked, key: Sequence[Read]) -> Mask:
    """(K,) which kept rows lack a field of the key."""
    found: Mask = np.logical_or.reduce([no_value(checked.arrays[item.key]) for item in key])
    return found


def missing_key(checked: Checked, key: Sequence[Read], gone: Mask) -> Problem:
    """The problem of rows without a key."""
    return key_problem("missing_key", "a key must have a value", key, np.flatnonzero(gone), checked)


def canonical(array: pa.Array, item: Read) -> Tensor:
    """Fingerprints of a key field's canonical text."""
    if item.kind == "string":
        return arrow_fingerprints(array, field=item.field)
    values = array.to_numpy()
    if ((values == np.floor(values)) & (np.abs(values) < 2**63)).all():  # as times and ids are: at once
        return arrow_fingerprints(spelled_out(pa.array(values.astype(np.int64)).dictionary_encode()), field=item.field)
    return fingerprints([str(int(value)) if value.is_integer() else repr(value) for value in values.tolist()])


def key_problem(code: str, text: str, key: Sequence[Read], at: Any, checked: Checked) -> Problem:
    """A problem with the key of some kept rows, numbered as in the table."""
    rows = checked.places.of(checked.keep[at[:MAX_ROWS]])
    columns = tuple(item.field for item in key)
    total = len(checked.keep)
    values = [", ".join(str(checked.arrays[item.key][int(i)].as_py()) for item in key) for i in at[:100]]
    found = tuple(dict.fromkeys(values))[:MAX_EXAMPLES]
    return Problem(code, text, columns, len(at), total, rows, found, "data.key", checked.places.unit)
