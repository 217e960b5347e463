"""A table on disk gives what it gives in memory, and keeps it for the next run."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch

from mlp_torch.column import Column
from mlp_torch.errors import ConfigError, DataError, ModelError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.source import Csv, Frame, Parquet
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import SPLITS, ByFingerprint, ByTime
from mlp_torch.target import Category, Number
from mlp_torch.training.data import Data
from mlp_torch.training.table.mapped import tensors
from mlp_torch.training.table.shards import Shards

ROWS = 1200


class Small(Parquet):
    """A file whose blocks are small, so that a test has many."""

    def blocks(self, size=None):
        return super().blocks(97)


def shards(folder: Path, table: pa.Table | None = None, *, sample: int = 2_000_000) -> Shards:
    """The tiny table, or another, as shards below a folder."""
    path = folder / "table.parquet"
    if table is not None or not path.exists():
        pq.write_table(tiny.table(ROWS) if table is None else table, path)
    return Shards(Small(path), folder / "encoded", sample=sample)


def on_disk(folder: Path, table: pa.Table | None = None, *, sample: int = 2_000_000, state=None, **options) -> Data:
    """The tiny data of that."""
    data = tiny.unprepared(ROWS, **options)
    data.source = shards(folder, table, sample=sample)
    return data.prepare(state)


def same_rows(a, b) -> bool:
    """Whether two tables are equal bit for bit."""
    pairs = zip(tensors(a), tensors(b), strict=True)
    return list(a.features) == list(b.features) and all(x.dtype == y.dtype and torch.equal(x, y) for x, y in pairs)


def is_reused(data: Data) -> bool:
    return data.notes()[-1].startswith("encoded rows reused from ")


def state_of(data: Data) -> dict:
    """What a Task of this data would have in its checkpoint."""
    parts = {"transform.": data.transform, "target.": data.target}
    return {prefix + key: value for prefix, part in parts.items() for key, value in part.state_dict().items()}


def test_a_table_of_fewer_rows_than_the_sample_gives_the_bits_that_it_gives_in_memory(tmp_path):
    expected, found = tiny.data(ROWS), on_disk(tmp_path)
    for name in SPLITS:
        assert same_rows(expected.tables[name], found.tables[name])
        assert same_rows(expected.judged[name], found.judged[name])
        assert expected.keys[name]["id"].to_pylist() == found.keys[name]["id"].to_pylist()
    a, b = state_of(expected), state_of(found)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a if isinstance(a[key], torch.Tensor))
    assert found.target.classes == expected.target.classes
    for what in ("schema", "counts", "warnings", "fingerprint"):
        assert getattr(found, what) == getattr(expected, what), what
    assert {key: x.to_pylist() for key, x in found.samples.items() if key != "age"} == {
        key: x.to_pylist()
        for key, x in expected.samples.items()
        if key != "age"  # NaN
    }
    assert found.drawn.keys() == expected.drawn.keys() == {"age", "size", "at:time"}
    assert all(torch.equal(found.drawn[key].nan_to_num(7), x.nan_to_num(7)) for key, x in expected.drawn.items())
    assert found.notes()[:-1] == expected.notes()


@pytest.mark.parametrize("key", [[], ["id"], ["id", "at"], ["size"]])
def test_rows_have_the_names_that_they_have_in_memory(key, tmp_path):
    expected = tiny.unprepared(ROWS)
    expected.key = key
    found = tiny.unprepared(ROWS)
    found.key, found.source = key, shards(tmp_path)
    assert same_rows(expected.prepare().tables["train"], found.prepare().tables["train"])
    assert len(found.keys["val"]) == len(key)
    types = {name: values.type for name, values in found.keys["val"].items()}
    assert types == {name: values.type for name, values in expected.keys["val"].items()}
    assert types.get("id", pa.large_string()) == pa.large_string()


def test_policies_splits_that_leave_rows_out_and_unseen_categories_count_as_in_memory(tmp_path):
    def made() -> Data:
        data = tiny.unprepared(
            ROWS, fields={"age": {"min": 20, "invalid": "drop"}, "size": {"max": 3, "invalid": "missing"}}
        )
        data.split = ByTime("at", val="2024-03-20", test="2024-04-01", end="2024-04-10", calibration=0)
        return data

    expected, found = made(), made()
    expected.source = Parquet(shards(tmp_path).path)
    found.source = shards(tmp_path)
    assert found.prepare().counts == expected.prepare().counts
    assert found.counts["dropped"]["age: out_of_range"] > 0
    assert found.counts["dropped"]["in no split"] > 0
    assert found.warnings == expected.warnings
    assert found.schema == expected.schema
    assert all(same_rows(found.tables[name], expected.tables[name]) for name in SPLITS)


def test_csv_files_are_encoded_as_well(tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"{i},{i * 7 % 31},{'yes' if i * 7 % 31 > 15 else 'no'}" for i in range(400)]
    path.write_text("\n".join(["id,size,label", *lines]))

    def made(source) -> Data:
        return Data(source, {"size": Scaled("size")}, Category("label"), ByFingerprint(["id"]), key=["id"]).prepare()

    expected, found = made(Csv(path)), made(Shards(Csv(path), tmp_path / "encoded"))
    assert all(same_rows(found.tables[name], expected.tables[name]) for name in SPLITS)
    assert found.fingerprint == expected.fingerprint


# the sample


def test_the_sample_is_of_the_smallest_fingerprints_of_each_split(tmp_path):
    data = on_disk(tmp_path, sample=100)
    for name in SPLITS:
        table, judged = data.tables[name], data.judged[name]
        smallest = table.row.argsort()[:100].sort()[0]  # in the order of the table
        assert torch.equal(judged.row, table.row[smallest])
        assert torch.equal(judged.features["age"], table.features["age"][smallest])
        ids = data.keys[name]["id"].to_pylist()
        assert len(ids) == 100
        assert data.counts["sampled"][name] == 100


@pytest.mark.parametrize("sample", [100, 2_000_000])
def test_pictures_show_the_training_rows_with_the_smallest_fingerprints(sample, tmp_path, monkeypatch):
    monkeypatch.setattr("mlp_torch.training.table.prepared.DRAWN", 30)
    expected, found = tiny.data(ROWS), on_disk(tmp_path, sample=sample)
    places = expected.tables["train"].row.argsort()[:30].sort()[0]
    ids = [expected.keys["train"]["id"][int(place)].as_py() for place in places]
    table = tiny.table(ROWS)
    rows = [table["id"].to_pylist().index(name) for name in ids]
    sizes = torch.tensor(table["size"].take(rows).to_numpy(), dtype=torch.float64)
    assert torch.equal(expected.drawn["size"].nan_to_num(-1), sizes.nan_to_num(-1))
    assert torch.equal(found.drawn["size"].nan_to_num(-1), sizes.nan_to_num(-1))


def test_columns_are_fitted_on_the_sampled_training_rows(tmp_path):
    data = on_disk(tmp_path, sample=100)
    table = tiny.table(ROWS)
    places = [table["id"].to_pylist().index(name) for name in data.keys["train"]["id"].to_pylist()]
    column = Scaled("age")
    ages = torch.tensor(table["age"].take(places).to_numpy(), dtype=torch.float64)
    column.fit(type("Sample", (), {"inputs": {"age": ages}})())
    found = data.transform.named_columns()["age"]
    assert torch.equal(found.fill, column.fill)
    assert not torch.equal(found.fill, tiny.data(ROWS).transform.named_columns()["age"].fill)


def test_the_sample_does_not_depend_on_the_order_of_rows(tmp_path):
    data = on_disk(tmp_path, sample=100)
    (tmp_path / "other").mkdir()
    turned = on_disk(tmp_path / "other", tiny.table(ROWS).take(list(range(ROWS))[::-1]), sample=100)
    for name in SPLITS:
        assert set(data.judged[name].row.tolist()) == set(turned.judged[name].row.tolist())
    a, b = data.transform.named_columns(), turned.transform.named_columns()
    assert torch.equal(a["size"].edges, b["size"].edges)
    assert torch.equal(a["city"].vocabulary, b["city"].vocabulary)


def test_ranges_and_rare_classes_are_those_of_all_training_rows(tmp_path):
    table = tiny.table(ROWS)
    train = set(tiny.data(ROWS).keys["train"]["id"].to_pylist())
    sampled = set(on_disk(tmp_path, sample=50).keys["train"]["id"].to_pylist())
    row = next(i for i, name in enumerate(table["id"].to_pylist()) if name in train - sampled)
    late, size = table["late"].to_pylist(), table["size"].to_pylist()
    late[row], size[row] = "cancelled", 1e6
    table = table.set_column(6, "late", pa.array(late)).set_column(5, "size", pa.array(size))
    data = tiny.unprepared(ROWS)
    data.source, data.target = shards(tmp_path, table, sample=50), Category("late")
    data.prepare()
    assert data.target.classes == ["cancelled", "late", "on time"]
    assert int((data.tables["train"].y == 0).sum()) == 1
    assert data.schema.fields["size"].high == 1e6


def test_notes_say_which_rows_are_looked_at_and_what_the_sample_does_not_show(tmp_path):
    table = tiny.table(ROWS)
    cities = table["city"].to_pylist()
    sampled = set(on_disk(tmp_path, sample=50).keys["train"]["id"].to_pylist())
    train = set(tiny.data(ROWS).keys["train"]["id"].to_pylist())
    row = next(i for i, name in enumerate(table["id"].to_pylist()) if name in train - sampled)
    cities[row] = "Atlantis"
    data = on_disk(tmp_path, table.set_column(1, "city", pa.array(cities)), sample=50)
    notes = "\n".join(data.notes())
    assert "columns are fitted on 50 of 583 training rows, chosen by fingerprint" in notes
    assert "off by at most 23.02% of the rows (99 % sure)" in notes
    assert "look at a sample: 50 of 583 train rows, 50 of 118 calibration rows" in notes
    assert "train: 1 row holds a category of city that the sample does not show" in notes
    assert not on_disk(tmp_path).prepared.looked_at


def test_validation_looks_at_the_sample(tmp_path):
    val, train = on_disk(tmp_path, sample=100).val_dataloader()
    assert sum(len(batch.y) for batch in val) == 100
    assert set(train.table.row.tolist()) < set(tiny.data(ROWS).val_dataloader()[1].table.row.tolist())


def test_whoever_looks_at_raw_rows_is_shown_a_few_of_the_smallest_fingerprints(tmp_path, monkeypatch):
    monkeypatch.setattr("mlp_torch.training.table.shards.REPORTED", 70)
    seen = []
    data = tiny.unprepared(ROWS)
    data.source = shards(tmp_path, sample=100)
    data.prepare(look=lambda block: seen.append(block) or ["seen"])
    (block,) = seen
    rows = torch.cat([data.tables[name].row for name in SPLITS])
    assert set(fingerprints(block.table["id"].to_pylist()).tolist()) == set(rows.sort()[0][:70].tolist())
    table = {row["id"]: row for row in tiny.table(ROWS).to_pylist()}
    for row in block.table.select(["id", "city", "at", "late"]).to_pylist():
        assert row == {name: table[row["id"]][name] for name in row}
    assert block.name.endswith("table.parquet, 70 sampled rows")
    again = tiny.unprepared(ROWS)
    again.source = data.source
    assert again.prepare(look=seen.append).warnings[0] == data.warnings[0] == "seen"  # kept with the rows
    assert len(seen) == 1


# bad rows


def refused(folder: Path, table: pa.Table, sample: int = 2_000_000, **options) -> tuple[str, str]:
    """What is said of a bad table, in memory and on disk."""
    found = []
    for is_on_disk in (False, True):
        data = tiny.unprepared(ROWS)
        for name, value in options.items():
            setattr(data, name, value)
        source = shards(folder, table, sample=sample)
        data.source = source if is_on_disk else Parquet(source.path)
        with pytest.raises(DataError) as error:
            data.prepare()
        found.append(str(error.value))
    assert not list((folder / "encoded").iterdir())
    return found[0], found[1]


def changed(name: str, values: dict[int, object]) -> pa.Table:
    """The tiny table with some cells replaced."""
    table = tiny.table(ROWS)
    cells = table[name].to_pylist()
    for row, value in values.items():
        cells[row] = value
    return table.set_column(table.column_names.index(name), name, pa.array(cells))


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (changed("late", {100: None, 700: None, 1100: None}), {}),
        (changed("late", {100: "cancelled", 1100: "cancelled"}), {}),
        (changed("id", {100: "r7", 900: "r7", 901: "r8"}), {}),
        (changed("size", {3: None, 500: None}), {"policies": {"size": {"missing": "error"}}}),
        (changed("late", {}).drop(["age", "city"]), {}),
        (tiny.table(ROWS), {"policies": {"age": {"max": 50}}}),
        (tiny.table(ROWS), {"split": ByTime("at", val="2024-04-01", test="2030-01-01")}),
        (tiny.table(ROWS), {"target": Number("age")}),
        (tiny.table(ROWS).slice(0, 0), {}),
    ],
)
def test_bad_rows_are_refused_in_the_words_that_they_get_in_memory(table, options, tmp_path):
    in_memory, found = refused(tmp_path, table, **options)
    assert found == in_memory


def test_rows_without_a_key_or_a_split_are_counted_over_all_blocks(tmp_path):
    in_memory, found = refused(tmp_path, changed("id", {1: None, 700: None, 1100: None}), key=["id"])
    assert found == in_memory
    assert "3 of 1,200 rows, rows 1, 700, 1100" in found
    (tmp_path / "other").mkdir()
    split = ByTime("at", val="2024-04-01", test="2024-04-10")
    in_memory, found = refused(tmp_path / "other", changed("at", {100: None, 700: None}), split=split)
    assert found == in_memory


def test_repeated_keys_are_found_among_sampled_rows_together(tmp_path):
    data = on_disk(tmp_path, sample=100)
    ids, table = data.keys["val"]["id"].to_pylist(), tiny.table(ROWS)
    other = next(i for i in range(ROWS) if table["id"][i].as_py() in data.keys["test"]["id"].to_pylist())
    again = changed("id", {other: ids[0]})
    found = tiny.unprepared(ROWS)
    found.source = shards(tmp_path, again, sample=100)
    place = table["id"].to_pylist().index(ids[0])
    rows = ", ".join(map(str, sorted([place, other])))
    with pytest.raises(DataError, match=rf'repeated_key.*2 of 40\d rows, rows {rows}; e\.g\. "{ids[0]}"'):
        found.prepare()


def test_rows_of_several_files_are_named_by_file(tmp_path):
    (tmp_path / "table").mkdir()
    table = changed("late", {100: None, 900: None})
    pq.write_table(table.slice(0, 600), tmp_path / "table" / "a.parquet")
    pq.write_table(table.slice(600), tmp_path / "table" / "b.parquet")
    data = tiny.unprepared(ROWS)
    data.source = Shards(Small(tmp_path / "table"), tmp_path / "encoded")
    with pytest.raises(DataError, match=r"missing_label.*rows a\.parquet:100, b\.parquet:300"):
        data.prepare()


class Unscriptable(Column):
    """What TorchScript cannot compile."""

    def __init__(self):
        super().__init__({"x": tiny.columns()["age"].reads["x"]})
        self.dim = 1

    def encode(self, inputs):
        return torch.tensor([[float(str(v).strip())] for v in inputs["age"].numpy()])


def test_a_column_that_cannot_be_exported_fails_before_a_row_is_read(tmp_path):
    data = Data(
        Shards(Parquet(tmp_path / "absent.parquet"), tmp_path / "encoded"),
        {"age": Unscriptable()},
        Category("late"),
        ByFingerprint(["id"]),
    )
    with pytest.raises(RuntimeError, match="numpy"):
        data.prepare()


def test_a_sample_of_no_rows_and_a_folder_that_cannot_be_written_to_are_refused(tmp_path):
    with pytest.raises(ValueError, match="sample must be at least 1, however: sample=0"):
        shards(tmp_path, sample=0)
    (tmp_path / "encoded").write_text("a file")
    with pytest.raises(ConfigError, match="encoded rows need a folder with room, however"):
        on_disk(tmp_path)


# kept for the next run


def test_the_next_run_uses_the_encoded_rows_and_reads_and_fits_nothing(tmp_path, monkeypatch):
    first = on_disk(tmp_path, sample=100)
    assert not is_reused(first)
    monkeypatch.setattr(Small, "blocks", lambda *args: pytest.fail("read"))
    monkeypatch.setattr(type(first.transform), "fit", lambda *args: pytest.fail("fitted"))
    again = on_disk(tmp_path, sample=100)
    assert is_reused(again)
    assert all(same_rows(first.tables[name], again.tables[name]) for name in SPLITS)
    assert first.notes()[:-1] == again.notes()[:-1]
    assert (first.schema, first.counts, first.fingerprint) == (again.schema, again.counts, again.fingerprint)
    assert again.target.classes == first.target.classes
    assert torch.equal(again.transform.columns["age"].fill, first.transform.columns["age"].fill)
    assert again.transform.columns["city"].dim == first.transform.columns["city"].dim


def rewritten(path: Path) -> None:
    """The same rows at another time."""
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: rewritten(data.source.path),
        lambda data: data.transform.columns.update({"age": Scaled("age", clip=2)}),
        lambda data: data.transform.columns.update({"size": Bucketized("size", buckets=6, dim=3)}),
        lambda data: data.transform.columns.update({"size": Bucketized("size", buckets=5, dim=4)}),
        lambda data: data.transform.columns.update({"tail": Embedding("tail")}),
        lambda data: setattr(data, "target", Category("late")),
        lambda data: setattr(data, "split", ByFingerprint(["id"], val=0.1, test=0.2, calibration=0.1)),
        lambda data: setattr(data, "key", []),
        lambda data: setattr(data, "policies", {"age": {"max": 200}}),
        lambda data: setattr(data.source, "sample", 101),
        lambda data: setattr(data.source.source, "max_cell_bytes", 1000),
    ],
)
def test_whatever_the_encoded_rows_depend_on_makes_new_ones(change, tmp_path):
    on_disk(tmp_path, sample=100)
    data = tiny.unprepared(ROWS)
    data.source = shards(tmp_path, sample=100)
    change(data)
    assert not is_reused(data.prepare())
    assert len(list((tmp_path / "encoded").glob("*.shards"))) == 2


def test_what_they_do_not_depend_on_does_not(tmp_path):
    on_disk(tmp_path, sample=100)
    assert is_reused(on_disk(tmp_path, sample=100, batch_size=32))


OWN = """
import sys
sys.path[:0] = [{tests!r}, {folder!r}]
import tiny
from own import Own
from mlp_torch.ingest.source import Parquet
from mlp_torch.training.table.shards import Shards
data = tiny.unprepared({rows})
data.transform.columns["age"] = Own("age")
data.source = Shards(Parquet({table!r}), {encoded!r})
print(float(data.prepare().tables["train"].features["age"].abs().max()), data.notes()[-1].split()[2])
"""


def test_a_column_of_ones_own_whose_code_has_changed_is_encoded_anew(tmp_path):
    paths = {"folder": str(tmp_path), "table": str(shards(tmp_path).path), "encoded": str(tmp_path / "encoded")}
    code = OWN.format(tests=str(Path(tiny.__file__).parent), rows=ROWS, **paths)
    found = []
    for factor in (1.0, 1.0, 2.0):
        (tmp_path / "own.py").write_text(
            "import torch\nfrom mlp_torch.representation.numbers import Scaled\n\nclass Own(Scaled):\n"
            "    def encode(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:\n"
            f"        x = torch.nan_to_num(inputs[self.key])\n        return (x * {factor}).float().unsqueeze(-1)\n"
        )
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert [how for _, how in found] == ["written", "reused", "written"]
    assert float(found[2][0]) == pytest.approx(2 * float(found[0][0]))


def test_damaged_rows_are_refused_with_the_remedy(tmp_path):
    on_disk(tmp_path)
    (folder,) = (tmp_path / "encoded").iterdir()
    for path in folder.iterdir():
        whole = path.read_bytes()
        if path.name == "manifest.json":
            continue
        flipped = bytearray(whole)
        flipped[len(whole) // 3] ^= 4
        for damaged in (whole[: len(whole) // 2], bytes(flipped)):
            path.write_bytes(damaged)
            with pytest.raises(ModelError, match=rf"{path.name} is damaged: its sha256 must be .*; delete {folder}"):
                on_disk(tmp_path)
        path.write_bytes(whole)
    assert is_reused(on_disk(tmp_path))
    shutil.rmtree(folder)
    assert not is_reused(on_disk(tmp_path))


# going on


def test_a_run_that_goes_on_takes_the_rows_that_it_began_with(tmp_path):
    first = on_disk(tmp_path, sample=100)
    assert is_reused(on_disk(tmp_path, sample=100, state=state_of(first)))


def test_a_run_that_goes_on_without_its_encoded_rows_encodes_them_by_its_own_state(tmp_path, monkeypatch):
    first = on_disk(tmp_path, sample=100)
    state = state_of(first)
    state["transform.columns.age.fill"] = state["transform.columns.age.fill"] + 1
    monkeypatch.setattr(type(first.transform), "fit", lambda *args: pytest.fail("fitted"))
    monkeypatch.setattr(type(first.target), "fit", lambda *args: pytest.fail("fitted"))
    other = on_disk(tmp_path, sample=100, state=state)
    assert not is_reused(other)
    assert torch.equal(other.transform.columns["age"].fill, state["transform.columns.age.fill"])
    assert not torch.equal(other.tables["train"].features["age"], first.tables["train"].features["age"])
    assert is_reused(on_disk(tmp_path, sample=100, state=state))
    kept = on_disk(tmp_path, sample=100)  # a new run is given what was fitted, not what another run had
    assert is_reused(kept)
    assert torch.equal(kept.tables["train"].features["age"], first.tables["train"].features["age"])


def test_other_rows_have_another_fingerprint_so_that_no_run_goes_on_with_them(tmp_path):
    first = on_disk(tmp_path)
    other = on_disk(tmp_path, tiny.table(ROWS, seed=1), state=state_of(first))
    with pytest.raises(DataError, match=r"changed_data.*fingerprint"):
        other.load_state_dict(first.state_dict())


# killed while it prepares


PREPARE = """
import sys, time
sys.path.insert(0, {tests!r})
import tiny
from mlp_torch.ingest.source import Parquet
from mlp_torch.training.table import {module}
from mlp_torch.training.table.shards import Shards

