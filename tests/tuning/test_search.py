"""Studies of real processes: killed, shared, stopped; what their trials leave, and the run that follows."""

import json
import shutil
import signal
import time
from pathlib import Path

import optuna
import pytest
import tiny
from commands import ROOT, run, start
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from mlp_torch.errors import ConfigError, UserError
from mlp_torch.training.pruning import connected
from mlp_torch.tuning.plan import planned
from mlp_torch.tuning.search import search
from mlp_torch.verbs.folders import resumed
from mlp_torch.verbs.train import check, main

FIXED = ["optimizer.weight_decay=0.01", "trainer.max_epochs=8", "trainer.enable_progress_bar=true"]
ASKED = ["-m", "hparams_search=default", "hparams_search.n_trials=3", *FIXED]


def study_in(folder: Path, name: str = "default") -> optuna.Study:
    """The tiny experiment's."""
    storage = connected(str(folder / "runs" / "tiny" / f"study_{name}" / "study.db"))
    return optuna.load_study(study_name=f"tiny/{name}", storage=storage)


def told(study: optuna.Study) -> list[tuple]:
    """Of each trial all that does not depend on the clock."""
    return [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in study.trials]


def hparams(folder: Path) -> dict[str, str | float]:
    """What TensorBoard's HParams page shows of a trial: its parameters, and values by name."""
    events = EventAccumulator(str(folder / "tensorboard" / "hparams"))
    events.Reload()
    plugin = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    found = HParamsPluginData.FromString(plugin).session_start_info.hparams
    shown = {name: value.number_value or value.string_value for name, value in found.items()}
    return shown | {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that nothing disturbed: its folder, its arguments, what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    arguments = tiny.experiment(folder)
    code, output = run([*arguments, *ASKED], folder)
    assert code == 0, output
    return folder, arguments, output


def test_a_study_ends_with_its_table_and_each_trial_in_hparams(finished):
    folder, arguments, output = finished
    study = study_in(folder)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert "study default: 3 complete; by val/loss of validation rows, less is better" in output
    lines = output[output.index("study default:") :].splitlines()
    assert lines[2].split() == ["trial", "val/loss", "state", "epoch", "epochs", "seconds", "optimizer.lr"]
    assert [int(line.split()[0]) for line in lines[3:6]] == sorted(range(3), key=lambda i: study.trials[i].value)
    assert "3 complete trials, of which that cannot be told; it takes 10" in output
    following = " ".join([*arguments, *FIXED, "from_study=default"])
    assert f"next      python {ROOT}/train.py {following}" in output
    for trial in study.trials:
        own = folder / "runs" / "tiny" / "study_default" / f"trial_{trial.number}"
        shown = hparams(own)
        assert shown["optimizer.lr"] == trial.params["optimizer.lr"]
        assert shown["val/loss"] == pytest.approx(trial.value)
        assert trial.value == min(trial.intermediate_values.values())
        assert OmegaConf.load(own / "config.yaml").optimizer.lr == trial.params["optimizer.lr"]


def test_nobody_looks_at_a_trials_test_rows_and_nothing_of_it_is_exported(finished):
    folder, _, output = finished
    own = folder / "runs" / "tiny" / "study_default" / "trial_1"
    assert sorted(path.name for path in own.iterdir() if not path.name.startswith(".")) == [
        "config.yaml",
        "row_counts.json",
        "tensorboard",
        "trial.json",
    ]
    assert "test" not in json.loads((own / "trial.json").read_text())
    assert "test" not in output.replace(str(folder), "")


def test_a_study_that_is_finished_says_so_again_and_tries_no_more(finished, monkeypatch, capsys):
    folder, arguments, output = finished
    before = told(study_in(folder))
    monkeypatch.setattr("sys.argv", [str(ROOT / "train.py")])
    with pytest.raises(SystemExit, match="0"):
        search(planned([*arguments[2:], *ASKED[1:]], Path(arguments[1]), check))
    assert capsys.readouterr().out.strip() == output[output.index("study default:") :].strip()
    assert told(study_in(folder)) == before


@pytest.fixture(scope="module")
def best(finished):
    """The run that the study's best trial is trained as: its folder, and what it printed."""
    folder, arguments, _ = finished
    code, output = run([*arguments, *FIXED, "from_study=default"], folder)
    assert code == 0, output
    return folder / "runs" / "tiny" / "latest", output


def test_the_best_trial_is_trained_as_an_ordinary_run_with_the_trials_own_value(finished, best):
    folder, output = best
    trial = study_in(finished[0]).best_trial
    given = f"optimizer.lr={trial.params['optimizer.lr']!r}"
    assert f"from study tiny/default: trial {trial.number} of 3, val/loss {trial.value:.4g}: {given}" in output
    assert OmegaConf.load(folder / "config.yaml").optimizer.lr == trial.params["optimizer.lr"]
    assert (folder / "model" / "manifest.json").is_file()
    best_epoch = tiny.best(folder / "checkpoints")
    (kept,) = (state for state in best_epoch["callbacks"].values() if "best_model_score" in state)
    assert float(kept["best_model_score"]) == trial.value  # trials have the bits that their parameters have alone


def test_a_run_from_a_study_goes_on_without_the_study(best, finished, tmp_path):
    there = tmp_path / "run"
    shutil.copytree(best[0].resolve(), there)
    shutil.rmtree(there / "model")
    code, output = run([f"resume={there}"], tmp_path)
    assert code == 0, output
    assert (there / "model" / "manifest.json").is_file()


def test_the_best_trial_is_trained_on_all_rows_if_that_is_asked(finished, tmp_path, monkeypatch, caplog, capsys):
    folder, arguments, _ = finished
    epoch = study_in(folder).best_trial.user_attrs["epoch"]
    monkeypatch.setattr("sys.argv", ["train.py"])
    study = f"from_study={folder / 'runs' / 'tiny' / 'study_default'}"
    assert main([*arguments, *FIXED, study, "all_rows=true", "scheduler=cosine", f"runs={tmp_path}"]) == 0
    run = tmp_path / "tiny" / "latest"
    counts = json.loads((run / "row_counts.json").read_text())
    assert counts["splits"]["train"] == counts["read"] == 1200
    cfg = OmegaConf.load(run / "config.yaml")
    assert (cfg.trainer.max_epochs, cfg.scheduler.T_max) == (epoch, 8)  # its rate falls as that of a trial
    assert tiny.last(run / "checkpoints")["epoch"] == epoch - 1
    assert "every figure is of rows that were learned" in caplog.text
    assert "start a new run" not in caplog.text + capsys.readouterr().out


def test_a_trial_is_not_resumed_alone(finished):
    folder = finished[0]
    trial = folder / "runs" / "tiny" / "study_default" / "trial_1"
    with pytest.raises(ConfigError) as caught:
        resumed([f"resume={trial}"])
    text = "a trial goes on with its study, by the command that began that"
    assert str(caught.value).startswith(f"{text}, however: ")
    assert str(caught.value).endswith("trial_1 is trial 1 of tiny/default")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("defualt", "from_study must name a study of {runs}, or its path, however: defualt; did you mean default?"),
        ("{runs}/none.db", "or its path, however: {runs}/none.db"),
        ("{folder}/tiny.parquet", "tiny.parquet is damaged, or no storage of studies"),
    ],
)
def test_a_study_that_is_not_there_is_told(finished, given, message):
    folder, arguments, _ = finished
    names = {"runs": folder / "runs" / "tiny", "folder": folder}
    with pytest.raises(UserError) as caught:
        main([*arguments, f"from_study={given.format(**names)}"])
    assert message.format(**names) in str(caught.value)


