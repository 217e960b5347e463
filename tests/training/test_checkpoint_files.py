"""Checkpoints are whole, plain and of this format, or passed over by name; a save that fails or dies harms none."""

import logging
import os
import pickle
import random
import signal
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from mlp_torch import files
from mlp_torch.errors import ModelError, WriteError
from mlp_torch.training.checkpoint_files import clear, discard, name_of, newest, read, retain, save
from mlp_torch.training.checkpoints import AtomicFiles

KILLED = -signal.SIGKILL
GOOD = {"format": 1, "epoch": 2, "global_step": 7, "state_dict": {"weight": torch.arange(100_000.0)}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / name_of(7)
    AtomicFiles().save_checkpoint(GOOD, path)
    return path


def of_step(step: int, *, best: int | None = None, size: int = 10) -> dict:
    """A checkpoint that refers to a best one."""
    callbacks = {"best": {"best_model_path": f"elsewhere/best_{best:08d}.ckpt", "best_k_models": {}}} if best else {}
    return {**GOOD, "global_step": step, "callbacks": callbacks, "state_dict": {"weight": torch.full((size,), step)}}


def put(folder: Path, step: int, *, best: int | None = None) -> None:
    """A checkpoint, and the best one where it is of the same step."""
    if best == step:
        save(of_step(step), folder / f"best_{step:08d}.ckpt")
    save(of_step(step, best=best), folder / name_of(step))


def vouched(path: Path) -> None:
    """A manifest for whatever the file holds, as a stranger would write one."""
    told = {"format": 1, "sha256": files.sha256(path), "step": None, "epoch": None, "best": []}
    path.with_suffix(".json").write_text(files.json.dumps(told, indent=2) + "\n")


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_checkpoint_comes_back_as_it_was_written(path):
    found = read(path)
    assert torch.equal(found.pop("state_dict")["weight"], GOOD["state_dict"]["weight"])
    assert found == {"format": 1, "epoch": 2, "global_step": 7}
    assert AtomicFiles().load_checkpoint(path)["epoch"] == 2


def test_a_missing_checkpoint_and_a_folder_are_refused_by_name(tmp_path, path):
    with pytest.raises(ModelError, match=r"checkpoint .*step_00000009\.ckpt is missing"):
        read(tmp_path / name_of(9))
    path.unlink()
    with pytest.raises(ModelError, match=r"checkpoint .*step_00000007\.ckpt is missing"):
        read(path)
    path.with_suffix(".json").unlink()
    path.with_suffix(".json").mkdir()
    with pytest.raises(ModelError, match=r"cannot be read: Is a directory"):
        read(path)


def test_a_checkpoint_without_its_manifest_does_not_exist(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"is not whole: it has no manifest step_00000007\.json"):
        read(path)
    assert newest(path.parent) is None


def test_1000_flipped_bits_are_found(path):
    draw = random.Random(0)
    for file in [path] * 800 + [path.with_suffix(".json")] * 200:
        content = bytearray(file.read_bytes())
        at = draw.randrange(8 * len(content))
        content[at // 8] ^= 1 << at % 8
        before = file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(ModelError, match=r"step_00000007"):
            read(path)
        file.write_bytes(before)
    read(path)


def test_torch_would_not_notice_a_flipped_bit_in_the_weights(path):
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<3f", 50_000, 50_001, 50_002))] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)
    with pytest.raises(ModelError, match=r"is damaged: its sha256 must be .*, however: "):
        read(path)


def test_100_files_that_are_cut_off_are_found(path):
    draw = random.Random(0)
    for file in [path] * 80 + [path.with_suffix(".json")] * 20:
        before = file.read_bytes()
        file.write_bytes(before[: draw.randrange(len(before))])
        with pytest.raises(ModelError, match=r"step_00000007"):
            read(path)
        file.write_bytes(before)
    read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 1000, b"PK\x03\x04 and nothing more", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    vouched(path)
    with pytest.raises(ModelError, match=r"step_00000007\.ckpt"):
        read(path)


@pytest.mark.parametrize("value", [{}, {"format": 2}, {"format": None}, {"format": "1"}])
def test_another_format_is_refused_with_the_remedy(path, value):
    torch.save(value, path)
    vouched(path)
    with pytest.raises(
        ModelError, match=r"must have format 1, however: format=.*; install the mlp_torch that wrote it"
    ):
        read(path)


def test_a_checkpoint_that_holds_no_dict_is_refused(path):
    torch.save([GOOD], path)
    vouched(path)
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
    vouched(path)
    with pytest.raises(ModelError) as error:
        read(path)
    assert not mark.exists()
    assert "weights_only=False" not in str(error.value)
    reader(path, weights_only=False)  # the control: it would have run
    assert mark.exists()


def test_what_is_refused_is_named(path):
    torch.save({**GOOD, "hyper": Program("true")}, path)
    vouched(path)
    with pytest.raises(ModelError, match=r"it names posix\.system, which is no plain value"):
        read(path)


def test_a_save_that_fails_leaves_the_old_checkpoint_and_nothing_else(path, monkeypatch):
    def fails(value, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(
        WriteError, match=r"step_00000007\.ckpt must be writable, however: No space left on device; what"
    ):
        AtomicFiles().save_checkpoint({**GOOD, "epoch": 3}, path)
    assert read(path)["epoch"] == 2
    assert names(path.parent) == ["step_00000007.ckpt", "step_00000007.json"]


def test_a_save_that_cannot_pickle_leaves_the_old_checkpoint(path):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        AtomicFiles().save_checkpoint({**GOOD, "epoch": lambda: 3}, path)
    assert read(path)["epoch"] == 2
    assert names(path.parent) == ["step_00000007.ckpt", "step_00000007.json"]


def test_the_newest_is_that_of_the_greatest_step_whatever_the_clock_says(tmp_path):
    for step in (30, 200, 100):
        put(tmp_path, step)
    os.utime(tmp_path / name_of(30), (4e9, 4e9))
    assert newest(tmp_path).step == 200


def test_where_the_newest_is_damaged_the_one_before_is_taken_and_it_is_told_why(tmp_path, caplog):
    for step in (10, 20):
        put(tmp_path, step)
    (tmp_path / name_of(20)).write_bytes(b"what is this")
    with caplog.at_level(logging.WARNING):
        assert newest(tmp_path).step == 10
    assert "step_00000020.ckpt is damaged or no checkpoint of mlp_torch" in caplog.text
    assert "going on from step_00000010.ckpt instead" in caplog.text


def test_a_checkpoint_whose_best_one_is_damaged_or_gone_is_passed_over(tmp_path, caplog):
    put(tmp_path, 10, best=10)
    put(tmp_path, 20, best=20)
    (tmp_path / "best_00000020.json").unlink()
    with caplog.at_level(logging.WARNING):
        found = newest(tmp_path)
    assert found.step == 10
    assert found.best == tmp_path / "best_00000010.ckpt"
    assert "best_00000020.ckpt is not whole" in caplog.text


def test_where_all_are_damaged_all_are_named(tmp_path):
    for step in (10, 20):
        put(tmp_path, step)
        (tmp_path / name_of(step)).write_bytes(b"")
    with pytest.raises(ModelError, match=r"whole to go on from, however: .*step_00000020.*; .*step_00000010"):
        newest(tmp_path)


def test_retention_keeps_the_newest_and_what_they_refer_to(tmp_path):
    for step, best in [(10, 10), (20, 20), (30, 20), (40, 40), (50, 40)]:
        put(tmp_path, step, best=best)
        retain(tmp_path, 2)
    whole = [
        f"{name}.{ending}"
        for name in ("best_00000040", "step_00000040", "step_00000050")
        for ending in ("ckpt", "json")
    ]
    assert names(tmp_path) == whole
    put(tmp_path, 60, best=60)
    retain(tmp_path, 2)
    assert {"best_00000040.ckpt", "best_00000060.ckpt"} < set(names(tmp_path))  # step 50 may be needed yet
    retain(tmp_path, 1)
    assert names(tmp_path) == [f"{name}_00000060.{ending}" for name in ("best", "step") for ending in ("ckpt", "json")]


def test_retention_takes_a_damaged_manifest_of_the_one_before_for_nothing(tmp_path):
    put(tmp_path, 10)
    put(tmp_path, 20)
    (tmp_path / "step_00000010.json").write_text("{")
    retain(tmp_path, 2)
    assert newest(tmp_path).step == 20


def test_what_could_not_be_gone_on_from_is_deleted_and_what_killed_processes_left(tmp_path):
    for step in (10, 20, 30):
        put(tmp_path, step)
    discard(tmp_path, 10)
    assert names(tmp_path) == ["step_00000010.ckpt", "step_00000010.json"]
    for name in ("step_00000020.ckpt", "best_00000020.json", ".step_00000030.ckpt.x7.part", ".hidden", "stages.json"):
        (tmp_path / name).write_text("half")
    clear(tmp_path)
    assert names(tmp_path) == [".hidden", "stages.json", "step_00000010.ckpt", "step_00000010.json"]


def has_changed(path: Path, before: str) -> bool:
    return path.read_text() not in ("", before)


def in_child(work: Callable[[], None], *, kill_after: float | None = None, once=lambda: True) -> int:
    """Works in a process of its own; its exit code, negative where a signal killed it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)  # `work` ends by _exit
    if kill_after is not None:
        while not once():  # it is at work
            time.sleep(0.001)
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying(nth: int, step: int, folder: Path) -> Callable[[], None]:
    """Saves and retains, and dies at the nth time that it writes, syncs, renames or deletes."""
    left = nth

    def counted(function):
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if not left:
                os._exit(9)
            return function(*arguments, **options)

        return call

    def work():
        files.Hashing.write = counted(files.Hashing.write)
        os.fsync, os.replace, os.unlink = counted(os.fsync), counted(os.replace), counted(os.unlink)
        put(folder, step, best=step)
        retain(folder, 2)
        os._exit(0)

    return work


def test_a_process_that_dies_at_any_write_sync_rename_or_deletion_leaves_the_old_or_the_new(tmp_path):
    nth, code, seen = 0, 9, set()
    while code == 9:
        nth += 1
        folder = tmp_path / str(nth)
        for step in (10, 20):
            put(folder, step, best=step)
        code = in_child(dying(nth, 30, folder))
        found = newest(folder)
        assert torch.equal(found.content["state_dict"]["weight"], torch.full((10,), found.step))
        seen.add(found.step)
        put(folder, 40, best=40)  # and it goes on as if nothing had been
        retain(folder, 2)
        assert newest(folder).step == 40
    assert code == 0
    assert nth > 20
    assert seen == {20, 30}


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.proof)])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["", "TMPDIR on another file system"])
def test_a_process_that_is_killed_while_it_saves_leaves_the_old_or_the_new(tmp_path, kills, elsewhere, monkeypatch):
    if elsewhere:
        assert os.stat("/dev/shm").st_dev != os.stat(tmp_path).st_dev
        monkeypatch.setenv("TMPDIR", "/dev/shm")
    draw, done, progress = random.Random(0), 0, tmp_path / "progress"

    def saves():
        step = done
        while True:
            step += 1
            save(of_step(step, size=200_000), tmp_path / "kept" / name_of(step))
            progress.write_text(str(step))
            retain(tmp_path / "kept", 2)

    put(tmp_path / "kept", 0)
    progress.write_text("0")
    for _ in range(kills):
        before = progress.read_text()
        assert in_child(saves, kill_after=draw.uniform(0, 0.03), once=partial(has_changed, progress, before)) == KILLED
        told, found = int(progress.read_text() or 0), newest(tmp_path / "kept")
        assert found.step >= told  # what was said to be saved is there
        done = found.step
    assert done >= kills
    clear(tmp_path / "kept")
    assert len(names(tmp_path / "kept")) <= 6
