"""When checkpoints are saved, what they leave behind, and how a run is stopped."""

import os

import lightning.pytorch as lightning
import pytest
import tiny

from mlp_torch.run import quiet
from mlp_torch.training.checkpoints import AtomicFiles, LastCheckpoint, StopEarly
from mlp_torch.training.task import Task


def fit(folder, *callbacks, epochs=1, **options) -> lightning.Trainer:
    quiet()
    data = tiny.data()
    task = Task(data.transform, data.target, tiny.model(data))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        plugins=[AtomicFiles()],
    )
    trainer.callbacks += callbacks
    trainer.fit(task, data, **options)
    return trainer


def test_what_a_killed_writer_left_is_cleared_away_and_nothing_else(tmp_path):
    for name in (".step_00000003.ckpt.k2j3h4.part", "best_00000002.ckpt", ".hidden", "notes.ckpt.txt"):
        (tmp_path / name).write_text("half")
    fit(tmp_path, LastCheckpoint(str(tmp_path)))
    assert sorted(os.listdir(tmp_path)) == [".hidden", "notes.ckpt.txt", "step_00000010.ckpt", "step_00000010.json"]


class Noted(LastCheckpoint):
    """Notes the steps that are saved."""

    saved: list[int]

    def save(self, trainer):
        super().save(trainer)
        self.saved = [*getattr(self, "saved", []), tiny.last(self.folder)["global_step"]]


@pytest.mark.parametrize(("every", "steps"), [(3, [3, 6, 9, 10]), (5, [5, 10]), (10, [10]), (200, [10])])
def test_the_last_checkpoint_is_written_every_n_steps_and_at_the_end_of_the_epoch(tmp_path, every, steps):
    noted = Noted(str(tmp_path), every_n_steps=every)
    fit(tmp_path, noted)
    assert noted.saved == steps


@pytest.mark.parametrize(("minutes", "steps"), [(0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), (60, [10])])
def test_it_is_written_every_so_many_minutes_else(tmp_path, minutes, steps):
    noted = Noted(str(tmp_path), minutes=minutes)
    fit(tmp_path, noted)
    assert noted.saved == steps


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_so_many_of_them_are_kept(tmp_path, keep):
    fit(tmp_path, LastCheckpoint(str(tmp_path), every_n_steps=2, keep=keep))
    assert len(list(tmp_path.glob("step_*.ckpt"))) == keep


@pytest.mark.parametrize(("option", "least"), [("every_n_steps", 1), ("keep", 1), ("minutes", 0)])
def test_numbers_that_mean_nothing_are_refused(option, least):
    with pytest.raises(ValueError, match=f"{option} must be at least {least}, however: {option}={least - 1}"):
        LastCheckpoint("x", **{option: least - 1})


def test_a_run_whose_patience_is_over_does_not_start_again(tmp_path):
    stopper = StopEarly(monitor="val/loss", patience=2)
    stopper.wait_count = 2
    trainer = fit(tmp_path, stopper, epochs=3)
    assert trainer.global_step <= 10
    patient = StopEarly(monitor="val/loss", patience=2)
    assert fit(tmp_path, patient, epochs=3).global_step > 10
