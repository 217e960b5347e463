"""The verdict on files before they are used: that of training and of the server, all at once, in blocks."""

import csv
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

from mlp_torch.__main__ import main
from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block, Places
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv
from mlp_torch.problem.classification import Binary
from mlp_torch.reproducibility.split import ByColumn, ByFingerprint
from mlp_torch.target import AtLeast, Category
from mlp_torch.training.data import Data
from mlp_torch.training.table.definition import Definition
from mlp_torch.validation.rehearsal import Rehearsal
from mlp_torch.validation.validation import validated

ROWS = 300


def records() -> list[dict[str, Any]]:
    """The tiny table's rows, as a CSV holds them."""
    found = tiny.table(ROWS).to_pylist()
    return [
        {**row, "at": row["at"].isoformat(), "part": ("train", "val", "test")[i % 3]} for i, row in enumerate(found)
    ]


def written(folder: Path, rows: list[dict[str, Any]], name: str = "rows.csv") -> Path:
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


def changed(**cells: dict[int, Any]) -> list[dict[str, Any]]:
    """The rows with some cells replaced, by column and row."""
    rows = records()
    for name, values in cells.items():
        for row, value in values.items():
            rows[row][name] = value
    return rows


def told(problems: list[Any]) -> list[tuple[Any, ...]]:
    return [(p["code"], tuple(p["columns"]), p["bad"], tuple(p["rows"]), p["unit"]) for p in problems]


