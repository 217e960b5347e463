"""Scoring from file to file: what `Predictor.predict` says, for rows in blocks, restarted anywhere."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlp_torch import files
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.serving import scorer
from mlp_torch.serving.batch import predict
from mlp_torch.serving.pieces import Pieces
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.scorer import Policies, Scorer

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")


class Small(Parquet):
    """A Parquet file in blocks of seven rows."""

    def blocks(self, size: int | None = 7) -> Iterator[Block]:
        yield from super().blocks(7)


class Fails(Small):
    """The same, whose reading ends after a number of blocks: as if the process had been killed there."""

    after = 3

    def blocks(self, size: int | None = 7) -> Iterator[Block]:
        for number, block in enumerate(super().blocks()):
            if number == self.after:
                raise RuntimeError("killed")
            yield block


class SmallCsv(Csv):
    """A CSV file in blocks of a few rows."""

    def blocks(self, size: int = 90) -> Iterator[Block]:
        yield from super().blocks(90)


def table(n: int = 40, **changes: list[Any]) -> pa.Table:
    """Rows as a caller of the folder's small model has them, and a key."""
    columns = {
        "id": [f"f{i}" for i in range(n)],
        "distance": [None if i % 9 == 7 else 100.0 + 31 * i for i in range(n)],
        "hour": [i % 24 for i in range(n)],
        "origin": [("JFK", "LGA", "EWR", "never seen")[i % 4] for i in range(n)],
        "carrier": [("UA", "日本")[i % 2] for i in range(n)],
    }
    return pa.table({**columns, **changes})


def changed(name: str, values: dict[int, Any], n: int = 40) -> pa.Table:
    """The same table with other values in some rows of a column."""
    column = table(n)[name].to_pylist()
    return table(n, **{name: [values.get(i, value) for i, value in enumerate(column)]})


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return written(tmp_path, table())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def written(folder: Path, rows: pa.Table, name: str = "rows.parquet") -> Path:
    pq.write_table(rows, folder / name)
    return folder / name


def expected(predictor: Predictor, rows: pa.Table) -> list[dict[str, Any]]:
    """What the library call says of them."""
    return predictor.predict(rows.select(["distance", "hour", "origin", "carrier"])).to_pylist()


def text(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["id,distance,hour,origin,carrier", *lines]) + "\n", encoding="utf-8")
    return path


def test_predictions_are_those_of_the_library_call_bit_for_bit_in_the_order_of_the_rows(folder, predictor, rows, out):
    scored = predict(folder, Small(rows), out)
    found = pq.read_table(out)
    assert found.column_names == ["row", "probability", "class", "label"]
    assert found["row"].to_pylist() == list(range(40))
    assert found.drop_columns(["row"]).to_pylist() == expected(predictor, table())
    assert len(set(found["probability"].to_pylist())) > 10
    assert (scored.counts["read"], scored.counts["used"], scored.here) == (40, 40, 40)
    assert scored.counts["unseen"] == {"origin": 10}
    assert scored.counts["ignored_columns"] == ["id"]
    assert not Pieces(out).folder.exists()


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([f"k{i}" for i in range(40)]),
        pa.array(range(40, 80), pa.uint16()),
        pa.array(range(40)).cast(pa.timestamp("us", "Europe/Rome")),
        pa.array([f"k{i}" for i in range(40)]).dictionary_encode(),
        pa.array([i / 8 for i in range(40)], pa.float32()),
    ],
    ids=lambda keys: str(keys.type),
)
def test_the_key_passes_through_untouched_with_its_type(keys, folder, predictor, tmp_path, out):
    rows = written(tmp_path, table().set_column(0, "id", keys))
    predict(folder, Small(rows), out, policies=Policies("id"))
    found = pq.read_table(out)
    assert found["id"].combine_chunks().to_pylist() == keys.to_pylist()
    assert found.schema.field("id").type == keys.type
    assert found.drop_columns(["id"]).to_pylist() == expected(predictor, table())


