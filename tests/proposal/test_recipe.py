"""The recipe for so many rows: piecewise-linear numbers from 2,000 training rows to 100,000, else chains of steps."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_table import EXPERIMENT, column_of, numbers, prepared, proposal, words, write

from mlp_torch.configuration import composed
from mlp_torch.proposal.recipe import BEND, recipe
from mlp_torch.representation.numerical_embeddings import PiecewiseLinear
from mlp_torch.verbs.init import main

ROWS = 4000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(rows: int = ROWS) -> dict[str, Any]:
    draw = np.random.default_rng(7)
    pay = draw.lognormal(2, 1, rows).round(4)
    whole = draw.integers(0, 5, rows)
    return {
        "id": range(rows),
        "pay": pay,
        "x": numbers(rows),
        "kind": whole,
        "city": words(rows, "Oslo", "Rome"),
        "y": np.where(np.log(pay) + draw.normal(0, 1, rows) > 2, "yes", "no"),
    }


def test_more_rows_mean_fewer_epochs_wider_layers_and_numbers_that_bend() -> None:
    found = [recipe(rows) for rows in (100, BEND - 1, BEND, 10_000, 100_000)]
    bent = ["piecewise-linear"] * 2
    assert [each.numbers for each in found] == ["chains", "chains", *bent, "chains"]
    assert [each.epochs for each in found] == sorted((each.epochs for each in found), reverse=True)
    assert [each.hidden for each in found] == sorted(each.hidden for each in found)
    assert all(f"{rows:,}" in each.why for rows, each in zip((100, 1999, 2000, 10_000, 100_000), found, strict=True))
    assert "piecewise" not in recipe(BEND, has_numbers=False).why


def test_the_steps_of_an_epoch_are_those_that_training_takes() -> None:
    write(table(1000))
    proposal()
    data = prepared()
    rows, steps = len(data.tables["train"].y), len(data.train_dataloader())
    assert steps < 40
    assert f"batch_size: 32 # {steps} steps an epoch, {rows:,} training rows" in EXPERIMENT.read_text()


def test_of_many_rows_numbers_are_piecewise_linear_and_the_chain_is_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(table())
    cfg = proposal()
    assert column_of(cfg, "pay") == column_of(cfg, "x") == ["PiecewiseLinear"]
    assert column_of(cfg, "kind") == ["Embedding"]
    assert column_of(cfg, "city") == ["Embedding"]
    text = EXPERIMENT.read_text()
    assert "training rows: numbers are piecewise-linear" in text
    assert "# the same after a chain of steps; normality ." in text
    assert '"pay": normality .' in capsys.readouterr().out
    column = prepared().transform.named_columns()["pay"]
    assert isinstance(column, PiecewiseLinear)
    active = next(line for line in text.splitlines() if line.startswith("    pay: {"))
    (offered,) = (line for line in text.splitlines() if line.startswith("    # pay: {"))
    assert "curves.Log" in offered
    EXPERIMENT.write_text(text.replace(offered, offered.replace("# ", "", 1)).replace(active + "\n", ""))
    steps = prepared().transform.named_columns()["pay"].steps
    assert [type(step).__name__ for step in steps] == ["Log", "ZScore"]


def test_each_number_can_be_left_out_by_its_key() -> None:
    write(table())
    proposal()
    found = composed(["experiment=mine", "data.columns.pay=null"], Path("configs"))
    assert [key for key, node in found.data.columns.items() if node is None] == ["pay"]


def test_update_follows_the_recipe_and_comments_what_has_vanished() -> None:
    first = table()
    write(first)
    proposal()
    draw = np.random.default_rng(8)
    second = {name: values for name, values in first.items() if name != "x"} | {"debt": draw.lognormal(0, 1, ROWS)}
    write(second, "new.csv")
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    cfg = composed(["experiment=mine", "data.source.path=new.csv"], Path("configs"))
    assert list(cfg.data.columns) == ["pay", "kind", "city", "debt"]
    assert cfg.data.columns.debt._target_.endswith("PiecewiseLinear")
    text = EXPERIMENT.read_text()
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    assert EXPERIMENT.read_text() == text


def test_the_recipe_trains_unedited_and_learns() -> None:
    write(table())
    proposal()
    train = ["-m", "mlp_torch", "train", "--config-dir", "configs", "experiment=mine", "trainer.max_epochs=5"]
    done = subprocess.run([sys.executable, *train], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(Path("runs/mine/latest/metrics.json").read_text())
    assert metrics["test/auroc"] > 0.7  # the logarithm of pay and as much noise: .75 at best
    assert (Path("runs/mine/latest/tensorboard") / "columns").is_dir()
