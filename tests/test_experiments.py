"""Every experiment composes by the command in its header, trains a step, exports, loads and predicts."""

import json
import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import mlp_torch
from mlp_torch.configuration import CONFIGS, built, check_targets, composed
from mlp_torch.stages.configured import wanted
from mlp_torch.target import Number
from mlp_torch.verbs.train import main

EXPERIMENTS = sorted((CONFIGS / "experiment").glob("*.yaml"))
FEW_OF, FEW = "FashionMnist", ["data.source.first=200", "data.source.test=50"]  # a trunk takes 3 ms a picture
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1"]
SHORT += ["baseline.trees=null", "baseline.look-up=null", "importance=null"]


def command(path: Path) -> list[str]:
    """The arguments of `python train.py …` in an experiment's header."""
    header = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
    found = re.search(r"python train\.py (.+)", header)
    assert found, f"{path.name} must show its command in its header"
    return shlex.split(found.group(1))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_composes_by_its_headers_command(path):
    arguments = command(path)
    assert f"experiment={path.stem}" in arguments
    cfg = composed(arguments)
    check_targets(cfg)
    assert cfg.name == path.stem
    assert re.search(r"^# Expect(?: \(seed 0\))?: \S", path.read_text(), re.M)  # figures, not a promise of some


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_trains_a_step_exports_loads_and_predicts(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train.py"])  # Hydra reads it; main sets it
    cfg = composed(command(path))
    short = [*SHORT, *(["model.cycle=1"] if "cycle" in cfg.model else [])]
    fits = [*(f"stages.{name}" for name in wanted(cfg)), "init_from"]  # that are trained before
    short += [f"{at}.trainer.max_epochs=1" for at in fits if OmegaConf.select(cfg, f"{at}.trainer.max_epochs")]
    short += FEW if FEW_OF in cfg.data.source._target_ else []
    short += (
        [f"trainer.max_epochs={max(cfg.unfreeze)}"] if cfg.unfreeze else []
    )  # a step of what is frozen at first, too
    main([*command(path), *short, f"runs={tmp_path}", "trainer.enable_progress_bar=false"])
    folder = tmp_path / path.stem / "latest"
    model = mlp_torch.load(folder / "model")
    answer = model.predict(model.schema.example)
    assert answer
    assert all(value == value for value in answer.values())
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["format"] == 1
    assert metrics["test/loss"] > 0
    assert "metric" in capsys.readouterr().out


@pytest.mark.parametrize("head", ["regression", "gaussian", "quantiles", "reframing"])
def test_heads_for_a_number_take_each_others_place_on_the_command_line(head):
    cfg = composed(["experiment=regression", f"head={head}"])
    check_targets(cfg)
    assert built(cfg.head)(8, Number("y")).metrics().keys() >= {"mae"}
