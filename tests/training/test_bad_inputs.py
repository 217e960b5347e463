"""What training makes of bad inputs, by their row in the list of them; test_data.py has more on labels and splits."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from bad_rows import BAD, POLICIES, Bad, records
from pyarrow.csv import write_csv

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.source import Csv, Frame, Parquet
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import SPLITS, ByColumn, ByFingerprint, ByTime
from mlp_torch.run import describe
from mlp_torch.target import Category, Number
from mlp_torch.training.data import Data
from mlp_torch.training.table.shards import Shards

AT = (3, 50, 399)  # bad rows
NAMES = list(tiny.table(1).column_names)


def of(source: Any, **changes: Any) -> Data:
    """The tiny data, of another source and perhaps with other parts."""
    data = tiny.unprepared(1, fields=changes.pop("fields", POLICIES))
    data.source = source
    for name, part in changes.items():
        setattr(data, name, part)
    return data


def small(rows: Any, columns: dict[str, Any], target: Any = None, **options: Any) -> Data:
    """Some columns of rows in memory, split by id."""
    target = target or Category("late")
    split = options.pop("split", ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.0))
    source = Frame(rows) if isinstance(rows, pa.Table) else rows
    return Data(source, columns, target, split, **options)


def refused(data: Data) -> Problem:
    """The only problem."""
    with pytest.raises(DataError) as caught:
        data.prepare()
    (problem,) = caught.value.problems
    return problem


def csv(path: Path, rows: list[dict[str, Any]], **cells: Any) -> Path:
    """Rows as a file; `cells` stand quoted or not, as they are, in the bad rows."""
    lines = [",".join(NAMES)]
    for i, row in enumerate(rows):
        found = {name: "" if value is None else f'"{value}"' for name, value in row.items()}
        lines.append(",".join((found | cells if i in AT else found).values()))
    path.write_bytes("\n".join(lines).encode())
    return path


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_cell_of_rows_in_memory_is_refused_by_code_column_rows_and_count(bad: Bad) -> None:
    rows = records()
    for i in AT:
        rows[i][bad.field] = bad.value
    problem = refused(of(Frame(rows)))
    assert (problem.code, problem.columns, problem.bad, problem.total) == (bad.code, (bad.field,), 3, 400)
    assert (problem.rows, problem.unit) == (AT, "row")
    text = str(problem)
    assert text.startswith(f'{bad.code}: column "{bad.field}"')
    assert "3 of 400 rows, rows 3, 50, 399" in text
    assert bad.says in text
    assert text.isprintable()
    assert len(text) < 1000


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.in_csv is not None], ids=str)
def test_the_same_cell_of_a_csv_file_is_refused_with_its_lines(bad: Bad, tmp_path: Path) -> None:
    problem = refused(of(Csv(csv(tmp_path / "rows.csv", records(), **{bad.field: bad.in_csv}))))
    assert (problem.code, problem.columns, problem.bad, problem.total) == (bad.code, (bad.field,), 3, 400)
    assert "3 of 400 rows, lines 5, 52, 401" in str(problem)
    assert bad.says in str(problem)


def test_the_rows_without_bad_cells_are_taken(tmp_path: Path) -> None:
    a, b = of(Frame(records())).prepare(), of(Csv(csv(tmp_path / "rows.csv", records()))).prepare()
    assert a.fingerprint == b.fingerprint
    assert a.counts["used"] == b.counts["used"] == 400


def test_row_1_a_missing_column_is_refused_with_the_available_and_the_near() -> None:
    problem = refused(of(Frame(tiny.table().rename_columns([name.replace("age", "Age") for name in NAMES]))))
    assert (problem.code, problem.columns) == ("missing_column", ("age",))
    assert "did you mean Age?" in str(problem)
    assert 'available: "id", "city"' in str(problem)


def test_row_2_an_extra_column_is_named_and_counted_or_refused_if_strict(tmp_path: Path) -> None:
    table = tiny.table().append_column("shoe", pa.array([1] * 1200))
    assert of(Frame(table)).prepare().counts["ignored_columns"] == ["shoe"]
    pq.write_table(table, tmp_path / "rows.parquet")
    problem = refused(of(Parquet(tmp_path / "rows.parquet", strict=True)))
    assert (problem.code, problem.columns, problem.key) == ("extra_column", ("shoe",), "data.source.strict")


def test_row_3_columns_in_another_order_give_the_same_bits() -> None:
    plain, turned = tiny.data(), of(Frame(tiny.table().select(NAMES[::-1])), fields={}).prepare()
    assert plain.fingerprint == turned.fingerprint
    for name in SPLITS:
        found = turned.tables[name].features
        assert all(torch.equal(x, found[key]) for key, x in plain.tables[name].features.items())


def test_row_4_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = tiny.table().append_column("age", tiny.table()["size"])
    (tmp_path / "rows.csv").write_text("id,age,age\na,1,2\n")
    for source in (Frame(twice), Csv(tmp_path / "rows.csv")):
        problem = refused(of(source))
        assert (problem.code, problem.columns) == ("duplicate_column", ("age",))


def test_rows_7_and_8_text_integers_and_booleans_are_read_as_the_numbers_they_are() -> None:
    table = tiny.table()
    sizes = [i % 2 for i in range(1200)]
    whole = of(Frame(table.set_column(5, "size", pa.array(sizes)))).prepare()
    for other in (pa.array([str(x) for x in sizes]), pa.array([x == 1 for x in sizes]), pa.array(sizes, pa.uint8())):
        found = of(Frame(table.set_column(5, "size", other))).prepare()
        assert found.fingerprint == whole.fingerprint
        told = "changed 1,200 cells: size: text read as number" in found.notes()
        assert told == (other.type == pa.string())


def test_row_10_integers_with_gaps_are_read_exactly() -> None:
    values = [2**53 - i if i % 7 else None for i in range(1200)]
    table = tiny.table().append_column("n", pa.array(values, pa.int64()))
    data = small(table, {"n": Scaled("n")}).prepare()
    assert data.counts["missing"] == {"n": 172}
    reals = table.set_column(7, "n", pa.array([None if n is None else float(n) for n in values]))
    assert small(reals, {"n": Scaled("n")}).prepare().fingerprint == data.fingerprint
    values[8] = 2**53 + 1
    problem = refused(small(table.set_column(7, "n", pa.array(values, pa.int64())), {"n": Scaled("n")}))
    assert (problem.code, problem.columns, problem.rows) == ("too_large_integer", ("n",), (8,))


def test_row_11_leading_zeros_and_row_20_empty_text_are_categories_of_their_own() -> None:
    words = ["00123", "123", "0123", "", "  ", None]
    column = Embedding("word")
    small(tiny.table().append_column("word", pa.array(words * 200)), {"word": column}).prepare()
    assert len(column.vocabulary) == 5
    assert column.seen[1]  # missing was trained


def test_row_12_missing_numbers_get_the_training_mean_and_an_indicator() -> None:
    data = tiny.data()
    table = tiny.table()
    gone = {row for row, age in zip(table["id"].to_pylist(), table["age"].to_pylist(), strict=True) if age is None}
    assert f"missing cells: age {len(gone)}" in "; ".join(data.notes())
    train = data.tables["train"].features["age"]
    for name, (scaled, missing) in zip(data.keys["train"]["id"].to_pylist(), train.tolist(), strict=True):
        assert missing == (name in gone)
        assert not missing or abs(scaled) < 1e-6


def test_row_15_a_column_without_values_is_refused_by_name_and_count() -> None:
    problem = refused(of(Frame(tiny.table().set_column(4, "age", pa.nulls(1200)))))
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("all_missing", ("age",), 1200, 1200)


def test_row_19_look_alike_categories_are_warned_of_with_their_number() -> None:
    words = ["Köln", "ko\u0308ln", "KÖLN ", "Bonn", "Ulm"]
    column = Embedding("word")
    data = small(tiny.table().append_column("word", pa.array(words * 240)), {"word": column}).prepare()
    assert [line for line in data.notes() if line.startswith('look_alike: column "word" has 3 words')]
    assert len(column.vocabulary) == 5


def test_row_21_more_categories_than_are_allowed_are_refused_with_both_numbers() -> None:
    column = Embedding("id", most=500)
    problem = refused(small(tiny.table(), {"id": column}))
    assert (problem.code, problem.columns, problem.key) == ("cannot_fit", ("id",), "data.columns.id")
    assert "at most 500 categories, however: " in str(problem)
    assert "use Hashed" in str(problem)
    seen = int(str(problem).partition("however: ")[2].partition(";")[0])
    small(tiny.table(), {"id": Embedding("id", most=seen)}).prepare()


def test_row_22_clipped_numbers_are_counted_by_split_in_memory_and_on_disk(tmp_path: Path) -> None:
    ages = [40.0 + i % 21 - 10 for i in range(1200)]
    ages[:6] = [1e9] * 6
    table = tiny.table().set_column(4, "age", pa.array(ages))
    split = ByColumn("part", train=["train"], val=["val"], test=["test"])
    parts = pa.array(["val", "val", "val", "val", "test", "test", *["train", "val", "test"] * 398])
    table = table.append_column("part", parts)
    pq.write_table(table, tmp_path / "rows.parquet")
    for source in (table, Shards(Parquet(tmp_path / "rows.parquet"), tmp_path / "encoded")):
        columns = {"age": Scaled("age", clip=3.0), "size": Scaled("size")}
        data = small(source, columns, split=split).prepare()
        assert data.counts["clipped"] == {"train": {}, "calibration": {}, "val": {"age": 4}, "test": {"age": 2}}
        assert "val: 4 rows are clipped at the limit of age" in data.notes()


def test_rows_29_and_30_files_without_rows_are_refused(tmp_path: Path) -> None:
    for content, code, text in (("", "empty_file", "is empty"), (",".join(NAMES) + "\n", "no_rows", "0 rows")):
        (tmp_path / "rows.csv").write_text(content)
        problem = refused(of(Csv(tmp_path / "rows.csv")))
        assert problem.code == code
        assert text in str(problem)


def test_row_31_one_row_is_refused_with_the_sizes_and_few_rows_make_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = refused(of(Frame(tiny.table(1))))
    assert problem.code == "empty_split"
    assert "must have at least 1 row, however: train 1, calibration 0, val 0, test 0" in problem.text
    few = tiny.unprepared(40, batch_size=1024).prepare()
    assert len(few.tables["train"].y) < 40
    monkeypatch.setattr("mlp_torch.training.loaders.position", lambda trainer: (0, 0))  # there is none
    (batch,) = few.train_dataloader()
    assert len(batch.y) == len(few.tables["train"].y)


def test_rows_33_to_36_torn_rows_open_quotes_and_wrong_delimiters_are_refused_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    good = csv(path, records()).read_text()
    torn = good.replace("\n", ",9\n").replace(",9", "", 1).replace(",9\n", "\n", 9)
    path.write_text(torn)
    problem = refused(of(Csv(path)))
    assert (problem.code, problem.unit, problem.rows[0]) == ("wrong_field_count", "line", 11)
    path.write_text(good.replace('"Rome"', '"Rome', 1))
    assert refused(of(Csv(path))).code in ("unclosed_quote", "wrong_field_count")
    path.write_text(good.replace(",", ";"))
    problem = refused(of(Csv(path)))
    assert (problem.code, problem.key) == ("wrong_delimiter", 'data.source.delimiter: ";"')
    assert of(Csv(path, delimiter=";")).prepare().counts["used"] == 400


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xef\xbb\xbf", "utf8"), (b"", "utf-16"), (b"", "latin-1")],
    ids=["BOM", "UTF-16", "Latin-1"],
)
def test_rows_25_to_27_the_same_text_in_another_encoding_is_read_as_told_or_refused(
    mark: bytes, encoding: str, tmp_path: Path
) -> None:
    rows = [{**row, "city": "Köln" if row["city"] else None} for row in records()]
    path = csv(tmp_path / "rows.csv", rows)
    plain = of(Csv(path)).prepare()
    path.write_bytes(mark + path.read_text().encode(encoding))
    assert of(Csv(path, encoding=encoding)).prepare().fingerprint == plain.fingerprint
    if not mark:
        problem = refused(of(Csv(path)))
        assert (problem.code, problem.key) in [("encoding", f"data.source.encoding{hint}") for hint in ("", ": cp1252")]
        assert ("byte order mark of UTF-16" in str(problem)) == (encoding == "utf-16")


def test_row_38_line_ends_and_blank_lines_at_the_end_change_no_bit(tmp_path: Path) -> None:
    path = csv(tmp_path / "rows.csv", records())
    plain = of(Csv(path)).prepare().fingerprint
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"".join(line + (b"\n", b"\r\n", b"\r")[i % 3] for i, line in enumerate(lines)) + b"\r\n\n\n")
    assert of(Csv(path)).prepare().fingerprint == plain


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan"])
def test_row_39_a_word_that_looks_missing_stays_a_category_unless_listed(word: str, tmp_path: Path) -> None:
    path = csv(tmp_path / "rows.csv", records(), city=word)
    column = {"city": Embedding("city")}
    plain = small(Csv(path), column).prepare()
    listed = small(Csv(path), {"city": Embedding("city")}, fields={"city": {"na_values": [word]}}).prepare()
    assert listed.counts["changed"] == {"city: na_values read as missing": 3}
    assert listed.counts["missing"]["city"] == plain.counts["missing"]["city"] + 3


def test_rows_40_and_41_a_damaged_parquet_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(tiny.table(), path, write_page_checksum=True)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 1
    for damaged in (content[:-20], bytes(flipped)):
        path.write_bytes(damaged)
        problem = refused(of(Parquet(path)))
        assert problem.code == "damaged_file"
        assert "rows.parquet" in str(problem)


def test_row_42_shards_of_other_types_are_refused_by_file_and_column(tmp_path: Path) -> None:
    table = tiny.table()
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.set_column(4, "age", pa.array(["x"] * 1200)), tmp_path / "b.parquet")
    problem = refused(of(Parquet(tmp_path)))
    assert problem.columns == ("age",)
    assert "b.parquet" in str(problem)


def test_row_46_a_class_of_one_row_is_named_where_training_has_it_and_refused_elsewhere() -> None:
    table, kept = tiny.table(), tiny.data()
    for split, known in (("train", True), ("val", False)):
        row = table["id"].to_pylist().index(kept.keys[split]["id"][0].as_py())
        labels = ["cancelled" if i == row else label for i, label in enumerate(table["late"].to_pylist())]
        data = of(Frame(table.set_column(6, "late", pa.array(labels))), target=Category("late"), fields={})
        if known:
            line = 'rare_class: column "late" has 1 of 3 classes with 1 training row each: "cancelled"; merge'
            assert [note for note in data.prepare().notes() if note.startswith(line)]
        else:  # row 47
            problem = refused(data)
            assert (problem.code, problem.columns, problem.bad, problem.rows) == ("unknown_label", ("late",), 1, (row,))
    assert not [note for note in kept.notes() if note.startswith("rare_class")]


def test_row_46_a_class_that_no_training_row_has_is_refused_by_name() -> None:
    problem = refused(of(Frame(tiny.table()), target=Category("late", classes=["on time", "late", "cancelled"])))
    assert (problem.code, problem.columns) == ("class_without_rows", ("late",))
    assert "cancelled" in problem.text


@pytest.mark.parametrize("copy", ["equal", "in order"])
def test_row_51_a_feature_that_is_the_label_is_warned_of_loudly(copy: str, tmp_path: Path) -> None:
    size = tiny.table()["size"].to_numpy()
    table = tiny.table().append_column("twin", pa.array(size if copy == "equal" else -(size**3)))
    for columns in ({"twin": Scaled("twin"), "age": Scaled("age")}, {"age": Scaled("age")}):
        loud = loud_notes(small(table, columns, Number("size")), tmp_path)
        assert len(loud) == ("twin" in columns)
        assert all(line.startswith('WARNING: copy_of_target: "twin":') for line in loud)


def loud_notes(data: Data, folder: Path) -> list[str]:
    """What the log of a run must not be without."""
    data.prepare(look=partial(describe, data, folder / "data.html"))
    return [line for line in data.notes() if line.startswith("WARNING")]


@pytest.mark.parametrize("kind", ["memory", "csv", "parquet"])
def test_row_51_a_sentinel_and_an_id_that_columns_read_are_told_with_the_line_to_write(
    kind: str, tmp_path: Path
) -> None:
    ages = tiny.table()["age"].fill_null(40).to_numpy().round().copy()
    ages[::30] = 9999
    table = tiny.table().set_column(4, "age", pa.array(ages)).append_column("no", pa.array(np.arange(1200) + 7))
    pq.write_table(table, tmp_path / "mine.parquet")
    write_csv(table, tmp_path / "mine.csv")
    source = {
        "memory": Csv(tmp_path / "mine.csv"),
        "csv": Shards(Csv(tmp_path / "mine.csv"), tmp_path / "rows"),
        "parquet": Shards(Parquet(tmp_path / "mine.parquet"), tmp_path / "rows"),
    }[kind]
    columns = {"age": Scaled("age"), "no": Scaled("no")}
    for _ in range(2):  # also where encoded rows are used again
        sentinel, number = loud_notes(small(source, columns, Category("late")), tmp_path)
        assert sentinel.startswith('WARNING: sentinel: "age": one value far from all others')
        assert sentinel.endswith(
            '40 of 1,200 cells; e.g. "9999"; if it means missing: data.fields.age.na_values: ["9999"]'
        )
        assert number.startswith('WARNING: id_like: "no"')
    for policy in ({"na_values": ["9999"]}, {"max": 120, "invalid": "missing"}):
        settled = small(source, {"age": Scaled("age")}, Category("late"), fields={"age": policy})
        assert loud_notes(settled, tmp_path) == []


def doubled(split: str, count: int = 3) -> tuple[pa.Table, list[int]]:
    """The tiny table in which some rows of a split repeat training rows, under ids of their own; and these rows."""
    table, kept = tiny.table(), tiny.data()
    ids = table["id"].to_pylist()
    known, rows = ([ids.index(name.as_py()) for name in kept.keys[part]["id"][:count]] for part in ("train", split))
    taken = list(range(1200))
    for row, training in zip(rows, known, strict=True):
        taken[row] = training
    return table.take(taken).set_column(0, "id", table["id"]), sorted(rows)


@pytest.mark.parametrize("split", ["val", "test"])
def test_row_52_rows_of_training_in_another_split_are_counted_or_refused_if_strict(split: str, tmp_path: Path) -> None:
    table, rows = doubled(split)
    data = of(Frame(table), fields={}).prepare()
    sizes = data.counts["splits"]
    (warning,) = [note for note in data.notes() if note.startswith("same_rows")]
    assert f"3 of {sizes[split]:,} {split} rows equal to a training row in the label" in warning
    pq.write_table(table, tmp_path / "rows.parquet")
    problem = refused(of(Parquet(tmp_path / "rows.parquet", strict=True), fields={}))
    assert (problem.code, problem.bad, problem.total) == ("same_rows", 3, sizes[split])
    assert (problem.rows, problem.key) == (tuple(rows), "data.source.strict")
    assert {"city", "age", "late"} <= set(problem.columns)


def test_row_52_a_table_without_such_rows_has_no_warning_and_is_taken_if_strict(tmp_path: Path) -> None:
    pq.write_table(tiny.table(), tmp_path / "rows.parquet")
    data = of(Parquet(tmp_path / "rows.parquet", strict=True), fields={}).prepare()
    assert not [note for note in data.notes() if note.startswith("same_rows")]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_row_53_aware_times_of_a_typed_column_are_refused_and_the_years_1_and_9999_are_taken(zone: str) -> None:
    times = tiny.table()["at"].cast(pa.timestamp("us"))
    problem = refused(of(Frame(tiny.table().set_column(3, "at", times.cast(pa.timestamp("us", zone))))))
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("aware_time", ("at",), 1200, 1200)
    rows = records()
    for i, text in zip(AT, ("0001-01-01", "9999-12-31", "9999-12-31T23:59:59"), strict=True):
        rows[i]["at"] = text
    assert of(Frame(rows)).prepare().counts["used"] == 400


def test_row_54_a_time_split_does_not_care_for_the_order_of_rows_and_counts_what_lies_after_its_end() -> None:
    split = ByTime("at", val="2024-04-01", test="2024-04-10", end="2024-04-20", calibration=0.0)
    table = tiny.table().sort_by("at")
    times = table["at"].to_pylist()
    times[-3:] = [times[-1].replace(year=2999)] * 3
    table = table.set_column(3, "at", pa.array(times, pa.timestamp("s")))
    shuffled = table.take(torch.randperm(1200, generator=torch.Generator().manual_seed(0)).tolist())
    a, b = (of(Frame(rows), split=split, fields={}).prepare() for rows in (table, shuffled))
    assert a.counts == b.counts
    assert a.counts["dropped"]["in no split"] >= 3
    for name in SPLITS:
        assert sorted(a.keys[name]["id"].to_pylist()) == sorted(b.keys[name]["id"].to_pylist())


def test_rows_55_and_56_a_key_that_is_there_twice_or_missing_is_refused_with_its_rows() -> None:
    for value, code, bad, rows in (("r1", "repeated_key", 3, (1, 8, 9)), (None, "missing_key", 2, (8, 9))):
        ids: list[str | None] = tiny.table()["id"].to_pylist()
        ids[8:10] = [value, value]
        problem = refused(of(Frame(tiny.table().set_column(0, "id", pa.array(ids))), fields={}))
        assert (problem.code, problem.columns, problem.bad, problem.rows) == (code, ("id",), bad, rows)
        assert f"{bad} of 1,200 rows" in str(problem)
        assert value is None or '"r1"' in str(problem)


def test_row_71_numbers_outside_the_range_are_dropped_or_missing_by_policy_and_counted() -> None:
    rows = records()
    for i in AT:
        rows[i]["age"] = 1048
    for invalid, dropped in (("drop", 3), ("missing", 0)):
        data = of(Frame(rows), fields={"age": {"max": 120, "invalid": invalid}}).prepare()
        assert (data.counts["read"], data.counts["used"]) == (400, 400 - dropped)
        assert data.counts["dropped"] == ({"age: out_of_range": 3} if dropped else {})
        assert data.counts["changed"] == ({} if dropped else {"age: out_of_range read as missing": 3})


def test_row_72_missing_categories_are_trained_as_code_1_and_counted() -> None:
    data = tiny.data()
    assert data.counts["missing"]["city"] == tiny.table()["city"].null_count
    assert (data.tables["train"].features["city"] == 1).any()
