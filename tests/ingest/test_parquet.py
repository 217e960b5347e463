"""Parquet: folders of shards, their agreement, checksums, and the place of whatever is wrong."""

import datetime
import hashlib
import os
import shutil
import subprocess
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import DataError
from mlp_torch.ingest import parquet as module
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.parquet import Parquet
from mlp_torch.ingest.parquet_files import stamps
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import source


@pytest.fixture
def folder(tmp_path):
    """Writes shards by name, from a dict of columns or a table; gives the folder."""

    def write(shards, **options):
        for name, columns in shards.items():
            path = tmp_path / "rows" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
        return tmp_path / "rows"

    return write


def problems_of(act):
    with pytest.raises(DataError) as caught:
        act()
    return caught.value.problems


def only_problem(act):
    problems = problems_of(act)
    assert len(problems) == 1, problems
    return problems[0]


def flipped(path, byte, bit=0):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def summed(path, *names):
    """Writes SHA256SUMS for files of a folder."""
    lines = [f"{hashlib.sha256((path / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (path / "SHA256SUMS").write_text("".join(lines))


def test_a_folder_gives_its_shards_sorted_by_name_and_passes_over_what_is_no_shard(folder):
    path = folder({"b.pq": {"a": [3]}, "a.PARQUET": {"a": [1, 2]}, ".a.parquet": {"a": [9]}, "_metadata": {"a": [9]}})
    (path / "_SUCCESS").touch()
    (path / "_temporary").mkdir()
    (path / "README.md").write_text("rows")
    block = Parquet(path).read()
    assert block.table.to_pydict() == {"a": [1, 2, 3]}
    assert block.name == str(path)
    assert isinstance(source(path), Parquet)


def test_folders_called_name_value_are_text_columns(folder):
    path = folder(
        {
            "day=2026-01-01/at=10%3A00/part-0.parquet": {"a": [1]},
            "day=2026-01-02/at=__HIVE_DEFAULT_PARTITION__/part-0.parquet": {"a": [2, 3]},
        }
    )
    table = Parquet(path).read().table
    assert table.to_pydict() == {
        "a": [1, 2, 3],
        "day": ["2026-01-01", "2026-01-02", "2026-01-02"],
        "at": ["10:00", None, None],
    }
    assert table.schema.field("day").type == pa.large_string()
    assert Parquet(path / "day=2026-01-02").read().table.column_names == ["a", "at"]


@pytest.mark.parametrize("name", ["train/part-0.parquet", "day=/part-0.parquet", "day=1/day=2/part-0.parquet"])
def test_other_folders_among_the_shards_are_refused(folder, name):
    problem = only_problem(Parquet(folder({"part-0.parquet": {"a": [1]}, name: {"a": [2]}})).read)
    assert problem.code == "not_a_shard"
    assert name.rpartition("/")[0] in str(problem)


def test_the_files_of_a_table_with_a_log_are_refused_since_they_hold_removed_rows(folder):
    path = folder({"part-0.parquet": {"a": [1]}})
    (path / "_delta_log").mkdir()
    assert only_problem(Parquet(path).read).code == "not_a_shard"


def test_shards_without_rows_are_fine_and_a_folder_without_shards_is_not(folder, tmp_path):
    none = pa.table({"a": pa.array([], pa.int64())})
    path = folder({"a.parquet": none, "b.parquet": {"a": [1]}, "c.parquet": none})
    assert Parquet(path).read().table.to_pydict() == {"a": [1]}
    (path / "b.parquet").unlink()
    assert [len(block.table) for block in Parquet(path).blocks()] == [0]
    assert Parquet(path).read().table.column_names == ["a"]
    (tmp_path / "empty").mkdir()
    problem = only_problem(Parquet(tmp_path / "empty").read)
    assert problem.code == "no_file"
    assert "a folder without a file that ends in .parquet or .pq" in str(problem)


def test_an_empty_shard_is_named(folder):
    path = folder({"a.parquet": {"a": [1]}})
    (path / "b.parquet").touch()
    problem = only_problem(Parquet(path).read)
    assert problem.code == "empty_file"
    assert "b.parquet" in str(problem)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_blocks_of_any_size_give_the_rows_of_the_whole_folder_by_file_and_row(folder, size):
    path = folder({"a.parquet": {"a": [1, 2, 3]}, "b.parquet": {"a": [4]}, "day=1.parquet": {"a": [5, 6]}})
    whole, blocks = Parquet(path).read(), list(Parquet(path).blocks(size))
    assert [row for block in blocks for row in block.table.to_pylist()] == whole.table.to_pylist()
    places = [place for block in blocks for place in block.places.of(range(len(block.table)))]
    assert places == list(whole.places.of(range(6)))
    assert places == ["a.parquet:0", "a.parquet:1", "a.parquet:2", "b.parquet:0", "day=1.parquet:0", "day=1.parquet:1"]
    assert {block.name for block in blocks} == {
        str(path / name) for name in ("a.parquet", "b.parquet", "day=1.parquet")
    }


def test_blocks_hold_little_of_a_large_row_group_in_memory(folder):
    path = folder({"a.parquet": {"a": np.random.default_rng(0).normal(size=4_000_000)}}, row_group_size=4_000_000)
    before, most = pa.total_allocated_bytes(), 0
    for block in Parquet(path).blocks(10_000):
        most = max(most, pa.total_allocated_bytes() - before)
        del block
    assert 0 < most < 8_000_000  # of 32,000,000


def wide(rows, cell):
    """Rows with a text of so many bytes each, all of them different."""
    return pa.table({"a": range(rows), "text": [f"{i:06d}" * (cell // 6) for i in range(rows)]})


def sizes(path, *size):
    return [len(block.table) for block in Parquet(path).blocks(*size)]


def test_blocks_of_wide_rows_have_fewer_of_them_and_the_rows_are_the_same(folder):
    table = wide(20_000, 12_000)
    path = folder({"a.parquet": table}, use_dictionary=False)
    first, *others = found = sizes(path)
    assert sum(found) == 20_000
    assert 2**26 * 0.95 < first * 12_012 <= 2**26
    assert set(others[:-1]) == {first}
    at = 0
    for block in Parquet(path).blocks():
        assert block.table.equals(table.slice(at, first))
        assert block.places.of([0]) == (f"a.parquet:{at}",)
        at += len(block.table)
    assert sizes(path, 100)[:-1] == [100] * 199
    assert len(Parquet(path).read().table) == 20_000


def test_blocks_of_narrow_rows_are_as_large_as_ever(folder):
    path = folder({"a.parquet": wide(140_000, 60)}, row_group_size=10_000)
    assert sizes(path) == [65_536, 65_536, 8_928]


def test_the_widest_row_group_of_a_file_decides_and_each_file_for_itself(folder, monkeypatch):
    monkeypatch.setattr(module, "BYTES", 6_000)
    path = folder({name: wide(20, 6) for name in ("a.parquet", "c.parquet")}, use_dictionary=False)
    with pq.ParquetWriter(path / "b.parquet", wide(1, 6).schema, use_dictionary=False) as writer:
        for table in (wide(20, 6), wide(10, 600), wide(20, 6).slice(0, 0)):
            writer.write_table(table)
    assert sizes(path / "a.parquet") == [20]
    of_b = sizes(path / "b.parquet")
    assert sum(of_b) == 30
    assert 0.8 * 6_000 < of_b[0] * 608 <= 6_000
    assert sizes(path) == [20, *of_b, 20]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_long_words_that_a_dictionary_holds_once_make_blocks_of_fewer_rows(kind, folder):
    words = [str(i) * 10_000 for i in range(5)]
    text = pa.array([words[i % 5] for i in range(20_000)]).dictionary_encode()
    narrow = pa.array(["x", None] * 20_000).dictionary_encode()
    table = pa.table({"a": range(60_000), "text": pa.concat_arrays([narrow, text]).cast(kind)})
    path = folder({"a.parquet": table}, row_group_size=20_000) / "a.parquet"
    assert path.stat().st_size < 2**20
    found = sizes(path)
    assert (max(found), sum(found)) == (2**26 // 10_016, 60_000)  # a word, its offset and a number
    assert pa.concat_tables(block.table for block in Parquet(path).blocks()).equals(table)


def test_a_row_wider_than_a_block_is_a_block_of_its_own(folder, monkeypatch):
    monkeypatch.setattr(module, "BYTES", 100)
    assert sizes(folder({"a.parquet": wide(3, 600)}, use_dictionary=False)) == [1, 1, 1]


def test_blocks_of_wide_rows_take_little_memory(folder):
    path = folder({"a.parquet": wide(30_000, 12_000)}, use_dictionary=False, row_group_size=5_000)
    before, most = pa.total_allocated_bytes(), 0
    for block in Parquet(path).blocks():
        most = max(most, pa.total_allocated_bytes() - before)
        del block
    assert 0 < most < 1.5 * 2**26  # of 360,000,000


def test_bad_cells_are_named_by_shard_and_row_in_one_table_and_in_blocks(folder):
    path = folder({"k=1/a.parquet": {"age": ["1", "old"]}, "k=2/a.parquet": {"age": ["2", "3", "x"]}})
    schema = Schema.of([Read("age")])
    whole = only_problem(lambda: schema.check(Parquet(path).read()))
    inspection = Inspection(schema)
    for block in Parquet(path).blocks(2):
        inspection.check(block)
    assert only_problem(inspection.close) == whole
    assert whole.rows == ("k=1/a.parquet:1", "k=2/a.parquet:2")
    assert '2 of 5 rows, rows k=1/a.parquet:1, k=2/a.parquet:2; e.g. "old", "x"' in str(whole)


def test_rows_of_a_single_file_are_numbers(folder):
    path = folder({"a.parquet": {"age": ["1", "old"]}}) / "a.parquet"
    problem = only_problem(lambda: Schema.of([Read("age")]).check(Parquet(path).read()))
    assert (problem.rows, problem.unit) == ((1,), "row")


def test_shards_may_have_their_columns_in_any_order(folder):
    path = folder({"a.parquet": {"a": [1], "b": ["x"]}, "b.parquet": {"b": ["y"], "a": [2]}})
    assert Parquet(path).read().table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (pa.array([1], pa.int8()), pa.array([2**60]), pa.int64()),
        (pa.array([1], pa.uint32()), pa.array([-1], pa.int32()), pa.int64()),
        (pa.array([0.5], pa.float32()), pa.array([0.1]), pa.float64()),
        (pa.array(["x"]), pa.array(["y"]).dictionary_encode(), pa.large_string()),
        (pa.array(["x"], pa.large_string()), pa.array(["y"], pa.string()), pa.large_string()),
        (pa.nulls(1), pa.array(["y"]), pa.large_string()),
        (pa.nulls(1), pa.array([True]), pa.bool_()),
        (pa.array([5], pa.timestamp("ms")), pa.array([7], pa.timestamp("us")), pa.timestamp("us")),
    ],
)
def test_types_that_differ_in_width_alone_become_the_widest_and_no_value_changes(folder, one, other, found):
    path = folder({"a.parquet": pa.table({"x": one}), "b.parquet": pa.table({"x": other})})
    for block in (Parquet(path).read(), *Parquet(path).blocks()):
        assert block.table.schema.field("x").type == found
    assert Parquet(path).read().table.column("x").to_pylist() == one.to_pylist() + other.to_pylist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1]), pa.array(["1"])),
        (pa.array([1]), pa.array([1.0])),
        (pa.array([1]), pa.array([True])),
        (pa.array([0], pa.timestamp("ms")), pa.array([0], pa.timestamp("ms", "UTC"))),
        (pa.array([0], pa.timestamp("ms")), pa.array(["1970-01-01"])),
        (pa.array([b"x"]), pa.array(["x"])),
        (pa.array([[1]]), pa.array([["x"]])),
    ],
)
def test_row_42_shards_of_other_types_are_refused_by_file_column_and_both_types(folder, one, other):
    tables = {"a.parquet": pa.table({"x": one}), "b.parquet": pa.table({"x": pa.nulls(1)})}
    path = folder({**tables, "c.parquet": pa.table({"x": other})})
    for act in (Parquet(path).read, lambda: next(Parquet(path).blocks())):
        problem = only_problem(act)
        assert (problem.code, problem.columns) == ("different_types", ("x",))
        kinds = [pq.read_schema(path / name).field("x").type for name in ("a.parquet", "c.parquet")]
        assert f"{kinds[0]} in {path / 'a.parquet'}" in str(problem)
        assert f"{kinds[1]} in {path / 'c.parquet'}" in str(problem)


