"""A target whose cells list several labels: multilabel is proposed, and trains unedited."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hydra.utils import instantiate
from own_table import DRAW, EXPERIMENT, numbers, prepared, proposal, words, write

from mlp_torch.__main__ import main as command_line
from mlp_torch.profile.facts import look
from mlp_torch.profile.suspicions import suspicions
from mlp_torch.proposal.labels import SetOfLabels, labels_of
from mlp_torch.proposal.target import aim
from mlp_torch.verbs.init import main as init

GENRES = ["Action", "Comedy", "Crime", "Drama", "Horror", "Thriller"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sets(rows: int = 400) -> list[list[str]]:
    """Labels of each row, one at least."""
    found = [[genre for genre in GENRES if DRAW.random() < 0.3] for _ in range(rows)]
    return [labels or ["Drama"] for labels in found]


def texts(separator: str = ", ", rows: int = 400) -> list[str]:
    return [separator.join(labels) for labels in sets(rows)]


def told() -> str:
    """What the experiment's comments say, on one line."""
    lines = (line.strip() for line in EXPERIMENT.read_text().splitlines())
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("# "))


def target_of(cfg: Any) -> dict[str, Any]:
    """The arguments of the proposed target."""
    assert cfg["head"]["_target_"].endswith(".Multilabel")
    node = dict(cfg["data"]["target"])
    assert node.pop("_target_") == "mlp_torch.target.Labels"
    return node


def test_sets_of_labels_are_several_labels_a_row_and_the_experiment_trains_unedited() -> None:
    write({"x": numbers(), "y": texts()})
    assert target_of(proposal()) == {"field": "y", "min_count": 20, "others": "ignore"}
    assert "multilabel, a probability for each of 6 labels" in told()
    assert "override /head: multiclass above" in told()
    assert command_line(["train", "--config-dir", "configs", "experiment=mine", "trainer.max_epochs=1"]) == 0
    assert Path("runs/mine/latest/model/manifest.json").is_file()


def test_no_rare_combination_of_labels_is_dropped() -> None:
    write({"x": numbers(), "y": texts()})
    assert proposal()["data"]["fields"] == {}
    assert prepared().counts["dropped"] == {}


def test_the_words_of_a_set_are_classes_where_the_note_is_followed() -> None:
    write({"x": numbers(), "y": words(400, "a", "b", "a|b", "c", "a|c", "b|c", "a|b|c")})
    assert target_of(proposal())["separator"] == "|"
    text = EXPERIMENT.read_text().replace("/head: multilabel", "/head: multiclass")
    text = text.replace("mlp_torch.target.Labels", "mlp_torch.target.Category")
    for line in ('separator: "|"', "min_count: 20", 'others: "ignore"'):
        text = text.replace(f"    {line}\n", "")
    EXPERIMENT.write_text(text)
    assert prepared().target.classes == ["a", "a|b", "a|b|c", "a|c", "b", "b|c", "c"]


def test_rows_without_a_label_are_dropped_and_the_other_way_is_told() -> None:
    write({"x": numbers(), "y": [*texts(rows=380), *["NA"] * 10, *[None] * 10]})
    cfg = proposal()
    assert cfg["data"]["fields"] == {"y": {"na_values": ["NA"], "missing": "drop"}}
    assert prepared().counts["dropped"] == {"y: missing_value": 20}
    assert "means none of them: empty: none here, and no missing: drop" in told()
    EXPERIMENT.write_text(
        EXPERIMENT.read_text()
        .replace(", missing: drop}", "}")
        .replace("    min_count:", "    empty: none\n    min_count:")
    )
    assert prepared().counts["used"] == 400


def test_a_label_of_few_rows_is_no_class() -> None:
    write({"x": numbers(), "y": [*texts(rows=390), *["Drama, Western"] * 10]})
    assert target_of(proposal())["min_count"] == 20
    assert 'fewer than 20 rows (in the run: training rows) are no class and are ignored: "Western" 10' in told()
    assert prepared().target.classes == GENRES


def test_a_label_that_hardly_a_row_lacks_is_no_class_since_no_head_can_learn_it() -> None:
    write({"x": numbers(), "y": [f"film, {cell}" for cell in texts()]})
    cfg = proposal()
    assert target_of(cfg) == {"field": "y", "classes": GENRES, "others": "ignore"}
    data = prepared()
    instantiate(cfg["head"], _convert_="all")(4, data.target).fit(data.tables["train"].y, data.tables["train"].weight)


def test_lists_of_labels_are_labels_too_and_an_empty_list_has_none_of_them() -> None:
    lists = [*sets(380), *[[]] * 10, *[None] * 10]
    pd.DataFrame({"x": range(400), "z": DRAW.normal(size=400), "y": lists}).to_parquet("mine.parquet")
    assert target_of(proposal(table="mine.parquet"))["empty"] == "none"
    data = prepared()
    assert data.counts["dropped"] == {"y: missing_value": 10}
    assert data.counts["used"] == 390


def test_more_labels_a_cell_than_are_usual_are_read() -> None:
    cells = [";".join(sorted(set(words(30, *"abcdefghijklmnopqrstuvwxyz")))) for _ in range(400)]
    write({"x": numbers(), "y": cells})
    assert target_of(proposal())["max_labels"] == 32
    assert prepared().counts["used"] == 400


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([f"{first}, {last}" for last in GENRES for first in "ABCDE"] * 5, id="names"),
        pytest.param(["yes, of course", "no", "perhaps"] * 50, id="few texts with a comma"),
        pytest.param([f"1,{i:03d}" for i in range(100, 150)] * 4, id="numbers with thousands"),
    ],
)
def test_one_value_a_cell_is_no_set_for_its_comma(cells: list[str]) -> None:
    assert labels_of(look("y", pa.array(cells))) is None


def test_few_rows_ask_for_fewer_of_a_label() -> None:
    cells = pa.array(["a", "b", "a, b", "c", "a, c", "b, c", "a, b, c"] * 6)
    goal = aim(look("y", cells))
    assert (goal.head, goal.node["min_count"]) == ("multilabel", 12)


def test_what_tells_a_target_of_lists_is_not_looked_for() -> None:
    cells = {"x": pa.array(np.arange(200) % 2), "y": pa.array([["a"], ["b"]] * 100)}
    known = {name: look(name, array) for name, array in cells.items()}
    assert [finding for finding in suspicions(known, target="y") if "target" in finding.code] == []


def test_an_update_tells_of_no_combination_as_a_new_class(capsys: pytest.CaptureFixture[str]) -> None:
    cells, x = words(400, "a", "b", "a, b", "c", "a, c", "b, c"), numbers()
    write({"x": x, "y": cells})
    proposal()
    write({"x": x, "y": [*cells[:-1], "a, b, c"]})
    capsys.readouterr()
    assert init(["mine.csv", "--update", str(EXPERIMENT)]) == 0
    assert "nothing is new, nothing is gone" in capsys.readouterr().out


def test_of_more_labels_than_a_target_takes_the_most_frequent_are_classes() -> None:
    rows = {f"t{i}": 100 + i for i in range(1100)}
    found = SetOfLabels(look("y", pa.array(["a"])), ", ", rows, 2, np.ones(5000, bool), {})
    assert (found.least, len(found.classes)) == (200, 1000)
