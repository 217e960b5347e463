"""Pruning: a trial reports each epoch once and ends where others were better at its age."""

from pathlib import Path

import optuna
import pytest
import tiny

from mlp_torch.build import without_advice
from mlp_torch.training.checkpoints import LastCheckpoint
from mlp_torch.training.pruning import Pruned, Pruning, connected
from mlp_torch.training.task import Task


@pytest.fixture(autouse=True)
def _quiet():
    """As a run is."""
    without_advice()


@pytest.fixture(scope="module")
def data():
    return tiny.data(300)


def begun(storage: str, *, others: float | None) -> int:
    """A study in which another trial had a value at each of its five epochs; the number of the one that is running."""
    study = optuna.create_study(storage=connected(storage), study_name="mine", direction="minimize")
    if others is not None:
        other = study.ask()
        for epoch in range(5):
            other.report(others, epoch)
        study.tell(other, others)
    return study.ask().number


def fit(data, folder: Path, callback: Pruning, *, epochs: int = 3) -> None:
    last = folder / "last.ckpt"
    trainer = tiny.trainer(max_epochs=epochs, callbacks=[callback, LastCheckpoint(str(folder))])
    task = Task(data.transform, data.target, tiny.model(data), seed=0)
    trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=True)


def values(storage: str) -> dict[int, float]:
    """What the newest trial has reported."""
    return optuna.load_study(study_name="mine", storage=connected(storage)).trials[-1].intermediate_values


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_trial_worse_than_others_ends_and_a_better_one_does_not(name, data, tmp_path):
    def callback(folder: Path, others: float | None, pruner: optuna.pruners.BasePruner | None) -> Pruning:
        folder.mkdir()
        number = begun(str(folder / name), others=others)
        return Pruning("val/loss", storage=str(folder / name), study="mine", trial=number, pruner=pruner)

    median = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    with pytest.raises(Pruned):
        fit(data, tmp_path / "worse", callback(tmp_path / "worse", 0.0, median))
    assert list(values(str(tmp_path / "worse" / name))) == [0, 1]  # not while it warms up
    for other, of_others, pruner in (("better", 9.0, median), ("alone", None, median), ("unpruned", 0.0, None)):
        fit(data, tmp_path / other, callback(tmp_path / other, of_others, pruner))
        assert list(values(str(tmp_path / other / name))) == [0, 1, 2]


def test_a_trial_that_goes_on_reports_what_is_new(data, tmp_path):
    storage = str(tmp_path / "study.db")
    number = begun(storage, others=None)
    fit(data, tmp_path, Pruning("val/loss", storage=storage, study="mine", trial=number), epochs=2)
    before = values(storage)
    own = connected(storage)
    trial = optuna.Trial(optuna.load_study(study_name="mine", storage=own), number + 1)
    trial.report(0.5, 2)  # as if the process had been killed after it told of an epoch and before its checkpoint
    fit(data, tmp_path, Pruning("val/loss", storage=storage, study="mine", trial=number), epochs=4)
    found = values(storage)
    assert list(found) == [0, 1, 2, 3]
    assert {epoch: found[epoch] for epoch in (0, 1)} == before
    assert found[2] == 0.5