def test_row_42_every_column_that_a_shard_lacks_is_refused(folder):
    path = folder({"a.parquet": {"a": [1], "b": [2]}, "b.parquet": {"b": [2], "c": [3]}})
    found = {problem.columns: str(problem) for problem in problems_of(Parquet(path).read)}
    assert list(found) == [("a",), ("c",)]
    assert f"int64 in {path / 'a.parquet'}, no such column in {path / 'b.parquet'}" in found[("a",)]


def test_a_value_that_the_widest_type_cannot_hold_is_refused_and_not_wrapped(folder):
    late = pa.table({"x": pa.array([datetime.datetime(9999, 12, 31)], pa.timestamp("us"))})
    soon = pa.table({"x": pa.array([0], pa.timestamp("ns"))})
    problem = only_problem(Parquet(folder({"a.parquet": soon, "b.parquet": late})).read)
    assert (problem.code, problem.columns) == ("different_types", ("x",))
    assert "b.parquet is no timestamp[ns]" in str(problem)
    large = pa.table({"x": pa.array([2**63], pa.uint64())})
    problem = only_problem(Parquet(folder({"a.parquet": {"x": [1]}, "b.parquet": large})).read)
    assert (problem.code, problem.columns) == ("different_types", ("x",))


@pytest.mark.parametrize("name", ["part.parquet", "a=1/part.parquet"])
def test_a_name_that_is_there_twice_is_refused_with_its_file(folder, name):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a" if "/" not in name else "b"])
    problem = only_problem(Parquet(folder({name: table})).read)
    assert (problem.code, problem.columns) == ("duplicate_column", ("a",))
    assert name in str(problem)