def test_a_key_called_as_a_prediction_is_called_keeps_its_name(folder, predictor, tmp_path, out):
    rows = written(tmp_path, table().rename_columns({"id": "class"}))
    predict(folder, Small(rows), out, policies=Policies("class"))
    found = pq.read_table(out)
    assert found.column_names == ["class", "probability", "predicted_class", "label"]
    assert found["class"].to_pylist() == table()["id"].to_pylist()
    assert found["predicted_class"].to_pylist() == [row["class"] for row in expected(predictor, table())]


def test_a_key_that_the_model_reads_is_a_feature_too(folder, predictor, rows, out):
    predict(folder, Small(rows), out, policies=Policies("origin", repeated_keys="keep"))
    found = pq.read_table(out)
    assert found["origin"].to_pylist() == table()["origin"].to_pylist()
    assert found.drop_columns(["origin"]).to_pylist() == expected(predictor, table())


def test_a_key_is_no_extra_column_to_a_strict_schema(predictor, rows, tmp_path):
    class Strict:
        schema, classes, judged = predictor.schema, predictor.classes, predictor.judged

    Strict.schema = replace(predictor.schema, strict=True)
    (block,) = Parquet(rows).blocks()
    for key, codes in (("id", []), (None, ["extra_column"])):
        pieces = Pieces(tmp_path / f"{key}.parquet")
        with pieces.claimed({}):
            verdict = Scorer(Strict, pieces, Policies(key))(scorer.Job(0, block))
        assert [problem.code for problem in verdict.problems] == codes


def test_text_is_numbered_by_line_and_its_key_is_text(folder, predictor, tmp_path, out):
    lines = [f'00{i},{100 + i},{i},"JFK",UA' for i in range(12)] + ['0099,1,1,"J\nFK",UA', "0100,1,2,EWR,UA"]
    path = text(tmp_path / "rows.csv", lines)
    predict(folder, SmallCsv(path), out)
    assert pq.read_table(out)["line"].to_pylist() == [*range(2, 15), 16]
    predict(folder, SmallCsv(path), out, policies=Policies("id"), overwrite=True)
    found = pq.read_table(out)
    assert found["id"].to_pylist() == [*(f"00{i}" for i in range(12)), "0099", "0100"]
    whole = predictor.predict(Csv(path).read().table).to_pylist()
    assert found.drop_columns(["id"]).to_pylist() == whole


def test_the_rows_of_a_folder_are_numbered_by_file(folder, predictor, tmp_path, out):
    (tmp_path / "shards").mkdir()
    for i, (begin, size) in enumerate(((0, 10), (10, 30))):
        written(tmp_path / "shards", table().slice(begin, size), f"part-{i}.parquet")
    predict(folder, Small(tmp_path / "shards"), out)
    found = pq.read_table(out)
    assert found["row"].to_pylist() == [*range(10), *range(30)]
    assert found["file"].to_pylist() == ["part-0.parquet"] * 10 + ["part-1.parquet"] * 30
    assert found.select(["probability", "class", "label"]).to_pylist() == expected(predictor, table())
    written(tmp_path / "shards", changed("id", {31: "f3"}).slice(10, 30), "part-1.parquet")
    with pytest.raises(DataError) as caught:
        predict(folder, Small(tmp_path / "shards"), out, policies=Policies("id"), overwrite=True)
    (problem,) = caught.value.problems
    assert problem.rows == ("part-0.parquet:3", "part-1.parquet:21")


def test_no_rows_give_no_predictions_in_the_same_columns(folder, rows, tmp_path, out):
    predict(folder, Parquet(rows), out, policies=Policies("id"))
    types = pq.read_schema(out).remove_metadata()
    predict(
        folder, Parquet(written(tmp_path, table().slice(0, 0), "none.parquet")), out, policies=Policies("id"),
        overwrite=True,
    )  # fmt: skip
    assert pq.read_table(out).num_rows == 0
    assert pq.read_schema(out).remove_metadata() == types


