"""A query on SQLite: the file is opened to be read alone, and every cell keeps its own type.

A column of SQLite may mix text, numbers and nothing: it is judged cell by cell, as records are; a BLOB can be no cell.
The structure of each table that the query reads is checked first, which takes about a tenth of the time of reading it:
rows that damage has hidden would be missed by nobody. What is damaged within a cell goes unnoticed, as in a CSV file.

>>> column([1, None]).type, column([1, "old"]).type
(DataType(int64), SparseUnionType(sparse_union<whole: int64=0, text: large_string=1>))
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import NoneType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import present
from mlp_torch.ingest.records import column_of

WAIT = 5.0  # seconds for somebody who writes
TYPES = {int: pa.int64(), float: pa.float64(), str: pa.large_string()}
NAMES = {pa.int64(): "whole", pa.float64(): "fraction", pa.large_string(): "text"}  # as `column_of` calls them
READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
CODES = {
    sqlite3.SQLITE_BUSY: "locked_database",
    sqlite3.SQLITE_LOCKED: "locked_database",
    sqlite3.SQLITE_CORRUPT: "damaged_file",
    sqlite3.SQLITE_NOTADB: "damaged_file",
    sqlite3.SQLITE_IOERR: "damaged_file",
    sqlite3.SQLITE_CANTOPEN: "damaged_file",
    sqlite3.SQLITE_AUTH: "query_writes",
}
TEXTS = {
    "locked_database": "a database must be free to be read",
    "damaged_file": "a database must be readable by SQLite",
    "query_writes": "a query must read and do nothing else",
    "query_failed": "a query must be one SELECT that SQLite knows",
}


def tables(path: Path, query: str, size: int) -> Iterator[pa.Table]:
    """The rows of a query, `size` at a time; at least one table.

    Raises:
        DataError: `no_file`, `empty_file`, `damaged_file`, `locked_database`, `query_writes`, `query_failed`.
    """
    uri = f"{present(path).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, timeout=WAIT, uri=True)) as database:
            database.text_factory = as_text
            cursor = started(database, query)
            names = [name for name, *_ in cursor.description or ()]
            if not names:
                raise sqlite3.ProgrammingError("it gives no columns")
            rows = cursor.fetchmany(size)
            yield table(names, rows)
            while rows := cursor.fetchmany(size):
                yield table(names, rows)
    except (sqlite3.Error, UnicodeError) as error:
        raise DataError(problem(error, path)) from None


def started(database: sqlite3.Connection, query: str) -> sqlite3.Cursor:
    """The running query, once the tables that it reads are found sound.

    A database that is opened to be read could still write: other files, by ATTACH and VACUUM INTO.
    """
    read, refused = set(), set()

    def judge(action: int, first: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            read.add(first)
        if action in READING or (action == sqlite3.SQLITE_PRAGMA and first == "quick_check"):
            return sqlite3.SQLITE_OK
        refused.add(action)
        return sqlite3.SQLITE_DENY

    database.set_authorizer(judge)
    try:
        cursor = database.execute(query)
    except sqlite3.Error as error:
        if refused:
            error.sqlite_errorcode = sqlite3.SQLITE_AUTH
        raise
    stored = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    for name in sorted(stored & read):
        quoted = name.replace('"', '""')
        (verdict,) = database.execute(f'pragma quick_check("{quoted}")').fetchone()
        if verdict != "ok":
            damage = sqlite3.DatabaseError(" ".join(verdict.split()))
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
    return cursor


def as_text(content: bytes) -> str:
    """Text of a cell; bytes that are no UTF-8 stay to be seen by the one validator."""
    return content.decode("utf-8", "surrogateescape")


def table(names: list[str], rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """Rows as columns."""
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.Table.from_arrays([column(values) for values in cells], names=names)


def column(values: Sequence[object]) -> pa.Array:
    """Cells of one type at once; others one by one."""
    kinds = set(map(type, values)) - {NoneType}
    if len(kinds) == 1 and (kind := TYPES.get(kinds.pop())):
        try:
            return pa.array(values, kind)
        except UnicodeEncodeError:  # a cell that is no UTF-8
            pass
    return column_of(values)


def alike(tables: list[pa.Table]) -> list[pa.Table]:
    """The same rows with one type a column: where types differ, each cell keeps its own in a union of them all."""
    names = tables[0].column_names
    columns = [united([table.column(name).combine_chunks() for table in tables]) for name in names]
    return [pa.Table.from_arrays([column[i] for column in columns], names=names) for i in range(len(tables))]


def united(arrays: list[pa.Array]) -> list[pa.Array]:
    """Pieces of a column with one type."""
    if len({array.type for array in arrays}) == 1:
        return arrays
    found = [parts(array) for array in arrays]
    kinds = {name: part.type for own in found for name, (_, part) in own.items()}
    unions = []
    for array, own in zip(arrays, found, strict=True):
        codes = np.zeros(len(array), np.int8)
        for name, (here, _) in own.items():
            codes[here] = list(kinds).index(name)
        cells = [own[name][1] if name in own else pa.nulls(len(array), kind) for name, kind in kinds.items()]
        unions.append(pa.UnionArray.from_sparse(pa.array(codes), cells, field_names=list(kinds)))
    return unions


def parts(array: pa.Array) -> dict[str, tuple[NDArray[np.bool_], pa.Array]]:
    """By type of cells: which are of it, and a column that holds them there."""
    if isinstance(array.type, pa.SparseUnionType):
        codes = np.asarray(array.type_codes)
        return {array.type.field(i).name: (codes == i, array.field(i)) for i in range(array.type.num_fields)}
    return {} if pa.types.is_null(array.type) else {NAMES[array.type]: (np.ones(len(array), bool), array)}


def problem(error: Exception, path: Path) -> Problem:
    """Why there are no rows."""
    code = CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "query_failed")
    return Problem(code, f"{TEXTS[code]}, however: {path}: {error}")
