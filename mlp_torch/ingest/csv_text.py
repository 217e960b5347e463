"""The text of a CSV file: UTF-8 in pieces of whole rows, with the line or byte of what is wrong with it.

>>> Grammar.of(",").end_of_rows(b'a,b\\n1,"x\\ny"\\n2,"z')
12
"""

import codecs
import re
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import IO, NamedTuple

from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.ingest.block import present

# byte order marks and their encodings; UTF-32 first, since its mark begins as UTF-16's does
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
PARQUET = b"PAR1"  # its first and last bytes
# of Python's text encodings those of single names and of Python's own source text
NO_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")
MAX_ROW = 2**26  # bytes; a row that is longer has a quote that is never closed


class Grammar(NamedTuple):
    """What a row of a CSV file is, as regular expressions over its bytes; as Arrow sees it too.

    A quote opens a quoted cell at the cell's start only; elsewhere it is text.

    Args:
        row: one row with its line end.
        rows: as many rows as there are.
        cell: one cell.
    """

    row: re.Pattern[bytes]
    rows: re.Pattern[bytes]
    cell: re.Pattern[bytes]

    @classmethod
    def of(cls, delimiter: str) -> "Grammar":
        """The grammar of files whose cells are separated by one ASCII character."""
        mark = re.escape(delimiter.encode())
        other = rb"[^" + mark + rb"\r\n]*+"
        cell = rb'(?:"(?:[^"]++|"")*+"' + other + rb'|[^"' + mark + rb"\r\n]" + other + rb")?+"
        row = cell + rb"(?:" + mark + cell + rb")*+(?:\r\n|\n|\r)"
        return cls(re.compile(row), re.compile(rb"(?:" + row + rb")*+"), re.compile(cell + mark))

    def end_of_rows(self, content: bytes) -> int:
        """Where the last whole row ends. A \\r that is the last byte may be half of a line end and ends no row."""
        if b'"' not in content:
            return max(content.rfind(b"\n"), content.rfind(b"\r", 0, -1)) + 1
        found = self.rows.match(content, 0, len(content) - content.endswith(b"\r"))
        assert found  # no row is a match too
        return found.end()

    def open_quote(self, content: bytes) -> int:
        """Where, in a row that has no end, the cell begins that is never closed."""
        at = 0
        while found := self.cell.match(content, at):
            at = found.end()
        return at