def waits_for(process, done) -> None:
    """Until something is so."""
    for _ in range(12000):
        if done():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("it never was")


def test_what_is_killed_goes_on_in_the_trial_that_was_running_from_its_checkpoint(finished, tmp_path):
    arguments = tiny.experiment(tmp_path)
    process = start([*arguments, *ASKED], tmp_path)
    running = tmp_path / "runs" / "tiny" / "study_default" / "trial_1"
    saved = running / "checkpoints"
    waits_for(process, lambda: any(path.stem > "step_00000020" for path in saved.glob("step_*.json")))  # 10 an epoch
    process.kill()
    process.communicate()  # ends when the trial's own process has ended
    assert [t.state.name for t in study_in(tmp_path).trials] == ["COMPLETE", "RUNNING"]
    first = (tmp_path / "runs" / "tiny" / "study_default" / "trial_0" / "trial.json").stat()
    code, output = run([*arguments, *ASKED], tmp_path)
    assert code == 0, output
    assert "trial 0 of 3" not in output
    assert "trial 1 of 3" in output
    assert "trial 1: epoch 8 of 8: " in output
    assert "trial 1: epoch 1 of 8: " not in output, "it went on from its checkpoint"
    assert "trial 2: epoch 1 of 8: " in output
    assert (tmp_path / "runs" / "tiny" / "study_default" / "trial_0" / "trial.json").stat() == first
    assert told(study_in(tmp_path)) == told(study_in(finished[0]))


def test_ctrl_c_ends_with_the_command_that_goes_on(tmp_path):
    process = start([*tiny.experiment(tmp_path), *ASKED], tmp_path)
    waits_for(process, (tmp_path / "runs" / "tiny" / "study_default" / "trial_0" / "tensorboard").exists)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    assert f"Go on with:  python {ROOT}/train.py --config-dir {tmp_path}/configs -m experiment=tiny" in output
    assert "Traceback" not in output
    assert [trial.state.name for trial in study_in(tmp_path).trials] == ["RUNNING"]


def test_processes_share_one_study(tmp_path):
    arguments = [*tiny.experiment(tmp_path), *ASKED, "hparams_search.n_trials=4", "trainer.max_epochs=1"]
    processes = [start(arguments, tmp_path) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    study = study_in(tmp_path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert len({trial.params["optimizer.lr"] for trial in study.trials}) == 4
    begun = [output.count(" of 4: ") for output in outputs]
    assert sum(begun) == 4
    assert min(begun) > 0, "both processes had trials"


def test_a_trial_without_a_value_fails_and_the_others_go_on(tmp_path):
    arguments = [*tiny.experiment(tmp_path), "-m", "hparams_search=default", "optimizer.weight_decay=0"]
    arguments += ["optimizer.lr=1e30,0.01", "hparams_search.sampler._target_=optuna.samplers.BruteForceSampler"]
    arguments += ["hparams_search.n_trials=2"]
    code, output = run(arguments, tmp_path)
    assert code == 0, output
    assert sorted(trial.state.name for trial in study_in(tmp_path).trials) == ["COMPLETE", "FAIL"]
    assert "NonFiniteLoss" in output
    assert "failed, exit code 2; the others go on" in output
    assert "study default: 1 complete, 1 failed" in output
