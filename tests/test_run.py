"""The build: what callbacks are told of the metric that they watch, and what calibration leaves in a run's folder."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tiny
from omegaconf import OmegaConf

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.evaluation.evaluation import configuration, restored
from mlp_torch.fitting import direction
from mlp_torch.run import kept
from mlp_torch.training.checkpoint_files import name_of, save
from mlp_torch.verbs.train import main

HIGHER = {"loss": False, "auroc": True, "coverage": None}


@pytest.mark.parametrize(
    ("node", "added"),
    [
        ({"monitor": "val/loss", "mode": "auto"}, {"mode": "min"}),
        ({"monitor": "val/auroc", "mode": "auto"}, {"mode": "max"}),
        ({"monitor": "train/loss_without_dropout", "mode": "auto"}, {"mode": "min"}),
        ({"monitor": "train/auroc", "mode": "auto"}, {"mode": "max"}),
        ({"monitor": "val/auroc", "mode": "min"}, {}),
        ({"monitor": "val/auroc"}, {}),
        ({"refresh_rate": 1}, {}),
    ],
)
def test_what_is_monitored_knows_its_direction(node: dict[str, object], added: dict[str, str]) -> None:
    assert direction("callback.best", OmegaConf.create(node), HIGHER) == added


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("val/aurok", "must be a metric of this run, however: val/aurok; did you mean val/auroc?"),
        ("auroc", "did you mean val/auroc?"),
        (None, "must be a metric of this run, however: None"),
        ("val/coverage", "callback.best.mode must be min or max, since val/coverage says neither, however: auto"),
    ],
)
def test_a_monitor_that_is_no_metric_or_has_no_direction_is_refused(monitor: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        direction("callback.best", OmegaConf.create({"monitor": monitor, "mode": "auto"}), HIGHER)
    assert message in str(caught.value)


def test_the_best_by_a_metric_of_which_more_is_better_is_kept(tmp_path: Path) -> None:
    by_auroc = ["callback.best.monitor=val/auroc", "callback.early_stopping.monitor=val/auroc"]
    main([*tiny.experiment(tmp_path), f"runs={tmp_path}/runs", *by_auroc, "trainer.max_epochs=4", "baseline=none"])
    best = tiny.best(tmp_path / "runs" / "tiny" / "latest" / "checkpoints")
    (kept,) = (name for name in best["callbacks"] if name.startswith("BestCheckpoint"))
    assert "'mode': 'max'" in kept
    assert "'monitor': 'val/auroc'" in kept


def test_a_callback_that_refuses_a_value_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*tiny.experiment(tmp_path), f"runs={tmp_path}/runs", "callback.best.mode=low"])
    assert "ConfigError: callback.best: `mode` can be min, max but got low" in capsys.readouterr().err


def test_a_found_threshold_and_calibration_are_told_shipped_and_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "head.threshold={_target_: mlp_torch.problem.thresholds.AtRecall, recall: 0.9}"
    main([*tiny.experiment(tmp_path), "baseline=none", "head.calibration=isotonic", rule])
    folder = tmp_path / "runs" / "tiny" / "latest"
    metrics = json.loads((folder / "metrics.json").read_text())
    told = re.search(
        r"threshold (\S+): precision \S+, recall (\S+), F1 \S+ on 118 calibration rows, ", capsys.readouterr().out
    )
    assert told
    assert float(told[1]) == pytest.approx(metrics["threshold"], rel=1e-2)
    assert float(told[2]) >= 0.9
    found = tiny.loaded(folder / "model").predict(tiny.table()).to_pylist()
    at = np.array([row["probability"] for row in found]) > metrics["threshold"]
    assert at.tolist() == [row["class"] == 1 for row in found]
    assert (at != (np.array([row["probability"] for row in found]) > 0.5)).any()
    _, heads, _ = restored(configuration(folder / "model"), folder / "model")
    assert [float(head.threshold) == metrics["threshold"] for head in heads.values()] == [True, False]


def test_no_calibration_rows_for_a_head_that_calibrates_are_told_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*tiny.experiment(tmp_path), "head.calibration=temperature", "data.split.calibration=0"])
    assert "ConfigError: split.calibration must leave labelled rows" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/tiny/*/checkpoints/*"))


def test_trees_stand_beside_a_model_that_has_no_calibration_rows(tmp_path: Path) -> None:
    arguments = tiny.experiment(tmp_path)
    yaml = tmp_path / "configs" / "experiment" / "tiny.yaml"
    yaml.write_text(
        yaml.read_text().replace("calibration: 0.1", "calibration: 0").replace("trees: null", "trees: {rounds: 20}")
    )
    assert main([*arguments, "trainer.max_epochs=1"]) == 0
    assert "test/auroc_trees" in json.loads((tmp_path / "runs/tiny/latest/metrics.json").read_text())


def test_a_checkpoint_of_another_program_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    save({"format": 1, "global_step": 3, "epoch": 0, "state_dict": {}}, tmp_path / "checkpoints" / name_of(3))
    with pytest.raises(ModelError, match=r"step_00000003.ckpt must be of a run .*, however: it has no configuration"):
        kept(tmp_path)
