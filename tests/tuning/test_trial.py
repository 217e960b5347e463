"""A trial's own process: what it leaves where it is pruned, and where its metric is defined in no epoch."""

from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import staged
import studied
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_torch.build import without_advice
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.tuning.plan import planned
from mlp_torch.tuning.search import free
from mlp_torch.tuning.storage import alone
from mlp_torch.tuning.study import Outcome, Study
from mlp_torch.tuning.trial import close, direction, outcome_of, store_trial, tried
from mlp_torch.verbs.folders import stored_configuration
from mlp_torch.verbs.train import check

PRUNES = ("hparams_search.pruner.n_startup_trials=1", "hparams_search.pruner.n_warmup_steps=0")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where runs go."""
    monkeypatch.chdir(tmp_path)
    without_advice()
    return tmp_path


def of_trial(study: Study, stack: ExitStack) -> Path:
    """The folder of a new trial, with its configuration."""
    trial = study.claim(stack, more=True)
    folder = study.folder / f"trial_{trial.number}"
    store_trial(study.plan, trial.number, trial.params, folder)
    return folder


def test_a_trial_that_is_pruned_says_so_and_keeps_no_checkpoint(folder):
    study = studied.opened(folder, *PRUNES)
    with ExitStack() as stack:
        first = study.claim(stack, more=True)
        for epoch in range(3):
            study.trial(first.number).report(0.01, epoch)
        study.tell(first.number, Outcome(False, 0.01, 1, 3, 0.1))
        trial = of_trial(study, stack)
        tried(trial)
        found = outcome_of(trial)
        assert (found.pruned, found.epoch, found.epochs) == (True, 1, 1)
        assert study.tell(1, found).state.name == "PRUNED"
    assert study.trials()[1].value == found.value > 0.01
    assert not (trial / "checkpoints").exists()
    assert (trial / "tensorboard" / "hparams").exists()


def test_a_trial_whose_metric_is_defined_in_no_epoch_fails(folder):
    table = tiny.table(300)
    validated = set(tiny.data(300).keys["val"]["id"].to_pylist())
    late = ["late" if row["id"] in validated else row["late"] for row in table.to_pylist()]  # so val/auroc says nothing
    pq.write_table(table.set_column(table.column_names.index("late"), "late", [late]), folder / "tiny.parquet")
    path = f"data.source.path={folder / 'tiny.parquet'}"
    study = studied.opened(folder, path, "callback.best.monitor=val/auroc", "callback.early_stopping=null")
    with ExitStack() as stack:
        trial = of_trial(study, stack)
        with pytest.raises(ConfigError, match=r"a validation that defines what callback\.best monitors"):
            tried(trial)
        assert outcome_of(trial) is None


def test_the_direction_is_that_of_what_is_monitored(folder):
    assert direction(studied.plan(folder).base) == "minimize"
    assert direction(studied.plan(folder, "callback.best.monitor=val/auroc").base) == "maximize"
    with pytest.raises(ConfigError, match="did you mean val/auroc"):
        direction(studied.plan(folder, "callback.best.monitor=val/aurok").base)


def test_a_trials_folder_is_waited_for_while_an_orphan_is_still_at_work(tmp_path):
    with ExitStack() as stack:
        free(tmp_path / "none")
        stack.enter_context(alone(tmp_path))
    free(tmp_path)


@pytest.mark.parametrize(("way", "best"), [("minimize", 1), ("maximize", 3)])
def test_a_trials_value_is_that_of_its_best_epoch(way, best, folder):
    study = Study.opened(studied.plan(folder), lambda: way)
    with ExitStack() as stack:
        trial = of_trial(study, stack)
        for epoch, value in enumerate([0.5, 0.3, 0.4, 0.6, 0.5]):
            study.trial(0).report(value, epoch)
        (trial / "checkpoints").mkdir()
        close(stored_configuration(trial / "config.yaml"), trial, pruned=False, seconds=1.0)
        assert outcome_of(trial) == Outcome(False, [0.5, 0.3, 0.4, 0.6, 0.5][best], best + 1, 5, 1.0)
        assert not (trial / "checkpoints").exists()


def test_a_stages_values_are_not_those_of_the_trial(folder):
    arguments = staged.experiment(folder, staged.STACK)
    plan = planned([*arguments[2:], "hparams_search=default"], Path(arguments[1]), check)
    study = Study.opened(plan, lambda: direction(plan.base))
    with ExitStack() as stack:
        trial = of_trial(study, stack)
        tried(trial)
        found, reported = outcome_of(trial), study.trials()[0].intermediate_values
    events = EventAccumulator(str(trial / "tensorboard" / "val"))
    events.Reload()
    assert found.value == pytest.approx(min(event.value for event in events.Scalars("loss")))
    assert len(reported) == len(events.Scalars("loss"))
    assert not list(trial.glob("stages/*/*/checkpoints"))
    assert list(trial.glob("stages/*/whole/tensorboard"))


def test_a_last_model_that_learns_nothing_itself_cannot_be_tuned(folder):
    arguments = staged.experiment(folder, staged.CASCADE)
    cfg = composed(arguments[2:], Path(arguments[1]))
    with pytest.raises(
        ConfigError, match=r"a trial's last model must learn, .*, however: .*ascade has nothing to learn"
    ):
        direction(cfg)