@pytest.fixture
def experiment(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return ["--experiment", "tiny", *tiny.experiment(tmp_path)[:2]]


def validate(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["validate", str(path), *arguments, "--json", str(path.with_suffix(".json"))])
    return code, json.loads(path.with_suffix(".json").read_text())


# --- an experiment


def test_a_good_file_is_usable_and_its_rows_are_counted(experiment, tmp_path, capsys):
    code, found = validate(written(tmp_path, records()), *experiment)
    assert (code, found["usable"], found["problems"]) == (0, True, [])
    rows, splits = found["rows"], found["splits"]
    assert (rows["read"], rows["used"], sum(splits.values())) == (ROWS, ROWS, ROWS)
    assert rows["missing"]["age"] == tiny.table(ROWS)["age"].null_count
    prepared = tiny.data(ROWS)
    assert {**prepared.counts["splits"], "no split": 0} == splits
    text = capsys.readouterr().out
    assert "300 rows read, 300 used" in text
    assert "ignored     3 columns: tail, size, part" in text
    assert "no problems" in text
    assert "not judged: what only a fit can tell" in text


def test_every_kind_of_problem_of_a_file_is_told_at_once(experiment, tmp_path, capsys):
    rows = changed(age={3: "old", 250: "old"}, at={12: "2024-02-30"}, late={5: "cancelled", 7: "cancelled", 6: ""},
                   id={9: "r10", 11: None})  # fmt: skip
    rows[6]["late"] = None
    code, found = validate(written(tmp_path, rows), *experiment)
    assert (code, found["usable"], found["n_problems"]) == (2, False, 6)
    assert told(found["problems"]) == [
        ("not_a_number", ("age",), 2, (5, 252), "line"),
        ("not_a_time", ("at",), 1, (14,), "line"),
        ("missing_key", ("id",), 1, (13,), "line"),
        ("unknown_label", ("late",), 2, (7, 9), "line"),
        ("missing_label", ("late",), 1, (8,), "line"),
        ("repeated_key", ("id",), 2, (11, 12), "line"),
    ]
    assert {problem["total"] for problem in found["problems"]} == {ROWS}
    assert (found["rows"]["read"], found["rows"]["used"]) == (ROWS, ROWS - 3)
    assert sum(found["rows"]["dropped"].values()) == 3
    text = capsys.readouterr().out
    assert "300 rows read, 297 good" in text
    assert '\n\nnot_a_number\n  column "age": a number field holds text that is no number\n  2 of 300 rows, lin' in text


FAULTS: dict[str, tuple[dict[str, Any], dict[int, Any]]] = {
    "not_a_number": ({}, {"age": {3: "old"}}),
    "missing_label": ({}, {"late": {4: None}}),
    "unknown_label": ({}, {"late": {8: "cancelled"}}),
    "unknown_split": ({}, {"part": {9: "trian"}}),
    "missing_split_field": ({}, {"part": {9: None}}),
    "missing_key": ({}, {"id": {11: None}}),
    "repeated_key": ({}, {"id": {9: "r10"}}),
    "missing_value": ({"fields": {"age": {"missing": "error"}}}, {"age": {0: None}}),
    "all_missing": ({}, {"age": dict.fromkeys(range(ROWS))}),
    "one_class": ({"target": Category("late")}, {"late": dict.fromkeys(range(ROWS), "late")}),
    "continuous_target": ({"target": Category("id")}, {}),
    "class_without_rows": ({"target": Category("late", classes=["late", "on time", "never"])}, {}),
    "empty_split": ({}, {"part": dict.fromkeys(range(2, ROWS, 3), "train")}),
    "invalid_weight": ({"weight": "size", "fields": {"size": {"min": None}}}, {"size": {3: -1}}),
    "no_weight": ({"weight": "size"}, {"size": dict.fromkeys(range(ROWS), 0)}),
    "out_of_range": ({"weight": "size"}, {"size": {3: -1}}),
    "no_rows": ({"fields": {"age": {"max": -1e9, "invalid": "drop", "missing": "drop"}}}, {}),
}  # fmt: skip


@pytest.mark.parametrize("code", FAULTS)
def test_training_and_validation_find_the_same_fault_in_the_same_rows(code, tmp_path, monkeypatch):
    monkeypatch.setattr("mlp_torch.target.MAX_CLASSES", 50)
    options, cells = FAULTS[code]
    options = {"key": ["id"] if "key" in code else [], **options}
    path = written(tmp_path, changed(**cells))

    def data() -> Data:
        split = ByColumn("part", train=["train"], val=["val"], test=["test"])
        given = {"target": Category("late", classes=["on time", "late"]), **options}
        target = given.pop("target")
        columns = {"age": tiny.columns()["age"], "city": tiny.columns()["city"]}
        return Data(Csv(path), columns, target, split, **given)

    with pytest.raises(DataError) as caught:
        data().prepare()
    mine = data()
    wanted = Definition(mine.transform, mine.target, mine.split, mine.key, mine.policies, mine.weight)
    for size in (1000, 2**20):
        folder = tmp_path / str(size)
        folder.mkdir()
        found = validated(Csv(path).blocks(size), wanted.schema(), Rehearsal(wanted, None, folder))
        for theirs, ours in zip(caught.value.problems, found.problems, strict=True):
            assert (ours.code, ours.columns) == (theirs.code, theirs.columns) == (code, theirs.columns)
            if code not in ("all_missing", "one_class", "continuous_target"):  # which speak of no single rows
                assert (ours.bad, ours.rows, ours.unit) == (theirs.bad, theirs.rows, theirs.unit)


def test_what_the_head_refuses_of_the_classes_is_told(tmp_path):
    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0)
    path = written(tmp_path, records())
    for target, code in ((Category("city"), "not_two_classes"), (AtLeast("size", 1e6), "one_class")):
        fields = {"city": {"missing": "drop"}}
        made = Data(Csv(path), {"age": tiny.columns()["age"]}, target, split, fields=fields if code[0] == "n" else {})
        wanted = Definition(made.transform, target, split, [], made.policies)
        found = validated(Csv(path).blocks(), wanted.schema(), Rehearsal(wanted, Binary, tmp_path))
        assert [problem.code for problem in found.problems] == [code]


