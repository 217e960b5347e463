"""The folder of pieces: what it belongs to, who works in it, and the file that they become."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.serving import pieces as pieces_module
from mlp_torch.serving.pieces import Pieces, Stopped, merge

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


def test_pieces_become_one_file_in_order_and_leave_nothing(pieces, tmp_path):
    with pieces.claimed(STATE):
        filled(pieces)
        assert [pieces.done(number) for number in range(4)] == [True, True, True, False]
        assert pieces.finish(STATE) is None
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
        assert pieces.finish(STATE) == pieces.output.with_name("out.skipped.parquet")
    assert pq.read_table(pieces.skipped_output)["row"].to_pylist() == [7]
    with pieces.claimed(STATE):
        filled(pieces)
        pieces.finish(STATE)
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
        pieces.finish(STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_damaged_piece_is_refused_by_its_name(pieces):
    with pieces.claimed(STATE):
        filled(pieces)
        pieces.path(1, "scored").write_bytes(b"not Arrow at all")
        with pytest.raises(ModelError, match=r"000001.scored.arrow is damaged"):
            pieces.finish(STATE)
    assert not pieces.output.exists()


def test_a_place_that_cannot_be_written_to_is_told_with_what_stays(tmp_path):
    (tmp_path / "file").write_text("no folder")
    pieces, said = Pieces(tmp_path / "file" / "out.parquet"), "must be writable, however: .*the same command goes on"
    with pytest.raises(Stopped, match=said), pieces.claimed(STATE):
        pass
