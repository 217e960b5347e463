"""A study that is stopped at any moment has the trials that it would have had; processes that share one draw others."""

from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
import studied
from optuna.trial import TrialState

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.tuning.storage import kept
from mlp_torch.tuning.study import Study
from mlp_torch.tuning.trial import Outcome

WAYS = [(), ("hparams_search.storage=journal.log",)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """All trials' parameters of a study that nothing stopped."""
    study = studied.opened(tmp_path_factory.mktemp("undisturbed"))
    while studied.step(study):
        pass
    return studied.params(study)


@pytest.mark.parametrize("more", WAYS, ids=["sqlite", "journal"])
def test_a_study_that_is_opened_anew_for_each_trial_has_the_same_trials(undisturbed, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    while studied.step(studied.opened(tmp_path, *more)):
        pass
    found = studied.params(studied.opened(tmp_path, *more))
    assert found == undisturbed
    assert len({tuple(params.items()) for params in found}) == len(found) == 8
    other = studied.opened(tmp_path, *more, "hparams_search.study=other", "hparams_search.sampler.seed=1")
    studied.step(other), studied.step(other)
    assert studied.params(other)[0] == found[0]  # the experiment as it stands
    assert studied.params(other)[1] != found[1]


def test_the_first_trial_is_the_experiment_as_it_stands_if_the_space_has_it(tmp_path):
    study = studied.opened(tmp_path)
    studied.step(study)
    assert studied.params(study) == [
        {"backbone.hidden": "[16,8]", "optimizer.lr": 0.001, "optimizer.weight_decay": 0.01}
    ]
    without = studied.opened(tmp_path, "optimizer.lr=interval(0.1,0.2)", "hparams_search.study=without")
    studied.step(without)
    assert 0.1 <= studied.params(without)[0]["optimizer.lr"] <= 0.2


def finish(folder: Path) -> Study:
    """All trials of a study."""
    study = studied.opened(folder)
    while studied.step(study):
        pass
    return study


class Killed(BaseException):
    """Ends a test's process in thought."""


@pytest.mark.parametrize(
    ("method", "at"),
    [("add_trial", 0), ("add_trial", 1), ("ask", 0), ("ask", 1), ("tell", 0), ("tell", 1), ("set_user_attr", 0)],
)
def test_a_kill_before_or_after_any_step_loses_no_trial_and_doubles_none(
    undisturbed, method, at, tmp_path, monkeypatch
):
    real = getattr(optuna.Study, method)
    calls = []

    def dies(self, *args, **kwargs):
        own = self.study_name == "tiny/default"  # and not the copy that is asked
        calls.extend([method] * own)
        fatal = own and len(calls) == (1 if method == "set_user_attr" else 4)
        if fatal and not at:
            raise Killed
        found = real(self, *args, **kwargs)
        if fatal:
            raise Killed
        return found

    monkeypatch.setattr(optuna.Study, method, dies)
    with pytest.raises(Killed):
        finish(tmp_path)
    monkeypatch.undo()
    study = finish(tmp_path)
    assert studied.params(study) == undisturbed
    assert {trial.state for trial in study.trials()} == {TrialState.COMPLETE}


def test_a_trial_of_which_some_parameters_were_set_is_completed_as_it_was_drawn(undisturbed, tmp_path, monkeypatch):
    study = studied.opened(tmp_path)
    for _ in range(3):
        studied.step(study)
    real, calls = optuna.Trial._suggest, []

    def dies(self, name, distribution):
        own = self.study.study_name == "tiny/default"  # and not the copy that is asked
        calls.extend([name] * own)
        if own and len(calls) == 3:
            raise Killed
        return real(self, name, distribution)

    monkeypatch.setattr(optuna.Trial, "_suggest", dies)
    with pytest.raises(Killed):
        studied.step(study)
    monkeypatch.undo()
    assert len(studied.params(study)[3]) == 2
    assert studied.step(studied.opened(tmp_path))
    assert studied.params(study)[3] == undisturbed[3]


def test_processes_that_share_a_study_draw_others_and_all_trials_are_the_studys(tmp_path):
    one, other = studied.opened(tmp_path), studied.opened(tmp_path)
    with ExitStack() as ours, ExitStack() as theirs:
        first, second = one.claim(ours, more=True), other.claim(theirs, more=True)
        third = other.claim(theirs, more=True)
        assert [first.number, second.number, third.number] == [0, 1, 2]  # nobody takes what another holds
        for study, trial in ((one, first), (other, second), (other, third)):
            study.tell(trial.number, Outcome(False, studied.value(trial.params), 1, 2, 0.1))
    while studied.step(one) and studied.step(other):
        pass
    found = [tuple(params.items()) for params in studied.params(one)]
    assert len(set(found)) == len(found) == 8


def test_a_trial_that_nobody_holds_is_taken_up_before_a_new_one_even_after_the_time_is_up(tmp_path):
    study = studied.opened(tmp_path)
    with ExitStack() as stack:
        left = study.claim(stack, more=True)
    with ExitStack() as stack:
        assert study.claim(stack, more=False).number == left.number
        assert study.claim(stack, more=False) is None


def test_failed_trials_count_and_the_study_goes_on(tmp_path):
    study = studied.opened(tmp_path, "hparams_search.n_trials=3")
    with ExitStack() as stack:
        study.tell(study.claim(stack, more=True).number, None)
    while studied.step(study):
        pass
    assert [trial.state.name for trial in study.trials()] == ["FAIL", "COMPLETE", "COMPLETE"]
    more = studied.opened(tmp_path, "hparams_search.n_trials=4")  # more trials are the same study
    assert studied.step(more)
    assert not studied.step(more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["optimizer.lr=interval(0.1,0.2)"],
            "optimizer.lr was Range.* however: now Range.*begin another by hpara",
        ),
        (["trainer.max_epochs=7"], "trainer.max_epochs was 3, however: now 7"),
        (["callback.best.monitor=val/auroc"], "the monitor was val/loss, however: now val/auroc"),
        (["optimizer.weight_decay=0.1"], "optimizer.weight_decay was Range.*, however: now not there"),
    ],
)
def test_another_study_is_not_gone_on_with(more, message, tmp_path):
    studied.step(studied.opened(tmp_path))
    with pytest.raises(ConfigError, match=message):
        studied.opened(tmp_path, *more)
    assert studied.step(studied.opened(tmp_path))