def test_a_key_of_several_fields_is_the_fields_together(tmp_path):
    rows = changed(
        city={0: "a, b", 1: "a", 2: "a", 3: "x,", 4: "x"}, tail={0: "c", 1: "b, c", 2: "b, c", 3: "y", 4: ", y"}
    )
    made = tiny.unprepared(ROWS)
    made.key = ["city", "tail"]
    made.source = Csv(written(tmp_path, rows[:5]))
    wanted = Definition(made.transform, made.target, made.split, made.key, {})
    found = validated(made.source.blocks(40), wanted.schema(), Rehearsal(wanted, None, tmp_path))
    (again,) = [problem for problem in found.problems if problem.code == "repeated_key"]
    assert (again.columns, again.bad, again.rows) == (("city", "tail"), 2, (3, 4))


def test_a_file_that_breaks_off_is_judged_as_far_as_it_goes(experiment, tmp_path):
    path = written(tmp_path, changed(age={3: "old"}))
    path.write_bytes(path.read_bytes() + b'"never closed')
    code, found = validate(path, *experiment)
    assert code == 2
    assert [problem["code"] for problem in found["problems"]][-1] == "unclosed_quote"


# --- blocks


def test_only_one_block_is_held_at_a_time():
    alive: list[weakref.ref[Any]] = []
    most = 0

    def blocks():
        nonlocal most
        for first in range(0, 1000, 10):
            table = pa.table({"x": [str(i) if i % 7 else "bad" for i in range(10)]})
            alive.append(weakref.ref(table))
            most = max(most, sum(ref() is not None for ref in alive))
            yield Block(table, Places("row", first))

    found = validated(blocks(), Schema.of([Read("x")]))
    assert (found.counts["read"], found.problems[0].bad) == (1000, 200)
    assert most <= 2


@pytest.mark.parametrize("size", [1, 3, 8])
def test_blocks_of_any_size_get_one_verdict(size):
    table = pa.table({"x": ["1", "bad", None, "5", "900", "x", "7", "8"], "y": list("abcdefgh")})
    schema = Schema.of([Read("x")], {"x": {"max": 100}})
    blocks = [Block(table.slice(at, size), Places("row", at)) for at in range(0, 8, size)]
    assert validated(blocks, schema) == validated([Block(table)], schema)
    assert validated(blocks, schema) != validated(blocks, replace(schema, strict=True))


def test_no_row_is_said_to_be_dropped_bad_ones_are_bad_and_others_would_be_dropped():
    policies = {"age": {"max": 99, "invalid": "drop"}}
    schema = Schema.of([Read("age"), Read("city", "string"), Read("hour", "string")], policies)
    table = pa.table({"age": [3, 120, 5], "city": ["Oslo", "Rome", "Oslo"], "hour": [1, 2, 3]})
    whole = validated([Block(table)], schema).text()
    assert whole.splitlines()[:3] == [
        "3 rows read, 2 used",
        "would drop  1 row: age: out_of_range",
        "read        numbers as categories: hour",
    ]
    bad = validated([Block(table.set_column(2, "hour", [[1.5, 2.0, 3.0]]))], schema).text()
    assert bad.splitlines()[:3] == [
        "3 rows read, 1 good",
        "would drop  1 row: age: out_of_range",
        "bad         1 row: hour: not_whole",
    ]
    assert "dropped" not in whole + bad


@pytest.mark.parametrize(("name", "code"), [("rows.parquet", 0), ("rows.csv", 2)])
def test_no_rows_are_no_problem_of_parquet_which_has_an_end_and_one_of_a_csv_as_in_predict(
    name, code, model, tmp_path, capsys
):
    table = tiny.table(3).slice(0, 0)
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text(",".join(table.column_names) + "\n")
    assert main(["validate", str(tmp_path / name), "--model", str(model)]) == code
    assert ("\n\nno_rows\n" if code else "no problems, and no rows") in capsys.readouterr().out