@pytest.mark.parametrize("cut", [1, 4, 9, 100, -40])
def test_row_40_a_truncated_shard_is_named(folder, cut):
    path = folder({"a.parquet": {"a": [1]}, "b.parquet": {"a": list(range(1000))}})
    content = (path / "b.parquet").read_bytes()
    (path / "b.parquet").write_bytes(content[:-cut])
    for act in (Parquet(path).read, lambda: list(Parquet(path).blocks(10))):
        problem = only_problem(act)
        assert problem.code == "damaged_file"
        assert "b.parquet" in str(problem)


def test_row_41_of_a_flipped_shard_the_file_the_column_and_the_row_are_named(folder):
    tables = {name: {"a": [0.5] * 100_000, "b": [float(i) for i in range(100_000)]} for name in ("a.pq", "b.pq")}
    path = folder(tables, compression="none", use_dictionary=False, write_page_checksum=True, data_page_size=2**16)
    flipped(path / "b.pq", (path / "b.pq").stat().st_size - 5_000)
    for act in (Parquet(path).read, lambda: list(Parquet(path).blocks(1000))):
        problem = only_problem(act)
        assert problem.code == "damaged_file"
        assert 'b.pq, column "b" from row 98,304 on, cannot be read as Parquet' in str(problem)


def test_every_flipped_bit_of_a_page_with_a_checksum_is_noticed(folder):
    table = {"a": list(range(100))}
    path = folder({"a.pq": table}, compression="none", use_dictionary=False, write_page_checksum=True) / "a.pq"
    content = path.read_bytes()
    start = content.index(b"".join(i.to_bytes(8, "little") for i in range(100)))
    for byte in range(start, start + 800, 7):
        flipped(path, byte, byte % 8)
        assert only_problem(Parquet(path).read).code == "damaged_file"
        path.write_bytes(content)
    assert Parquet(path).read().table.to_pydict() == table