def test_bad_rows_are_told_of_all_at_once_and_no_output_is_there(folder, tmp_path, out):
    distances = table()["distance"].to_pylist()
    distances[5] = distances[30] = -4.0
    distances[31] = float("inf")
    rows = written(tmp_path, table(distance=distances, id=["f0" if i in (20, 39) else f"f{i}" for i in range(40)]))
    with pytest.raises(DataError) as caught:
        predict(folder, Small(rows), out, policies=Policies("id"))
    found = {problem.code: (problem.bad, problem.total, problem.rows) for problem in caught.value.problems}
    assert found == {
        "out_of_range": (2, 40, (5, 30)),
        "not_finite": (1, 40, (31,)),
        "repeated_key": (3, 40, (0, 20, 39)),
    }
    assert not out.exists()
    assert not Pieces(out).folder.exists()


def test_after_the_first_bad_block_nothing_is_scored_any_more(folder, tmp_path, out, monkeypatch):
    scored = []
    monkeypatch.setattr(Scorer, "write", lambda self, number, *rest: scored.append(number))
    rows = written(tmp_path, changed("distance", {15: -1.0}))
    with pytest.raises(DataError):
        predict(folder, Small(rows), out)
    assert scored == [0, 1]


def test_skipped_rows_have_a_file_of_their_own_with_place_reason_and_cells(folder, predictor, tmp_path, out):
    bad = changed("distance", {5: -4.0, 30: float("inf")})
    keys = [None if i in (12, 30) else f"f{i}" for i in range(40)]
    rows = written(tmp_path, bad.set_column(0, "id", [keys]))
    scored = predict(folder, Small(rows), out, policies=Policies("id", on_bad="skip"))
    assert scored.counts["dropped"] == {"distance: out_of_range": 1, "id: missing_key": 2}
    assert scored.counts["read"] == 40 == scored.counts["used"] + sum(scored.counts["dropped"].values())
    found = pq.read_table(scored.skipped)
    assert scored.skipped == tmp_path / "out.skipped.parquet"
    assert found["row"].to_pylist() == [5, 12, 30]
    assert found["reason"].to_pylist() == ["distance: out_of_range", "id: missing_key", "id: missing_key"]
    assert found.select(bad.column_names).to_pylist() == pq.read_table(rows).take([5, 12, 30]).to_pylist()
    kept = [i for i in range(40) if i not in (5, 12, 30)]
    assert pq.read_table(out)["id"].to_pylist() == [keys[i] for i in kept]
    assert pq.read_table(out).drop_columns(["id"]).to_pylist() == [expected(predictor, table())[i] for i in kept]


def test_skipped_text_that_is_no_utf8_is_escaped_so_that_the_file_can_be_read(folder, tmp_path, out):
    raw = pa.array([b"JFK", b"J\xff", None, b"K\xc3\xb6ln"], pa.binary()).take(pa.array([i % 4 for i in range(40)]))
    column = pa.Array.from_buffers(pa.string(), 40, raw.buffers())
    at = table().column_names.index("origin")
    path = written(tmp_path, table().set_column(at, "origin", column))
    scored = predict(folder, Parquet(path), out, policies=Policies(on_bad="skip"))
    found = pq.read_table(scored.skipped)
    assert set(found["reason"].to_pylist()) == {"origin: invalid_unicode"}
    assert found["origin"].to_pylist() == ["J\\xff"] * 10
    assert found.to_pandas()["hour"].tolist() == [i % 24 for i in range(1, 40, 4)]


def test_what_training_drops_is_skipped_or_refused_but_never_left_out_in_silence(folder, tmp_path, out):
    rows = written(tmp_path, changed("carrier", {9: None}))  # the small model's policy is missing: drop
    with pytest.raises(DataError, match="missing_value"):
        predict(folder, Small(rows), out)
    scored = predict(folder, Small(rows), out, policies=Policies(on_bad="skip"))
    assert scored.counts["dropped"] == {"carrier: missing_value": 1}
    assert pq.read_table(scored.skipped)["row"].to_pylist() == [9]