def test_sixty_problems_are_fifty_and_a_count():
    names = [f"field_{i:02}" for i in range(60)]
    found = validated([Block(pa.table({name: ["bad"] for name in names}))], Schema.of([Read(name) for name in names]))
    text = found.text()
    assert "60 problems, of which the first 50 are told" in text
    assert text.count("\n\nnot_a_number\n") == 50
    assert (len(found.to_json()["problems"]), found.to_json()["n_problems"]) == (50, 60)
    assert max(map(len, text.splitlines())) <= 100


# --- a model


POLICIES = {"age": {"min": -100, "max": 200, "invalid": "drop"}, "city": {"missing": "keep"}}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from mlp_torch.build import ship
    from mlp_torch.training.task import Task

    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1)
    columns = {name: tiny.columns()[name] for name in ("age", "city")}
    target = Category("late", classes=["on time", "late"])
    data = Data(tiny.Frame(tiny.table()), columns, target, split, fields=POLICIES).prepare()
    task = Task(data.transform, data.target, tiny.model(data))
    return ship(task.eval(), data, tmp_path_factory.mktemp("run") / "model", name="tiny", metrics={})


def test_a_model_judges_as_its_server_does(model, tmp_path, capsys):
    path = written(tmp_path, changed(age={3: "old", 5: "-300"}))
    code, found = validate(path, "--model", str(model))
    assert code == 2  # rows that training would drop, a server must refuse
    assert told(found["problems"]) == [
        ("not_a_number", ("age",), 1, (5,), "line"),
        ("out_of_range", ("age",), 1, (7,), "line"),
    ]
    assert validate(written(tmp_path, records()), "--model", str(model))[0] == 0
    text = capsys.readouterr().out
    assert "late" in text.rpartition("ignored")[2]  # a label is no input
    assert "not judged" not in text  # the server has no more to say


def test_options_of_a_csv_are_those_of_predict(model, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("age;city\n1,5;Köln\n", encoding="latin-1")
    given = ["--delimiter", ";", "--decimal", ",", "--encoding", "latin-1"]
    assert validate(path, "--model", str(model), *given)[0] == 0
    assert validate(path, "--model", str(model), *given[:2])[0] == 2


def test_parquet_is_judged_as_well(model, tmp_path):
    pq.write_table(pa.table({"age": [1.0, 500.0], "city": ["Oslo", None]}), tmp_path / "rows.parquet")
    code, found = validate(tmp_path / "rows.parquet", "--model", str(model))
    assert (code, told(found["problems"])) == (2, [("out_of_range", ("age",), 1, (1,), "row")])


def test_a_model_judges_without_training_libraries(model, tmp_path):
    path = written(tmp_path, records())
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("hydra", "omegaconf", "lightning", "sklearn", "pandas"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from mlp_torch.__main__ import main
print(main(["validate", {str(path)!r}, "--model", {str(model)!r}]))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.stdout.splitlines()[-1:] == ["0"], found.stderr


def test_help_says_what_is_judged_and_what_is_not(capsys):
    with pytest.raises(SystemExit):
        main(["validate", "--help"])
    shown = capsys.readouterr().out
    assert "exit code: 0" in shown
    assert "not judged: what only a fit can tell" in shown


# --- arguments


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["x.csv"], "validate needs one of --model DIR and --experiment NAME"),
        (["x.csv", "--model", "m", "--experiment", "e"], "one of --model DIR and --experiment NAME"),
        (["x.csv", "--modle", "m"], "no such option: --modle; did you mean --model?"),
        (["x.csv", "--model", "/no/model"], "a model must be a folder, however: /no/model"),
        (["x.csv", "--experiment", "quickstrat"], "did you mean quickstart?"),
        (["x.csv", "--experiment", "tiny", "--config-dir", "/no"], "--config-dir must be a folder"),
        (["none.csv", "--experiment", "quickstart"], "no_file"),
    ],
)
def test_arguments_that_cannot_be_are_told_with_exit_code_2(arguments, text, capsys):
    assert main(["validate", *arguments]) == 2
    captured = capsys.readouterr()
    assert text in captured.err + captured.out
