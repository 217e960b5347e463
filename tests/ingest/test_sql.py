"""SQL: every cell keeps its type, nothing is ever written, and whatever is wrong has a code."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
import tiny
import torch
from hydra.utils import instantiate

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, DataError, MissingExtra
from mlp_torch.ingest import sqlite
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Sql


@pytest.fixture
def database(tmp_path):
    """Writes a table t(a, b) of rows; gives the path."""

    def write(rows, *statements, name="rows.db", columns="a, b"):
        with closing(sqlite3.connect(tmp_path / name)) as file, file:
            file.execute(f"create table t({columns})")
            file.executemany(f"insert into t values ({', '.join('?' * len(columns.split(',')))})", rows)
            for statement in statements:
                file.execute(statement)
        return tmp_path / name

    return write


def only_problem(act):
    with pytest.raises(DataError) as caught:
        act()
    assert len(caught.value.problems) == 1, caught.value
    return caught.value.problems[0]


def test_every_cell_keeps_the_type_that_it_has_in_the_database(database):
    path = database([(1, 0.5), (2**60, 2.0), (None, None), (-(2**63), 1e308)])
    block = Sql("select a, b from t order by rowid", path).read()
    assert block.table.to_pydict() == {"a": [1, 2**60, None, -(2**63)], "b": [0.5, 2.0, None, 1e308]}
    assert block.table.schema.types == [pa.int64(), pa.float64()]
    assert (block.name, block.places.unit, block.places.of([0, 3])) == (str(path), "row", (0, 3))


def test_a_column_of_mixed_cells_is_judged_cell_by_cell(database):
    path = database([(1, "x"), ("2.5", 7), ("old", None), (3.5, 5.0), (None, "7")])
    block = Sql("select * from t order by rowid", path).read()
    problem = only_problem(lambda: Schema.of([Read("a")]).check(block))
    assert (problem.code, problem.rows, problem.examples) == ("not_a_number", (2,), ("old",))
    checked = Schema.of([Read("a"), Read("b", "string")], {"a": {"invalid": "missing"}}).check(block)
    assert checked.arrays["a"].to_pylist()[:2] == [1.0, 2.5]
    assert checked.arrays["b:string"].to_pylist() == ["x", "7", None, "5", "7"]


def test_whole_numbers_beyond_2_to_53_are_exact_as_text_and_refused_as_numbers(database):
    path = database([(2**53 + 1, 1), (1.5, 2), ("x", 3)])
    block = Sql("select a from t where b < 3", path).read()
    assert only_problem(lambda: Schema.of([Read("a")]).check(block)).code == "too_large_integer"
    ids = Schema.of([Read("a", "string")]).check(Sql("select a from t where b <> 2", path).read())
    assert ids.arrays["a:string"].to_pylist() == ["9007199254740993", "x"]


def test_a_blob_is_no_cell_and_named_by_its_row(database):
    path = database([("x", 1), (b"\x89PNG", 2), (None, 3)])
    block = Sql("select a, b from t", path).read()
    problem = only_problem(lambda: Schema.of([Read("a", "string")]).check(block))
    assert (problem.code, problem.columns, problem.bad, problem.rows) == ("wrong_type", ("a",), 1, (1,))
    assert "PNG" in problem.examples[0]
    assert Schema.of([Read("b")]).check(block).counts["used"] == 3  # one that nobody reads harms nobody


def test_text_that_is_no_utf8_is_named_by_its_row(database):
    path = database([("x", 1), ("日本", 3)], "insert into t values (cast(x'636166e9' as text), 2)")
    block = Sql("select a from t order by b", path).read()
    problem = only_problem(lambda: Schema.of([Read("a", "string")]).check(block))
    assert (problem.code, problem.columns, problem.rows) == ("invalid_unicode", ("a",), (1,))


def test_nul_control_and_foreign_characters_stay(database):
    words = ["a\0b", "", "\x1b[31m", "naïve", "日本", "𝄞"]
    path = database([(word, i) for i, word in enumerate(words)])
    assert Sql("select a from t order by b", path).read().table.column("a").to_pylist() == words


def test_a_database_in_utf16_gives_the_same_text(tmp_path):
    with closing(sqlite3.connect(tmp_path / "rows.db")) as file, file:
        file.execute("pragma encoding = 'UTF-16'")
        file.execute("create table t as select '日本' as a")
    assert Sql("select a from t", tmp_path / "rows.db").read().table.to_pydict() == {"a": ["日本"]}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_blocks_of_any_size_give_the_rows_and_the_verdict_of_the_whole_table(database, size):
    path = database([(1, None), ("old", "x"), (b"y", None), (None, 5), (2.5, None), ("3", 2**60), (None, 0.5)])
    source, schema = Sql("select a, b from t order by rowid", path), Schema.of([Read("a")])
    whole, blocks = source.read(), list(source.blocks(size))
    assert [row for block in blocks for row in block.table.to_pylist()] == whole.table.to_pylist()
    assert [place for block in blocks for place in block.places.of(range(len(block.table)))] == list(range(7))
    inspection = Inspection(schema)
    for block in blocks:
        inspection.check(block)
    with pytest.raises(DataError) as caught:
        inspection.close()
    with pytest.raises(DataError) as expected:
        schema.check(whole)
    assert str(caught.value) == str(expected.value)
    assert "rows" in str(caught.value)


def test_a_table_of_many_blocks_is_joined_with_each_cells_type(database, monkeypatch):
    monkeypatch.setattr(Sql.blocks, "__defaults__", (2,))
    cells = [1, 2, "x", None, None, None, 0.5, 2**60, b"z", "y", 7]
    path = database([(cell, None) for cell in cells])
    table = Sql("select a, b from t order by rowid", path).read().table
    assert table.column("a").to_pylist() == [*cells[:8], b"z", *cells[9:]]
    assert table.column("b").type == pa.null()
    names = {table.column("a").type.field(i).name for i in range(table.column("a").type.num_fields)}
    assert names == {"whole", "text", "fraction", "bytes"}


def test_a_query_without_rows_gives_its_columns(database):
    path = database([])
    assert Sql("select a, b from t", path).read().table.to_pydict() == {"a": [], "b": []}
    assert [len(block.table) for block in Sql("select a from t", path).blocks()] == [0]
    with pytest.raises(DataError, match="no_rows"):
        Schema.of([Read("a")]).check(Sql("select a from t", path).read(), training=True)


def test_two_columns_of_one_name_are_refused_with_the_remedy(database):
    path = database([(1, 2)])
    problem = only_problem(Sql("select x.*, y.* from t x join t y", path).read)
    assert (problem.code, problem.columns) == ("duplicate_column", ("a", "b"))
    assert "by AS in the query" in str(problem)


def test_a_missing_database_is_named_with_near_names_and_never_made(database, tmp_path):
    database([(1, 2)], name="sales.db")
    problem = only_problem(Sql("select 1", tmp_path / "slaes.db").read)
    assert problem.code == "no_file"
    assert "did you mean sales.db?" in str(problem)
    assert [path.name for path in tmp_path.iterdir()] == ["sales.db"]
    assert only_problem(Sql("select 1", tmp_path).read).code == "no_file"


def test_a_path_may_hold_any_character(database):
    path = database([(1, 2)], name="a b?mode=rwc#%41.db")
    assert Sql("select a from t", path).read().table.to_pydict() == {"a": [1]}


@pytest.mark.parametrize(
    "query",
    [
        "insert into t values (3, 4)",
        "insert into t values (3, 4) returning a",
        "update t set a = 5",
        "delete from t",
        "drop table t",
        "create table u as select 1",
        "create temp table u as select 1",
        "attach '{other}' as other",
        "vacuum into '{other}'",
        "pragma user_version = 5",
        "begin",
    ],
)
def test_a_query_that_writes_is_refused_and_writes_nothing(database, tmp_path, query):
    path = database([(1, 2)])
    before = path.read_bytes()
    problem = only_problem(Sql(query.format(other=tmp_path / "other.db"), path).read)
    assert problem.code == "query_writes"
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["rows.db"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("selec a from t", 'near "selec": syntax error'),
        ("select c from t", "no such column: c"),
        ("select * from flights", "no such table: flights"),
        ("select 1; select 2", "one statement at a time"),
        ("select a from t where b = ?", "bindings"),
        ("", "no columns"),
        ("-- nothing", "no columns"),
        ("select '\0'", "null character"),
        ("select '\ud800'", "surrogates"),
        ("select abs(-9223372036854775807 - 1)", "integer overflow"),
        ("select load_extension('x')", "not authorized"),
    ],
)
def test_a_query_that_cannot_run_is_refused_with_the_databases_reason(database, query, reason):
    problem = only_problem(Sql(query, database([(1, 2)])).read)
    assert problem.code == "query_failed"
    assert reason in str(problem)
    assert "rows.db" in str(problem)


def test_views_and_common_tables_are_read(database):
    path = database([(1, 2), (3, 4)], "create view v as select a + b as c from t")
    query = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2) select c, i from v join n"
    assert sorted(Sql(query, path).read().table.column("c").to_pylist()) == [3, 3, 7, 7]


def test_a_locked_database_is_named_as_such(database, monkeypatch):
    monkeypatch.setattr(sqlite, "WAIT", 0.05)
    path = database([(1, 2)])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        problem = only_problem(Sql("select a from t", path).read)
        assert problem.code == "locked_database"
        assert "rows.db: database is locked" in str(problem)
    assert Sql("select a from t", path).read().table.num_rows == 1


def test_a_database_that_somebody_writes_in_wal_mode_is_read_as_of_the_last_commit(database):
    path = database([(1, 2)])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("begin")
        writer.execute("insert into t values (3, 4)")
        assert Sql("select a from t", path).read().table.to_pydict() == {"a": [1]}
        writer.execute("commit")
        assert Sql("select a from t", path).read().table.to_pydict() == {"a": [1, 3]}


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "rows.db").write_bytes(b"a,b\n1,2\n" * 1000)
    problem = only_problem(Sql("select 1 from t", tmp_path / "rows.db").read)
    assert problem.code == "damaged_file"
    assert "rows.db: file is not a database" in str(problem)
    (tmp_path / "rows.db").write_bytes(b"")
    assert only_problem(Sql("select 1", tmp_path / "rows.db").read).code == "empty_file"


def test_a_table_whose_structure_is_damaged_is_refused_though_the_query_runs(database):
    path = database([(i, f"name {i}") for i in range(2000)])
    content = bytearray(path.read_bytes())
    leaf = len(content) - 4096
    content[leaf + 3 : leaf + 5] = (1).to_bytes(2, "big")  # of the rows of the last page, one is left
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as file:
        assert 0 < len(file.execute("select * from t").fetchall()) < 2000
    problem = only_problem(Sql("select * from t", path).read)
    assert problem.code == "damaged_file"
    assert "rows.db: *** in database main ***" in str(problem)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"database": "rows.db", "driver": "adbc_driver_sqlite", "uri": "rows.db"},
        {"driver": "adbc_driver_sqlite"},
        {"uri": "rows.db"},
    ],
)
def test_a_database_or_a_driver_with_its_uri_must_be_given(options):
    with pytest.raises(ConfigError, match="must have a database, or a driver and its uri, however: "):
        Sql("select 1", **options)


def test_a_driver_is_a_driver_and_a_uri_holds_no_password():
    with pytest.raises(ConfigError, match="must be a module adbc_driver_…, however: 'os'"):
        Sql("select 1", driver="os", uri="x")
    for uri in ("postgresql://me:secret@host/sales", "me:secret@account/sales"):
        with pytest.raises(ConfigError, match="no password") as caught:
            Sql("select 1", driver="adbc_driver_postgresql", uri=uri)
        assert "secret" not in str(caught.value)
    for uri in (
        "postgresql://me@host/sales",
        "postgresql://me:$PASSWORD@host/sales",
        "postgresql://host:5432/x",
        "$URI",
    ):
        assert Sql("select 1", driver="adbc_driver_postgresql", uri=uri).uri == uri


def test_a_driver_that_is_not_installed_is_named_with_its_package():
    with pytest.raises(MissingExtra, match="pip install adbc-driver-nothing adbc-driver-manager"):
        Sql("select 1", driver="adbc_driver_nothing", uri="nothing://").read()


def test_a_driver_gives_the_rows_in_blocks_of_equal_size(database, monkeypatch):
    pytest.importorskip("adbc_driver_sqlite", reason="pip install adbc-driver-sqlite adbc-driver-manager")
    path = database([(i, f"name {i}") for i in range(2500)])
    monkeypatch.setenv("ROWS", str(path))
    source = Sql("select a, b from t order by a", driver="adbc_driver_sqlite", uri="$ROWS")
    assert [len(block.table) for block in source.blocks(700)] == [700, 700, 700, 400]
    assert [block.places.first for block in source.blocks(700)] == [0, 700, 1400, 2100]
    plain = Sql("select a, b from t order by a", path).read().table
    assert source.read().table.to_pydict() == plain.to_pydict()
    assert source.read().name == "adbc_driver_sqlite"


def test_what_a_driver_refuses_is_told_in_its_words(database):
    pytest.importorskip("adbc_driver_sqlite", reason="pip install adbc-driver-sqlite adbc-driver-manager")
    path = database([(1, 2)])
    options = {"driver": "adbc_driver_sqlite", "uri": str(path)}
    problem = only_problem(Sql("select * from flights", **options).read)
    assert problem.code == "query_failed"
    assert "adbc_driver_sqlite" in str(problem)
    assert "no such table: flights" in str(problem)
    assert only_problem(Sql("select a, b as a from t", **options).read).code == "duplicate_column"
    assert Sql("select a from t where a > 1", **options).read().table.column_names == ["a"]


def test_what_a_driver_is_told_to_write_is_not_committed(database):
    pytest.importorskip("adbc_driver_sqlite", reason="pip install adbc-driver-sqlite adbc-driver-manager")
    path = database([(1, 2)])
    Sql("insert into t values (3, 4) returning a", driver="adbc_driver_sqlite", uri=str(path)).read()
    assert Sql("select a from t", path).read().table.to_pydict() == {"a": [1]}


@pytest.fixture
def trips(tmp_path):
    """The tiny experiment with its table in two of SQLite's; gives the arguments that train it from a query."""
    arguments = tiny.experiment(tmp_path)
    with closing(sqlite3.connect(tmp_path / "tiny.db")) as file, file:
        file.execute("create table people(id text primary key, city text, tail text, age real, size real)")
        file.execute("create table trips(id text primary key references people, at text, late text)")
        for row in tiny.table().to_pylist():
            cells = [row[name] for name in ("id", "city", "tail", "age", "size")]
            file.execute("insert into people values (?, ?, ?, ?, ?)", cells)
            file.execute("insert into trips values (?, ?, ?)", (row["id"], row["at"].isoformat(), row["late"]))
    query = "select people.*, at, late from people join trips using (id) order by people.rowid"
    node = f"{{_target_: mlp_torch.ingest.sql.Sql, query: '{query}', database: {tmp_path / 'tiny.db'}}}"
    experiment = tmp_path / "configs" / "experiment" / "tiny.yaml"
    lines = experiment.read_text().splitlines()
    changed = [f"  source: {node}" if line.startswith("  source:") else line for line in lines]
    assert changed != lines
    experiment.write_text("\n".join(changed))
    return arguments


def test_a_query_gives_the_tensors_of_the_file_that_holds_its_rows(trips, tmp_path):
    cfg = composed(trips[2:], Path(trips[1]))
    known = instantiate(cfg.data, _convert_="all").prepare()
    cfg.data.source = {"_target_": "mlp_torch.ingest.source.Parquet", "path": str(tmp_path / "tiny.parquet")}
    other = instantiate(cfg.data, _convert_="all").prepare()
    assert known.counts["read"] == known.counts["used"] == 1200
    for name, table in other.tables.items():
        assert torch.equal(known.tables[name].row, table.row)
        assert torch.equal(known.tables[name].y, table.y)
        assert all(torch.equal(known.tables[name].features[key], x) for key, x in table.features.items())


def test_an_experiment_trains_from_a_query(trips, tmp_path):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[2] / "train.py"), *trips, "trainer.max_epochs=1"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs" / "tiny" / "latest" / "model" / "model.pt").is_file()
