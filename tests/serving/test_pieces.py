"""The folder of pieces: what it belongs to, who works in it, and the file that they become."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch import files
from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.serving.pieces import Pieces, Stopped

STATE = {"model": "m", "input": "i"}


@pytest.fixture
def pieces(tmp_path):
    return Pieces(tmp_path / "out.parquet")


def filled(pieces, sizes=(3, 0, 5)):
    """Pieces of so many rows, counted through."""
    at = 0
    for number, size in enumerate(sizes):
        pieces.write(number, "scored", pa.table({"row": pa.array(range(at, at + size), pa.int64())}))
        at += size


def killed_while_it_writes(path):
    """Leaves what a process leaves that ends while it writes the file."""
    child = os.fork()
    if child == 0:
        try:
            files.write(path, lambda file: os._exit(9))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert any(path.parent.glob(f".{path.name}.*"))


def finish(pieces, *, skipped_rows=0):
    """The output of what `filled` makes."""
    tables = {kind: pieces.tables(kind) for kind in ("scored", "skipped")}
    return pieces.finish(STATE, **tables, blocks=3, rows=8, skipped_rows=skipped_rows)


def test_pieces_become_one_file_in_order_and_leave_nothing(pieces, tmp_path):
    with pieces.claimed(STATE):
        filled(pieces)
        assert [pieces.done(number) for number in range(4)] == [True, True, True, False]
        assert finish(pieces) is None
    assert pq.read_table(pieces.output)["row"].to_pylist() == list(range(8))
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]
    assert pieces.finished(STATE)
    assert not pieces.finished({**STATE, "input": "other"})


def test_an_older_file_of_skipped_rows_goes_with_the_output_that_it_belonged_to(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        pieces.write(1, "skipped", pa.table({"row": [7]}))
        assert finish(pieces, skipped_rows=1) == pieces.output.with_name("out.skipped.parquet")
    assert pq.read_table(pieces.skipped_output)["row"].to_pylist() == [7]
    with pieces.claimed(STATE):
        filled(pieces)
        finish(pieces)
    assert not pieces.skipped_output.exists()


def test_pieces_of_something_else_are_refused_by_what_changed_and_how_to_start_over(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
    said = r"input changed; to start over, remove it: rm -r '.*out.parquet.unfinished'"
    with pytest.raises(ConfigError, match=said), pieces.claimed({**STATE, "input": "other"}):
        pass
    with pieces.claimed(STATE):
        assert pieces.done(0)


def test_a_folder_of_somebody_elses_is_left_alone(pieces):
    pieces.folder.mkdir()
    (pieces.folder / "letter.txt").write_text("dear")
    said = "must hold pieces of an output, however: letter.txt"
    with pytest.raises(ConfigError, match=said), pieces.claimed(STATE):
        pass
    assert [path.name for path in pieces.folder.iterdir()] == ["letter.txt"]


def test_a_strangers_file_among_pieces_stays_when_they_are_removed(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        (pieces.folder / "letter.txt").write_text("dear")
        finish(pieces)
    assert [path.name for path in pieces.folder.iterdir()] == ["letter.txt"]
    assert pq.read_table(pieces.output).num_rows == 8


def test_pieces_that_nothing_vouches_for_are_cleared(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
    (pieces.folder / "state.json").unlink()
    killed_while_it_writes(pieces.path(1, "keys"))
    with pieces.claimed(STATE):
        assert [path.name for path in pieces.folder.iterdir()] == ["state.json"]


@pytest.mark.parametrize("kind", ["keys", "skipped"])
def test_a_block_that_lost_one_of_its_pieces_is_not_done(pieces, kind):
    with pieces.claimed(STATE):
        for number in range(2):
            pieces.write(number, kind, pa.table({"row": [1]}))
            pieces.write(number, "scored", pa.table({"row": [1]}))
        pieces.path(0, kind).unlink()
        assert [pieces.done(number) for number in range(2)] == [False, True]
        assert list(pieces.all(kind)) == [1]  # by its name, not by how many there are
        with pytest.raises(Stopped, match="blocks that were done are gone"):
            pieces.complete(kind, 2)


def test_pieces_are_in_the_order_of_their_numbers_beyond_six_digits(pieces):
    with pieces.claimed(STATE):
        for number in (1_000_000, 999_999):
            pieces.write(number, "scored", pa.table({"row": [number]}))
        assert list(pieces.all("scored")) == [999_999, 1_000_000]


def test_two_runs_at_a_time_are_refused(pieces):
    with pieces.claimed(STATE), pytest.raises(ConfigError, match="another one does"), pieces.claimed(STATE):
        pass
    with pieces.claimed(STATE):
        pass


def test_temporary_files_of_a_killed_writer_are_removed_with_the_folder(pieces, tmp_path):
    with pieces.claimed(STATE):
        filled(pieces)
        killed_while_it_writes(pieces.path(3, "scored"))
        finish(pieces)
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_damaged_piece_is_refused_by_its_name(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        pieces.path(1, "scored").write_bytes(b"not Arrow at all")
        with pytest.raises(ModelError, match=r"000001.scored.arrow is damaged"):
            finish(pieces)
    assert not pieces.output.exists()


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_begun(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", Path("/dev/null"), Path("/proc")):
        refused = pytest.raises(ConfigError, match=f"must be writable, however: {folder}")
        with refused as caught, Pieces(folder / "out.parquet").claimed(STATE):
            pass
        assert "goes on" not in str(caught.value)


def test_a_piece_that_cannot_be_written_is_told_with_what_stays(pieces):
    with pieces.claimed(STATE):
        pieces.path(1, "scored").mkdir()
        with pytest.raises(Stopped, match=r"must be writable, however: .*the same command goes on from there"):
            filled(pieces)
        assert pieces.done(0)


@pytest.mark.parametrize("lost", ["000001.scored.arrow", "000002.scored.arrow"])
def test_pieces_that_somebody_removed_are_missed(pieces, lost):
    with pieces.claimed(STATE):
        filled(pieces)
        (pieces.folder / lost).unlink()
        with pytest.raises(Stopped, match="blocks that were done are gone; start again"):
            finish(pieces)
        assert not pieces.output.exists()


def test_rows_that_are_not_there_are_missed(pieces):
    with pieces.claimed(STATE):
        filled(pieces, (3, 0, 4))
        with pytest.raises(Stopped, match="rows that were done are gone"):
            finish(pieces)
        assert not pieces.output.exists()


def test_a_folder_that_was_removed_is_not_made_anew(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        shutil.rmtree(pieces.folder)
        with pytest.raises(Stopped, match="its files are gone"):
            filled(pieces)
        assert not pieces.folder.exists()


def test_what_vouches_for_the_pieces_goes_first(pieces, monkeypatch):
    with pieces.claimed(STATE):
        filled(pieces)
    monkeypatch.delattr(Pieces, "clear")  # the removal ends there, as if it had been killed
    with pytest.raises(AttributeError):
        pieces.remove()
    assert not pieces.begun(STATE)
    assert pieces.path(0, "scored").is_file()
