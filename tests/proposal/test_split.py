"""The split that `init` proposes, on tables of every shape: four parts that have rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_table import DRAW, EXPERIMENT, numbers, prepared, proposal, words, write

from mlp_torch.errors import DataError
from mlp_torch.profile.facts import look
from mlp_torch.proposal.split import Choice
from mlp_torch.proposal.target import aim
from mlp_torch.reproducibility.split import SPLITS
from mlp_torch.verbs.init import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_time_field_splits_by_time_and_two_do_not() -> None:
    days = [f"2024-{m:02d}-{d:02d}" for m, d in zip(DRAW.integers(1, 13, 400), DRAW.integers(1, 29, 400), strict=True)]
    write({"day": days, "x": numbers(), "y": numbers()})
    split = proposal()["data"]["split"]
    assert split["_target_"].endswith("ByTime")
    assert split["val"] < split["test"]
    sizes = prepared().counts["splits"]
    assert 250 < sizes["train"] + sizes["calibration"] < 310
    assert min(sizes.values()) > 0
    write({"day": days, "born": days[::-1], "x": numbers(), "y": numbers()})
    EXPERIMENT.unlink()
    assert proposal()["data"]["split"]["_target_"].endswith("ByFingerprint")


def test_a_class_that_no_training_row_has_is_dropped_by_name() -> None:
    days = [f"2024-01-{1 + i // 20:02d}" for i in range(400)]
    write({"day": days, "x": numbers(), "y": [*words(395, "a", "b", "c"), *["new"] * 5]})
    assert proposal()["data"]["fields"]["y"] == {"na_values": ["new"], "missing": "drop"}
    assert prepared().counts["dropped"] == {"y: missing_value": 5}


TABLES: dict[str, dict[str, Any]] = {
    "numbers only": {"a": numbers(), "b": numbers(), "y": numbers()},
    "categories only": {"a": words(400, *"uvwxyz"), "b": words(400, *"opqrst"), "y": words(400, "n", "p")},
    "few combinations": {"a": words(400, *"uv"), "b": words(400, *"opqrs"), "y": words(400, "n", "p")},
    "sixty rows": {"a": numbers(60), "b": words(60, "u", "v"), "y": words(60, "n", "p")},
    "sixty rows, number": {"a": numbers(60), "y": numbers(60)},
    "thirty rows": {"a": numbers(30), "y": words(30, "n", "p")},
    "dates only": {"day": [f"2024-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}" for i in range(600)], "y": numbers(600)},
    "duplicates": {"a": [*numbers(200)] * 2, "y": ["n", "p"] * 200},
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_any_shape_give_four_parts_that_have_rows(name: str) -> None:
    write(TABLES[name])
    proposal()
    sizes = prepared().counts["splits"]
    assert set(sizes) == set(SPLITS)
    assert min(sizes.values()) >= 2
    assert sizes["train"] == max(sizes.values())


def dated(rows: int = 400) -> list[str | None]:
    return [
        f"2024-{m:02d}-{d:02d}" for m, d in zip(DRAW.integers(1, 13, rows), DRAW.integers(1, 29, rows), strict=True)
    ]


def test_a_few_rows_without_a_readable_time_are_training_rows_and_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    days = dated()
    days[7], days[300] = "2023-02-31", None
    write({"day": days, "x": numbers(), "y": numbers()})
    cfg = proposal()
    assert cfg["data"]["split"]["_target_"].endswith("ByTime")
    assert cfg["data"]["split"]["missing"] == "train"
    assert cfg["data"]["fields"] == {"day": {"invalid": "missing"}}
    told = 'undated: "day": rows without a time that can be read, lines 9, 302; "2023-02-31" has the form'
    assert f"WARNING: {told}" in capsys.readouterr().out
    assert '# LOOK: "day": rows without a time that can be read, lines 9, 302' in EXPERIMENT.read_text()
    counts = prepared().counts
    assert counts["used"] == 400
    assert counts["missing"] == {"day": 2}


def test_a_time_field_that_is_no_column_keeps_the_policy_that_the_split_needs() -> None:
    days = [str(day) for day in np.datetime64("2024-01-01") + 7 * np.arange(400)]
    days[7] = "unknown"
    write({"day": days, "x": numbers(), "y": numbers()})
    cfg = proposal()
    assert list(cfg["data"]["columns"]) == ["x"]
    assert cfg["data"]["fields"] == {"day": {"invalid": "missing"}}
    assert prepared().counts["used"] == 400


UNSPLIT = {
    "too many rows have none": ({"day": [*dated(380), *[None] * 20]}, "since too many have none"),
    "two fields are times": ({"day": dated(), "born": dated()}, "several fields are times"),
    "few days": ({"day": [f"2024-01-{1 + i % 9:02d}" for i in range(400)]}, "9 days are fewer than 10"),
    "a tenth are no times": ({"day": [*dated(360), *["never"] * 40]}, "40 of 400 cells are no times"),
    "two forms": ({"day": [f"{d[8:]}/{d[5:7]}/2024" if i % 2 else d for i, d in enumerate(dated())]}, "2 forms"),
}


@pytest.mark.parametrize("name", UNSPLIT)
def test_times_that_do_not_split_the_rows_are_told_with_the_reason(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, reason = UNSPLIT[name]
    write({**columns, "x": numbers(), "y": numbers()})
    assert proposal()["data"]["split"]["_target_"].endswith("ByFingerprint")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "not_by_time: " in line)
    assert reason in line
    assert reason in " ".join(EXPERIMENT.read_text().replace("\n  #", "").split())
    prepared()


def test_a_table_without_times_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    write({"x": numbers(), "y": numbers()})
    proposal()
    assert "by_time" not in capsys.readouterr().out


def test_a_time_that_cannot_be_read_is_told_also_where_another_one_splits_the_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write({"born": dated(), "seen": [f"{day}T10:00:00Z" for day in dated()], "x": numbers(), "y": numbers()})
    assert proposal()["data"]["split"]["field"] == "born"
    assert 'not_by_time: "seen": rows are split by "born", not by this' in capsys.readouterr().out


def test_few_days_with_a_cell_that_is_none_are_times() -> None:
    write({"day": [*[f"2024-01-{1 + i % 15:02d}" for i in range(399)], "soon"], "x": numbers(), "y": numbers()})
    assert proposal()["data"]["split"]["_target_"].endswith("ByTime")
    assert prepared().counts["missing"] == {"day": 1}


def test_constant_times_are_nothing_that_rows_could_be_split_by(capsys: pytest.CaptureFixture[str]) -> None:
    write({"day": ["01.03.2024"] * 400, "at": ["2024-03-01"] * 400, "x": numbers(), "y": numbers()})
    proposal()
    assert "by_time" not in capsys.readouterr().out
    write({"day": ["01.03.2024"] * 400, "at": ["2024-03-01"] * 400, "when": dated(), "x": numbers(), "y": numbers()})
    EXPERIMENT.unlink()
    assert proposal()["data"]["split"]["field"] == "when"


FRACTIONS = {name: DRAW.random(400) for name in "abc"}


@pytest.mark.parametrize("others", [{}, {"kind": words(400, *"uvwx")}], ids=["alone", "with four words"])
def test_typed_numbers_with_fractions_alone_ask_for_an_id(others: dict[str, Any]) -> None:
    table = pa.table({**FRACTIONS, **others, "y": DRAW.random(400)})
    pq.write_table(table, "mine.parquet")
    with pytest.raises(DataError, match=r'columns "a", "b", "c": .*add a field with an id of each row') as told:
        main(["mine.parquet", "--target", "y"])
    assert [problem.code for problem in told.value.problems] == ["nothing_to_split_by"]
    assert not EXPERIMENT.exists()
    pq.write_table(table.append_column("row", pa.array(range(400))), "mine.parquet")
    cfg = proposal(table="mine.parquet")
    assert cfg["data"]["split"]["fields"] == ["row"]
    assert list(cfg["data"]["columns"]) == ["a", "b", "c", *others]
    assert min(prepared().counts["splits"].values()) > 0


def test_a_split_with_an_empty_part_is_in_trouble() -> None:
    goal = aim(look("y", pa.array(numbers())))
    index = np.repeat([0, 1, 2, 3], [300, 50, 48, 2])
    assert Choice({}, [], index).trouble(goal) == 1
    assert Choice({}, [], np.where(index == 3, 2, index)).trouble(goal) > 1
