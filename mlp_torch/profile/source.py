"""How a file of the user's is to be read: delimiter, decimal mark and encoding, found in the file and stated.

>>> delimiter_of("a;b\\n1,5;2,5\\n", ",")
';'
"""

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import Block, Places, present, twice
from mlp_torch.ingest.cells import is_text, matches
from mlp_torch.ingest.checks import plain
from mlp_torch.ingest.csv_text import MARKS
from mlp_torch.ingest.source import Csv, Parquet, source

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
SAMPLE = 2**18  # bytes of a file that are looked at for its delimiter


class Opened(NamedTuple):
    """A table with the way it was read.

    Args:
        columns: the cells by field, in one piece each.
        rows: how many.
        node: the `_target_` and arguments of `data.source`.
        notes: what was found about the file, in sentences.
        decimal: the decimal mark of numbers in text.
        places: where the rows lie in the file.
        folder: where the paths of files begin that cells name.
    """

    columns: dict[str, pa.Array]
    rows: int
    node: dict[str, Any]
    notes: list[str]
    decimal: str
    places: Places = Places()
    folder: Path = Path()


def opened(
    path: str,
    encoding: str | None = None,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    read: Callable[[Csv | Parquet], Block] = lambda reader: reader.read(),
) -> Opened:
    """The table, as far as it is read.

    Args:
        path: a CSV, TSV or Parquet file.
        encoding: of a CSV file's text; by default UTF-8, or what a byte order mark says.
        delimiter: of a CSV file; by default what cuts its first rows best.
        decimal: the decimal mark of a CSV file's numbers; by default the one that more columns speak for.
        read: gives all rows of the file, or some.

    Raises:
        DataError: as the source's; `duplicate_column`.
        ConfigError: for what no CSV can have.
    """
    reader = source(path)
    node: dict[str, Any] = {"_target_": f"mlp_torch.ingest.source.{type(reader).__name__}", "path": path}
    if isinstance(reader, Parquet):
        rows = read(reader)
        return Opened(columns_of(rows.table), len(rows.table), node, [], ".", rows.places, reader.folder)
    with present(Path(path)).open("rb") as file:
        content = file.read(SAMPLE)
    encoding = encoding or marked(content)
    Csv(path, encoding=encoding)  # refuses what Python does not know
    start = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    delimiter = delimiter or delimiter_of(start, reader.delimiter)
    rows = read(Csv(path, delimiter=delimiter, encoding=encoding))
    columns = columns_of(rows.table)
    decimal = decimal or (decimal_of(columns) if delimiter != "," else ".")
    Csv(path, delimiter=delimiter, decimal=decimal)  # refuses marks that contradict each other
    node, notes = {**node, "delimiter": delimiter}, [f"cells are separated by {NAMES.get(delimiter, repr(delimiter))}"]
    if encoding != "utf8":
        node["encoding"] = encoding
        notes.append(f"the text is {encoding.upper()}")
    if decimal != ".":
        node["decimal"] = decimal
        notes.append("numbers have a decimal comma")
    return Opened(columns, len(rows.table), node, notes, decimal, rows.places, Path(path).parent)


def columns_of(table: pa.Table) -> dict[str, pa.Array]:
    """Cells by field."""
    names = table.column_names
    if again := twice(names):
        raise DataError(Problem("duplicate_column", "a column's name must be there once", again))
    return {name: plain(table.column(name)) for name in names}


def marked(content: bytes) -> str:
    """The encoding that a byte order mark names, else UTF-8."""
    return next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf8")


def delimiter_of(start: str, usual: str) -> str:
    """The character that cuts most of the first rows into the header's number of cells, two at least.

    Args:
        start: the first lines of a file.
        usual: what is taken where no character does so better.
    """
    best, most = usual, 0.0
    for mark in (usual, *(mark for mark in DELIMITERS if mark != usual)):
        sizes = [len(row) for row in first_rows(start, mark)]
        if sizes and sizes[0] > 1:
            agreeing = Counter(sizes)[sizes[0]] / len(sizes)
            score = agreeing + 1e-6 * sizes[0]  # of two that cut all rows alike, the one that cuts more
            best, most = (mark, score) if score > most else (best, most)
    return best


def first_rows(start: str, mark: str) -> list[list[str]]:
    """Up to 200 rows; the last one may be torn and is left out where there are others."""
    found: list[list[str]] = []
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=mark)
    try:
        for row in reader:
            if row:
                found.append(row)
            if len(found) > 200:
                break
    except csv.Error:  # a cell beyond Python's limit: a sign that this is not the delimiter
        return []
    return found[:-1] if len(found) > 2 else found


def decimal_of(columns: dict[str, pa.Array]) -> str:
    """The decimal mark that more columns speak for, "." where none does."""
    votes = {mark: sum(has_fractions(array, mark) for array in columns.values()) for mark in (".", ",")}
    return "," if votes[","] > votes["."] else "."


def has_fractions(array: pa.Array, mark: str) -> bool:
    """Whether all but a few cells are numbers, some of them with this decimal mark."""
    if not is_text(array.type):
        return False
    words = pc.drop_null(pc.unique(array))
    spelled = matches(words, rf"^-?[0-9]+([{mark}][0-9]+)?([eE][+-]?[0-9]+)?$")
    fractions = matches(words, rf"[{mark}]") & spelled
    return bool(fractions.any() and np.mean(spelled) > 0.9)
