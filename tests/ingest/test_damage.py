"""Damaged files: cut, flipped, wrongly encoded, shifted. Each is named, or wrong only where it is damaged.

CSV and SQLite have no checksums. Pages of Parquet may have them, and SHA256SUMS covers whole files: see test_parquet.
"""

import random
import re
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import DataError
from mlp_torch.ingest.csv import Csv
from mlp_torch.ingest.parquet import Parquet
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.sql import Sql

ROWS = 200
TABLE = pa.table(
    {
        "id": [f"r{i}" for i in range(ROWS)],
        "town": ["Ulm", "Köln", None, "Bonn, am Rhein"] * (ROWS // 4),
        "age": [i % 90 for i in range(ROWS)],
        "size": [i / 7 for i in range(ROWS)],
    }
)
SCHEMA = Schema.of([Read("id", "string"), Read("town", "string"), Read("age"), Read("size")])
QUERY = "select * from rows order by rowid"


def csv_of(path):
    lines = ["id,town,age,size"]
    for row in TABLE.to_pylist():
        town = "" if row["town"] is None else f'"{row["town"]}"'
        lines.append(f"{row['id']},{town},{row['age']},{row['size']}")
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return Csv(path)


def parquet_of(path, **options):
    pq.write_table(TABLE, path, row_group_size=80, **options)
    return Parquet(path)


def sqlite_of(path):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("create table rows(id text, town text, age integer, size real)")
        file.executemany("insert into rows values (?, ?, ?, ?)", [tuple(row.values()) for row in TABLE.to_pylist()])
    return Sql(QUERY, path)


MAKERS = {
    "rows.csv": csv_of,
    "plain.parquet": parquet_of,
    "summed.parquet": lambda path: parquet_of(path, write_page_checksum=True),
    "uncompressed.parquet": lambda path: parquet_of(path, compression="none", use_dictionary=False),
    "rows.db": sqlite_of,
}


def verdict(reader):
    """The cells, column by column, or the problems."""
    try:
        checked = SCHEMA.check(reader.read())
    except DataError as error:
        return error.problems
    return {key: array.to_pylist() for key, array in checked.arrays.items()}


def changed(found, good):
    """The cells, as (column, row), that differ."""
    return [(key, i) for key, cells in good.items() for i, cell in enumerate(cells) if found[key][i] != cell]


@pytest.fixture(params=MAKERS)
def made(request, tmp_path):
    """A source of each kind, its file and its cells."""
    path = tmp_path / request.param
    reader = MAKERS[request.param](path)
    good = verdict(reader)
    assert isinstance(good, dict)
    assert len(good["age"]) == ROWS
    return reader, path, good


def named(problems, path):
    """Whether each problem says in which file it is, or in which rows of it."""
    return all(path.name in str(problem) or problem.rows or problem.columns for problem in problems)


def test_a_truncated_file_is_named_or_is_a_shorter_one(made):
    reader, path, good = made
    content = path.read_bytes()
    for share in range(0, 100, 3):
        path.write_bytes(content[: len(content) * share // 100])
        found = verdict(reader)
        if isinstance(found, list):
            assert named(found, path), found
        else:  # cut at the end of a row, or of a cell's digits: nothing in a CSV file tells
            assert path.suffix == ".csv"
            n = len(found["age"])
            assert 0 < n < ROWS
            assert {row for _, row in changed(found, {key: cells[:n] for key, cells in good.items()})} <= {n - 1}


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_named_or_changes_the_cells_of_its_byte_alone(made, seed):
    reader, path, good = made
    content, draw, unnoticed = path.read_bytes(), random.Random(seed), 0
    for _ in range(120):
        byte, bit = draw.randrange(len(content)), draw.randrange(8)
        damaged = bytearray(content)
        damaged[byte] ^= 1 << bit
        path.write_bytes(damaged)
        found = verdict(reader)
        if isinstance(found, list):
            assert named(found, path), (byte, bit, found)
        elif path.suffix == ".csv":
            assert_only_that_line(found, good, content[:byte].count(b"\n") - 1)
        else:
            assert len(found["age"]) == ROWS, (byte, bit)  # no row is lost in silence
            if path.name == "rows.db":
                assert len({row for _, row in changed(found, good)}) <= 1, (byte, bit)
            elif path.name == "summed.parquet":
                unnoticed += found != good
    assert unnoticed <= 1  # of 120: the checksum of a page leaves out its header


def assert_only_that_line(found, good, row):
    """Where a CSV file is still readable, only the row of the byte has changed; a lost line end joins two rows."""
    if len(found["age"]) == ROWS:
        assert {at for _, at in changed(found, good)} <= {row}
    else:
        assert abs(len(found["age"]) - ROWS) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-32", "cp500"])
def test_text_in_another_encoding_is_refused_with_line_or_mark(tmp_path, encoding):
    reader = csv_of(tmp_path / "rows.csv")
    text = reader.path.read_text(encoding="utf8")
    reader.path.write_text(text, encoding=encoding, newline="")
    (problem,) = verdict(reader)
    assert problem.code in ("encoding", "no_rows", "missing_column")
    if encoding != "cp500":
        assert (problem.code, problem.key) in [("encoding", f"data.source.encoding{hint}") for hint in ("", ": cp1252")]
        assert re.search("line 3|byte order mark of UTF-", str(problem))
        known = Csv(reader.path, encoding=encoding)
        assert verdict(known) == verdict(csv_of(tmp_path / "other.csv"))
    assert "rows.csv" in str(problem)


def test_row_34_a_first_row_with_a_field_too_many_is_refused_with_its_line(tmp_path):
    reader = csv_of(tmp_path / "rows.csv")
    lines = reader.path.read_text(encoding="utf8").splitlines()
    reader.path.write_text("\n".join([lines[0], "0," + lines[1], *lines[2:]]), encoding="utf8")
    (problem,) = verdict(reader)
    assert (problem.code, problem.bad, problem.rows, problem.unit) == ("wrong_field_count", 1, (2,), "line")


def test_every_row_shifted_by_a_field_is_refused_with_lines(tmp_path):
    reader = csv_of(tmp_path / "rows.csv")
    lines = reader.path.read_text(encoding="utf8").splitlines()
    reader.path.write_text("\n".join([lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:]))]), encoding="utf8")
    (problem,) = verdict(reader)
    assert (problem.code, problem.bad, problem.total) == ("wrong_field_count", ROWS, ROWS)
    assert problem.rows == (2, 3, 4, 5, 6)


def test_a_header_whose_names_are_swapped_is_noticed_where_the_kinds_differ(tmp_path):
    reader = csv_of(tmp_path / "rows.csv")
    text = reader.path.read_text(encoding="utf8")
    reader.path.write_text(text.replace("id,town,age,size", "id,age,town,size"), encoding="utf8")
    (problem,) = verdict(reader)
    assert (problem.code, problem.columns, problem.bad) == ("not_a_number", ("age",), ROWS * 3 // 4)
    assert (problem.rows, problem.unit) == ((2, 3, 5, 6, 7), "line")
