"""Folders that are made once, whole or not at all."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlp_torch.training.table.cache import SUFFIX, made_once

LAST = "last"


MAKE = f"""
import sys, time
from pathlib import Path
from mlp_torch.training.table.cache import made_once
folder, notes, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
with made_once(folder, "{LAST}") as new:
    if new:
        (folder / "part").write_text("x")
        time.sleep(seconds)
        (folder / "{LAST}").write_text("x")
with notes.open("a") as file:
    file.write("made " if new else "found ")
"""


def started(folder: Path, seconds: float) -> "subprocess.Popen[bytes]":
    """A process that makes the folder, or finds it whole, and notes which."""
    return subprocess.Popen([sys.executable, "-c", MAKE, str(folder), str(folder.parent / "notes"), str(seconds)])


def wait_for(path: Path) -> None:
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / f"a{SUFFIX}"


def test_the_first_makes_it_and_the_second_finds_it(folder, tmp_path):
    for _ in range(2):
        assert started(folder, 0).wait() == 0
    assert (tmp_path / "notes").read_text() == "made found "


def test_a_maker_that_fails_leaves_nothing(folder):
    def fail() -> None:
        with made_once(folder, LAST):
            (folder / "deep").mkdir()
            (folder / "deep" / "part").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not folder.exists()


def test_of_several_at_once_one_makes_it_and_the_others_wait(folder, tmp_path):
    processes = [started(folder, 0.5) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert sorted((tmp_path / "notes").read_text().split()) == ["found", "found", "found", "made"]


def test_one_that_waits_for_a_maker_that_fails_makes_it_itself(folder):
    def fail() -> None:
        with made_once(folder, LAST):
            waiting.append(started(folder, 0))
            time.sleep(1)
            raise KeyError

    waiting: list[subprocess.Popen[bytes]] = []
    with pytest.raises(KeyError):
        fail()
    assert waiting[0].wait() == 0
    assert (folder / LAST).exists()
    assert (folder.parent / "notes").read_text() == "made "


def test_the_next_starts_over_where_one_was_killed(folder):
    process = started(folder, 60)
    wait_for(folder / "part")
    process.kill()
    process.wait()
    with made_once(folder, LAST) as new:
        assert new == folder
        assert list(folder.iterdir()) == []
        (folder / LAST).write_text("x")
    assert [path.name for path in folder.iterdir()] == [LAST]


def test_what_a_killed_one_left_is_deleted_and_what_others_make_is_not(folder, tmp_path):
    killed = started(tmp_path / f"killed{SUFFIX}", 60)
    busy = started(tmp_path / f"busy{SUFFIX}", 2)
    (tmp_path / "foreign").mkdir()
    wait_for(tmp_path / f"killed{SUFFIX}" / "part")
    wait_for(tmp_path / f"busy{SUFFIX}" / "part")
    killed.kill()
    killed.wait()
    assert started(folder, 0).wait() == 0
    assert busy.wait() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{SUFFIX}", f"busy{SUFFIX}", "foreign", "notes"]
    assert (tmp_path / f"busy{SUFFIX}" / LAST).exists()
