"""The key of rows that come in blocks: what must be there once is found in bounded memory, however many rows there are.

Each block leaves a table of its keys, sorted by a 64-bit identity: of numbers and times the bits, shuffled; of text
the fingerprint. Repeats are then sought in one range of identities after the other.

Shape: N keys -> at most N entries; of a key that a block repeats, the first few, so that no key can fill the memory.

>>> entries = occurrences(pa.array(["a", "b", "a"]), np.arange(3), Places("row", 10))
>>> problem = repeated([lambda: entries], "id", "row")
>>> problem.bad, problem.rows, problem.examples
(2, (10, 12), ('a',))
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, Problem, near
from mlp_torch.ingest.block import Block, Places
from mlp_torch.ingest.cells import Mask, is_text, not_unicode
from mlp_torch.ingest.checks import no_value, plain
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.tally import examples

TEXTS = {"missing_key": "a key must have a value", "invalid_unicode": "a key of text must be UTF-8"}
ENTRIES = 2**20  # sought among at once
ODD = np.uint64(0x9E3779B97F4A7C15)  # a product with an odd number mod 2^64 loses nothing and spreads neighbours


def faults(table: pa.Table, key: str) -> list[Problem]:
    """Why a column cannot be the key, if it cannot."""
    names = table.column_names
    if key not in names:
        return [Problem("missing_column", f"the key is not in the table; {near(key, names)}", (key,), key="--key")]
    if names.count(key) > 1:
        return [Problem("duplicate_column", "a column's name must be there once", (key,))]
    kind = table.schema.field(key).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_text(kind) or pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return []
    return [Problem("wrong_type", f"a key must be text, a number or a time, however: {kind}", (key,), key="--key")]


def unusable(table: pa.Table, key: str) -> dict[str, Mask]:
    """By reason code, (N,) which rows have no key, or one that no reader of the output could decode."""
    keys = plain(table.column(key))
    found = {"missing_key": no_value(keys)}
    if is_text(keys.type):
        found["invalid_unicode"] = not_unicode(keys.cast(pa.large_string()))
    return found


def refusals(block: Block, key: str, wrong: Mapping[str, Mask]) -> Iterator[Problem]:
    """The problems of rows without a key that can be used, as `unusable` has them."""
    for code, bad in wrong.items():
        if bad.any():
            at = np.flatnonzero(bad)
            rows, unit = block.places.of(at[:MAX_ROWS]), block.places.unit
            found = examples(plain(block.table.column(key)), at) if code == "invalid_unicode" else ()
            yield Problem(code, TEXTS[code], (key,), len(at), block.total, rows, found, "--on-bad", unit)


def identities(keys: pa.Array) -> NDArray[np.uint64]:
    """(N,) one number for each key: equal for equal keys; unequal for others, of text as far as fingerprints are."""
    kind = keys.type
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        bits = keys if pa.types.is_integer(kind) else keys.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        whole: NDArray[np.uint64] = bits.to_numpy().astype(np.uint64)
        return whole * ODD
    if pa.types.is_floating(kind):
        real = keys.to_numpy().astype(np.float64) + 0.0  # 0.0 and -0.0 are one key
        shown: NDArray[np.uint64] = real.view(np.uint64)
        return shown * ODD
    return arrow_fingerprints(keys.cast(pa.large_string())).numpy().view(np.uint64)


def occurrences(keys: pa.Array, rows: NDArray[np.int64], places: Places, *, most: int | None = MAX_ROWS) -> pa.Table:
    """The keys of a block in the order of their identities.

    Args:
        keys: (K,) without nulls.
        rows: (K,) the block's rows that have them.
        places: where the block's rows lie.
        most: entries of a key, so that none can fill the memory; None = all of them.

    Returns:
        `identity`, `key`, `at`: the row of the block, `count`: how many rows of the block have the key, in its first
        entry, else 0; and `whereabouts`.
    """
    found = identities(keys)
    order = np.argsort(found, kind="stable")
    starts, counts = groups(found[order])
    rank = np.arange(len(order)) - np.repeat(starts, counts)
    some = slice(None) if most is None else rank < most
    count, chosen = np.where(rank == 0, np.repeat(counts, counts), 0)[some], order[some]
    own = {"identity": found[chosen], "key": keys.take(pa.array(chosen)), "at": rows[chosen], "count": count}
    return pa.table({**own, **whereabouts(places, rows[chosen])})


def whereabouts(places: Places, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Where rows lie: `row` or `line`, and behind it `file` where there are several."""
    numbers = places.first + rows if places.lines is None else places.lines[rows]
    found = {places.unit: pa.array(numbers, pa.int64())}
    if not places.files:
        return found
    begins, names = zip(*places.files, strict=True)
    file = np.searchsorted(begins, rows, side="right") - 1
    return {**found, "file": pa.array(names, pa.string()).take(pa.array(file))}


