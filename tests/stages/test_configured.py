"""The configuration of stages: what is refused in the first second, and what a stage's fit is told."""

from pathlib import Path

import pytest
import staged
from omegaconf import OmegaConf

from mlp_torch.configuration import composed, settle_schedules
from mlp_torch.errors import ConfigError
from mlp_torch.stages.configured import check, configured, wanted


def cascade(folder: Path, **changes: str):
    arguments = staged.experiment(folder, staged.CASCADE, **changes)
    return composed(arguments[2:], Path(arguments[1]))


def settled(folder: Path, *more: str):
    arguments = staged.experiment(folder, staged.CASCADE)
    cfg = composed([*arguments[2:], *more], Path(arguments[1]))
    settle_schedules(cfg)
    return cfg


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("whole: {} -> whole: {heads: 1}", "stages.whole: a key must exist, however: heads; did you mean head"),
        ("whole: {} -> whole: {columns: [sity]}", "stages.whole: columns must be those of data.columns, however: sity"),
        ("label: late} -> class: late}", "stages.tardy: rows must say stage and label, however: stage, class"),
        (
            "{stage: gate, label: late} -> {stage: gait, label: late}",
            "rows.stage must be an earlier stage, however: gait",
        ),
        ("    folds: 3\n -> ", "stage gate chooses rows by what it says of them, so it must have folds"),
        (
            "trainer: {max_epochs: 8} -> trainer: {max_epoch: 8}",
            "stages.gate: trainer: lightning.pytorch.Trainer takes no",
        ),
        ("optimizer: {lr: 0.02} -> optimizer: {lr: fast}", "stages.gate: optimizer.lr"),
        (
            "folds: 3 -> folds: 1",
            "stages.gate: folds of a stage must be a whole number from 2 to 100, however: folds=1",
        ),
        (
            "target.Number, field: size -> target.Numbr, field: size",
            "data.target._target_ must be importable, however: mlp_torch.target.Numbr; did you mean Number",
        ),
        (
            "whole: {} -> whole: 3",
            "stages.whole: a stage must be {KEY: VALUE, …}, or {} where it is as the run, however: 3",
        ),
        ("trainer: {max_epochs: 8} -> trainer: null", "stages.gate: trainer must be single keys of the run's"),
        ("whole: {} -> 3: {}", "stages must have names that are text, however: 3; write '3'"),
        ("whole: {} -> ../up: {}", "stages.../up: a name must be made of letters, digits, _ and -"),
        (
            "whole: {} -> whole: {columns: city}",
            "stages.whole: columns must be a list of those of data.columns, however",
        ),
        ("stage: gate, label: late} -> stage: gate}", "stages.tardy: rows must say stage and label, however: stage"),
        (
            "stage: whole} -> stage: whol}",
            "baseline.whole.stage must be one of stages, however: whol; did you mean whole",
        ),
        (
            "stage: whole} -> stage: gate}",
            "baseline.whole must predict what the run does, however: stage gate has a target of its own",
        ),
        (
            "late: tardy} -> late: gate}",
            "model.branches.late must predict what the run does, however: stage gate has a target of its own",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(cascade(tmp_path, change=change))
    assert message in str(caught.value)


def test_null_drops_an_inherited_stage(tmp_path: Path) -> None:
    arguments = staged.experiment(tmp_path, staged.CASCADE)
    cfg = composed([*arguments[2:], "++stages.whole=null", "baseline.whole=null"], Path(arguments[1]))
    check(cfg)
    assert list(wanted(cfg)) == ["gate", "early", "tardy"]
    cfg.stages = None
    check(cfg)
    assert wanted(cfg) == {}


def test_a_stage_has_the_runs_schedule_over_its_own_epochs(tmp_path: Path) -> None:
    cfg = settled(tmp_path, "scheduler=cosine")
    cfg.folder = "runs/tiny/x"
    stored = OmegaConf.create(OmegaConf.to_yaml(cfg, resolve=True))
    for each in (cfg, stored):
        epochs = {name: configured(each, name, f"elsewhere/{name}").scheduler.T_max for name in ("gate", "early")}
        assert (epochs, each.scheduler.T_max) == ({"gate": 8, "early": 2}, 2)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("{_target_: torch.optim.lr_scheduler.StepLR, _partial_: true, step_size: 3}", "StepLR"),
        ("{}", "{}"),
        ("null", "None"),
    ],
)
def test_a_schedule_that_a_stage_says_itself_stays(own: str, wanted: str, tmp_path: Path) -> None:
    cfg = settled(tmp_path, "scheduler=cosine", f"+stages.gate.scheduler={own}")
    scheduler = str(configured(cfg, "gate", "").scheduler)
    assert wanted in scheduler
    assert "T_max" not in scheduler


def test_a_group_chosen_for_a_stage_counts_its_epochs(tmp_path: Path) -> None:
    cfg = settled(tmp_path, "+scheduler@stages.gate.scheduler=cosine")
    assert configured(cfg, "gate", "").scheduler.T_max == 8


def test_single_keys_of_the_schedule_of_the_run_before_are_over_its_own_epochs(tmp_path: Path) -> None:
    own = "init_from={trainer: {max_epochs: 5}, scheduler: {eta_min: 0.001}}"
    cfg = settled(tmp_path, "scheduler=cosine", own)
    assert (cfg.init_from.scheduler.T_max, cfg.init_from.scheduler.eta_min, cfg.scheduler.T_max) == (5, 0.001, 2)


@pytest.mark.parametrize(
    ("own", "length"),
    [
        ("{trainer: {max_steps: 30}}", 2),
        ('{trainer: {max_epochs: "${trainer.max_epochs}"}}', 2),
        ("{trainer: {max_epochs: 5}}", 5),
        ("{trainer: {max_epochs: null, max_steps: 30}}", None),
        ("{trainer: {max_epochs: -1}}", None),
        ("{trainer: {max_epochs: 5}, scheduler: {}}", None),
        ("{trainer: {max_epochs: 5}, scheduler: null}", None),
    ],
)
def test_a_schedule_is_over_epochs_that_are_counted(own: str, length: int | None, tmp_path: Path) -> None:
    found = settled(tmp_path, "scheduler=cosine", f"init_from={own}").init_from
    assert (found.get("scheduler") or {}).get("T_max") == length


def test_a_schedule_by_its_groups_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a schedule of its own must be"):
        settled(tmp_path, "scheduler=cosine", "init_from={trainer: {max_epochs: 5}, scheduler: cosine}")


def test_a_stage_is_the_run_but_for_what_it_says(tmp_path: Path) -> None:
    cfg = cascade(tmp_path)
    cfg.folder = "runs/tiny/x"
    gate = configured(cfg, "gate", "elsewhere/gate", "stage gate")
    assert gate.head._target_.endswith("Binary")
    assert "loss" not in gate.head  # replaced, not amended
    assert (gate.optimizer.lr, gate.optimizer.weight_decay) == (0.02, cfg.optimizer.weight_decay)
    assert gate.trainer.max_epochs == 8
    assert gate.callback.best.dirpath == "elsewhere/gate/checkpoints"
    assert gate.callback.progress.member == "stage gate"
    assert gate.model._target_.endswith("alone")
    early = configured(cfg, "early", "elsewhere/early")
    assert early.head == cfg.head
    assert early.trainer.max_epochs == 2
    assert cfg.callback.best.dirpath == "runs/tiny/x/checkpoints"
