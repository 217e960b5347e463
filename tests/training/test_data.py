"""What `Data.prepare` makes of tables that are good, odd and bad."""

import numpy as np
import pyarrow as pa
import pytest
import tiny
import torch

from mlp_torch.column import Column
from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import Block, Places
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.source import Csv, Frame
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import SPLITS, ByColumn, ByFingerprint, ByTime
from mlp_torch.target import AtLeast, Category, Number
from mlp_torch.training.data import Data
from mlp_torch.training.overfitting import raw
from mlp_torch.training.table.prepared import one_thread


def changed(name: str, values: list[object] | pa.Array, rows: int = 1200) -> pa.Table:
    """The tiny table with one column replaced."""
    table = tiny.table(rows)
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def prepared(table: pa.Table, target=None, columns=None, split=None, **options) -> Data:
    """A Data of a table, by default with the tiny target and two columns."""
    return Data(
        Frame(table),
        columns or {"age": Scaled("age"), "city": Embedding("city")},
        target or Category("late", classes=["on time", "late"]),
        split or ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1),
        **options,
    ).prepare()


def problem(error: pytest.ExceptionInfo[DataError], code: str) -> Problem:
    """The one problem that was found."""
    (found,) = error.value.problems
    assert found.code == code
    return found


def test_every_row_is_in_one_split_and_the_counts_add_up():
    data = tiny.data()
    sizes = data.counts["splits"]
    assert list(sizes) == list(SPLITS)
    assert sum(sizes.values()) == data.counts["used"] == data.counts["read"] == 1200
    rows = torch.cat([data.tables[name].row for name in SPLITS])
    assert torch.equal(rows.sort()[0], fingerprints([f"r{i}" for i in range(1200)]).sort()[0])


def test_a_row_keeps_its_features_target_and_key_together():
    data, table = tiny.data(), tiny.table()
    ids = {int(fingerprints([name])): i for i, name in enumerate(table["id"].to_pylist())}
    scaled = data.transform.named_columns()["age"]
    for name in SPLITS:
        split = data.tables[name]
        at = [ids[row] for row in split.row.tolist()]
        assert data.keys[name]["id"].to_pylist() == [table["id"][i].as_py() for i in at]
        assert split.y.tolist() == [float(table["late"][i].as_py() == "late") for i in at]
        raw = torch.tensor(table["age"].take(at).to_numpy(), dtype=torch.float64)
        assert torch.equal(split.features["age"], scaled.encode({"age": raw}))


def test_other_splits_values_change_nothing_that_is_fitted():
    kept, table = tiny.data(), tiny.table()
    outside = ~torch.isin(fingerprints(table["id"].to_pylist()), kept.tables["train"].row)
    ages = [1e6 if far else age for far, age in zip(outside.tolist(), table["age"].to_pylist(), strict=True)]
    cities = ["Mars" if far else city for far, city in zip(outside.tolist(), table["city"].to_pylist(), strict=True)]
    moved = tiny.unprepared()
    moved.source = Frame(changed("age", ages).set_column(1, "city", pa.array(cities)))
    moved.prepare()
    expected, found = kept.transform.state_dict(), moved.transform.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert moved.schema.fields["age"].high == kept.schema.fields["age"].high
    assert moved.fingerprint != kept.fingerprint


def test_training_rows_do_change_what_is_fitted():
    a, b = tiny.data(), tiny.unprepared()
    b.source = Frame(tiny.table(seed=1))
    assert not torch.equal(a.transform.state_dict()["columns.age.fill"], b.prepare().transform.columns["age"].fill)


def test_a_restored_transform_encodes_as_the_fitted_one_and_is_not_fitted_again(monkeypatch):
    first = tiny.data()
    state = {f"transform.{key}": value for key, value in first.transform.state_dict().items()}
    state |= {f"target.{key}": value for key, value in first.target.state_dict().items()}
    again = tiny.unprepared()
    again.source = Frame(tiny.table(seed=1))
    monkeypatch.setattr(type(again.transform), "fit", lambda *args: pytest.fail("fitted"))
    monkeypatch.setattr(type(again.target), "fit", lambda *args: pytest.fail("fitted"))
    again.prepare(state)
    assert torch.equal(again.transform.columns["age"].fill, first.transform.columns["age"].fill)
    assert again.target.classes == first.target.classes


class Unscriptable(Column):
    """What TorchScript cannot compile."""

    def __init__(self):
        super().__init__({"x": Read("age")})
        self.key, self.dim = "age", 1

    def encode(self, inputs):
        return torch.tensor([[float(str(v).strip())] for v in inputs[self.key].numpy()])


