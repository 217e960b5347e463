"""Several runs: what they are called, that each has the bits it has alone, what is left after a failure or a kill."""

import json
import os
import signal
import statistics
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny
import torch
from commands import ROOT, run, start
from omegaconf import OmegaConf

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.files import write_json
from mlp_torch.responsible.report import Report
from mlp_torch.verbs.sweep import Member, folded, write
from mlp_torch.verbs.train import main, parsed, planned


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Of a run's last checkpoint."""
    state = tiny.last(folder / "checkpoints")["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def equal(one: Path, other: Path) -> bool:
    """Whether two runs have the same weights and predictions, bit for bit."""
    ours, theirs = weights(one), weights(other)
    tables = [pq.read_table(folder / "predictions" / "test.parquet") for folder in (one, other)]
    return tables[0].equals(tables[1]) and all(torch.equal(ours[name], theirs[name]) for name in ours)


def figures(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def sweep_in(folder: Path) -> Path:
    """The only sweep of the tiny experiment."""
    (found,) = (folder / "runs" / "tiny").glob("*-sweep")
    return found


def test_a_product_of_lists_is_named_by_what_varies(tmp_path):
    arguments = [*tiny.experiment(tmp_path), "-m", "seed=1,2", "optimizer.lr=0.1,1e-3", "folds=3"]
    runs = planned(parsed(arguments))
    assert len(runs) == 12
    assert runs[4].name == "seed=1, optimizer.lr=0.001, fold=1"
    assert runs[4].folder == "seed-1_lr-0.001_fold-1"
    assert runs[4].setting == "optimizer.lr=0.001"
    assert (runs[4].cfg.seed, runs[4].cfg.optimizer.lr, runs[4].cfg.fold) == (1, 0.001, 1)
    assert {run.setting for run in runs} == {"optimizer.lr=0.1", "optimizer.lr=0.001"}
    assert list(tmp_path.glob("runs/*")) == []


def test_one_fold_is_one_run_and_folds_without_it_are_all(tmp_path):
    arguments = tiny.experiment(tmp_path)
    cfg = composed([*arguments[2:], "folds=4"], Path(arguments[1]))
    assert [run.cfg.fold for run in folded(cfg, [])] == [0, 1, 2, 3]
    cfg.fold = 2
    assert [run.name for run in folded(cfg, [])] == [""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m"], "-m needs a list of values, as in seed=1,2,3, or folds=5, however: nothing"),
        (["-m", "seed=1"], "-m needs a list of values, as in seed=1,2,3, or folds=5, however: seed=1"),
        (["seed=1,2"], "a list of values needs -m, however: seed=1,2; write -m seed=1,2, [...] for one list, or quote"),
        (["-m", "seed=1,2", "hydra/launcher=x"], "by no sweeper or launcher of Hydra's, however: hydra/launcher=x"),
        (["-m", "seed=1,2", "quickstart"], "did you mean experiment=quickstart?"),
        (["-m", "seed=1,2", "seed=3,4"], "each list must be of another key, however: seed=1,2 seed=3,4"),
        (["-m", "seed=1,1"], "runs must differ in what names them, however: seed=1 and seed=1"),
        (["-m", "seed=1,2", "debug=true"], "debug=true looks at one run, however: 2 of them; choose one, as seed=1"),
        (["-m", "seed=1,-2"], "seed must be a whole number of at least 0, however: seed=-2"),
        (["folds=1"], "folds must be a whole number from 3 (one tests, one validates, the rest train) to 100"),
        (["folds=many"], "folds=many"),
        (["folds=5"], "folds need a split that makes them, as ByFingerprint does, however: data.split is ByTime"),
        (["fold=0"], "fold is one of several, which folds says, however: fold=0, folds=null"),
        (["-m", "experiment=quickstart,regresion"], "experiment=regresion; did you mean regression"),
    ],
)
def test_what_cannot_be_run_several_times_is_told_before_a_folder_is_made(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        main(arguments)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_split_by_time_is_replaced_by_one_that_makes_folds():
    split = "+data.split={_target_: mlp_torch.reproducibility.split.ByFingerprint, fields: [flight]}"
    runs = planned(parsed(["experiment=quickstart", "folds=3", "~data.split", split]))
    assert [run.name for run in runs] == ["fold=0", "fold=1", "fold=2"]
    assert {run.cfg.data.split._target_.rpartition(".")[2] for run in runs} == {"ByFingerprint"}


def test_a_fold_that_is_none_of_them_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="fold must be a whole number from 0 to 3, of folds=4, however: fold=4"):
        main([*tiny.experiment(tmp_path), "folds=4", "fold=4"])


def test_each_of_several_seeds_has_the_bits_that_it_has_alone(tmp_path):
    arguments = [*tiny.experiment(tmp_path), "trainer.max_epochs=1"]
    code, output = run([*arguments, "trainer.enable_progress_bar=true", "-m", "seed=1,2"], tmp_path)
    assert code == 0, output
    sweep = sweep_in(tmp_path)
    assert os.readlink(sweep.parent / "latest") == f"{sweep.name}/seed-2"
    code, alone = run([*arguments, "seed=2"], tmp_path)
    assert code == 0, alone
    assert equal(sweep / "seed-2", sweep.parent / "latest")
    assert not equal(sweep / "seed-1", sweep.parent / "latest")

    assert "seed=2 (2 of 2): epoch 1 of 1: " in output
    assert f"model     {sweep.parent}/latest/model is that of one run alone: seed-2" in output
    assert output.index("mean ± standard deviation of 2 runs") < output.index(f"figures   {sweep}/metrics.json")
    found = figures(sweep)
    each = [figures(sweep / name) for name in ("seed-1", "seed-2")]
    (summary,) = found["settings"]
    assert summary["runs"] == 2
    for key in ("test/auroc", "test/log_loss_baseline", "seconds"):
        assert summary["mean"][key] == statistics.fmean(run[key] for run in each)
        assert summary["standard_deviation"][key] == statistics.stdev(run[key] for run in each)
    assert [(run["folder"], run["state"]) for run in found["members"]] == [(f"seed-{i}", "finished") for i in (1, 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configs", "runs", "tiny.parquet"]


def test_folds_test_every_row_once_and_one_of_them_alone_has_the_same_bits(tmp_path):
    arguments = [*tiny.experiment(tmp_path), "trainer.max_epochs=1", "folds=3"]
    code, output = run(arguments, tmp_path)
    assert code == 0, output
    sweep = sweep_in(tmp_path)
    tables = [pq.read_table(sweep / f"fold-{i}" / "predictions" / "test.parquet") for i in range(3)]
    tested = [row for table in tables for row in table["id"].to_pylist()]
    assert sorted(tested) == sorted(pq.read_table(tmp_path / "tiny.parquet")["id"].to_pylist())
    code, alone = run([*arguments, "fold=1"], tmp_path)
    assert code == 0, alone
    assert equal(sweep / "fold-1", sweep.parent / "latest")
    assert not equal(sweep / "fold-0", sweep.parent / "latest")


def test_a_run_that_fails_does_not_lose_the_others_and_can_be_tried_again(tmp_path):
    arguments = [*tiny.experiment(tmp_path), "trainer.max_epochs=1", "-m", "backbone.hidden=[],[4]"]
    code, output = run(arguments, tmp_path)
    assert code == 1, output
    assert "hidden must name at least one width" in output
    sweep = sweep_in(tmp_path)
    again = f"python {ROOT}/train.py resume={sweep}"
    assert f"1 of 2 runs failed: backbone.hidden=[]. Try them again with:  {again}" in output
    assert (sweep / "hidden-4" / "model" / "manifest.json").is_file()
    assert [run["state"] for run in figures(sweep)["members"]] == ["unfinished", "finished"]

    stored = sweep / "hidden" / "config.yaml"
    OmegaConf.save(OmegaConf.merge(OmegaConf.load(stored), {"backbone": {"hidden": [2]}}), stored)
    code, output = run([f"resume={sweep}"], tmp_path)
    assert code == 0, output
    assert [run["state"] for run in figures(sweep)["members"]] == ["finished", "finished"]
    with pytest.raises(ConfigError, match=r"runs go on as they were begun, by experiment=tiny .*, however: seed=3"):
        main([f"resume={sweep}", "seed=3"])


def test_where_no_run_comes_to_training_nothing_is_left(tmp_path):
    code, output = run([*tiny.experiment(tmp_path), "-m", "backbone.hidden=[]", "seed=1,2"], tmp_path)
    assert code == 2, output
    assert "none of 2 runs came to training; each has said above why" in output
    assert list((tmp_path / "runs" / "tiny").iterdir()) == []


def stopped(arguments: list[str], folder: Path, number: int) -> str:
    """Sends a signal to runs while the second of them trains; what they said."""
    saved = folder / "runs" / "tiny" / "latest" / "checkpoints"
    before = set(saved.glob("step_*.json"))
    process = start(arguments, folder)
    for _ in range(12000):
        if saved.resolve().parent.name == "seed-2" and set(saved.glob("step_*.json")) - before:
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(number)
    output = process.communicate()[0]  # ends when the run's own process, which writes to the same pipe, has ended
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), output
    assert not list(folder.glob("runs/tiny/*-sweep/seed-2/model/manifest.json"))
    return output


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_server(pid: int) -> bool:
    """Whether a process is the one that imports for others."""
    return b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_what_is_stopped_before_the_first_run_has_begun_goes_on_too(tmp_path):
    process = start([*tiny.experiment(tmp_path), "-m", "seed=1,2"], tmp_path)
    while not any(
        is_server(pid) and "libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in children(process.pid)
    ):
        assert process.poll() is None, process.communicate()[0]
    for pid in (process.pid, *children(process.pid)):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    assert f"Stopped in seed=1. Go on with:  python {ROOT}/train.py resume={sweep_in(tmp_path)}" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.proof)])
