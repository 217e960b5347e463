"""The split that `init` proposes, on tables of every shape: four parts that have rows."""

from pathlib import Path
from typing import Any

import pytest
from own_table import DRAW, EXPERIMENT, numbers, prepared, proposal, words, write

from mlp_torch.reproducibility.split import SPLITS


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
