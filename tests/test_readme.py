"""What the README shows works as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mlp_torch.__main__ import VERBS
from mlp_torch.tuning.plan import planned as tuned
from mlp_torch.verbs.train import check, is_asked, parsed, planned

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.split("#")[0].strip() for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line.strip()
]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A table of someone's own."""
    draw = np.random.default_rng(0)
    rows = 600
    age, hours = draw.integers(18, 80, rows), draw.normal(40, 10, rows).round(1)
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "age": age,
            "hours": hours,
            "city": draw.choice(["Oslo", "Rome", "東京"], rows),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, rows), unit="D"),
            "income": np.where(age + hours + draw.normal(0, 10, rows) > 90, "high", "low"),
        }
    )
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path


def run(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_is_at_most_250_lines():
    assert README.count("\n") <= 250


def test_the_notebook_is_at_most_12_lines_and_runs(mine, monkeypatch, capsys):
    (block,) = [text for kind, text in BLOCKS if kind == "python" and "notebook" in text]
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(mine)
    exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "auroc" in out
    assert "rows used: train " in out
    assert "\nepoch 1 of 10: train/loss" in out
    assert "\r" not in out
    assert "best epoch" in out
    assert (mine / "model" / "manifest.json").is_file()


def test_every_train_command_composes():
    found = [shlex.split(line)[2:] for line in COMMANDS if line.startswith("python train.py")]
    assert len(found) >= 4
    for arguments in found:
        if not any(text.startswith(("resume=", "--", "experiment=mine")) for text in arguments):
            chosen = parsed(arguments)
            is_study = is_asked(chosen.overrides, "hparams_search")
            assert tuned(chosen.overrides, None, check).space if is_study else planned(chosen)


def test_every_verb_that_is_shown_exists():
    verbs = {shlex.split(line)[1] for line in COMMANDS if line.startswith("mlp_torch ")}
    assert verbs
    assert verbs <= set(VERBS)


def test_every_file_that_is_named_exists():
    for path in re.findall(r"`((?:mlp_torch|configs|benchmarks|docs|tests)/[\w/.]+\.\w+)`", README):
        assert (ROOT / path).is_file(), path


def test_your_own_table_takes_three_commands(mine):
    run([sys.executable, "-m", "mlp_torch", "init", "mine.csv", "--target", "income"], mine)
    assert (mine / "configs/experiment/mine.yaml").is_file()
    trained = run([sys.executable, "-m", "mlp_torch", "train", "--config-dir", "configs", "experiment=mine"], mine)
    assert "metric" in trained
    model = "runs/mine/latest/model"
    judged = run([sys.executable, "-m", "mlp_torch", "evaluate", "--model", model, "--input", "mine.csv"], mine)
    assert "auroc" in judged
    # what stands around the three, on the same table
    assert "income" in run([sys.executable, "-m", "mlp_torch", "profile", "mine.csv", "--target", "income"], mine)
    assert (mine / "mine.html").is_file()
    experiment = (mine / "configs/experiment/mine.yaml").read_text()
    update = ["--update", "configs/experiment/mine.yaml"]
    run([sys.executable, "-m", "mlp_torch", "init", "mine.csv", "--target", "income", *update], mine)
    assert (mine / "configs/experiment/mine.yaml").read_text() == experiment
    run([sys.executable, "-m", "mlp_torch", "validate", "mine.csv", "--model", model], mine)
    scored = ["--input", "mine.csv", "--output", "scored.parquet", "--key", "id", "--on-bad", "skip"]
    run([sys.executable, "-m", "mlp_torch", "predict", "--model", model, *scored], mine)
    table = pq.read_table(mine / "scored.parquet")
    assert table.column("id").to_pylist() == pd.read_csv(mine / "mine.csv", dtype=str)["id"].tolist()
    assert "probability" in table.column_names
