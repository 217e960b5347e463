"""What a study tells at its end, and what a run takes from it, without the runs of its trials."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import studied

from mlp_torch.errors import ConfigError
from mlp_torch.tuning.chosen import best_of, with_best
from mlp_torch.tuning.outcome import closing
from mlp_torch.tuning.study import Outcome, Study


def tried(folder: Path, outcomes: list[tuple[float, bool] | None], *more: str) -> Study:
    """A study whose trials came to these values, pruned or not; None = failed."""
    study = studied.opened(folder, f"hparams_search.n_trials={len(outcomes)}", *more)
    for outcome in outcomes:
        with ExitStack() as stack:
            trial = study.claim(stack, more=True)
            study.tell(trial.number, outcome and Outcome(outcome[1], outcome[0], 2, 3, 0.5))
    return study


def test_complete_trials_come_before_pruned_ones_and_failed_ones_are_counted(tmp_path, capsys):
    study = tried(tmp_path, [(0.7, False), (0.1, True), None, (0.3, False)])
    assert closing(study) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "study default: 2 complete, 1 pruned, 1 failed; by val/loss of validation rows, less is better"
    table = [line.split()[:6] for line in lines[3:7]]
    assert table == [
        ["trial", "val/loss", "state", "epoch", "epochs", "seconds"],
        ["3", "0.3", "complete", "2", "3", "0.5"],
        ["0", "0.7", "complete", "2", "3", "0.5"],
        ["1", "0.1", "pruned", "2", "3", "0.5"],
    ]
    assert best_of(study.plan.base, "default").trial == 3, "a pruned trial was not trained to its end"


def test_a_study_all_of_whose_trials_fail_says_so(tmp_path, capsys):
    study = tried(tmp_path, [None, None])
    assert closing(study) == 1
    assert "No trial has a value: each has said above why." in capsys.readouterr().out
    with pytest.raises(ConfigError, match="a trial that has come to its end, however: tiny/default has none"):
        best_of(study.plan.base, "default")


def test_of_many_trials_the_importance_of_parameters_is_told(tmp_path, capsys):
    study = studied.opened(tmp_path, "hparams_search.n_trials=14")
    while studied.step(study):
        pass
    closing(study)
    output = capsys.readouterr().out
    told = next(line for line in output.splitlines() if line.startswith("Share of each parameter"))
    assert "(fANOVA, 14 trials): " in told
    shares = {text.split()[0]: int(text.split()[1].rstrip("%.")) for text in told.partition("trials): ")[2].split(", ")}
    assert shares["optimizer.weight_decay"] == min(shares.values()), "values do not depend on it"
    assert "… and 4 more" in output


def test_of_trials_with_equal_values_nothing_is_said_to_matter(tmp_path, capsys):
    study = tried(tmp_path, [(0.5, False)] * 10)
    closing(study)
    assert "10 complete trials, of which that cannot be told" in capsys.readouterr().out


def test_a_run_takes_the_best_parameters_from_a_name_a_folder_and_a_storage(tmp_path, capsys):
    study = studied.opened(tmp_path)
    while studied.step(study):
        pass
    best = study.study.best_trial
    places = ["default", str(study.folder), str(study.folder / "study.db")]
    found = [best_of(study.plan.base, place) for place in places]
    assert found[0] == found[1] == found[2]
    assert found[0].trial == best.number
    assert f"optimizer.lr={best.params['optimizer.lr']!r}" in found[0].overrides
    assert f"backbone.hidden={best.params['backbone.hidden']}" in found[0].overrides

    arguments = ["experiment=tiny", f"runs={tmp_path / 'runs'}", "from_study=default", "optimizer.lr=0.5"]
    overrides = with_best(arguments, study.plan.configs)
    assert overrides[-4:] == arguments
    assert not any(text.startswith("optimizer.lr=") for text in overrides[:-4])
    assert f"not optimizer.lr={best.params['optimizer.lr']!r}, which the command line sets" in capsys.readouterr().out


def test_a_storage_of_several_studies_asks_which(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        study = tried(tmp_path, [(0.5, False)], "hparams_search.storage=both.db", f"hparams_search.study={name}")
    with pytest.raises(ConfigError, match=r"must hold one study of tiny, however: both\.db holds tiny/one, tiny/two"):
        best_of(study.plan.base, "both.db")
    assert best_of(study.plan.base, "two").study == "tiny/two"
