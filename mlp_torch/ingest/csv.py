"""CSV files, read in blocks of whole rows: every cell is text, and only the schema decides what it means.

pyarrow.csv parses. What it leaves out is done beforehand, in `csv_text`: it takes a quote that is never closed for a
cell that holds the rest of the file, tells no line or byte of a fault, and keeps no count of lines.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
...     _ = file.write(b"town,hour\\nUlm,5\\n") + (file.flush() or 0)
...     Csv(file.name).read().table.to_pylist()
[{'town': 'Ulm', 'hour': '5'}]
"""

import copy
import csv
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.ingest.block import MAX_CELL_BYTES, Block, Places, Torn, concatenated, torn_rows, twice
from mlp_torch.ingest.csv_text import Text, lines

PIECE = 2**23  # bytes that are read at once


class Csv:
    """A CSV file with a header; an unquoted empty cell is missing, a quoted one is the empty text.

    Args:
        path: the file.
        delimiter: one character between cells.
        encoding: of the file's text.
        decimal: the decimal mark of numbers, "." or ",".
        max_cell_bytes: the longest cell, in UTF-8.
        strict: whether a column that nobody reads is an error.
    """

    fields: frozenset[str] | None = None  # those whose cells are kept; None = all

    def __init__(
        self,
        path: str | Path,
        *,
        delimiter: str = ",",
        encoding: str = "utf8",
        decimal: str = ".",
        max_cell_bytes: int = MAX_CELL_BYTES,
        strict: bool = False,
    ):
        check_options(delimiter, decimal, max_cell_bytes)
        self.path, self.text = Path(path), Text(Path(path), encoding, delimiter)
        self.delimiter, self.encoding, self.decimal = delimiter, self.text.encoding, decimal
        self.max_cell_bytes, self.strict = max_cell_bytes, strict

    def only(self, fields: Collection[str]) -> "Csv":
        """The same rows with the cells of some columns; the others are there by name, and hold nulls."""
        some = copy.copy(self)
        some.fields = frozenset(fields)
        return some

    def read(self) -> Block:
        """All rows.

        Raises:
            DataError: as `blocks`, and `wrong_field_count`.
        """
        block = concatenated(self.blocks())
        if block.torn:
            raise DataError(torn_rows(block))
        return block

    def blocks(self, size: int = PIECE) -> Iterator[Block]:
        """The rows in order, of about `size` bytes at a time; there is at least one row.

        Raises:
            DataError: `no_file`, `empty_file`, `unknown_format`, `no_rows`, `encoding`, `duplicate_column`,
                `wrong_delimiter`, `unclosed_quote`, `damaged_file`.
        """
        names: list[str] = []
        any_rows = False
        for line, piece in self.text.pieces(size):
            if not names:
                head = self.first_row(piece)
                names, piece, line = self.header(head), piece[len(head) :], line + lines(head)
            if piece.strip(b"\r\n") or (len(names) == 1 and piece):  # in a single column an empty line is a cell
                any_rows = True
                yield self.block(piece, names, line)
        if not names:
            raise DataError(Problem("empty_file", f"{self.path} is empty"))
        if not any_rows:
            raise DataError(Problem("no_rows", f"{self.path} has a header and 0 rows"))

    def first_row(self, piece: bytes) -> bytes:
        """The header's bytes with its line end, and with blank lines before it."""
        blank = len(piece) - len(piece.lstrip(b"\r\n"))
        return piece[: next(self.text.grammar.row.finditer(piece, blank)).end()]  # a piece is of whole rows

    def header(self, row: bytes) -> list[str]:
        """The columns' names."""
        try:
            names = next(csv.reader([row.strip(b"\r\n").decode()], delimiter=self.delimiter))
        except UnicodeDecodeError as error:
            raise DataError(self.text.undecodable(error, error.start, 1)) from None
        except csv.Error as error:  # a name of more than 128 KiB
            raise DataError(Problem("damaged_file", f"{self.path} has no header: {error}")) from None
        if again := twice(names):
            raise DataError(Problem("duplicate_column", "a column's name must be there once", again))
        other = [json.dumps(mark) for mark in (",", ";", "\t", "|") if mark != self.delimiter and mark in names[0]]
        if len(names) == 1 and other:
            clause = f"{self.path} has one column; its header holds {other[0]}"
            raise DataError(Problem("wrong_delimiter", clause, tuple(names), key=f"data.source.delimiter: {other[0]}"))
        return names

    def block(self, piece: bytes, names: list[str], line: int) -> Block:
        """Whole rows as a table; `line` is the first one's."""
        table, torn = self.parsed(piece, names, line)
        row, rows = self.text.grammar.row, len(table) + len(torn)
        numbers = line_numbers(piece, rows, line, row=row, blank_is_row=len(names) == 1)
        at = [item.number - 1 for item in torn]  # Arrow counts rows from 1
        found = tuple(
            Torn(int(numbers[i]), item.actual_columns, item.expected_columns, item.text)
            for i, item in zip(at, torn, strict=True)
        )
        kept = np.delete(numbers, at)
        follows = not len(kept) or kept[-1] - line == len(kept) - 1
        return Block(
            table,
            Places("line", line, None if follows else kept),
            str(self.path),
            decimal=self.decimal,
            untyped=True,
            max_cell_bytes=self.max_cell_bytes,
            strict=self.strict,
            torn=found,
            folder=self.path.parent,
        )

    def parsed(self, piece: bytes, names: list[str], line: int) -> tuple[pa.Table, list[Any]]:
        """The table, every column as text, and the rows that have another number of cells."""
        torn: list[Any] = []
        kept = [name for name in names if self.fields is None or name in self.fields] or names

        def note(row: Any) -> str:
            torn.append(row)
            return "skip"

        try:
            # Whether it is UTF-8 is asked first: Arrow trips over the text of a torn row that is not.
            pa.array([piece], pa.large_binary()).cast(pa.large_string())
            table = pa.csv.read_csv(
                pa.BufferReader(piece),
                pa.csv.ReadOptions(use_threads=False, block_size=len(piece) + 1, column_names=names),
                pa.csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=note,
                ),
                pa.csv.ConvertOptions(
                    include_columns=kept,
                    column_types=dict.fromkeys(kept, pa.large_string()),
                    check_utf8=False,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowException as error:
            raise DataError(self.text.unparsable(piece, line, error)) from None
        columns = dict(zip(kept, table.columns, strict=True))
        return pa.table({name: columns.get(name, pa.nulls(len(table))) for name in names}), torn


def check_options(delimiter: str, decimal: str, max_cell_bytes: int) -> None:
    """Refuses what no CSV can have."""
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ConfigError(f"data.source.delimiter must be one ASCII character, however: {delimiter!r}")
    if decimal not in (".", ",") or decimal == delimiter:
        raise ConfigError(f"data.source.decimal must be '.' or ',' and no delimiter, however: {decimal!r}")
    if max_cell_bytes < 1:
        raise ConfigError(f"data.source.max_cell_bytes must be at least 1, however: {max_cell_bytes}")


def line_numbers(
    piece: bytes, rows: int, line: int, *, row: re.Pattern[bytes], blank_is_row: bool
) -> NDArray[np.int64]:
    """(N,) the line in which each row begins."""
    if lines(piece) == rows:
        return np.arange(line, line + rows)
    found = []
    for one in row.finditer(piece):
        if blank_is_row or one.group().strip(b"\r\n"):
            found.append(line)
        line += lines(one.group())
    return np.array(found, np.int64)
