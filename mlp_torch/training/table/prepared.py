"""What training needs of a table once it is read, split, fitted and encoded, however its rows are held."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.column import Column
from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.schema import Schema

Look = Callable[[Block], Sequence[str]]  # what a caller does with raw rows: warnings
SHOWN = 3  # training rows whose raw values are kept to be looked at
DRAWN = 10_000  # most training rows whose raw numbers are kept for pictures


@dataclass(frozen=True)
class Prepared:
    """Encoded rows and what happened to them.

    Attributes:
        schema: of the transform's fields, with training ranges.
        tables: all rows of each split.
        judged: the rows of each split that baselines, reports and pictures look at: all of them, or a sample.
        keys: raw key fields of the judged rows, by split and field.
        samples: raw values of the first training rows, by `Read.key`.
        counts: what happened to the rows, as row_counts.json holds it.
        warnings: sentences on what is legal but suspicious.
        fingerprint: of all raw values and targets.
        looked_at: sentences on which rows figures are of, where that is not all rows of a split that was not learned.
        stored: a sentence on where encoded rows are kept.
        release: for tables on disk, by split: gives the memory of the pages that were read back.
        drawn: raw numbers and times of some training rows for pictures, by `Read.key`.
        others: what earlier stages predict, by stage and split; (N,) or (N, k) float64 as y.
        groups: (N,) int64 by split: rows of one group belong together; none of tables on disk.
        crossed: raw values of the judged validation rows that `is_drawn` keeps, by `Read.key`, as far as columns of
            several fields read them: what such a column makes of other values can be asked anew.
    """

    schema: Schema
    tables: dict[str, Batch]
    judged: dict[str, Batch]
    keys: dict[str, dict[str, pa.Array]]
    samples: dict[str, pa.Array]
    counts: dict[str, Any]
    warnings: list[str]
    fingerprint: str
    looked_at: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    release: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    drawn: Inputs = field(default_factory=dict)
    others: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    groups: Mapping[str, Tensor] = field(default_factory=dict)
    crossed: Inputs = field(default_factory=dict)


def is_drawn(row: Tensor) -> Tensor:
    """(N,) bool: some rows, for pictures and importances, the same ones each time: those of smallest fingerprints."""
    return row <= row.kthvalue(min(DRAWN, len(row))).values


def several(columns: Iterable[Column]) -> list[str]:
    """The keys of what columns of several fields read."""
    found = [list(column.reads.values()) for column in columns]
    return list(dict.fromkeys(read.key for reads in found if len({read.field for read in reads}) > 1 for read in reads))


def measured(reads: Iterable[Read]) -> list[str]:
    """The keys of what pictures show: numbers and times."""
    return list(dict.fromkeys(read.key for read in reads if read.kind in ("number", "time")))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums, and so what is fitted, are the same bits on any number of cores.

    It is also faster: work on columns of this size is short, and where cores are shared its threads wait for each other
    (the flights took 7 s of CPU instead of 2).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def numbered(checked: Checked) -> Iterator[None]:
    """Counts the rows of problems as the source does: lines of its file, and with the dropped rows."""
    try:
        yield
    except DataError as error:
        raise DataError(
            [
                replace(
                    problem,
                    rows=checked.places.of(checked.keep[[int(row) for row in problem.rows]]),
                    unit=checked.places.unit,
                )
                for problem in error.problems
            ]
        ) from None


def faults(block: Block, needed: list[Read], policies: Mapping[str, Any]) -> dict[str, Any]:
    """What the policies say of each table that the source joined in, before the join: counted, never refused.

    A value that meets no row harms nobody, and one that does is judged there. Yet it says that a file has faults.
    """
    found = {}
    for name, table in block.joined.items():
        reads = [read for read in needed if read.field in table.column_names]
        lenient = {
            read.field: {**(policies.get(read.field) or {}), "invalid": "missing", "missing": "keep"} for read in reads
        }
        found[name] = counted(Schema.of(reads, lenient), block._replace(table=table))
    return found


def counted(schema: Schema, block: Block) -> dict[str, Any]:
    """Rows read, cells that the policies would change, and missing cells by field."""
    try:
        counts = schema.check(block).counts
    except DataError as error:  # what no policy lets pass, such as a fraction as a category
        changed = {f"{', '.join(problem.columns)}: {problem.code}": problem.bad for problem in error.problems}
        return {"read": block.total, "changed": changed, "missing": {}}
    return {key: counts[key] for key in ("read", "changed", "missing")}


class Digest:
    """sha256 of columns that come in pieces: the fingerprint of the data that a model has seen.

    >>> whole, pieces = Digest(), Digest()
    >>> whole.update({"x": torch.tensor([1, 2])})
    >>> for x in (1, 2):
    ...     pieces.update({"x": torch.tensor([x])})
    >>> whole.hex() == pieces.hex()
    True
    """

    def __init__(self) -> None:
        self.columns: dict[str, hashlib._Hash] = {}

    def update(self, columns: Mapping[str, Tensor]) -> None:
        """Adds rows of some columns."""
        for name, x in columns.items():
            self.columns.setdefault(name, hashlib.sha256()).update(x.contiguous().numpy().data)

    def hex(self) -> str:
        """Of all columns in the order in which they first came."""
        return hashlib.sha256(b"".join(hashed.digest() for hashed in self.columns.values())).hexdigest()