def test_no_flipped_bit_of_a_footer_hides_rows(folder):
    path = folder({"a.pq": {"a": list(range(20))}}, row_group_size=10, compression="none", store_schema=False) / "a.pq"
    content = path.read_bytes()
    for byte in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), len(content)):
        for bit in range(8):
            flipped(path, byte, bit)
            with suppress(DataError):
                assert Parquet(path).read().table.num_rows == 20, (byte, bit)
            path.write_bytes(content)


def test_text_that_is_no_utf8_is_left_to_the_validator_which_names_its_row(folder):
    text = pa.array([b"ok", b"caf\xe9", b"ok"]).view(pa.string())
    block = Parquet(folder({"a.pq": pa.table({"a": text})}) / "a.pq").read()
    problem = only_problem(lambda: Schema.of([Read("a", "string")]).check(block))
    assert (problem.code, problem.columns, problem.rows) == ("invalid_unicode", ("a",), (1,))
    coded = pa.table({"a": pa.DictionaryArray.from_arrays([0, 1, 2], text)})  # here Arrow refuses to read it
    problem = only_problem(Parquet(folder({"b.pq": coded}) / "b.pq").read)
    assert problem.code == "damaged_file"
    assert 'b.pq, column "a" from row 0 on, cannot be read as Parquet: Invalid UTF8' in str(problem)