@pytest.mark.parametrize("reader", [Csv, SmallCsv])
def test_lines_with_too_many_or_too_few_fields_are_skipped_as_they_stand(reader, folder, tmp_path, out):
    lines = [f"f{i},{i},1,JFK,UA" for i in range(9)]
    lines[3], lines[4] = "f3,1,1,JFK", "f4,far,1,JFK,UA"
    path = text(tmp_path / "rows.csv", lines)
    with pytest.raises(DataError) as caught:
        predict(folder, reader(path), out)
    assert [(problem.code, problem.rows) for problem in caught.value.problems] == [
        ("wrong_field_count", (5,)),
        ("not_a_number", (6,)),
    ]
    scored = predict(folder, reader(path), out, policies=Policies("id", on_bad="skip"))
    found = pq.read_table(scored.skipped).to_pylist()
    assert [(row["line"], row["reason"], row["text"], row["distance"]) for row in found] == [
        (5, "wrong_field_count", "f3,1,1,JFK", None),
        (6, "distance: not_a_number", None, "far"),
    ]
    assert scored.counts["dropped"] == {"wrong_field_count": 1, "distance: not_a_number": 1}
    assert pq.read_table(out)["id"].to_pylist() == [f"f{i}" for i in range(9) if i not in (3, 4)]


def test_an_input_column_called_reason_stands_beside_the_reason(folder, tmp_path, out):
    rows = changed("distance", {5: -4.0}).append_column("reason", [[f"r{i}" for i in range(40)]])
    scored = predict(folder, Small(written(tmp_path, rows)), out, policies=Policies(on_bad="skip"))
    (row,) = pq.read_table(scored.skipped).to_pylist()
    assert (row["skipped_reason"], row["reason"]) == ("distance: out_of_range", "r5")


def test_a_fault_of_the_file_ends_a_run_that_skips_bad_rows_too(folder, tmp_path, out):
    path = text(tmp_path / "rows.csv", [*(f"f{i},{i},1,JFK,UA" for i in range(9)), 'f9,1,1,"JFK,UA'])
    with pytest.raises(DataError, match="unclosed_quote"):
        predict(folder, SmallCsv(path), out, policies=Policies(on_bad="skip"))
    assert not out.exists()


