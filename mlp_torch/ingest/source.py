"""Where rows come from: a CSV or Parquet file, or a frame in memory, as one Arrow table with row or line numbers.

A file's columns stay what they are: every cell of a CSV is text, and only the schema decides what it means. A file is
read whole, so it must fit in memory.

>>> Frame([{"hour": 5}]).read().table.to_pylist()
[{'hour': 5}]
"""

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from mlp_torch.errors import MAX_ROWS, ConfigError, DataError, Problem, near
from mlp_torch.ingest.inputs import table_of

# byte order marks and their encodings; UTF-32 first, since its mark begins as UTF-16's does
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
BLOCK = 2**28  # bytes that Arrow parses at once; no row may be longer


class Rows(NamedTuple):
    """A table as it was read.

    Args:
        table: the columns, unchecked.
        unit: what rows are counted in: "line" of a file from 1, or "row" from 0.
        first: the number of the first row.
        name: where they come from, for messages.
        decimal: the decimal mark of numbers in text.
        joined: tables that were joined in, as they were before, by name: faults in rows of them that meet no row of
            `table` are counted.
        strict: whether a column that nobody reads is an error.
    """

    table: pa.Table
    unit: str
    first: int
    name: str
    decimal: str = "."
    joined: Mapping[str, pa.Table] = MappingProxyType({})
    strict: bool = False


class Source(Protocol):
    """Anything that gives rows."""

    def read(self) -> Rows:
        """The rows. Raises DataError where there are none to be had."""


class Frame:
    """Rows in memory: a pandas frame, an Arrow table, or records.

    Args:
        rows: see `mlp_torch.ingest.inputs.table_of`.
    """

    def __init__(self, rows: Any):
        self.rows = rows

    def read(self) -> Rows:
        return Rows(table_of(self.rows), "row", 0, "rows in memory")


