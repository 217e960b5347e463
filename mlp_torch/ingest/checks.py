"""The one validator: an Arrow table against the fields of a schema, in training, in batch files and in the server.

Every problem of every column is found before one error names them all; every fallback is counted, and
`read = used + sum(dropped)`.

>>> age = Field.of("age", ("number",), {"min": 0, "invalid": "drop"})
>>> checked = check(Block(pa.table({"age": [3, -3]})), {"age": age}, {"age": Read("age")})
>>> checked.keep, checked.counts["dropped"]
(array([0]), {'age: out_of_range': 1})
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import DataError, Problem, nearest, quote
from mlp_torch.ingest.block import Block, Places, torn_rows, twice
from mlp_torch.ingest.cells import Cells, How, Mask, blanked, present
from mlp_torch.ingest.clauses import clause, most_bytes, too_large
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.number import SPELLED
from mlp_torch.ingest.kinds.read import FAULTS, read
from mlp_torch.ingest.layouts import decoded, joined
from mlp_torch.ingest.notice import beyond_training, strangers
from mlp_torch.ingest.policies import path
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.tally import Tally

MAX_NAMES = 50  # of available columns that are listed
KEYS = {"cell_too_large": "data.source.max_cell_bytes"}


@dataclass(frozen=True)
class Checked:
    """What a block gives once nothing is wrong with it.

    Attributes:
        arrays: by `Read.key`, the kept rows: float64 with NaN = missing, or with null = missing what the kind makes
            of cells, words dictionary-encoded.
        keep: (K,) int64, which rows of the block were kept.
        counts: read, used, dropped and changed by reason, missing and beyond_training by field,
            ignored_columns.
        warnings: sentences on what is legal but suspicious.
        places: where the block's rows lie.
        reason: (N,) index into `reasons` of why a row was dropped; -1 = kept.
        reasons: "field: code".
    """

    arrays: dict[str, pa.Array]
    keep: NDArray[np.int64]
    counts: dict[str, Any]
    warnings: list[str]
    places: Places
    reason: NDArray[np.int64]
    reasons: list[str]


def check(
    block: Block,
    fields: Mapping[str, Field],
    reads: Mapping[str, Read],
    *,
    strict: bool = False,
    training: bool = False,
    skip: bool = False,
) -> Checked:
    """The block's columns as `reads` want them.

    Args:
        block: any columns in any order; those that no field names are ignored, or refused if `strict`.
        fields: policies by name.
        reads: what to make of them, by key.
        strict: whether a column that no field names is an error.
        training: whether to refuse what only a training set must not be (no rows, all missing).
        skip: whether rows with bad cells are dropped and counted, instead of refused.

    Raises:
        DataError: with every problem of every column.
    """
    table, tally = block.table, Tally(block, skip)
    tally.problems += header_problems(table.column_names, fields, strict)
    if block.torn and not skip:
        tally.problems.append(torn_rows(block))
    seen = Counter(table.column_names)
    cells: dict[str, Cells] = {}
    for name, policy in fields.items():
        if seen[name] == 1:
            wanted = [item for item in reads.values() if item.field == name]
            cells |= judged(plain(table.column(name)), policy, wanted, tally)
    tally.drop_together()
    keep = tally.keep
    some = pa.array(tally.reason < 0) if len(keep) < len(table) else None
    arrays = {key: kept(cells[key].values, some) for key in reads if key in cells}
    missing = {reads[key].field: int(no_value(array).sum()) for key, array in arrays.items()}
    if training:
        tally.problems += training_problems(missing, len(keep), tally)
    if tally.problems:
        raise DataError(tally.problems)
    counts: dict[str, Any] = {
        "read": block.total,
        "used": len(keep),
        "dropped": tally.dropped(),
        "changed": tally.changed,
        "missing": {name: count for name, count in missing.items() if count},
        "beyond_training": {} if training else beyond_training(arrays, fields, reads),
        "ignored_columns": [name for name in table.column_names if name not in fields],
    }
    beyond = strangers(counts["beyond_training"], fields, len(keep))
    return Checked(arrays, keep, counts, beyond, block.places, tally.reason, tally.reasons)


def header_problems(names: list[str], fields: Iterable[str], strict: bool) -> Iterable[Problem]:
    """Columns that are missing, there twice, or (if strict) too many."""
    wanted = list(fields)
    if again := twice(names):
        yield Problem("duplicate_column", "a column's name must be there once", again)
    if missing := tuple(name for name in wanted if name not in names):
        hinted = {name: hint for name in missing[:5] if (hint := nearest(name, names))}
        hints = [hint if len(missing) == 1 else f"{quote(name)}: {hint}" for name, hint in hinted.items()]
        available = ", ".join(map(quote, names[:MAX_NAMES])) or "none"
        available += ", …" if len(names) > MAX_NAMES else ""
        yield Problem("missing_column", "; ".join(["not in the table", *hints, f"available: {available}"]), missing)
    if strict and (extra := tuple(name for name in names if name not in wanted)):
        yield Problem("extra_column", "no field of the schema", extra, key="data.source.strict")


def judged(array: pa.Array, policy: Field, reads: list[Read], tally: Tally) -> dict[str, Cells]:
    """One column as all its reads; a cell that is invalid for one of them is missing for all."""
    how = How(tally.block.decimal, tally.block.folder)
    cells = {item.key: read(array, item, policy, how) for item in reads}
    column = (policy.name, array)
    wrong = too_large(array, most_bytes(reads, tally.block))
    for item in reads:
        spelled = {SPELLED} if tally.block.untyped else set()
        tally.change(policy.name, {what: n for what, n in cells[item.key].changed.items() if what not in spelled})
        found = dict(cells[item.key].bad)
        if item.kind == "number" and policy.bounded:
            values = cells[item.key].values
            found["out_of_range"] = (values < policy.lowest) | (values > policy.highest)
        for code, bad in found.items():
            if bad.any():
                wrong[code] = wrong.get(code, False) | bad
    for code, bad in wrong.items():
        settle_invalid(code, bad, column, policy, reads=reads, tally=tally)
    if wrong:
        gone = any_of(array, wrong.values())
        cells = {key: item._replace(values=blanked(item.values, gone)) for key, item in cells.items()}
    if policy.missing != "keep":
        settled = {code: bad for code, bad in wrong.items() if policy.invalid != "missing" or code not in FAULTS}
        missing = any_of(array, (item.missing for item in cells.values())) & ~any_of(array, settled.values())
        settle_missing(missing, column, policy, tally)
    return cells


def any_of(array: pa.Array, masks: Iterable[Mask]) -> Mask:
    """Whether any of the masks marks a cell."""
    found = np.zeros(len(array), bool)
    for bad in masks:
        found |= bad
    return found


def settle_invalid(
    code: str, bad: Mask, column: tuple[str, pa.Array], policy: Field, *, reads: list[Read], tally: Tally
) -> None:
    """Refuses, drops or counts invalid cells, as the policy says."""
    if code in FAULTS and policy.invalid == "missing":
        tally.change(policy.name, {f"{code} read as missing": int(bad.sum())})
    elif code in FAULTS and policy.invalid == "drop":
        tally.drop(f"{policy.name}: {code}", bad)
    else:
        key = path(policy.name, "invalid") if code in FAULTS else KEYS.get(code)
        tally.refuse(code, clause(code, bad, column[1], policy, reads=reads, block=tally.block), column, bad, key)


def settle_missing(missing: Mask, column: tuple[str, pa.Array], policy: Field, tally: Tally) -> None:
    """Refuses or drops rows without a value, or notes them for later, as the policy, which is no `keep`, says."""
    if policy.missing == "drop":
        tally.drop(f"{policy.name}: missing_value", missing)
    elif policy.missing == "drop_together":
        tally.lacking[policy.name] = missing
    elif missing.any():
        tally.refuse("missing_value", "a value must be there", column, missing, path(policy.name, "missing"))


def training_problems(missing: Mapping[str, int], used: int, tally: Tally) -> Iterable[Problem]:
    """What no training set may be: empty, or without any value of a field."""
    refused = {name for problem in tally.problems for name in problem.columns}
    empty = {name for name, count in missing.items() if count == used} - refused
    counts = {"read": tally.block.total, "used": used, "dropped": tally.dropped()}
    return emptiness(counts, empty, unit=tally.block.places.unit)


def emptiness(counts: Mapping[str, Any], empty: Iterable[str], *, unit: str = "row") -> list[Problem]:
    """The problems of a training set without rows, or else of fields without any value."""
    if not counts["used"]:
        why = ", ".join(f"{reason} ({count:,})" for reason, count in counts["dropped"].items()) or "the table has none"
        return [Problem("no_rows", f"training needs rows, however: {why}; {counts['read']:,} rows read")]
    text = "no row has a value"
    return [Problem("all_missing", text, (name,), counts["used"], counts["read"], unit=unit) for name in sorted(empty)]


def plain(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; categories as their values."""
    chunks = [decoded(chunk) for chunk in column.chunks] or [decoded(pa.array([], column.type))]
    return chunks[0] if len(chunks) == 1 else joined(chunks)


def kept(values: Any, some: pa.BooleanArray | None) -> pa.Array:
    """The kept rows, some or all, as an Arrow array."""
    array = pa.array(values) if isinstance(values, np.ndarray) else values
    return array if some is None else array.filter(some)


def no_value(array: pa.Array) -> Mask:
    """(N,) which rows have no value."""
    floats = pa.types.is_floating(array.type)
    found: Mask = np.isnan(array.to_numpy(zero_copy_only=False)) if floats else ~present(array)
    return found