def test_checksums_that_hold_change_nothing(folder):
    path = folder({"k=1/b.parquet": {"a": [2]}})
    summed(path, "k=1/b.parquet")
    assert Parquet(path).read().table.to_pydict() == {"a": [2], "k": ["1"]}
    assert len(list(Parquet(path).blocks())) == 1


def test_a_shard_with_another_checksum_is_refused_whole_and_in_blocks(folder):
    path = folder({"a.parquet": {"a": [1]}, "b.parquet": {"a": [2]}})
    summed(path, "a.parquet", "b.parquet")
    folder({"b.parquet": {"a": [3]}})
    for act in (Parquet(path).read, lambda: list(Parquet(path).blocks())):
        problem = only_problem(act)
        assert problem.code == "wrong_checksum"
        assert str(path / "b.parquet") in str(problem)
    summed(path, "b.parquet")
    assert Parquet(path / "b.parquet").read().table.to_pydict() == {"a": [3]}


def test_files_that_are_missing_and_files_that_are_not_listed_are_named_together(folder):
    path = folder({name: {"a": [1]} for name in ("a.parquet", "b.parquet", "c.parquet")})
    summed(path, "a.parquet", "b.parquet")
    (path / "a.parquet").unlink()
    missing, unlisted = problems_of(Parquet(path).read)
    assert (missing.code, unlisted.code) == ("no_file", "unlisted_file")
    assert str(missing).endswith("however: a.parquet")
    assert str(unlisted).endswith("however: c.parquet")
    assert only_problem(Parquet(path / "c.parquet").read).code == "unlisted_file"
    assert Parquet(path / "b.parquet").read().table.num_rows == 1


def test_every_flipped_bit_of_a_file_with_a_checksum_is_noticed(folder):
    path = folder({"a.parquet": {"a": [1, 2, 3], "b": ["x", None, "z"]}})
    summed(path, "a.parquet")
    content = (path / "a.parquet").read_bytes()
    for byte in range(len(content)):
        flipped(path / "a.parquet", byte, byte % 8)
        problem = only_problem(Parquet(path).read)
        assert problem.code == "wrong_checksum"
        assert "a.parquet" in str(problem)
        (path / "a.parquet").write_bytes(content)
    assert Parquet(path).read().table.num_rows == 3


