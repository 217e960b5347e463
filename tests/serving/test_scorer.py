"""Keys that cannot be used: refused by their reason or skipped, with each policy, and never written as they are."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Parquet
from mlp_torch.serving.batch import predict
from mlp_torch.serving.pieces import Pieces
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.scorer import Policies

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
POLICIES = [
    Policies("id", repeated_keys, on_bad) for repeated_keys in ("error", "keep") for on_bad in ("error", "skip")
]


@pytest.fixture
def written(tmp_path: Path):
    """Writes four rows that the small model can score, with a column `id`; gives the file."""

    def write(keys: pa.Array, **changes: list[object]) -> Path:
        columns = {"distance": [100.0, 200.0, 300.0, 400.0], "hour": [1] * 4, "carrier": ["UA"] * 4}
        table = pa.table({"id": keys, **columns, "origin": ["JFK"] * 4, **changes})
        pq.write_table(table, tmp_path / "rows.parquet")
        return tmp_path / "rows.parquet"

    return write


def torn(*cells: bytes) -> pa.Array:
    """Text of any bytes."""
    return pa.Array.from_buffers(pa.string(), len(cells), pa.array(cells, pa.binary()).buffers())


@pytest.mark.parametrize("policies", POLICIES, ids=lambda policies: "-".join(policies[1:]))
@pytest.mark.parametrize(
    "keys",
    [
        pa.array([b"a", b"b", b"c", b"\xff"]),
        pa.array([b"ab"] * 4, pa.binary(2)),
        pa.array([[1], [2], [3], [4]]),
        pa.array([{"a": 1}] * 4),
        pa.array([b"a", b"b", b"a", b"b"]).dictionary_encode(),
    ],
    ids=lambda keys: str(keys.type),
)
def test_a_column_that_cannot_be_the_key_is_refused_by_its_type_whatever_the_policies(
    keys, policies, folder, written, tmp_path
):
    out = tmp_path / "out.parquet"
    with pytest.raises(DataError) as caught:
        predict(folder, Parquet(written(keys, distance=[-1.0, 2.0, 3.0, 4.0])), out, policies=policies)
    problem, *others = caught.value.problems
    assert (problem.code, problem.columns, problem.key) == ("wrong_type", ("id",), "--key")
    assert [other.code for other in others] == ([] if policies.on_bad == "skip" else ["out_of_range"])
    assert not out.exists()
    assert not Pieces(out).folder.exists()


@pytest.mark.parametrize("repeated_keys", ["error", "keep"])
def test_a_key_that_is_no_utf8_is_refused_by_its_row_beside_what_else_is_wrong(
    repeated_keys, folder, written, tmp_path
):
    out, keys = tmp_path / "out.parquet", torn(b"a", b"caf\xe9", b"a", b"caf\xe9")
    with pytest.raises(DataError) as caught:
        predict(folder, Parquet(written(keys)), out, policies=Policies("id", repeated_keys))
    problem, *others = caught.value.problems
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("invalid_unicode", ("id",), 2, 4)
    assert (problem.rows, problem.key) == ((1, 3), "--on-bad")
    assert [(other.code, other.rows) for other in others] == (
        [("repeated_key", (0, 2))] if repeated_keys == "error" else []
    )
    assert not out.exists()


@pytest.mark.parametrize("repeated_keys", ["error", "keep"])
def test_rows_whose_key_is_no_utf8_are_skipped_and_escaped_and_the_others_scored(
    repeated_keys, folder, predictor: Predictor, written, tmp_path
):
    rows = written(torn(b"a", b"caf\xe9", b"\xff", b"b"), distance=[100.0, 200.0, -1.0, 400.0])
    out = tmp_path / "out.parquet"
    scored = predict(folder, Parquet(rows), out, policies=Policies("id", repeated_keys, "skip"))
    assert scored.counts["dropped"] == {"id: invalid_unicode": 2}
    assert (scored.counts["read"], scored.counts["used"]) == (4, 2)
    found = pq.read_table(out)
    assert found["id"].to_pylist() == ["a", "b"]
    features = pq.read_table(rows).drop_columns(["id"]).take([0, 3])
    assert found.drop_columns(["id"]).to_pylist() == predictor.predict(features).to_pylist()
    skipped = pq.read_table(scored.skipped)
    assert skipped.select(["row", "reason", "id"]).to_pylist() == [
        {"row": 1, "reason": "id: invalid_unicode", "id": "caf\\xe9"},
        {"row": 2, "reason": "id: invalid_unicode", "id": "\\xff"},
    ]


def test_a_key_that_the_model_reads_too_is_skipped_under_one_reason(folder, written, tmp_path):
    rows = written(pa.array(range(4)), origin=torn(b"JFK", b"J\xff", b"LGA", b"EWR"))
    scored = predict(folder, Parquet(rows), tmp_path / "out.parquet", policies=Policies("origin", on_bad="skip"))
    assert scored.counts["dropped"] == {"origin: invalid_unicode": 1}
    assert pq.read_table(tmp_path / "out.parquet")["origin"].to_pylist() == ["JFK", "LGA", "EWR"]
