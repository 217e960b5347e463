"""What every source gives: rows as they were read, in blocks, and where each of them lies in its file.

>>> Places("line", 2).of([0, 3])
(2, 5)
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem, near

MAX_CELL_BYTES = 65_536  # of text in UTF-8


class Places(NamedTuple):
    """Where the rows of a table lie in what they were read from.

    Args:
        unit: "row" from 0, or "line" of a file from 1.
        first: the number of the first row.
        lines: (N,) the number of each row, where they do not simply follow one another.
        files: of a source of several files, the index in the table at which the rows of each begin, and its name; in
            each of them rows are counted anew.

    >>> Places("row", 7, files=((0, "part-0.parquet"),)).of([0, 3])
    ('part-0.parquet:7', 'part-0.parquet:10')
    """

    unit: str = "row"
    first: int = 0
    lines: NDArray[np.int64] | None = None
    files: tuple[tuple[int, str], ...] = ()

    def of(self, rows: Iterable[int]) -> tuple[int | str, ...]:
        """The numbers of some rows, given by their index in the table; `file:number` where there are several files."""
        at = list(rows)
        numbers = [int(self.first + row if self.lines is None else self.lines[row]) for row in at]
        if not self.files:
            return tuple(numbers)
        begins = [begin for begin, _ in self.files]
        names = [self.files[bisect_right(begins, row) - 1][1] for row in at]
        return tuple(f"{name}:{number}" for name, number in zip(names, numbers, strict=True))

    def listed(self, rows: NDArray[np.int64]) -> str:
        """The numbers of the first few rows, for a sentence.

        >>> Places("line", 2).listed(np.arange(7)), Places().listed(np.array([4]))
        ('lines 2, 3, 4, 5, 6, …', 'row 4')
        """
        some = ", ".join(map(str, self.of(rows[:MAX_ROWS].tolist())))
        return f"{self.unit}{'s' * (len(rows) > 1)} {some}{', …' * (len(rows) > MAX_ROWS)}"

    def numbers(self, rows: int) -> NDArray[np.int64]:
        """(N,) the numbers of all N rows."""
        return np.arange(self.first, self.first + rows) if self.lines is None else self.lines


class Torn(NamedTuple):
    """A row that has another number of cells than the header.

    Args:
        place: its number, as `Places` counts.
        cells: how many it has.
        wanted: how many the header has.
        text: the row as it stands.
    """

    place: int
    cells: int
    wanted: int
    text: str


class Block(NamedTuple):
    """A source's rows, all or some of them, as they were read.

    Args:
        table: the columns, unchecked.
        places: where its rows lie.
        name: where they come from, for messages.
        decimal: the decimal mark of numbers in text.
        untyped: whether every cell is text, as in a CSV, so that a number in text is no surprise.
        max_cell_bytes: the longest text that a field may hold, in UTF-8.
        joined: tables that were joined in, as they were before, by name: faults in rows of them that meet no row of
            `table` are counted.
        strict: whether a column that nobody reads is an error.
        torn: rows that are not in the table, since they have too many or too few cells.
        folder: where the paths of files that cells name begin; None: cells name none.
    """

    table: pa.Table
    places: Places = Places()
    name: str = "rows in memory"
    decimal: str = "."
    untyped: bool = False
    max_cell_bytes: int = MAX_CELL_BYTES
    joined: Mapping[str, pa.Table] = MappingProxyType({})
    strict: bool = False
    torn: tuple[Torn, ...] = ()
    folder: Path | None = None

    @property
    def total(self) -> int:
        """Rows that were read, torn ones among them."""
        return len(self.table) + len(self.torn)


def concatenated(blocks: Iterable[Block]) -> Block:
    """All rows of one or more blocks of a source, as one."""
    parts = list(blocks)
    first = parts[0]
    if len(parts) == 1:
        return first
    table = pa.concat_tables([part.table for part in parts])
    lines = np.concatenate([part.places.numbers(len(part.table)) for part in parts])
    follows = np.array_equal(lines, np.arange(first.places.first, first.places.first + len(table)))
    begins = np.cumsum([0, *(len(part.table) for part in parts)]).tolist()
    files = [(begin + at, name) for begin, part in zip(begins, parts, strict=False) for at, name in part.places.files]
    places = first.places._replace(lines=None if follows else lines, files=tuple(files))
    return first._replace(table=table, places=places, torn=tuple(row for part in parts for row in part.torn))


def regrouped(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The rows of tables of any length in tables of `size` rows, the last one shorter; without rows there is none."""
    waiting, rows = list[pa.Table](), 0
    for table in tables:
        rest = table
        while rows + len(rest) >= size:
            cut = size - rows
            yield pa.concat_tables([*waiting, rest.slice(0, cut)])
            rest, waiting, rows = rest.slice(cut), [], 0
        waiting.append(rest)
        rows += len(rest)
    if rows:
        yield pa.concat_tables(waiting)


def torn_rows(block: Block) -> Problem:
    """The problem of rows with too many or too few cells."""
    torn = block.torn
    counts = sorted({row.cells for row in torn})
    text = f"the header has {torn[0].wanted} fields, rows have {', '.join(map(str, counts))}"
    found = tuple(row.text for row in torn[:MAX_EXAMPLES])
    rows = tuple(row.place for row in torn[:MAX_ROWS])
    return Problem("wrong_field_count", text, (), len(torn), block.total, rows, found, unit=block.places.unit)


def twice(names: Iterable[str]) -> tuple[str, ...]:
    """The names that are there more than once."""
    return tuple(name for name, times in Counter(names).items() if times > 1)


def present(path: Path) -> Path:
    """The path of a file that is there and not empty.

    Raises:
        DataError: `no_file`, with the near names of its folder; `empty_file`.
    """
    if path.is_file():
        if not path.stat().st_size:
            raise DataError(Problem("empty_file", f"{path} is empty"))
        return path
    if path.is_dir():
        raise DataError(Problem("no_file", f"{path} is a folder"))
    if not path.parent.is_dir():
        raise DataError(Problem("no_file", f"{path} is missing, and so is its folder"))
    hint = near(path.name, (item.name for item in path.parent.iterdir() if item.is_file()))
    raise DataError(Problem("no_file", f"{path} is missing; {hint}"))
