"""A run that is stopped anywhere and resumed ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import lightning.pytorch as lightning
import pytest
import tiny
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from mlp_torch.errors import DataError
from mlp_torch.problem.rebalancing import ClassWeights, Rebalancing
from mlp_torch.run import quiet
from mlp_torch.training.checkpoint_files import newest
from mlp_torch.training.checkpoints import BestCheckpoint, LastCheckpoint, StopEarly
from mlp_torch.training.task import Task

ROOT = Path(__file__).parents[2]
EPOCHS = 3
STEPS = 10  # 583 training rows in batches of 64


class Draws(lightning.Callback):
    """Draws random numbers that nobody asked for."""

    def on_train_batch_end(self, *args):
        torch.rand(17)


def fit(
    folder: Path,
    *,
    resume: bool = False,
    seed: int = 0,
    patience: int = 50,
    callbacks=(),
    epochs: int = EPOCHS,
    dropout: float = 0.3,
    lr: float = 1e-3,
    trainer=None,
    **data,
) -> Task:
    """One fit in the way of run.py: transform restored before encoding, else fitted."""
    last = newest(folder) if resume else None
    state = last and last.content["state_dict"]
    made = tiny.data(**data) if state is None else tiny.unprepared(**data).prepare(state)
    torch.manual_seed(seed)
    optimizer = partial(torch.optim.AdamW, lr=lr)
    task = Task(made.transform, made.target, tiny.model(made, dropout), optimizer=optimizer, seed=seed)
    options = trainer or {}
    trainer = tiny.trainer(
        **options,
        max_epochs=epochs,
        callbacks=[
            *callbacks,
            StopEarly(monitor="val/loss", patience=patience),
            BestCheckpoint(str(folder)),
            LastCheckpoint(str(folder), every_n_steps=1),
        ],
    )
    trainer.fit(task, made, ckpt_path=last and last.path, weights_only=True)
    return task


@pytest.fixture(autouse=True)
def _quiet():
    quiet()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    tensors = [key for key, value in a.items() if isinstance(value, torch.Tensor)]
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in tensors)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    quiet()
    folder = tmp_path_factory.mktemp("undisturbed")
    fit(folder)
    return folder


def assert_equal_ends(folder, undisturbed):
    """Both checkpoints of two runs hold the same bits, at the same place."""
    for kept in (tiny.last, tiny.best):
        found, expected = kept(folder), kept(undisturbed)
        assert same(found["state_dict"], expected["state_dict"]), kept
        assert found["global_step"] == expected["global_step"]
        assert found["epoch"] == expected["epoch"]


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7, 9, 10, 11, 13, 18, 19, 20, 21, 25, 29])
def test_a_run_that_dies_after_any_step_resumes_to_the_same_bits(after, undisturbed, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(after)])
    fit(tmp_path, resume=True)
    assert_equal_ends(tmp_path, undisturbed)


def test_a_run_that_dies_twice_resumes_to_the_same_bits(undisturbed, tmp_path):
    for after in (4, 17):
        with pytest.raises(RuntimeError, match="killed"):
            fit(tmp_path, resume=True, callbacks=[tiny.Stop(after)])
    fit(tmp_path, resume=True)
    assert same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_the_optimizer_comes_back_with_the_same_bits(undisturbed, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(12)])
    fit(tmp_path, resume=True)
    found, expected = (tiny.last(f)["optimizer_states"][0]["state"] for f in (tmp_path, undisturbed))
    assert all(torch.equal(found[i]["exp_avg"], expected[i]["exp_avg"]) for i in expected)


def test_another_seed_gives_other_bits(undisturbed, tmp_path):
    fit(tmp_path, seed=1)
    assert not same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_random_numbers_drawn_by_a_callback_change_nothing(undisturbed, tmp_path):
    fit(tmp_path, callbacks=[Draws()])
    assert same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_dropout_is_active_so_that_the_tests_above_mean_something():
    made = tiny.data()
    model = tiny.model(made).train()
    features = made.tables["val"].features
    assert not torch.equal(model(features), model(features))


def test_a_run_that_had_stopped_early_does_not_train_on(tmp_path):
    fit(tmp_path, patience=1, epochs=60)
    stopped = tiny.last(tmp_path)
    assert stopped["epoch"] < 59
    fit(tmp_path, patience=1, epochs=60, resume=True)
    assert same(tiny.last(tmp_path)["state_dict"], stopped["state_dict"])
    assert tiny.last(tmp_path)["global_step"] == stopped["global_step"]


def test_a_run_whose_folder_was_moved_keeps_its_best_weights(tmp_path):
    hard = {"epochs": 6, "dropout": 0.0, "lr": 0.2}  # the best epoch is an early one
    fit(tmp_path / "whole", **hard)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path / "old", callbacks=[tiny.Stop(45)], **hard)
    (tmp_path / "old").rename(tmp_path / "new")
    fit(tmp_path / "new", resume=True, **hard)
    found, expected = tiny.best(tmp_path / "new"), tiny.best(tmp_path / "whole")
    assert expected["epoch"] < 4
    assert found["epoch"] == expected["epoch"]
    assert same(found["state_dict"], expected["state_dict"])


@pytest.mark.parametrize("options", [{"accumulate_grad_batches": 3}, {"val_check_interval": 3}])
@pytest.mark.parametrize("after", [5, 6, 7])
def test_accumulation_and_validation_within_an_epoch_resume_to_the_same_bits(options, after, tmp_path):
    fit(tmp_path / "whole", trainer=options)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path / "killed", callbacks=[tiny.Stop(after)], trainer=options)
    fit(tmp_path / "killed", resume=True, trainer=options)
    found, expected = tiny.last(tmp_path / "killed"), tiny.last(tmp_path / "whole")
    assert same(found["state_dict"], expected["state_dict"])
    assert found["global_step"] == expected["global_step"]


def test_a_run_whose_rows_have_changed_is_not_resumed(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(5)])
    with pytest.raises(DataError, match=r"changed_data.*fingerprint"):
        fit(tmp_path, resume=True, rows=1199)
    with pytest.raises(DataError, match=r"changed_data.*batch_size"):
        fit(tmp_path, resume=True, batch_size=32)


@pytest.fixture
def _drawn(monkeypatch):
    """Every Data of a fit draws its training rows by the weights of their classes."""
    made = tiny.unprepared

    def unprepared(rows: int = 1200, **options):
        data = made(rows, **options)
        data.rebalancing = Rebalancing(partial(ClassWeights, weights={"late": 3}), use="draw")
        return data

    monkeypatch.setattr(tiny, "unprepared", unprepared)


@pytest.mark.usefixtures("_drawn")
@pytest.mark.parametrize("after", [1, 4, 7, 10, 11, 16, 29])
def test_a_run_that_draws_its_rows_dies_after_any_step_and_resumes_to_the_same_bits(after, undisturbed, tmp_path):
    fit(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(after)])
    fit(tmp_path, resume=True)
    assert_equal_ends(tmp_path, tmp_path / "whole")
    assert not same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def run(arguments: list[str], folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.proof  # what tests/training/test_kill_points.py and tests/resuming/test_kills.py do with resume=auto
def test_a_run_killed_by_sigkill_resumes_in_its_folder_to_the_same_model(tmp_path):
    arguments = tiny.experiment(tmp_path)
    whole = run(arguments, tmp_path)
    output = whole.communicate()[0]
    assert whole.returncode == 0, output
    whole_folder = (tmp_path / "runs" / "tiny" / "latest").resolve()

    killed = run(arguments, tmp_path)
    kill_after_a_checkpoint(killed, tmp_path / "runs" / "tiny", whole_folder)
    folder = (tmp_path / "runs" / "tiny" / "latest").resolve()
    assert folder != whole_folder
    assert not (folder / "model" / "manifest.json").exists()

    resumed = run([f"resume={tmp_path}/runs/tiny/latest"], tmp_path)
    output = resumed.communicate()[0]
    assert resumed.returncode == 0, output
    assert same(tiny.last(folder / "checkpoints")["state_dict"], tiny.last(whole_folder / "checkpoints")["state_dict"])
    assert (folder / "predictions/test.parquet").read_bytes() == (
        whole_folder / "predictions/test.parquet"
    ).read_bytes()

    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = run([f"resume={folder}"], tmp_path)
    assert "is finished; nothing was changed" in again.communicate()[0]
    assert again.returncode == 0
    assert files == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def kill_after_a_checkpoint(process: "subprocess.Popen[str]", runs: Path, other: Path) -> None:
    """SIGKILL as soon as a checkpoint is there and training is not over."""
    for _ in range(6000):
        found = [path for path in runs.glob("2*/checkpoints/step_*.json") if path.parent.parent.resolve() != other]
        if found:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("no checkpoint came")


class Plain(lightning.LightningModule):
    """A network as one writes it for Lightning, with dropout; nothing of ours."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))

    def training_step(self, batch, batch_idx):
        return self.layers(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters())


def fit_plain(folder: Path, *callbacks: lightning.Callback, path: Path | None = None) -> dict[str, torch.Tensor]:
    lightning.seed_everything(0)
    rows = torch.utils.data.TensorDataset(torch.randn(200, 3))
    kept = ModelCheckpoint(folder, save_top_k=-1, every_n_train_steps=1, filename="{step}")
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        callbacks=[*callbacks, kept],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Plain()
    loader = torch.utils.data.DataLoader(rows, batch_size=20, shuffle=True)
    trainer.fit(model, loader, ckpt_path=path, weights_only=True)
    return model.state_dict()


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_plain_lightning_with_a_loader_that_shuffles_does_not_resume_to_the_same_bits(tmp_path):
    whole = fit_plain(tmp_path / "whole")
    assert same(whole, fit_plain(tmp_path / "again"))  # by itself it is repeatable
    with pytest.raises(RuntimeError, match="killed"):
        fit_plain(tmp_path / "killed", tiny.Stop(14))
    resumed = fit_plain(tmp_path / "killed", path=tmp_path / "killed" / "step=14.ckpt")
    assert not same(whole, resumed)