def test_a_column_that_cannot_be_exported_fails_before_training():
    with pytest.raises(RuntimeError, match="numpy"):
        prepared(tiny.table(), columns={"age": Unscriptable()})


class Watched(Scaled):
    """Notes how many threads its sums are made by."""

    def fit(self, sample):
        self.threads = torch.get_num_threads()
        super().fit(sample)


def test_sums_are_made_by_one_thread_on_any_machine_since_several_give_other_bits():
    column = Watched("age")
    try:
        torch.set_num_threads(2)
        prepared(tiny.table(), columns={"age": column})
        assert column.threads == 1
        assert torch.get_num_threads() == 2
        x = torch.randn(300_001, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        by_two = x.mean()
        with one_thread():
            assert x.mean() != by_two
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


# bad tables


@pytest.mark.parametrize("target", [AtLeast("age", 40), Number("age")])
def test_a_label_among_the_features_is_refused(target):
    with pytest.raises(DataError) as error:
        prepared(tiny.table(), target)
    assert problem(error, "target_is_a_feature").columns == ("age",)


def test_a_label_column_that_is_missing_is_refused_with_the_ones_there_are():
    with pytest.raises(DataError, match=r'missing_column: column "delay": .*available: "id", "city"'):
        prepared(tiny.table(), Number("delay"))


def missing_ages(where: list[int]) -> pa.Table:
    ages: list[float | None] = np.linspace(20, 60, 1200).tolist()
    for row in where:
        ages[row] = None
    return changed("age", ages)


def test_rows_without_a_label_are_refused_with_their_count_and_the_policy():
    with pytest.raises(DataError) as error:
        prepared(missing_ages([3, 5, 800]), Number("age"), {"size": Scaled("size")})
    found = problem(error, "missing_label")
    assert (found.columns, found.bad, found.total, found.rows) == (("age",), 3, 1200, (3, 5, 800))
    assert found.key == "data.fields.age.missing=drop"


def test_rows_without_a_label_are_dropped_and_counted_where_the_policy_says_so():
    data = prepared(
        missing_ages([3, 5, 800]), Number("age"), {"size": Scaled("size")}, fields={"age": {"missing": "drop"}}
    )
    assert data.counts["dropped"] == {"age: missing_value": 3}
    assert data.counts["used"] == 1197 == sum(data.counts["splits"].values())
    assert "dropped 3 rows: age: missing_value" in data.notes()


def test_rows_of_messages_are_counted_in_lines_of_the_file_with_the_dropped_ones(tmp_path):
    path = tmp_path / "rows.csv"
    sizes = ["1", "", "3", "4", "x", "6", "7"]  # lines 3 and 6 are dropped, so line 7 is the fourth of those kept
    labels = ["a", "b", "a", "b", "a", "", "b"]
    parts = ["train", "val", "test", "train", "train", "val", "test"]
    lines = [",".join(cells) for cells in zip(sizes, labels, parts, strict=True)]
    path.write_text("\n".join(["size,label,part", *lines]))
    with pytest.raises(DataError) as error:
        Data(
            Csv(path),
            {"size": Scaled("size")},
            Category("label"),
            ByColumn("part", train=["train"], val=["val"], test=["test"]),
            fields={"size": {"invalid": "drop", "missing": "drop"}},
        ).prepare()
    found = problem(error, "missing_label")
    assert (found.unit, found.rows, found.bad, found.total) == ("line", (7,), 1, 5)


def test_rows_of_a_splits_problem_are_numbered_as_in_the_table():
    times = tiny.table()["at"].to_pylist()
    times[10] = None
    table = changed("at", pa.array(times, pa.timestamp("s")))
    ages = [None, *[40.0] * 1199]
    table = table.set_column(4, "age", pa.array(ages))
    with pytest.raises(DataError) as error:
        prepared(
            table,
            columns={"age": Scaled("age")},
            split=ByTime("at", val="2024-04-01", test="2024-04-10"),
            fields={"age": {"missing": "drop"}},
        )
    assert problem(error, "missing_split_field").rows == (10,)


def test_one_class_is_refused():
    with pytest.raises(DataError) as error:
        prepared(changed("late", ["late"] * 1200))
    assert "class" in problem(error, "one_class").text
    assert error.value.problems[0].columns == ("late",)


def test_one_side_of_a_threshold_is_refused_with_the_counts():
    data = prepared(tiny.table(), AtLeast("age", 1000), {"size": Scaled("size")}, fields={"age": {"missing": "drop"}})
    head = Binary(4, data.target)
    train = data.tables["train"]
    with pytest.raises(DataError, match=rf"one_class.*{len(train.y)} of class no, none of class yes"):
        head.fit(train.y, train.weight)


def test_fractions_as_classes_are_refused_and_many_whole_numbers_are_called_continuous():
    with pytest.raises(DataError) as error:
        prepared(tiny.table(), Category("size"), {"age": Scaled("age")})
    assert problem(error, "not_whole").bad == 1200
    with pytest.raises(DataError, match="continuous_target"):
        prepared(changed("size", list(range(2400)), 2400), Category("size"), {"age": Scaled("age")})


def test_labels_that_are_no_class_are_refused_by_name():
    labels = tiny.table()["late"].to_pylist()
    labels = ["cancelled" if i % 100 == 0 else label for i, label in enumerate(labels)]
    with pytest.raises(DataError, match=r'unknown_label: column "late".*e\.g\. "cancelled"'):
        prepared(changed("late", labels))


def test_a_label_that_only_other_splits_have_is_refused_with_its_row():
    plain = tiny.data()
    row = tiny.table()["id"].to_pylist().index(plain.keys["test"]["id"][4].as_py())
    labels = tiny.table()["late"].to_pylist()
    labels[row] = "cancelled"
    with pytest.raises(DataError) as error:
        prepared(changed("late", labels))
    found = problem(error, "unknown_label")
    assert (found.columns, found.bad, found.total, found.rows) == (("late",), 1, 1200, (row,))


def test_three_classes_are_refused_by_the_head_for_two():
    data = prepared(changed("late", ["early", "on time", "late"] * 400), Category("late"))
    with pytest.raises(DataError, match=r'not_two_classes: column "late": .*however: 3'):
        Binary(4, data.target)


def test_a_split_that_stays_empty_is_refused_with_all_sizes():
    split = ByTime("at", val="2024-04-01", test="2030-01-01")
    with pytest.raises(DataError) as error:
        prepared(tiny.table(), split=split)
    found = problem(error, "empty_split")
    assert found.text.startswith("test must have at least 1 row, however")
    assert "train " in found.text


def test_a_rule_without_validation_rows_is_refused_since_training_watches_them():
    with pytest.raises(DataError, match="empty_split: val must have at least 1 row, however"):
        prepared(tiny.table(), split=ByFingerprint(["id"], val=0.0, test=0.2, calibration=0.0))


def test_rows_of_which_none_is_kept_are_refused_with_the_reasons():
    with pytest.raises(DataError) as error:
        prepared(tiny.table(), fields={"age": {"max": -1, "invalid": "drop", "missing": "drop"}})
    found = problem(error, "no_rows")
    assert "age: out_of_range" in found.text
    assert "1,200 rows read" in found.text


def test_a_table_of_no_rows_is_refused():
    with pytest.raises(DataError, match="no_rows"):
        prepared(tiny.table().slice(0, 0))


def test_a_constant_column_is_warned_of_and_becomes_a_finite_zero():
    data = prepared(changed("age", [40.0] * 1200))
    assert 'constant: column "age" has the same value in all 1,200 rows and can tell nothing' in data.notes()
    assert torch.equal(data.tables["train"].features["age"], torch.zeros(len(data.tables["train"].y), 1))


def test_an_id_is_warned_of_as_a_feature_but_not_as_a_key_or_by_a_split():
    key = prepared(tiny.table(), key=["id"])
    assert not [line for line in key.warnings if "id_like" in line]
    feature = prepared(tiny.table(), columns={"id": Embedding("id")}, key=["id"])
    assert [line.split(":")[0] for line in feature.warnings] == ["id_like"]


def test_a_constant_key_and_a_constant_split_field_are_not_warned_of():
    table = changed("tail", ["N1"] * 1200)
    parts = ["train", "val", "test", "train"] * 300
    table = table.append_column("part", pa.array(parts))
    data = prepared(table, split=ByColumn("part", train=["train"], val=["val"], test=["test"]), key=["id", "tail"])
    assert data.warnings == []


def test_missing_cells_are_noted_for_the_fields_with_the_most():
    data = tiny.data()
    table = tiny.table()
    line = f"missing cells: age {table['age'].null_count}, city {table['city'].null_count}"
    assert line in data.notes()


def test_of_many_fields_with_missing_cells_five_are_named():
    names = [f"x{i}" for i in range(7)]
    cells = {name: pa.array([None] * (i + 1) + [1.0, 2.0] * 600)[:1200] for i, name in enumerate(names)}
    table = pa.table({**{name: tiny.table()[name] for name in ("id", "late")}, **cells})
    data = prepared(table, columns={name: Scaled(name) for name in names})
    assert "missing cells: x6 7, x5 6, x4 5, x3 4, x2 3, 2 more fields" in data.notes()


class Joined:
    """A source that says what it joined in."""

    def __init__(self, table: pa.Table, beside: pa.Table):
        self.table, self.beside = table, beside

    def read(self) -> Block:
        return Block(self.table, Places(), "joined", joined={"beside.csv": self.beside})


def joined(beside: pa.Table, **policy) -> Data:
    data = tiny.unprepared(fields={"age": policy})
    data.source = Joined(tiny.table(), beside)
    return data.prepare()


@pytest.mark.parametrize("invalid", ["error", "missing", "drop"])
def test_a_fault_of_a_joined_table_that_meets_no_row_is_counted_and_refuses_nothing(invalid):
    beside = pa.table({"age": [20.0, 1048.0, None], "unread": ["a", "b", "c"]})
    data = joined(beside, max=200, invalid=invalid)
    assert data.counts["joined"] == {
        "beside.csv": {"read": 3, "changed": {"age: out_of_range read as missing": 1}, "missing": {"age": 2}}
    }
    assert "beside.csv: 1 of 3 rows: age: out_of_range read as missing" in data.notes()
    assert data.counts["changed"] == {}


def test_a_joined_cell_that_no_policy_lets_pass_is_counted_as_well():
    data = joined(pa.table({"age": [20.0, 21.0], "city": [0.5, 1.0]}))
    assert data.counts["joined"]["beside.csv"]["changed"] == {"city: not_whole": 1}


def test_a_sound_joined_table_has_no_note_and_a_source_without_one_no_entry():
    data = joined(pa.table({"age": [20.0]}), max=200)
    assert not [line for line in data.notes() if line.startswith("beside.csv")]
    assert "joined" not in tiny.data().counts


def test_rows_outside_of_every_split_are_counted_as_dropped():
    data = prepared(
        tiny.table(), split=ByTime("at", val="2024-03-20", test="2024-04-01", end="2024-04-10", calibration=0)
    )
    outside = data.counts["dropped"]["in no split"]
    assert outside > 0
    assert data.counts["used"] + outside == data.counts["read"]
    assert sum(data.counts["splits"].values()) == data.counts["used"]


def test_unseen_categories_of_other_splits_are_counted():
    plain = tiny.data()
    row = tiny.table()["id"].to_pylist().index(plain.keys["test"]["id"][0].as_py())
    cities = tiny.table()["city"].to_pylist()
    cities[row] = "Atlantis"
    data = prepared(changed("city", cities))
    assert data.counts["unseen"]["test"] == {"city": 1}
    assert data.counts["unseen"]["val"] == {}
    assert "test: 1 row holds a category of city that training never showed" in data.notes()


def test_the_fingerprint_of_the_data_is_that_of_their_values():
    assert tiny.data().fingerprint == tiny.data().fingerprint != tiny.data(rows=1199).fingerprint


def test_raw_values_are_shown_as_people_write_them():
    data = tiny.data()
    table = tiny.table()
    row = table["id"].to_pylist().index(data.keys["train"]["id"][1].as_py())
    assert raw(data, Read("at", "time"), 1) == table["at"][row].as_py().isoformat()
    assert raw(data, Read("city", "string"), 1) == repr(table["city"][row].as_py())
    assert float(raw(data, Read("size"), 1)) == pytest.approx(table["size"][row].as_py(), rel=1e-9)
    assert raw(data, Read("size"), 3) == ""
    data.samples["age"] = pa.array([float("nan")])
    assert raw(data, Read("age"), 0) == "missing"


def test_validation_watches_a_fixed_sample_of_training_rows_beside_the_validation_rows():
    data = tiny.data()
    val, train = data.val_dataloader()
    assert torch.equal(val.table.row, data.tables["val"].row)
    smallest = data.tables["train"].row.sort()[0][: len(val.table.row)]
    assert torch.equal(train.table.row.sort()[0], smallest)


def test_whoever_looks_sees_the_raw_rows_once_they_are_checked():
    seen: list[Block] = []
    data = tiny.unprepared().prepare(look=lambda block: seen.append(block) or ["seen"])
    assert data.notes().count("seen") == 1
    (block,) = seen
    assert block.table.equals(tiny.table())
    bad = tiny.unprepared()
    bad.source = Frame(tiny.table().drop_columns(["age"]))
    with pytest.raises(DataError, match="missing_column"):
        bad.prepare(look=seen.append)
    assert len(seen) == 1
