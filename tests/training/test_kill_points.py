"""A run that is killed (SIGKILL) at each kind of moment goes on to the same bits, in a process of its own."""

import shutil
from pathlib import Path

import pytest
import tiny
from commands import dies_at

from mlp_torch.resuming.comparison import differences
from mlp_torch.verbs.train import main

QUICK = ["baseline=none", "importance=null"]
# where a process dies, as what is patched by what, and how often that is passed before
POINTS = {
    "before the first checkpoint": ("mlp_torch.training.task.Task.on_train_start", 0),
    "within the fourth save": ("mlp_torch.files.Hashing.write", 200),
    "between checkpoint and manifest": ("mlp_torch.training.checkpoint_files.manifest", 7),
    "between manifest and retention": ("mlp_torch.training.checkpoint_files.retain", 7),
    "in validation": ("mlp_torch.training.task.Task.validation_step", 3),
    "at the end of validation": ("mlp_torch.training.task.Task.on_validation_epoch_end", 1),
    "at the epoch's edge": ("mlp_torch.training.checkpoints.LastCheckpoint.on_train_epoch_end", 1),
    "at the start of an epoch": ("mlp_torch.training.task.Task.on_train_epoch_start", 2),
    "at the end of training": ("mlp_torch.training.checkpoints.LastCheckpoint.on_train_end", 0),
    "while it calibrates": ("mlp_torch.fitting.calibrate", 0),
    "while it reports": ("mlp_torch.run.log_closing", 0),
    "while it exports": ("mlp_torch.serving.export.agree", 0),
    "before the model's manifest": ("mlp_torch.serving.export.manifest", 0),
}
LATE = ("at the start of an epoch", "at the end of training", "while it calibrates", "while it exports")


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*tiny.experiment(tmp_path_factory.mktemp("table"))[:3], *QUICK]


@pytest.fixture(scope="module")
def alone(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is left alone."""
    runs = tmp_path_factory.mktemp("alone")
    assert main([*arguments, f"runs={runs}"]) == 0
    return runs / "tiny" / "latest"


@pytest.mark.parametrize("point", [pytest.param(p, marks=[pytest.mark.proof] if p in LATE else []) for p in POINTS])
def test_a_run_that_is_killed_at_a_point_goes_on_to_the_same_bits(point, arguments, alone, tmp_path):
    again = [*arguments, f"runs={tmp_path}", "resume=auto"]
    dies_at(*POINTS[point], again)
    latest = tmp_path / "tiny" / "latest"
    killed = latest.resolve()
    assert not (killed / "model" / "manifest.json").exists()
    assert main(again) == 0
    assert latest.resolve() == killed
    assert differences(alone.resolve(), killed) == []
    assert not [path for path in killed.rglob(".*") if path.name != ".lock"]  # nothing half-written is left
    shutil.rmtree(killed)


def test_a_run_that_is_killed_five_times_in_one_epoch_goes_on_to_the_same_bits(arguments, alone, tmp_path):
    again = [*arguments, f"runs={tmp_path}", "resume=auto"]
    for passes in (2, 1, 2, 1, 1):  # after steps 2, 3, 5, 6 and 7 of the 10 of an epoch
        dies_at("mlp_torch.training.task.Task.training_step", passes, again)
    latest = tmp_path / "tiny" / "latest"
    assert [path.stem for path in sorted(latest.glob("checkpoints/step_*.json"))][-1] == "step_00000007"
    assert main(again) == 0
    assert differences(alone.resolve(), latest.resolve()) == []