def groups(ordered: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where equal numbers begin in sorted ones, and how many there are of each."""
    starts = np.flatnonzero(np.concatenate([ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1]]))
    return starts, np.diff(starts, append=len(ordered))


class Part(NamedTuple):
    """The entries of a block within a range of identities, (n,) each, and where the first one lies in its table."""

    identity: NDArray[np.uint64]
    at: NDArray[np.int64]
    rows: NDArray[np.int64]
    begin: int


class Again(NamedTuple):
    """A row whose key is there again: its block, its row there, and its entry in the block's table."""

    table: int
    at: int
    entry: int


def repeated(
    tables: Sequence[Callable[[], pa.Table]], key: str, unit: str, *, total: int = 0, entries: int = ENTRIES
) -> Problem | None:
    """The problem of rows whose key other rows have too; None where there are none.

    Args:
        tables: `occurrences` of each block, in order; one is opened at a time.
        key: the column's name.
        unit: of the rows' places.
        total: rows that were read.
        entries: how many to hold in memory, about.
    """
    size = sum(len(table()) for table in tables)
    parts = -(-size // entries)
    bad, first = 0, list[Again]()
    for part in range(parts):
        count, found = repeats(tables, part * 2**64 // parts, (part + 1) * 2**64 // parts - 1)
        bad, first = bad + count, sorted([*first, *found])[:MAX_ROWS]
    if not bad:
        return None
    found_rows = [tables[again.table]().slice(again.entry, 1).to_pylist()[0] for again in first]
    rows = tuple(f"{row['file']}:{row[unit]}" if "file" in row else row[unit] for row in found_rows)
    examples = tuple(dict.fromkeys(str(row["key"]) for row in found_rows))[:MAX_EXAMPLES]
    text = "a key must be there once"
    return Problem("repeated_key", text, (key,), bad, total, rows, examples, "--repeated-keys", unit)


def repeats(tables: Sequence[Callable[[], pa.Table]], low: int, high: int) -> tuple[int, list[Again]]:
    """How many rows have a repeated key whose identity is from `low` to `high`, and the first of them."""
    parts = [within(table(), low, high) for table in tables]
    identity = np.concatenate([part.identity for part in parts])
    order = np.argsort(identity, kind="stable")
    starts, counts = groups(identity[order])
    if not len(starts):
        return 0, []
    rows = np.add.reduceat(np.concatenate([part.rows for part in parts])[order], starts)
    again = order[np.repeat(rows > 1, counts)]
    ends = np.cumsum([len(part.identity) for part in parts])
    table = np.searchsorted(ends, again, side="right")
    at = np.concatenate([part.at for part in parts])[again]
    found = []
    for i in np.lexsort((at, table))[:MAX_ROWS]:
        part = parts[table[i]]
        entry = int(again[i] - ends[table[i]]) + len(part.identity) + part.begin
        found.append(Again(int(table[i]), int(at[i]), entry))
    return int(rows[rows > 1].sum()), found


def later(tables: Sequence[Callable[[], pa.Table]], *, entries: int = ENTRIES) -> dict[int, NDArray[np.uint32]]:
    """By table, the rows whose key an earlier row has, there or in an earlier table, in order.

    Memory: 4 bytes for each of them.

    Args:
        tables: `occurrences` of each block with all entries, in order; one is opened at a time.
        entries: how many to hold in memory, about.
    """
    parts = -(-sum(len(table()) for table in tables) // entries)
    found: dict[int, list[NDArray[np.uint32]]] = {}
    for part in range(parts):
        low, high = part * 2**64 // parts, (part + 1) * 2**64 // parts - 1
        for number, rows in later_within([within(table(), low, high) for table in tables]):
            found.setdefault(number, []).append(rows.astype(np.uint32))
    return {number: np.sort(np.concatenate(rows)) for number, rows in sorted(found.items())}


def later_within(parts: Sequence[Part]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The same for a range of identities: a table and some of its rows."""
    first = [part.rows > 0 for part in parts]  # of a key in a block; the others of it come after that one
    for number, part in enumerate(parts):
        if not first[number].all():
            yield number, part.at[~first[number]]
    identity = np.concatenate([part.identity[there] for part, there in zip(parts, first, strict=True)])
    order = np.argsort(identity, kind="stable")
    again = np.delete(order, groups(identity[order])[0])
    ends = np.cumsum([there.sum() for there in first])
    table = np.searchsorted(ends, again, side="right")
    at = np.concatenate([part.at[there] for part, there in zip(parts, first, strict=True)])[again]
    for number in np.unique(table):
        yield int(number), at[table == number]


def within(table: pa.Table, low: int, high: int) -> Part:
    """A copy of the entries whose identity is from `low` to `high`."""
    if not len(table):
        return Part(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64), 0)
    identity = table["identity"].chunk(0).to_numpy()
    begin = int(np.searchsorted(identity, np.uint64(low)))
    end = int(np.searchsorted(identity, np.uint64(high), side="right"))
    at, count = table["at"].chunk(0).to_numpy(), table["count"].chunk(0).to_numpy()
    return Part(identity[begin:end].copy(), at[begin:end].copy(), count[begin:end].copy(), begin)