class Parquet:
    """A Parquet file.

    Args:
        path: the file.
        strict: whether a column that nobody reads is an error.
    """

    def __init__(self, path: str | Path, *, strict: bool = False):
        self.path, self.strict = Path(path), strict

    def read(self) -> Rows:
        """Raises DataError: `no_file`, `empty_file`, `damaged_file`."""
        if not present(self.path).stat().st_size:
            raise DataError(Problem("empty_file", f"{self.path} is empty"))
        try:
            with pa.parquet.ParquetFile(self.path, page_checksum_verification=True) as file:
                table = file.read()
                table.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(Problem("damaged_file", f"{self.path} cannot be read as Parquet: {reason}")) from None
        return Rows(table, "row", 0, str(self.path), strict=self.strict)


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

    def __init__(
        self,
        path: str | Path,
        *,
        delimiter: str = ",",
        encoding: str = "utf8",
        decimal: str = ".",
        max_cell_bytes: int = 65536,
        strict: bool = False,
    ):
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
            raise ConfigError(f"data.source.delimiter must be one ASCII character, however: {delimiter!r}")
        if decimal not in (".", ",") or decimal == delimiter:
            raise ConfigError(f"data.source.decimal must be '.' or ',' and no delimiter, however: {decimal!r}")
        if max_cell_bytes < 1:
            raise ConfigError(f"data.source.max_cell_bytes must be at least 1, however: {max_cell_bytes}")
        self.path, self.delimiter, self.decimal, self.strict = Path(path), delimiter, decimal, strict
        self.encoding, self.max_cell_bytes = encoding_of(encoding), max_cell_bytes

    def read(self) -> Rows:
        """Raises DataError: `no_file`, `empty_file`, `no_rows`, `encoding`, `duplicate_column`, `wrong_delimiter`,
        `wrong_field_count`, `unclosed_quote`, `cell_too_large`."""
        content = self.utf8(present(self.path).read_bytes())
        if not content.strip():
            raise DataError(Problem("empty_file", f"{self.path} is empty"))
        names = self.header(content)
        self.check_quotes(content)
        table, torn = self.parse(content, names)
        # with blank lines or line ends inside quotes a row's number tells nothing about its line
        is_lines = lines(content) == len(table) + len(torn) + 1
        unit, first = ("line", 2) if is_lines else ("row", 0)
        self.check_field_counts(torn, len(table) + len(torn), unit, first)
        if not len(table):
            raise DataError(Problem("no_rows", f"{self.path} has a header and 0 rows"))
        self.check_sizes(table, unit, first)
        return Rows(table, unit, first, str(self.path), self.decimal, strict=self.strict)

    def utf8(self, content: bytes) -> bytes:
        """The content in UTF-8, without a byte order mark and blank lines at the end."""
        marked = next((name for mark, name in MARKS.items() if content.startswith(mark)), self.encoding)
        if not self.encoding.startswith(marked):
            text = f"{self.path} begins with the byte order mark of {marked.upper()}"
            raise DataError(Problem("encoding", text, key="data.source.encoding"))
        try:
            text = content.decode(self.encoding)
        except UnicodeDecodeError as error:
            line = lines(content[: error.start]) + 1
            where = f"byte {error.start:,}, line {line:,}: {content[error.start : error.start + 4]!r}"
            clause = f"{self.path} is not {self.encoding}: {where}"
            raise DataError(Problem("encoding", clause, key="data.source.encoding")) from None
        return text.removeprefix("\ufeff").encode().rstrip(b"\r\n") + b"\n"

    def header(self, content: bytes) -> list[str]:
        """The columns' names."""
        start = io.StringIO(content[: 2**20].decode(errors="ignore"), newline="")
        names = next(csv.reader(start, delimiter=self.delimiter))
        if twice := tuple(name for name, times in Counter(names).items() if times > 1):
            raise DataError(Problem("duplicate_column", "a column's name must be there once", twice))
        other = [mark for mark in (",", ";", "\t", "|") if mark != self.delimiter and mark in names[0]]
        if len(names) == 1 and other:
            text = f"{self.path} has one column; its header holds {json.dumps(other[0])}"
            raise DataError(Problem("wrong_delimiter", text, tuple(names), key="data.source.delimiter"))
        return names

    def check_quotes(self, content: bytes) -> None:
        """Refuses a quote that is opened and never closed: it would swallow all rows that follow."""
        start = rb"(?:\A|(?<=[\r\n" + re.escape(self.delimiter.encode()) + rb"]))"
        quoted = re.compile(start + rb'"(?:[^"]++|"")*+("?)')  # a quote inside an unquoted cell is text
        for found in quoted.finditer(content):
            if not found.group(1):
                line = lines(content[: found.start()]) + 1
                text = f"{self.path} has a quote that is never closed, opened in line {line:,}"
                raise DataError(Problem("unclosed_quote", text, rows=(line,), unit="line"))

    def parse(self, content: bytes, names: list[str]) -> tuple[pa.Table, list[Any]]:
        """The table, every column as text, and the rows that have another number of cells."""
        torn: list[Any] = []

        def note(row: Any) -> str:
            torn.append(row)
            return "skip"

        try:
            table = pa.csv.read_csv(
                pa.BufferReader(content),
                pa.csv.ReadOptions(use_threads=False, block_size=min(len(content) + 1, BLOCK)),
                pa.csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,  # in a single column an empty line is a missing value
                    invalid_row_handler=note,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowException as error:
            raise DataError(Problem("damaged_file", f"{self.path} cannot be read as CSV: {error}")) from None
        return table, torn

    def check_field_counts(self, torn: list[Any], total: int, unit: str, first: int) -> None:
        """Refuses rows with too many or too few cells."""
        if torn:
            rows = tuple(row.number - 2 + first for row in torn[:MAX_ROWS])  # Arrow counts the header as 1
            counts = sorted({row.actual_columns for row in torn})
            text = f"the header has {torn[0].expected_columns} fields, rows have {', '.join(map(str, counts))}"
            found = tuple(row.text for row in torn[:3])
            raise DataError(Problem("wrong_field_count", text, (), len(torn), total, rows, found, unit=unit))

    def check_sizes(self, table: pa.Table, unit: str, first: int) -> None:
        """Refuses cells that are longer than allowed."""
        problems = []
        for name in table.column_names:
            sizes = pc.binary_length(table.column(name)).fill_null(0).to_numpy()
            if len(at := np.flatnonzero(sizes > self.max_cell_bytes)):
                text = f"a cell must have at most {self.max_cell_bytes:,} bytes, however: {sizes.max():,}"
                rows = tuple(int(i) + first for i in at[:MAX_ROWS])
                key = "data.source.max_cell_bytes"
                problems.append(Problem("cell_too_large", text, (name,), len(at), len(table), rows, (), key, unit))
        if problems:
            raise DataError(problems)


ENDINGS = (".csv", ".tsv", ".parquet", ".pq")


def source(path: str | Path) -> Source:
    """The reader that a file's ending asks for.

    Raises:
        DataError: `unknown_format`.
    """
    ending = Path(path).suffix.lower()
    if ending in (".csv", ".tsv"):
        return Csv(path, delimiter="\t" if ending == ".tsv" else ",")
    if ending in (".parquet", ".pq"):
        return Parquet(path)
    raise DataError(Problem("unknown_format", f"a file must end in one of {', '.join(ENDINGS)}, however: {path}"))


def present(path: Path) -> Path:
    """The path of a file that is there.

    Raises:
        DataError: `no_file`, with the near names of its folder.
    """
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(Problem("no_file", f"{path} is a folder"))
    if not path.parent.is_dir():
        raise DataError(Problem("no_file", f"{path} is missing, and so is its folder"))
    hint = near(path.name, (item.name for item in path.parent.iterdir() if item.is_file()))
    raise DataError(Problem("no_file", f"{path} is missing; {hint}"))


def encoding_of(name: str) -> str:
    """The encoding's name as Python has it."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ConfigError(f"data.source.encoding must be an encoding of Python's, however: {name!r}") from None


def lines(content: bytes) -> int:
    """How many lines end in the content; \\r\\n, \\n and \\r all end one."""
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