class Slow(Parquet):
    def blocks(self, size=None):
        return super().blocks(97)

{slow}
data = tiny.unprepared({rows})
data.source = Shards(Slow({table!r}), {encoded!r}, sample=100)
data.prepare()
"""
SLOW = {
    "spill": "done = spill.Spill.add\nspill.Spill.add = lambda *a: (done(*a), time.sleep(.2))",
    "mapped": "done = mapped.Writer.append\nmapped.Writer.append = lambda *a: (done(*a), time.sleep(.2))",
    "encoding": "encoding.write_raw = lambda *a: time.sleep(60)\n"
    "from mlp_torch.training.table import shards\nshards.write_raw = encoding.write_raw",
}
AFTER = {"spill": "spill/2.arrow", "mapped": "val", "encoding": "test"}


@pytest.mark.parametrize("where", list(SLOW))
def test_a_run_killed_while_it_prepares_leaves_nothing_that_is_taken_for_whole(where, tmp_path):
    paths = {"table": str(shards(tmp_path).path), "encoded": str(tmp_path / "encoded")}
    code = PREPARE.format(tests=str(Path(tiny.__file__).parent), module=where, slow=SLOW[where], rows=ROWS, **paths)
    process = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(18_000):  # three minutes, on a busy machine
        if list((tmp_path / "encoded").glob(f"*/{AFTER[where]}")):
            break
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    (left,) = (tmp_path / "encoded").iterdir()
    assert not (left / "manifest.json").exists()
    found = on_disk(tmp_path, sample=100)
    assert not is_reused(found)
    assert not (left / "spill").exists()
    (tmp_path / "other").mkdir()
    expected = on_disk(tmp_path / "other", sample=100)
    assert all(same_rows(found.tables[name], expected.tables[name]) for name in SPLITS)


def test_rows_that_splits_share_are_told_as_in_memory_and_refused_by_file_and_row_if_strict(tmp_path):
    table = tiny.table(ROWS)
    copies = table.slice(0, 40).set_column(0, "id", pa.array([f"copy{i}" for i in range(40)]))
    table = pa.concat_tables([table, copies])
    memory = tiny.unprepared(ROWS)
    memory.source = Frame(table)
    expected = [line for line in memory.prepare().warnings if line.startswith("same_rows")]
    assert expected
    assert [line for line in on_disk(tmp_path, table).warnings if line.startswith("same_rows")] == expected
    strict = tiny.unprepared(ROWS)
    columns = {read.field for read in memory.schema.reads.values()} | {"id", "late"}
    pq.write_table(table.select([name for name in table.column_names if name in columns]), tmp_path / "strict.parquet")
    strict.source = Shards(Small(tmp_path / "strict.parquet", strict=True), tmp_path / "encoded")
    with pytest.raises(DataError) as caught:
        strict.prepare()
    found = {problem.code for problem in caught.value.problems}
    assert found == {"same_rows"}
    row = table.slice(int(caught.value.problems[0].rows[0]), 1).drop_columns("id").to_pylist()[0]
    again = [other for other in table.drop_columns("id").to_pylist() if other == row]
    assert len(again) == 2


def test_checksums_beside_a_single_file_are_verified_where_its_encoded_rows_are_kept(tmp_path):
    first = on_disk(tmp_path)
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(first.source.path.read_bytes()).hexdigest()}  table.parquet\n")
    assert not is_reused(on_disk(tmp_path))
    assert is_reused(on_disk(tmp_path))
    sums.write_text(f"{'0' * 64}  table.parquet\n")
    with pytest.raises(DataError, match="wrong_checksum"):
        on_disk(tmp_path)
    sums.unlink()
    assert is_reused(on_disk(tmp_path))
