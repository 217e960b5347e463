"""Rows that are there twice, and fields that say the same.

>>> import pyarrow as pa
>>> rows = {"a": pa.array([1, 1, 2]), "b": pa.array(["x", "x", "y"])}
>>> print(*of_rows(rows), sep="\\n")
duplicate_rows: equal to an earlier row in all fields; 1 of 3 rows; e.g. "row 1 repeats row 0"; drop_duplicates, if by \
mistake; else split by a field that keeps them together
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, quote
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.leaks import COPY, LEAST, correlation, ranks

Codes = NDArray[np.int64]
ROWS = 20_000  # among which correlations are sought before they are looked at in all rows
SHARED = 0.9  # share of the cells that two copies must have in common


def of_rows(columns: Mapping[str, pa.Array], *, ids: Collection[str] = (), target: str | None = None) -> list[Finding]:
    """The findings on rows that repeat others.

    Args:
        columns: the cells by field.
        ids: fields that name a row: rows that differ in these alone are equal.
        target: the field to predict.
    """
    codes = {name: coded(array) for name, array in columns.items() if not pa.types.is_nested(array.type)}
    if not codes:
        return []
    whole = mixed(codes.values())
    found = list(repeats("duplicate_rows", whole, "equal to an earlier row in all fields"))
    without = [name for name in codes if name not in ids]
    if not found and 0 < len(without) < len(codes):
        named = ", ".join(quote(name) for name in codes if name in ids)
        text = f"equal to an earlier row in all fields but {named}"
        found += repeats("duplicate_rows", mixed(codes[name] for name in without), text)
    inputs = [name for name in without if name != target]
    if target in codes and inputs:
        found += conflicts(mixed(codes[name] for name in inputs), codes[target], target)
    return found


def repeats(code: str, rows: NDArray[np.uint64], text: str) -> Iterator[Finding]:
    """The finding of rows with equal numbers."""
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which] != np.arange(len(rows)))
    if len(again):
        examples = tuple(f"row {row} repeats row {first[which[row]]}" for row in again[:MAX_EXAMPLES])
        advice = "drop_duplicates, if by mistake; else split by a field that keeps them together"
        yield Finding(code, (), text, len(again), len(rows), "rows", examples, advice)


def conflicts(rows: NDArray[np.uint64], labels: Codes, target: str) -> Iterator[Finding]:
    """The finding of rows that are equal but for the target."""
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    torn = np.unique(which[labels != labels[first[which]]])  # groups with more than one label
    count = int(np.isin(which, torn).sum())
    if count:
        text = "equal rows with different targets: no model can be right on all of them"
        some = [np.flatnonzero(which == group)[:2] for group in torn[:MAX_EXAMPLES]]
        examples = tuple(f"rows {rows[0]} and {rows[1]}" for rows in some)
        yield Finding("conflicting_rows", (target,), text, count, len(rows), "rows", examples)


def coded(array: pa.Array) -> Codes:
    """(N,) a number for each distinct cell, in the order of first appearance; -1 = null."""
    found: Codes = array.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    return found


def mixed(codes: Iterable[Codes]) -> NDArray[np.uint64]:
    """(N,) a number for each distinct combination of codes, in any order of fields of which none repeats.

    A step of splitmix64 for each: two of a million rows collide once in 10^7 tables.
    """
    found: NDArray[np.uint64] = np.zeros(1, np.uint64)
    for code in codes:
        found = found + code.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found ^= found >> np.uint64(31)
    return found


def of_fields(fields: Sequence[Facts]) -> list[Finding]:
    """The findings on fields that say the same as an earlier one."""
    known = [facts for facts in fields if facts.distinct > 1]
    found = dict(renamed(known))
    rest = [facts for facts in known if facts.kind in ("number", "time") and facts.name not in found]
    return [*found.values(), *in_order(rest)]


def renamed(fields: Sequence[Facts]) -> Iterator[tuple[str, Finding]]:
    """Fields whose values go one to one with those of an earlier field; where most rows differ, that are equal."""
    groups: dict[bytes, list[Facts]] = {}
    for facts in fields:
        codes = coded(pa.array(facts.codes))
        codes[facts.codes < 0] = -1  # missing is missing in both
        group = groups.setdefault(hashlib.blake2b(codes.tobytes(), digest_size=16).digest(), [])
        often = 2 * facts.distinct <= facts.rows - facts.missing
        twin = next((other for other in group if often or same(facts, other)), None)
        if twin is None:
            group.append(facts)
            continue
        text = f"equal to {quote(twin.name)}" if same(facts, twin) else f"goes value by value with {quote(twin.name)}"
        yield facts.name, doubled(facts, twin, text)


def same(a: Facts, b: Facts) -> bool:
    """Whether all cells are equal."""
    if isinstance(a.values, np.ndarray) and isinstance(b.values, np.ndarray):
        return np.array_equal(a.values, b.values, equal_nan=True)
    return bool(a.texts is not None and b.texts is not None and a.texts.equals(b.texts))


def doubled(facts: Facts, twin: Facts, text: str) -> Finding:
    """The finding of a field that another one says too."""
    advice = f"leave {quote(facts.name)} out, or the other"
    return Finding("copy_of_field", (facts.name, twin.name), text, advice=advice)


def in_order(fields: Sequence[Facts]) -> Iterator[Finding]:
    """Numbers and times that rise and fall with an earlier one: a look at few rows, then at all of the candidates."""
    if len(fields) < 2:
        return
    table = np.stack([standardised(facts) for facts in fields])  # (fields, rows)
    near = np.triu(np.abs(table @ table.T) > COPY - 0.01, 1)
    taken: set[int] = set()
    for i, j in zip(*np.nonzero(near), strict=True):
        a, b = fields[i], fields[j]
        both = a.present & b.present
        if j in taken or both.sum() < max(LEAST, SHARED * a.present.sum(), SHARED * b.present.sum()):
            continue
        rho = correlation(ranks(a.codes[both]), ranks(b.codes[both]))
        if abs(rho) > COPY:
            taken.add(int(j))
            yield doubled(b, a, f"in the same order as {quote(a.name)} (rank correlation {rho:.4f})")


def standardised(facts: Facts) -> NDArray[np.float64]:
    """(rows,) ranks of the first rows, of length 1 as a vector; a missing cell is in the middle."""
    codes = facts.codes[:ROWS]
    here = codes >= 0
    found = np.zeros(len(codes))
    if here.any():
        found[here] = ranks(codes[here]) - (here.sum() + 1) / 2
    length = float(np.sqrt((found**2).sum()))
    return found / length if length else found