class Text:
    """A CSV file's text.

    Args:
        path: the file.
        encoding: of the text, as Python knows it.
        delimiter: one ASCII character between cells.

    Raises:
        ConfigError: for what is no text encoding of Python's.
    """

    def __init__(self, path: Path, encoding: str, delimiter: str):
        self.path, self.encoding, self.grammar = path, encoding_of(encoding), Grammar.of(delimiter)

    def pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """The content in UTF-8 in pieces of whole rows, of about `size` bytes, each with the line where it begins.

        A byte order mark and blank lines at the end are left out.

        Raises:
            DataError: `no_file`, `empty_file`, `unknown_format`, `encoding`, `unclosed_quote`.
        """
        rest, line = b"", 1
        with present(self.path).open("rb") as file:
            for text in self.decoded(file, size):
                rest += text
                piece = rest[: self.grammar.end_of_rows(rest)].rstrip(b"\r\n")
                if piece:  # blank lines behind it wait: they may be the file's last ones
                    piece = rest[: len(piece) + len(line_end(rest, len(piece)))]
                    yield line, piece
                    line, rest = line + lines(piece), rest[len(piece) :]
                if len(rest) > MAX_ROW:
                    raise DataError(self.unclosed(rest, line))
        rest = rest.rstrip(b"\r\n")
        if not rest.strip():
            return
        rest += b"\n"
        if self.grammar.end_of_rows(rest) < len(rest):
            raise DataError(self.unclosed(rest, line))
        yield line, rest

    def decoded(self, file: IO[bytes], size: int) -> Iterator[bytes]:
        """The file's text in UTF-8; where it is that already, its bytes are judged later on, by Arrow."""
        start = file.read(size)
        if start.startswith(PARQUET) and self.ends_as_parquet():
            text = f"{self.path} is Parquet, not CSV; data=parquet or data=parquet_in_memory reads it"
            raise DataError(Problem("unknown_format", text))
        marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), self.encoding)
        if not self.encoding.startswith(marked):
            text = f"{self.path} begins with the byte order mark of {marked.upper()}"
            raise DataError(Problem("encoding", text, key="data.source.encoding"))
        if self.encoding == "utf-8":
            start = start.removeprefix(codecs.BOM_UTF8) or file.read(size)
            while start:
                yield start
                start = file.read(size)
            return
        decoder = codecs.getincrementaldecoder(self.encoding)()
        done, line, raw = 0, 1, start
        while True:
            try:
                piece = decoder.decode(raw, final=not raw).encode()
            except UnicodeDecodeError as error:
                offset = done + len(raw) - len(error.object) + error.start
                raise DataError(self.undecodable(error, offset, line)) from None
            except UnicodeError as error:  # no byte order mark, or half of a character
                where = f"{self.path} is not {self.encoding}: from byte {done:,}, line {line:,} on: {error}"
                raise DataError(Problem("encoding", where, key="data.source.encoding")) from None
            yield piece if done else piece.removeprefix(codecs.BOM_UTF8)
            if not raw:
                return
            done, line, raw = done + len(raw), line + lines(piece), file.read(size)

    def ends_as_parquet(self) -> bool:
        """Whether the last bytes are those of a Parquet file, as the first ones are: a header may be called so too."""
        with self.path.open("rb") as file:
            file.seek(-len(PARQUET), SEEK_END)
            return file.read() == PARQUET

    def undecodable(self, error: UnicodeDecodeError, offset: int, line: int) -> Problem:
        """Bytes that are not the encoding's; `line` is that of the first byte of what was decoded."""
        where = f"byte {offset:,}, line {line + lines(error.object[: error.start]):,}"
        found = f"{where}: {error.object[error.start : error.start + 4]!r}"
        key = "data.source.encoding" + (": cp1252" if western(error.object) and self.encoding == "utf-8" else "")
        return Problem("encoding", f"{self.path} is not {self.encoding}: {found}", key=key)

    def unparsable(self, piece: bytes, line: int, reason: Exception) -> Problem:
        """Why Arrow refused a piece that begins at a line: bytes that are no UTF-8, as a rule."""
        try:
            piece.decode()
        except UnicodeDecodeError as error:
            return self.undecodable(error, self.offset(line) + error.start, line)
        return Problem("damaged_file", f"{self.path} cannot be read as CSV from line {line:,} on: {reason}")

    def offset(self, line: int) -> int:
        """The byte at which a line of a UTF-8 file begins."""
        at, seen, size = 0, 1, 2**16
        with self.path.open("rb") as file:
            while seen < line:
                text = file.read(size)
                text += file.read(1) if text.endswith(b"\r") else b""  # so that no line end is cut in two
                if seen + lines(text) >= line:
                    ends = [found.end() for found in re.finditer(rb"\r\n|\n|\r", text)]
                    return at + ends[line - seen - 1]
                at, seen = at + len(text), seen + lines(text)
        return at

    def unclosed(self, content: bytes, line: int) -> Problem:
        """The problem of a quote that is opened and never closed: it would swallow all rows that follow."""
        row = self.grammar.end_of_rows(content)
        line += lines(content[: row + self.grammar.open_quote(content[row:])])
        text = f"{self.path} has a quote that is never closed, opened in line {line:,}"
        return Problem("unclosed_quote", text, rows=(line,), unit="line")


def western(content: bytes) -> bool:
    """Whether bytes that are no UTF-8 may be text of Windows: each has a character, and none controls."""
    try:
        return "\0" not in content.decode("cp1252")
    except UnicodeDecodeError:
        return False


def encoding_of(name: str) -> str:
    """The encoding's name as Python has it; `hex` and `zlib` encode no text, those of `NO_FILES` no text of files."""
    try:
        b"a".decode(name, "replace")
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = ""
    if not known or known in NO_FILES:
        raise ConfigError(f"data.source.encoding must be a text encoding of Python's, however: {name!r}")
    return known


def lines(content: bytes) -> int:
    """How many lines end in the content; \\r\\n, \\n and \\r all end one."""
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")


def line_end(content: bytes, at: int) -> bytes:
    """The line end that stands at a place."""
    return b"\r\n" if content[at : at + 2] == b"\r\n" else content[at : at + 1]
