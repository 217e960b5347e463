"""Files are there whole or not at all, in the process that dies as in the one that fails."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlp_torch import files
from mlp_torch.errors import ConfigError, ModelError, WriteError


def test_a_file_is_written_with_its_folders_and_readable_by_all(tmp_path):
    path = tmp_path / "a" / "b" / "x.txt"
    files.write_text(path, "naïve 日本\n")
    assert path.read_bytes() == "naïve 日本\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x"
    files.write_text(path, "old")

    def fails(file):
        file.write(b"half of the ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write(path, fails)
    assert [item.name for item in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_ctrl_c_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    def interrupted(file):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "x", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    files.write_text(path, "old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom mlp_torch import files\n"
        "def save(file):\n    file.write(b'new' * 10**6)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write(Path(sys.argv[1]), save)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_content_reaches_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    calls: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(handle):
        calls.append("sync folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "sync file")
        sync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), rename(a, b)))
    files.write_text(tmp_path / "x", "new")
    assert calls == ["sync file", "rename", "sync folder"]


def test_readers_see_the_old_or_the_new_content_while_it_is_written(tmp_path):
    path = tmp_path / "x"
    files.write_text(path, "old")

    def save(file):
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    files.write(path, save)
    assert path.read_text() == "new"


def test_json_comes_back_with_its_format(tmp_path):
    files.write_json(tmp_path / "x.json", {"city": "東京", "n": 1, "nested": {"a": [1.5]}})
    assert files.read_json(tmp_path / "x.json") == {
        "format": files.FORMAT,
        "city": "東京",
        "n": 1,
        "nested": {"a": [1.5]},
    }
    assert "東京" in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_number_is_refused_and_leaves_the_old_file(tmp_path, value):
    files.write_json(tmp_path / "x.json", {"auroc": 0.7})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", {"auroc": value})
    assert files.read_json(tmp_path / "x.json")["auroc"] == 0.7


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is damaged"),
        (b'{"format": 1, "a": ', "is damaged"),
        (b"\xff\xfe{}", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[1, 2]", "must hold one JSON object, however: list"),
        (b"{}", "must have format 1, however: format=None"),
        (b'{"format": 2}', "must have format 1, however: format=2; install the mlp_torch that wrote it"),
        (b'{"format": "1"}', "must have format 1, however: format='1'"),
    ],
)
def test_json_that_is_damaged_or_of_another_format_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        files.read_json(path)
    assert str(error.value).startswith(f"{path} {reason}")


def test_json_that_is_missing_or_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"x\.json is missing"):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        files.read_json(tmp_path)


def test_the_checksum_is_that_of_the_content(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert files.sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "x").write_bytes(b"x" * 3_000_000)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_keys_stand_in_the_order_given(tmp_path):
    files.write_json(tmp_path / "x.json", {"b": 1, "a": 2})
    assert list(json.loads((tmp_path / "x.json").read_text())) == ["format", "b", "a"]


HOLDER = """
import sys, time
from pathlib import Path
from mlp_torch import files
with files.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_process_and_let_go_of_by_one_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        refused = f"however: process {holder.pid} is at work in {tmp_path}"
        with pytest.raises(ConfigError, match=refused), files.held(tmp_path):
            raise AssertionError
        holder.kill()
    with files.held(tmp_path):
        assert (tmp_path / files.LOCK).read_text() == str(os.getpid())
    with files.held(tmp_path):  # again, by the same process
        pass


def test_the_checksum_is_told_of_what_was_written_whatever_the_order(tmp_path):
    def in_order(file):
        file.write(b"abc")
        file.writelines([b"d", bytearray(b"ef"), memoryview(b"gh")])

    def out_of_order(file):
        file.write(b"xbcdefgh")
        file.seek(0)
        file.write(b"a")

    expected = hashlib.sha256(b"abcdefgh").hexdigest()
    for save in (in_order, out_of_order):
        assert files.write(tmp_path / "x", save) == expected == files.sha256(tmp_path / "x")


@pytest.mark.parametrize("size", [10, 100_000, 10_000_000])
def test_arrays_are_hashed_by_their_bytes(tmp_path, size):
    numbers = np.arange(size // 8)
    assert files.write(tmp_path / "x", lambda file: file.write(numbers)) == files.sha256(tmp_path / "x")


def in_child(work) -> int:
    """Exit code of a process that does some work, 0 if it comes to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_disk_that_is_full_is_told_with_the_path_and_the_old_file_stays(tmp_path):
    path = tmp_path / "x"
    files.write_text(path, "old")

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # the system refuses to write more
        with pytest.raises(WriteError, match=rf"{path} must be writable, however: File too large; what was there"):
            files.write(path, lambda file: file.write(b"x" * 2_000_000))

    assert in_child(work) == 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not write there")
def test_a_folder_that_is_read_only_is_told_with_the_path(tmp_path):
    files.write_text(tmp_path / "x", "old")

    def work():
        os.seteuid(65534)
        with pytest.raises(WriteError, match=r"/x must be writable, however: Permission denied"):
            files.write_text(tmp_path / "x", "new")
        with pytest.raises(WriteError, match=r"deeper/x must be writable, however: Permission denied"):
            files.write_text(tmp_path / "deeper" / "x", "new")

    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    assert in_child(work) == 0
    assert (tmp_path / "x").read_text() == "old"


def test_what_killed_writers_left_is_deleted_at_any_depth_and_nothing_else(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/b/.metrics.json.x7.part", ".model.pt.k2.part", "a/notes.part", ".lock"):
        (tmp_path / name).write_text("half")
    files.clear(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".lock", "notes.part"]
