"""Two processes learn what one learns from batches of twice the size; where one dies, the run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch
from commands import ROOT

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.head import Batch
from mlp_torch.resuming.comparison import curves, differences
from mlp_torch.training.distribution import interleaved, share, weighed
from mlp_torch.verbs.ranks import check
from mlp_torch.verbs.train import main

# nothing random by process: no dropout, and no column that hides known codes
PLAIN = [
    "backbone.dropout=0",
    *(f"data.columns.{name}=null" for name in ("city", "hour", "city_hour")),
    "+data.columns.size={_target_: mlp_torch.representation.numbers.Scaled, field: size}",
    "baseline=none",
    "importance=null",
    "trainer.max_epochs=5",
    "trainer.log_every_n_steps=1",
    "optimizer.lr=0.01",
]
OFTEN = ["callback.last.every_n_steps=1", "resume=auto"]
SAVED = "tiny/2*/checkpoints/step_*.json"
TWO = ["trainer=ddp", "trainer.enable_progress_bar=false", "data.batch_size=32"]


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlp_torch", "train", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(arguments: list[str]) -> str:
    with start(arguments) as process:
        said = process.communicate()[0]
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*tiny.experiment(tmp_path_factory.mktemp("table"))[:3], *PLAIN]


@pytest.fixture(scope="module")
def two(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes."""
    runs = tmp_path_factory.mktemp("two")
    finished([*arguments, *TWO, f"runs={runs}"])
    return (runs / "tiny" / "latest").resolve()


def test_two_processes_learn_what_one_learns_from_batches_of_twice_the_size(arguments, two, tmp_path):
    assert main([*arguments, f"runs={tmp_path}", "data.batch_size=64"]) == 0
    one = (tmp_path / "tiny" / "latest").resolve()
    ours, theirs = tiny.last(one / "checkpoints"), tiny.last(two / "checkpoints")
    assert ours["global_step"] == theirs["global_step"] == 50  # 583 rows: the last batch of an epoch is uneven
    weights = [name for name, x in ours["state_dict"].items() if name.startswith("model.") and x.is_floating_point()]
    for name in weights:
        assert torch.allclose(ours["state_dict"][name], theirs["state_dict"][name], rtol=0, atol=1e-6), name
    for split in ("train", "val"):
        found = curves(two / "tensorboard" / split)
        for tag, points in curves(one / "tensorboard" / split).items():
            assert [step for step, _ in points] == [step for step, _ in found[tag]]
            values = [torch.tensor([value for _, value in curve]) for curve in (points, found[tag])]
            assert torch.allclose(*values, rtol=0, atol=1e-6), tag
    assert (two / "model" / "manifest.json").is_file()


def test_another_share_of_rows_would_be_seen(arguments, two, tmp_path):
    assert main([*arguments, f"runs={tmp_path}", "data.batch_size=32"]) == 0
    ours = tiny.last(tmp_path / "tiny" / "latest" / "checkpoints")["state_dict"]["model.head.output.weight"]
    theirs = tiny.last(two / "checkpoints")["state_dict"]["model.head.output.weight"]
    assert not torch.allclose(ours, theirs, rtol=0, atol=1e-3)


def workers(pid: int) -> list[int]:
    """The processes that train, of a command: spawned by it, with the one that tracks resources left out."""
    children = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def at_work(arguments: list[str], runs: Path) -> "subprocess.Popen[str]":
    """A run of two processes that has come to its next checkpoint."""
    before = set(runs.glob(SAVED))
    process = start([*arguments, *TWO, f"runs={runs}", *OFTEN])
    for _ in range(6000):
        if set(runs.glob(SAVED)) - before:
            return process
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("no checkpoint came")


@pytest.mark.parametrize("which", [0, pytest.param(1, marks=pytest.mark.proof)])
def test_a_run_that_is_stopped_and_then_loses_a_process_goes_on_to_the_same_bits(which, arguments, two, tmp_path):
    process = at_work(arguments, tmp_path)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0]
    assert process.returncode == 143, said
    assert "Stopped. Go on with: " in said

    process = at_work(arguments, tmp_path)
    os.kill(workers(process.pid)[which], signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode == 1, said
    assert f"process {which} of 2 was killed by SIGKILL; the others ended. Go on with:  " in said
    assert "Traceback" not in said

    finished([*arguments, *TWO, f"runs={tmp_path}", *OFTEN])
    (run,) = (path for path in (tmp_path / "tiny").iterdir() if not path.is_symlink())
    assert differences(two, run) == []


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_shares_are_all_rows_once_and_weigh_as_the_whole(n):
    row = torch.arange(n)
    whole = Batch({"x": row.float()}, row.double(), torch.rand(n), row)
    parts = [share(whole, which, 2) for which in range(2)]
    assert torch.equal(interleaved([part.row for part in parts]), row)
    loss = sum((weighed(part, n, 2).weight * part.y).sum() / max(len(part.y), 1) for part in parts) / 2
    assert torch.allclose(loss, (whole.weight * whole.y).sum() / n)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.devices=2"], "trainer.devices=2 needs trainer=ddp"),
        (["experiment=stacking", "trainer=ddp"], "trainer.devices must be 1 for a run with stages"),
        (["trainer=ddp", "freeze=[encoder.*]", "++unfreeze={2: [encoder.*]}"], "must be 1 for a run with unfreeze"),
    ],
)
def test_what_several_processes_cannot_train_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        check(composed(overrides))