def test_row_56_a_missing_key_is_refused_by_its_row_and_count(folder, tmp_path, out):
    rows = written(tmp_path, changed("id", {12: None, 30: None}))
    with pytest.raises(DataError) as caught:
        predict(folder, Small(rows), out, policies=Policies("id"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("missing_key", ("id",), 2, 40)
    assert problem.rows == (12, 30)


def test_row_56_a_key_column_that_is_missing_is_refused_by_naming_the_near(folder, rows, out):
    with pytest.raises(DataError) as caught:
        predict(folder, Small(rows), out, policies=Policies("hours", on_bad="skip"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.bad) == ("missing_column", ("hours",), 0)
    assert "did you mean hour?" in str(problem)


def test_row_55_repeated_keys_are_refused_wherever_they_lie_or_kept(folder, predictor, tmp_path, out):
    rows = written(tmp_path, changed("id", {20: "f3", 39: "f3", 38: "f37"}))
    with pytest.raises(DataError) as caught:
        predict(folder, Small(rows), out, policies=Policies("id"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.bad, problem.total, problem.rows) == ("repeated_key", 5, 40, (3, 20, 37, 38, 39))
    assert problem.examples == ("f3", "f37")
    assert not out.exists()
    predict(folder, Small(rows), out, policies=Policies("id", repeated_keys="keep"))
    assert pq.read_table(out).drop_columns(["id"]).to_pylist() == expected(predictor, table())


@pytest.mark.parametrize("policies", [Policies(), Policies("id"), Policies("id", on_bad="skip")])
@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_run_that_ended_anywhere_goes_on_and_its_bytes_are_those_of_an_undisturbed_one(
    after, policies, folder, tmp_path, out, monkeypatch
):
    bad = {11: -1.0, 12: -1.0} if policies.on_bad == "skip" else {}
    rows = written(tmp_path, changed("distance", bad))
    whole = predict(folder, Small(rows), tmp_path / "whole" / out.name, policies=policies)
    monkeypatch.setattr(Fails, "after", after)
    with pytest.raises(RuntimeError, match="killed"):
        predict(folder, Fails(rows), out, policies=policies)
    assert not out.exists()
    scored = []
    write = Scorer.write
    monkeypatch.setattr(
        Scorer, "write", lambda self, number, *rest: (scored.append(number), write(self, number, *rest))
    )
    resumed = predict(folder, Small(rows), out, policies=policies)
    assert scored == list(range(after, 6))
    assert out.read_bytes() == whole.output.read_bytes()
    assert resumed.counts == whole.counts
    assert resumed.here == 40 - 7 * after
    if bad:
        assert resumed.skipped.read_bytes() == whole.skipped.read_bytes()


def stopped(folder: Path, rows: Path, out: Path) -> None:
    """Leaves a run's first blocks."""
    with pytest.raises(RuntimeError, match="killed"):
        predict(folder, Fails(rows), out)


def test_a_changed_input_is_not_mixed_with_what_is_done(folder, rows, out, tmp_path):
    stopped(folder, rows, out)
    written(tmp_path, changed("distance", {3: 101.0}))
    with pytest.raises(ConfigError, match=r"input changed; to start over, remove it: rm -r '.*out.parquet.unfinished'"):
        predict(folder, Small(rows), out)
    written(tmp_path, table())
    os.utime(rows, (1, 1))  # the same bytes at another time are the same input
    assert predict(folder, Small(rows), out).here == 40 - 21


def test_another_option_is_not_mixed_with_what_is_done(folder, rows, out):
    stopped(folder, rows, out)
    with pytest.raises(ConfigError, match="options changed"):
        predict(folder, Small(rows), out, policies=Policies(on_bad="skip"))


def test_another_model_is_not_mixed_with_what_is_done(folder, rows, out, tmp_path):
    stopped(folder, rows, out)
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    manifest = files.read_json(other / "manifest.json")
    files.write_json(other / "manifest.json", {**manifest, "version": "another"})
    with pytest.raises(ConfigError, match="model changed"):
        predict(other, Small(rows), out)


def test_a_finished_output_is_left_as_it_is_and_said_to_be_finished(folder, rows, out):
    predict(folder, Small(rows), out)
    before = out.stat().st_mtime_ns
    assert predict(folder, Small(rows), out) is None
    assert out.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["out.parquet", "out.skipped.parquet"])
@pytest.mark.parametrize("moment", ["before it goes on", "while it works"])
def test_a_file_that_a_stranger_puts_where_an_output_will_be_stays(moment, name, folder, rows, out, tmp_path):
    class Visited(Small):
        def blocks(self, size: int | None = 7) -> Iterator[Block]:
            yield from super().blocks()
            written(tmp_path, pa.table({"x": [1]}), name)

    if moment == "while it works":
        reader: Small = Visited(rows)
    else:
        stopped(folder, rows, out)
        written(tmp_path, pa.table({"x": [1]}), name)
        reader = Small(rows)
    with pytest.raises(ConfigError, match=rf"however: .*({name}; --overwrite|another file is there)"):
        predict(folder, reader, out)
    assert pq.read_table(tmp_path / name).to_pylist() == [{"x": 1}]
    (tmp_path / name).unlink()
    assert predict(folder, Small(rows), out).counts["used"] == 40


def test_an_output_of_something_else_is_replaced_only_if_asked(folder, rows, out, tmp_path):
    predict(folder, Small(rows), out)
    old = out.read_bytes()
    other = written(tmp_path, table(9), "other.parquet")
    with pytest.raises(ConfigError, match=r"must not be there, however: .*--overwrite replaces it"):
        predict(folder, Small(other), out)
    assert out.read_bytes() == old
    predict(folder, Small(other), out, overwrite=True)
    assert pq.read_table(out).num_rows == 9


@pytest.mark.parametrize("fails", ["killed", "bad rows"])
def test_a_run_that_fails_leaves_the_finished_output_of_another_one(fails, folder, rows, out, tmp_path):
    predict(folder, Small(rows), out)
    old = out.read_bytes()
    other = written(tmp_path, changed("distance", {30: -1.0}), "other.parquet")
    with pytest.raises(RuntimeError if fails == "killed" else DataError):
        predict(folder, (Fails if fails == "killed" else Small)(other), out, overwrite=True)
    assert out.read_bytes() == old


def test_an_input_that_changes_while_it_is_read_is_refused(folder, rows, out):
    class Growing(Small):
        def blocks(self, size: int | None = 7) -> Iterator[Block]:
            yield from super().blocks()
            pq.write_table(table(41), self.path)

    with pytest.raises(DataError, match="changed_input"):
        predict(folder, Growing(rows), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.csv", r"must be Parquet and end in .parquet, however: .*out\.csv; .* make a CSV"),
        ("rows.parquet", "outside the input"),
        ("d.pq", "folder"),
        ("a\udcff.parquet", r"path must be UTF-8, however: b'.*/a\\xff\.parquet'"),
        ("e.parquet", "pieces must lie in .*e.parquet.unfinished, however: it is no folder"),
        ("x" * 300 + ".parquet", "must be writable, however: .*: File name too long"),
        ("x" * 240 + ".parquet", "must be writable, however: .*unfinished: File name too long"),
    ],
)
def test_an_output_that_must_not_be_one_is_refused(name, reason, folder, rows, tmp_path):
    (tmp_path / "d.pq").mkdir()
    (tmp_path / "e.parquet.unfinished").write_text("dear")
    before = set(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=reason):
        predict(folder, Small(rows), tmp_path / name)
    assert set(tmp_path.iterdir()) == before


def test_an_output_within_the_folder_that_is_read_is_refused(folder, tmp_path):
    written(tmp_path, table())
    with pytest.raises(ConfigError, match="outside the input"):
        predict(folder, Small(tmp_path), tmp_path / "out.parquet")


def test_the_closing_lines_tell_what_became_of_every_row(folder, tmp_path, out):
    rows = written(tmp_path, changed("distance", {5: -4.0, 6: 9999.0}))
    told = predict(folder, Small(rows), out, policies=Policies("id", on_bad="skip")).text()
    assert "40 rows read, 39 scored" in told
    assert "skipped 1 row: distance: out_of_range" in told
    assert "10 rows hold a category of origin that training never showed" in told
    assert "1 row has distance outside the training range" in told
    assert f"skipped rows are in {tmp_path / 'out.skipped.parquet'}" in told
    assert told.endswith(f"predictions are in {out}")


def test_batch_prediction_imports_no_training_configuration_or_frames():
    code = (
        "import sys, mlp_torch.serving.batch, mlp_torch.verbs.predict\n"
        "print(sorted({'lightning', 'hydra', 'omegaconf', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_more_predictions_of_a_row_are_lists_of_one_length():
    import torch

    found = scorer.arrow(torch.arange(6, dtype=torch.float32).reshape(2, 3))
    assert found.to_pylist() == [[0, 1, 2], [3, 4, 5]]
    assert found.type == pa.list_(pa.float32(), 3)
    assert len(scorer.arrow(torch.zeros(0, 3))) == 0
    assert pc.list_flatten(found).to_pylist() == list(range(6))


def test_skipped_rows_that_are_scored_anew_stay_where_they_are(folder, tmp_path):
    rows = tmp_path / "out.skipped.parquet"
    pq.write_table(table(), rows)
    with pytest.raises(ConfigError, match="the output must lie outside the input"):
        predict(folder, Small(rows), tmp_path / "out.parquet")
    assert pq.read_table(rows).equals(table())


def test_an_empty_folder_of_pieces_gives_no_leave_to_replace_an_output(folder, rows, out, tmp_path):
    predict(folder, Small(rows), out)
    before = out.read_bytes()
    Pieces(out).folder.mkdir()
    pq.write_table(table(3), tmp_path / "three.parquet")
    with pytest.raises(ConfigError, match="--overwrite replaces it"):
        predict(folder, Small(tmp_path / "three.parquet"), out)
    assert out.read_bytes() == before


def test_an_empty_key_is_no_leave_to_go_without(folder, rows, out):
    with pytest.raises(ConfigError, match="a key must be the name of a column"):
        predict(folder, Small(rows), out, policies=Policies(key=""))
