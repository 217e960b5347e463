"""Checkpoints are whole, plain and of this format, or refused by name; a failing write harms none."""

import os
import pickle
import struct
from pathlib import Path

import lightning.pytorch as lightning
import pytest
import tiny
import torch

from mlp_torch.errors import ModelError
from mlp_torch.run import quiet
from mlp_torch.training.checkpoints import AtomicFiles, LastCheckpoint, StopEarly, read
from mlp_torch.training.task import Task

GOOD = {"format": 1, "epoch": 2, "state_dict": {"weight": torch.arange(100_000.0)}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicFiles().save_checkpoint(GOOD, path)
    return path


def test_a_checkpoint_comes_back_as_it_was_written(path):
    found = read(path)
    assert torch.equal(found.pop("state_dict")["weight"], GOOD["state_dict"]["weight"])
    assert found == {"format": 1, "epoch": 2}
    assert AtomicFiles().load_checkpoint(path)["epoch"] == 2


def test_a_missing_checkpoint_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"checkpoint .*last\.ckpt is missing"):
        read(tmp_path / "last.ckpt")
    with pytest.raises(ModelError, match=r"cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("share", [0, 0.0001, 0.5, 0.99, 0.9999])
def test_a_checkpoint_that_is_cut_off_anywhere_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="is damaged or no checkpoint of mlp_torch"):
        read(path)


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 1000, b"PK\x03\x04 and nothing more", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.ckpt"):
        read(path)


@pytest.mark.parametrize("value", [{}, {"format": 2}, {"format": None}, {"format": "1"}])
def test_another_format_is_refused_with_the_remedy(path, value):
    torch.save(value, path)
    with pytest.raises(
        ModelError, match=r"must have format 1, however: format=.*; install the mlp_torch that wrote it"
    ):
        read(path)


def test_a_checkpoint_that_holds_no_dict_is_refused(path):
    torch.save([GOOD], path)
    with pytest.raises(ModelError, match="must hold a dict, however: list"):
        read(path)


class Program:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def pickled(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def unpickled(path: Path, **options: bool) -> object:
    return pickle.loads(path.read_bytes())


@pytest.mark.parametrize(("writer", "reader"), [(torch.save, torch.load), (pickled, unpickled)])
def test_code_in_a_checkpoint_is_refused_and_not_run(path, tmp_path, writer, reader):
    mark = tmp_path / "ran"
    writer({**GOOD, "state_dict": {}, "hyper": Program(f"touch {mark}")}, path)
    with pytest.raises(ModelError) as error:
        read(path)
    assert not mark.exists()
    assert "weights_only=False" not in str(error.value)
    reader(path, weights_only=False)  # the control: it would have run
    assert mark.exists()


def test_what_is_refused_is_named(path, tmp_path):
    torch.save({**GOOD, "hyper": Program("true")}, path)
    with pytest.raises(ModelError, match=r"it names posix\.system, which is no plain value"):
        read(path)


def test_a_flipped_bit_in_the_weights_is_refused(path):
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<3f", 50_000, 50_001, 50_002))
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged: the checksum of .*data/0 is wrong"):
        read(path)
    torch.load(path, weights_only=True)  # torch itself would not have noticed


def test_a_save_that_fails_leaves_the_old_checkpoint_and_nothing_else(path, monkeypatch):
    def fails(value, file):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="No space left"):
        AtomicFiles().save_checkpoint({**GOOD, "epoch": 3}, path)
    assert read(path)["epoch"] == 2
    assert os.listdir(path.parent) == ["last.ckpt"]


def test_a_save_that_cannot_pickle_leaves_the_old_checkpoint(path):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        AtomicFiles().save_checkpoint({**GOOD, "epoch": lambda: 3}, path)
    assert read(path)["epoch"] == 2
    assert os.listdir(path.parent) == ["last.ckpt"]


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
    for name in (".last.ckpt.k2j3h4", ".best.ckpt.abc", "best.ckpt", ".hidden", "notes.ckpt.txt"):
        (tmp_path / name).write_text("half")
    fit(tmp_path, LastCheckpoint(str(tmp_path)))
    assert sorted(os.listdir(tmp_path)) == [".hidden", "best.ckpt", "last.ckpt", "notes.ckpt.txt"]


@pytest.mark.parametrize(("every", "steps"), [(3, [3, 6, 9, 10]), (5, [5, 10]), (10, [10]), (200, [10])])
def test_the_last_checkpoint_is_written_every_n_steps_and_at_the_end_of_the_epoch(tmp_path, every, steps):
    saved: list[int] = []

    class Noted(LastCheckpoint):
        def on_train_batch_end(self, trainer, *args):
            super().on_train_batch_end(trainer, *args)
            self.note()

        def on_train_epoch_end(self, trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)
            self.note()

        def note(self):
            if self.path.exists() and (step := read(self.path)["global_step"]) not in saved:
                saved.append(step)

    fit(tmp_path, Noted(str(tmp_path), every_n_steps=every))
    assert saved == steps


def test_a_step_number_below_one_is_refused():
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, however: every_n_steps=0"):
        LastCheckpoint("x", every_n_steps=0)


def test_a_run_whose_patience_is_over_does_not_start_again(tmp_path):
    stopper = StopEarly(monitor="val/loss", patience=2)
    stopper.wait_count = 2
    trainer = fit(tmp_path, stopper, epochs=3)
    assert trainer.global_step <= 10
    patient = StopEarly(monitor="val/loss", patience=2)
    assert fit(tmp_path, patient, epochs=3).global_step > 10