@pytest.mark.parametrize("form", ["{sum} *{name}\n", "{sum}  ./{name}\r\n", "\n{sum}  {name}\n\n"])
def test_other_spellings_of_a_line_are_understood(folder, form):
    path = folder({"a.parquet": {"a": [1]}})
    known = hashlib.sha256((path / "a.parquet").read_bytes()).hexdigest()
    (path / "SHA256SUMS").write_bytes(form.format(sum=known.upper(), name="a.parquet").encode())
    assert Parquet(path).read().table.num_rows == 1
    flipped(path / "a.parquet", 5)
    assert only_problem(Parquet(path).read).code == "wrong_checksum"


def test_stamps_differ_where_shards_or_their_checksums_do_and_not_for_what_is_passed_over(folder):
    path = folder({"a.parquet": {"a": [1]}})
    seen = [stamps(path)]
    (path / "_SUCCESS").write_text("")
    assert stamps(path) == seen[0]
    folder({"b.parquet": {"a": [1]}})
    seen.append(stamps(path))
    summed(path, "a.parquet", "b.parquet")
    seen.append(stamps(path))
    os.utime(path / "a.parquet", ns=(1, 1))
    seen.append(stamps(path))
    (path / "b.parquet").rename(path / "c.parquet")
    seen.append(stamps(path))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is of coreutils")
def test_what_sha256sum_writes_is_understood_names_with_line_ends_and_backslashes_too(folder):
    names = ["a b.parquet", "n\nl.parquet", "b\\n.parquet", "日本.parquet"]
    path = folder({name: {"a": [1]} for name in names})
    with (path / "SHA256SUMS").open("wb") as file:
        subprocess.run(["sha256sum", "--", *names], cwd=path, stdout=file, check=True)
    assert Parquet(path).read().table.num_rows == 4


@pytest.mark.parametrize("line", ["abc  a.parquet", "0" * 64, f"SHA256 (a.parquet) = {'0' * 64}"])
def test_a_line_that_is_no_checksum_is_refused_by_its_number(folder, line):
    path = folder({"a.parquet": {"a": [1]}})
    (path / "SHA256SUMS").write_text(f"{'0' * 64}  b.parquet\n{line}\n")
    problem = only_problem(Parquet(path).read)
    assert (problem.code, problem.rows, problem.unit) == ("bad_checksums", (2,), "line")
    assert "SHA256SUMS" in str(problem)
    assert "line 2" in str(problem)