def test_a_study_of_the_other_direction_or_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ("hparams_search.storage=shared.db",)
    study = studied.opened(tmp_path, *more)
    assert kept(study.folder) == (str(tmp_path / "shared.db"), "tiny/default")
    definition = {**study.study.user_attrs["definition"], "direction": "maximize"}
    study.study.set_user_attr("definition", definition)
    with pytest.raises(ConfigError, match="the direction was maximize, however: now minimize"):
        studied.opened(tmp_path, *more)
    with pytest.raises(ModelError, match=r"must keep tiny/default in .*study\.db, however: .* is in .*shared\.db"):
        studied.opened(tmp_path)
    theirs = optuna.create_study(storage=study.study._storage, study_name="tiny/theirs")
    theirs.tell(theirs.ask(), 1.0)
    with pytest.raises(ConfigError, match="a study must be one that train -m began, however: tiny/theirs"):
        studied.opened(tmp_path, *more, "hparams_search.study=theirs")


@pytest.mark.parametrize("more", WAYS, ids=["sqlite", "journal"])
@pytest.mark.parametrize("damage", [b"no storage at all\n" * 9, b""], ids=["damaged", "emptied"])
def test_a_storage_that_is_damaged_is_told_by_its_name(more, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = studied.opened(tmp_path, *more)
    studied.step(study)
    path = tmp_path / "journal.log" if more else study.folder / "study.db"
    path.write_bytes(damage)
    with pytest.raises(ModelError, match=path.name):
        studied.opened(tmp_path, *more)


def test_a_new_study_in_a_file_that_is_none_leaves_that_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.db").write_text("mine, " * 200)
    with pytest.raises(ModelError, match=r"other\.db is damaged, or no storage of studies: "):
        studied.opened(tmp_path, "hparams_search.storage=other.db")
    assert (tmp_path / "other.db").read_text() == "mine, " * 200


def test_a_table_that_cannot_be_used_leaves_no_study(tmp_path):
    def refuses():
        raise ConfigError("no such table")

    with pytest.raises(ConfigError, match="no such table"):
        Study.opened(studied.plan(tmp_path), refuses)
    assert not (tmp_path / "runs").exists()
