"""A table with a field of each kind, the whole way: trained, exported in each format, asked in each form."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mixed
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import mlp_torch
from mlp_torch.build import without_advice
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.reads import Inputs
from mlp_torch.model import padded
from mlp_torch.notebook import Fitted, fit
from mlp_torch.problem.classification import Binary
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.probes import raw_arguments
from mlp_torch.serving.server import build_app
from mlp_torch.training.task import outputs
from mlp_torch.verbs.predict import main as predict

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")

FORMATS = ["torchscript", "onnx", "pt2"]
ROWS = mixed.rows()


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    without_advice()
    return fit(mixed.unprepared().prepare(), head=Binary, epochs=2, progress_bar=False)


@pytest.fixture(scope="module")
def folder(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.export(tmp_path_factory.mktemp("run") / "model", name="mixed", formats=FORMATS)


@pytest.fixture(scope="module")
def model(folder: Path) -> Predictor:
    found: Predictor = mlp_torch.load(folder)
    return found


@pytest.fixture(scope="module")
def wanted(fitted: Fitted) -> dict[str, float]:
    """What training says of each row, by id."""
    found = {}
    for split, table in fitted.data.tables.items():
        with torch.inference_mode():
            out = padded({"out": outputs(fitted.task, table)})["out"]  # the last bits of `exp` depend on the block
            values = fitted.task.model.predict(out)["probability"].tolist()[: len(table.y)]
        found |= dict(zip(fitted.data.keys[split]["id"].to_pylist(), values, strict=True))
    assert len(set(found.values())) > 500  # answers depend on the rows
    return found


def of(wanted: dict[str, float]) -> list[float]:
    """The same in the order of the rows."""
    return [wanted[row["id"]] for row in ROWS]


def without_label(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name in mixed.FIELDS} for row in rows]


def test_each_field_makes_a_difference_so_that_the_tests_below_mean_something(model: Predictor) -> None:
    row = next(row for row in mixed.asked(ROWS) if all(row.values()))
    base = model.predict(row)["probability"]
    other = next(item for item in reversed(mixed.asked(ROWS)) if all(item.values()))
    for field in mixed.FIELDS:
        assert model.predict({**row, field: other[field]})["probability"] != base, field
        assert model.predict({**row, field: None})["probability"] != base, field


def test_dicts_frames_and_arrow_get_the_bits_of_training(model: Predictor, wanted: dict[str, float]) -> None:
    expected, asked, typed = of(wanted), mixed.asked(ROWS), mixed.typed(ROWS)
    assert [row["probability"] for row in model.predict(without_label(asked))] == expected
    assert [row["probability"] for row in model.predict(without_label(ROWS))] == expected  # bytes in dicts
    assert model.predict(typed)["probability"].to_pylist() == expected
    for frame in (pd.DataFrame(asked), pd.DataFrame(ROWS), typed.to_pandas()):
        assert model.predict(frame)["probability"].tolist() == expected
    for batch in typed.to_batches(100)[:1]:
        assert model.predict(batch)["probability"].to_pylist() == expected[: len(batch)]


def test_a_row_alone_gets_the_bits_that_it_gets_among_others(model: Predictor, wanted: dict[str, float]) -> None:
    for row in mixed.asked(ROWS)[::37]:
        assert model.predict(row)["probability"] == wanted[row["id"]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_get_the_bits_of_training(kind: str, folder: Path, wanted: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        mixed.csv(path, ROWS)
    else:
        pq.write_table(mixed.typed(ROWS), path, row_group_size=97)
    out = tmp_path / "out.parquet"
    arguments = ["--model", str(folder), "--input", str(path), "--output", str(out), "--key", "id", "--no-progress"]
    assert predict(arguments) == 0
    found = pq.read_table(out)
    assert found["id"].to_pylist() == [row["id"] for row in ROWS]
    assert found["probability"].to_pylist() == of(wanted)


@pytest.fixture(scope="module")
def client(model: Predictor) -> Iterator[TestClient]:
    with TestClient(build_app(model)) as client:
        yield client


def post(client: TestClient, rows: list[dict[str, Any]]) -> tuple[int, Any]:
    content = json.dumps({"instances": rows})
    found = client.post("/v1/models/mixed:predict", content=content, headers={"Content-Type": "application/json"})
    return found.status_code, found.json()


def test_the_server_gets_the_bits_of_training(client: TestClient, wanted: dict[str, float]) -> None:
    status, content = post(client, without_label(mixed.asked(ROWS)))
    assert status == 200
    assert [row["probability"] for row in content["predictions"]] == of(wanted)
    assert [text for text in content["warnings"] if "more than" in text]  # words beyond the first are told
    told = client.get("/v1/models/mixed").json()
    assert post(client, told["example"]["instances"])[0] == 200
    assert {field["name"] for field in told["fields"]} == set(mixed.FIELDS)


def inputs_of(model: Predictor, rows: list[dict[str, Any]]) -> Inputs:
    return to_inputs(model.schema.check(table_of(rows)), model.schema.reads.values())


def test_a_host_of_torchscript_gets_the_bits_of_training(model: Predictor, wanted: dict[str, float]) -> None:
    whole = [row for row in mixed.asked(ROWS) if None not in row.values()][:100]
    rows = [{**row, "tags": ", ".join(row["tags"])} for row in whole]  # a host passes text with the separator
    found = model.module(*raw_arguments(rows, model.schema))["probability"].tolist()
    assert found == [wanted[row["id"]] for row in rows]


@pytest.mark.parametrize("rows", [1, 600])
def test_onnx_runtime_and_torch_export_get_the_same_numbers(rows: int, model: Predictor, folder: Path) -> None:
    import onnxruntime

    inputs = inputs_of(model, mixed.asked(ROWS)[:rows])
    expected = model.scored(inputs, rows)["probability"]
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    found = session.run(["probability"], {item.name: inputs[item.name].numpy() for item in session.get_inputs()})[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-6)
    exported = torch.export.load(folder / "model.pt2").module()(inputs)["probability"]
    torch.testing.assert_close(exported, expected, rtol=1e-5, atol=1e-6)


def test_no_rows_get_no_answers(model: Predictor, client: TestClient) -> None:
    assert model.predict([]) == []
    assert len(model.predict(mixed.typed(ROWS).slice(0, 0))) == 0
    assert post(client, []) == (200, {"predictions": [], "warnings": [], "model_version": model.version})


def test_words_members_and_names_that_training_never_showed_are_answered(model: Predictor) -> None:
    row = {**without_label(mixed.asked(ROWS))[0], "title": "never heard", "tags": ["Opera"], "bids": {"new": 1e9}}
    (answer,) = model.answer([row]).rows()
    assert 0 <= answer["probability"] <= 1


def test_the_model_folder_tells_its_reads_again_as_they_were(model: Predictor, fitted: Fitted) -> None:
    assert model.schema.reads == fitted.data.schema.reads
    assert [read.size for read in model.schema.reads.values() if read.kind == "image"] == [mixed.SIZE]
    assert {read.separator for read in model.schema.reads.values() if read.kind == "set"} == {", "}


def test_rows_that_training_dropped_are_told_by_path_in_a_csv(folder: Path, tmp_path: Path) -> None:
    rows = ROWS[:20]
    path = mixed.csv(tmp_path / "rows.csv", rows)
    (tmp_path / "photos" / f"{rows[3]['id']}.png").write_bytes(b"no image")
    out = tmp_path / "out.parquet"
    arguments = ["--model", str(folder), "--input", str(path), "--output", str(out), "--no-progress"]
    with pytest.raises(ValueError, match=r'broken_image: column "photo".*1 of 20 rows, line 5'):
        predict(arguments)
    assert predict([*arguments, "--on-bad", "skip"]) == 0
    assert len(pq.read_table(out)) == 19
    skipped = pq.read_table(tmp_path / "out.skipped.parquet")
    assert skipped["reason"].to_pylist() == ["photo: broken_image"]
    assert skipped["line"].to_pylist() == [5]
    assert isinstance(skipped["title"].type, pa.DataType)