def test_two_checksums_of_one_file_are_refused(folder):
    path = folder({"a.parquet": {"a": [1]}})
    summed(path, "a.parquet")
    with (path / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ./a.parquet\n")
    problem = only_problem(Parquet(path).read)
    assert (problem.code, problem.rows) == ("bad_checksums", (2,))


def many(rows, fields):
    """So many columns of one number, which take next to nothing in a file."""
    return {f"c{i}": np.full(rows, 7) for i in range(fields)}


def most_memory(blocks):
    """Bytes that Arrow holds at most while blocks are read, one at a time."""
    before, most = pa.total_allocated_bytes(), 0
    for block in blocks:
        most = max(most, pa.total_allocated_bytes() - before)
        del block
    return most


NESTED = {
    "list": pa.array([None, *[["x" * 10_000]] * 29_999], pa.large_list(pa.large_string())),
    "struct": pa.StructArray.from_arrays([pa.array(["x" * 10_000] * 30_000, pa.large_string())], ["a"]),
    "map": pa.array([[("k", "x" * 10_000)]] * 30_000, pa.map_(pa.string(), pa.large_string())),
    "bytes of one length": pa.array([b"x" * 10_000] * 30_000, pa.binary(10_000)),
    "many numbers in a list": pa.array([[7] * 1_250] * 30_000, pa.list_(pa.int64())),
}


@pytest.mark.parametrize("kind", NESTED)
def test_blocks_of_nested_and_of_fixed_width_cells_have_fewer_rows(kind, folder):
    path = folder({"a.parquet": {"a": range(30_000), "c": NESTED[kind]}}, row_group_size=30_000)
    assert (path / "a.parquet").stat().st_size < 2**21
    found = sizes(path)
    assert sum(found) == 30_000
    assert 0.9 * 2**26 < max(found) * 10_008 <= 2**26


def test_blocks_of_many_columns_that_repeat_one_value_have_fewer_rows(folder):
    path = folder({"a.parquet": many(30_000, 1_000)})
    assert sizes(path) == [2**26 // 8_000] * 3 + [30_000 - 3 * (2**26 // 8_000)]
    assert most_memory(Parquet(path).blocks()) < 2 * 2**26  # of 240,000,000


def test_columns_that_nobody_reads_are_there_by_name_and_take_no_memory(folder):
    columns = many(30_000, 1_000)
    path = folder({"day=1/a.parquet": {**columns, "hour": range(30_000)}})
    some = Parquet(path).only(["hour", "nosuch"])
    assert most_memory(some.blocks()) < 2_000_000
    (block,) = some.blocks()
    assert block.table.column_names == [*columns, "hour", "day"]
    assert block.table.column("hour").to_pylist() == list(range(30_000))
    assert {field.type for field in block.table.schema if field.name != "hour"} == {pa.null()}
    assert Parquet(path).only(["day"]).read().table.column("day").to_pylist() == ["1"] * 30_000
    (bare,) = Parquet(path).only([]).blocks()
    assert (len(bare.table), bare.table.num_columns) == (30_000, 1_002)
    assert len(list(Parquet(path).blocks())) == 4


@pytest.mark.parametrize("name", ["a", "a.b", "", "s", "s.a", ".", "l"])
def test_a_column_is_chosen_by_its_whole_name_dots_and_all(name, folder):
    cells = {"a": [1], "a.b": [2], "": [3], "s": [{"a": 4}], "s.a": [5], ".": [6], "l": [[7]]}
    path = folder({"x.parquet": cells, "y.parquet": cells})
    (one, other) = Parquet(path).only([name]).blocks()
    wanted = {other: values if other == name else [None] for other, values in cells.items()}
    assert one.table.to_pydict() == other.table.to_pydict() == wanted


def test_the_verdict_on_some_columns_is_the_one_on_all(folder):
    path = folder({"a.parquet": {"extra": ["x", "y"], "age": ["1", "old"]}, "b.parquet": {"age": ["3"], "extra": [""]}})
    for strict in (False, True):
        found = []
        for rows in (Parquet(path, strict=strict), Parquet(path, strict=strict).only(["age"])):
            inspection = Inspection(Schema.of([Read("age")], {"age": {"invalid": "missing"}}, strict=strict))
            for block in rows.blocks():
                inspection.check(block)
            found.append(problems_of(inspection.close) if strict else inspection.close())
        assert found[0] == found[1]
    assert [problem.code for problem in found[0]] == ["extra_column"]


def test_what_must_hold_of_all_columns_does_where_some_are_read(folder):
    path = folder({"a.parquet": {"a": [1], "b": [1]}, "b.parquet": {"a": [1], "b": ["x"]}})
    assert only_problem(lambda: Parquet(path).only(["a"]).read()).code == "different_types"
    twice = pa.table([[1], [2]], names=["b", "b"]).append_column("a", pa.array([3]))
    assert only_problem(lambda: Parquet(folder({"b.parquet": twice}) / "b.parquet").only(["a"]).read()).code == (
        "duplicate_column"
    )


def test_stamps_of_a_single_file_differ_where_the_checksums_beside_it_do(folder):
    path = folder({"a.parquet": {"a": [1]}})
    seen = [stamps(path / "a.parquet")]
    summed(path, "a.parquet")
    seen.append(stamps(path / "a.parquet"))
    os.utime(path / "SHA256SUMS", ns=(1, 1))
    seen.append(stamps(path / "a.parquet"))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])
