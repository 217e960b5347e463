"""Rows whose key an earlier row has, where bad rows are skipped: the first that can be scored is answered."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.serving.batch import predict
from mlp_torch.serving.pieces import Pieces
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.repeats import Repeats
from mlp_torch.serving.scorer import Policies

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
SKIP = Policies("id", on_bad="skip")
KEYS = ["a", "b", "a", "c", "bad", "b", "a", "bad", "d", "bad", "c", None]  # row 4 cannot be scored, row 7 can
ANSWERED, REPEATED = [0, 1, 3, 7, 8], [2, 5, 6, 9, 10]


def table(keys: list[str | None] = KEYS) -> pa.Table:
    """Rows that the small model can score, but for the first `bad` one."""
    n = len(keys)
    distance = [-1.0 if i == 4 else 100.0 * i for i in range(n)]
    origin = [("JFK", "LGA", "never seen")[i % 3] for i in range(n)]
    return pa.table({"id": keys, "distance": distance, "hour": range(n), "origin": origin, "carrier": ["UA"] * n})


def blocks_of(kind: type, size: int) -> type:
    """A reader with smaller blocks, in rows or bytes."""

    class Small(kind):
        def blocks(self, _: int = 0) -> Iterator[Block]:
            yield from super().blocks(size)

    return Small


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pq.write_table(table(), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_the_first_row_that_can_be_scored_is_answered_and_later_ones_are_skipped_by_that_reason(
    size, folder, predictor: Predictor, rows, tmp_path
):
    out = tmp_path / "out.parquet"
    scored = predict(folder, blocks_of(Parquet, size)(rows), out, policies=SKIP)
    assert scored.counts["dropped"] == {"distance: out_of_range": 1, "id: missing_key": 1, "id: repeated_key": 5}
    assert (scored.counts["read"], scored.counts["used"]) == (12, 5)
    whole = predictor.predict(table().drop_columns(["id"]).take(ANSWERED)).to_pylist()
    found = pq.read_table(out)
    assert found["id"].to_pylist() == [KEYS[row] for row in ANSWERED]
    assert found.drop_columns(["id"]).to_pylist() == whole
    skipped = pq.read_table(scored.skipped)
    assert skipped["row"].to_pylist() == sorted([*REPEATED, 4, 11])
    why = {4: "distance: out_of_range", 11: "id: missing_key"}
    assert skipped["reason"].to_pylist() == [why.get(row, "id: repeated_key") for row in skipped["row"].to_pylist()]
    assert skipped.select(table().column_names).to_pylist() == table().take(skipped["row"]).to_pylist()


def test_counts_and_bytes_do_not_depend_on_the_blocks(folder, rows, tmp_path):
    found = []
    for size in (1, 4, 12):
        out = tmp_path / str(size) / "out.parquet"
        scored = predict(folder, blocks_of(Parquet, size)(rows), out, policies=SKIP)
        found.append((scored.counts, out.read_bytes(), scored.skipped.read_bytes()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("size", [3, 20])
def test_a_key_of_more_rows_than_a_message_names_is_answered_once(size, folder, tmp_path):
    pq.write_table(table(["a"] * 4 + ["b"] + ["a"] * 15), tmp_path / "rows.parquet")
    rows = blocks_of(Parquet, size)(tmp_path / "rows.parquet")
    scored = predict(folder, rows, tmp_path / "out.parquet", policies=SKIP)
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["a"]  # the row of `b` cannot be scored
    assert scored.counts["dropped"] == {"distance: out_of_range": 1, "id: repeated_key": 18}
    assert pq.read_table(scored.skipped)["row"].to_pylist() == list(range(1, 20))


def test_kept_and_refused_keys_are_as_without_skipping(folder, rows, tmp_path):
    scored = predict(folder, Parquet(rows), tmp_path / "a.parquet", policies=Policies("id", "keep", "skip"))
    assert scored.counts["dropped"] == {"distance: out_of_range": 1, "id: missing_key": 1}
    with pytest.raises(DataError, match="repeated_key"):
        predict(folder, Parquet(rows), tmp_path / "b.parquet", policies=Policies("id"))


def test_lines_of_text_stand_in_order_beside_torn_ones(folder, tmp_path):
    lines = [f"{key},{100 * i},1,JFK,UA" for i, key in enumerate("abacb")]
    lines.insert(2, "torn,1")
    lines.append("a,far,1,JFK,UA")
    (tmp_path / "rows.csv").write_text("\n".join(["id,distance,hour,origin,carrier", *lines]) + "\n")
    scored = predict(folder, blocks_of(Csv, 40)(tmp_path / "rows.csv"), tmp_path / "out.parquet", policies=SKIP)
    found = pq.read_table(scored.skipped).to_pylist()
    assert [(row["line"], row["reason"], row["text"], row["id"]) for row in found] == [
        (4, "wrong_field_count", "torn,1", None),
        (5, "id: repeated_key", None, "a"),
        (7, "id: repeated_key", None, "b"),
        (8, "distance: not_a_number", None, "a"),
    ]
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["a", "b", "c"]


def test_rows_of_several_files_and_coded_cells_are_found_again(folder, tmp_path):
    (tmp_path / "in").mkdir()
    for number, keys in enumerate((["a", "b", "a"], ["b", "c", "c"])):
        whole = table(keys)
        coded = whole.set_column(3, "origin", whole["origin"].combine_chunks().dictionary_encode())
        pq.write_table(coded, tmp_path / "in" / f"{number}.parquet")
    scored = predict(folder, blocks_of(Parquet, 2)(tmp_path / "in"), tmp_path / "out.parquet", policies=SKIP)
    found = pq.read_table(scored.skipped).to_pylist()
    assert [(row["file"], row["row"], row["id"], row["origin"]) for row in found] == [
        ("0.parquet", 2, "a", "never seen"),
        ("1.parquet", 0, "b", "JFK"),
        ("1.parquet", 2, "c", "never seen"),
    ]


def test_an_input_that_changes_before_its_rows_are_read_again_is_refused(folder, rows, tmp_path):
    class Changing(Parquet):
        passes = 0

        def blocks(self, size: int | None = None) -> Iterator[Block]:
            self.passes += 1
            if self.passes == 2:
                pq.write_table(table(["x"] * 12), self.path)
            yield from super().blocks(5)

    with pytest.raises(DataError, match="changed_input"):
        predict(folder, Changing(rows), tmp_path / "out.parquet", policies=SKIP)
    assert not (tmp_path / "out.parquet").exists()


HEADER = "id,distance,hour,origin,carrier\n"
CHANGES = {
    "fewer rows": lambda path: path.write_text("".join(path.read_text().splitlines(keepends=True)[:3])),
    "no rows": lambda path: path.write_text(HEADER),
    "an empty file": lambda path: path.write_text(""),
    "other columns": lambda path: path.write_text("a,b\n" + "1,2\n" * 12),
    "an open quote": lambda path: path.write_text(path.read_text() + '"'),
    "no file": Path.unlink,
}


@pytest.mark.parametrize("size", [60, 10_000])
@pytest.mark.parametrize("change", CHANGES)
def test_text_that_changes_before_its_rows_are_read_again_is_refused_as_changed(
    change, size, folder, tmp_path, monkeypatch
):
    pa.csv.write_csv(table(), tmp_path / "rows.csv")
    skipped = Repeats.skipped

    def late(self: Repeats, pieces: Pieces) -> Iterator[pa.Table]:
        CHANGES[change](tmp_path / "rows.csv")
        yield from skipped(self, pieces)

    monkeypatch.setattr(Repeats, "skipped", late)
    with pytest.raises(DataError) as caught:
        predict(folder, blocks_of(Csv, size)(tmp_path / "rows.csv"), tmp_path / "out.parquet", policies=SKIP)
    assert [problem.code for problem in caught.value.problems] == ["changed_input"]
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("left", ["everything", "some pieces", "nothing"])
def test_what_a_run_left_that_was_killed_at_its_end_is_removed_by_the_next_start(
    left, folder, rows, tmp_path, monkeypatch
):
    out = tmp_path / "out.parquet"

    def killed(pieces: Pieces) -> None:
        for path in pieces.folder.iterdir():
            if left == "nothing" or (left == "some pieces" and path.name.startswith("000000")):
                path.unlink()
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Pieces, "remove", killed)
        with pytest.raises(RuntimeError, match="killed"):
            predict(folder, Parquet(rows), out, policies=SKIP)
    before = out.read_bytes()
    assert Pieces(out).folder.exists()
    assert predict(folder, Parquet(rows), out, policies=SKIP) is None
    assert not Pieces(out).folder.exists()
    assert out.read_bytes() == before


class Killed(BaseException):
    """The end of a process that was killed."""


def killed_in_removal(steps: int, ends: list[int]) -> Callable[[Pieces], None]:
    """A removal in a process that ends before a step of it; `ends` gets its exit code, 9 if it was ended."""
    whole = Pieces.remove

    def remove(pieces: Pieces) -> None:
        child = os.fork()
        if not child:
            done = itertools.count()

            def ending(step: Callable[..., None]) -> Callable[..., None]:
                return lambda path, **more: os._exit(9) if next(done) == steps else step(path, **more)

            Path.unlink, Path.rmdir = ending(Path.unlink), ending(Path.rmdir)
            try:
                whole(pieces)
                os._exit(0)
            finally:
                os._exit(1)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        raise Killed

    return remove


def outcome(folder: Path, rows: Parquet, out: Path, policies: Policies) -> tuple[object, ...]:
    """What a run with `overwrite` comes to: its counts or its problems, and the bytes that are there then."""
    try:
        told: object = predict(folder, rows, out, policies=policies, overwrite=True).counts
    except DataError as error:
        told = [str(problem) for problem in error.problems]
    there = [path for path in (out, out.with_suffix(".skipped.parquet")) if path.exists()]
    return told, [path.read_bytes() for path in there]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the child only unlinks
@pytest.mark.parametrize("before", [None, Policies("id", "keep", "skip")], ids=["new", "replacing"])
@pytest.mark.parametrize("policies", [SKIP, Policies("id"), Policies("id", "keep", "skip")], ids=str)
def test_a_run_killed_anywhere_in_its_removal_comes_to_the_same_when_it_is_given_again(
    policies, before, folder, tmp_path, monkeypatch
):
    pq.write_table(table(["a", "b", "c", "a", "bad", "b"]), tmp_path / "rows.parquet")
    rows = blocks_of(Parquet, 2)(tmp_path / "rows.parquet")
    ends = list[int]()

    def prepared(name: str) -> Path:
        out = tmp_path / name / "out.parquet"
        if before:
            predict(folder, rows, out, policies=before)
        return out

    undisturbed = outcome(folder, rows, prepared("undisturbed"), policies)
    while not ends or ends[-1] == 9:
        out = prepared(str(len(ends)))
        with monkeypatch.context() as patched:
            patched.setattr(Pieces, "remove", killed_in_removal(len(ends), ends))
            with pytest.raises(Killed):
                predict(folder, rows, out, policies=policies, overwrite=True)
        assert Pieces(out).folder.exists() == (ends[-1] == 9)
        assert outcome(folder, rows, out, policies) == undisturbed
        assert not Pieces(out).folder.exists()
    assert ends[-1] == 0
    assert len(ends) > 5


def test_what_a_killed_run_left_is_in_the_way_of_no_other_one(folder, rows, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(Pieces, "remove", lambda pieces: None)
        predict(folder, Parquet(rows), out, policies=SKIP)
    predict(folder, Parquet(rows), out, policies=SKIP._replace(repeated_keys="keep"), overwrite=True)
    assert pq.read_table(out).num_rows == 10
    assert not Pieces(out).folder.exists()
