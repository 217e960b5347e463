"""The folder of pieces: what it belongs to, who works in it, and the file that they become."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.serving import pieces as pieces_module
from mlp_torch.serving.pieces import Pieces, Stopped, check_skipped, merge, noted

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


@pytest.mark.parametrize("sizes", [(10,), (3, 7), (1,) * 10, (0, 4, 4, 2), (8,), (0,)])
def test_row_groups_do_not_depend_on_how_the_rows_are_cut(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(pieces_module, "ROWS", 4)
    at, tables = 0, []
    for size in sizes:
        tables.append(pa.table({"row": pa.array(range(at, at + size), pa.int64())}))
        at += size
    merge(tables, tmp_path / "a.parquet", {})
    file = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [4] * (at // 4) + [at % 4] * (at % 4 > 0)
    assert file.read()["row"].to_pylist() == list(range(at))


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


def test_two_runs_at_a_time_are_refused(pieces):
    with pieces.claimed(STATE), pytest.raises(ConfigError, match="another one does"), pieces.claimed(STATE):
        pass
    with pieces.claimed(STATE):
        pass


def test_temporary_files_of_a_killed_writer_are_removed_with_the_folder(pieces, tmp_path):
    with pieces.claimed(STATE):
        filled(pieces)
        (pieces.folder / ".000003.scored.arrow.x1y2").write_bytes(b"half")
        finish(pieces)
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_damaged_piece_is_refused_by_its_name(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        pieces.path(1, "scored").write_bytes(b"not Arrow at all")
        with pytest.raises(ModelError, match=r"000001.scored.arrow is damaged"):
            finish(pieces)
    assert not pieces.output.exists()


def test_a_place_that_cannot_be_written_to_is_told_with_what_stays(tmp_path):
    (tmp_path / "file").write_text("no folder")
    pieces, said = Pieces(tmp_path / "file" / "out.parquet"), "must be writable, however: .*the same command goes on"
    with pytest.raises(Stopped, match=said), pieces.claimed(STATE):
        pass


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


def test_a_file_that_is_called_as_that_of_skipped_rows_stays(pieces):
    check_skipped(pieces.skipped_output, STATE, overwrite=False)
    pq.write_table(pa.table({"x": [1]}), pieces.skipped_output)
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="another file is there; move it"):
            check_skipped(pieces.skipped_output, STATE, overwrite=overwrite)
    merge([pa.table({"x": [1]})], pieces.skipped_output, {b"mlp_torch": noted({"input": "other"})})
    with pytest.raises(ConfigError, match=r"skipped rows of another output .* --overwrite replaces it"):
        check_skipped(pieces.skipped_output, STATE, overwrite=False)
    check_skipped(pieces.skipped_output, STATE, overwrite=True)
    check_skipped(
        pieces.skipped_output, {"input": "other"}, overwrite=False
    )  # what a run left that was killed at its end