def test_what_is_stopped_and_then_killed_goes_on_with_the_run_that_was_not_finished(tmp_path, number):
    arguments = [*tiny.experiment(tmp_path), "trainer.max_epochs=20", "callback.early_stopping=null", "-m", "seed=1,2"]
    output = stopped(arguments, tmp_path, number)
    sweep = sweep_in(tmp_path)
    assert f"Stopped in seed=2. Go on with:  python {ROOT}/train.py resume={sweep}" in output
    assert "Traceback" not in output
    finished = (sweep / "seed-1" / "model" / "manifest.json").stat()
    stopped([f"resume={sweep}"], tmp_path, signal.SIGKILL)
    code, output = run([*arguments, f"resume={sweep.parent / 'latest'}"], tmp_path)
    assert code == 0, output
    assert f"seed=1 (1 of 2): {os.path.relpath(sweep.resolve(), tmp_path)}/seed-1\nis finished" in output
    assert (sweep / "seed-1" / "model" / "manifest.json").stat() == finished
    assert figures(sweep)["settings"][0]["runs"] == 2


def test_runs_whose_last_model_has_nothing_to_train_have_no_epoch_in_common(tmp_path):
    members = [Member(f"seed={seed}", "", tmp_path / f"seed-{seed}") for seed in (1, 2)]
    for i, member in enumerate(members):
        report = Report({"rmse": False})
        report.add("model", "test", {"rmse": 1.0 + i})
        write_json(member.folder / "report.json", report.to_json())
        write_json(member.folder / "metrics.json", {"test/rmse": 1.0 + i, "seconds": 2.0 + i})
        write_json(member.folder / "model" / "manifest.json", {})
    write(tmp_path, members)
    (setting,) = figures(tmp_path)["settings"]
    assert setting["mean"] == {"test/rmse": 1.5, "seconds": 2.5}
    assert "epoch" not in setting["standard_deviation"]
