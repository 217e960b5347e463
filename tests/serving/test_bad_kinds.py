"""What the library call and the server make of bad cells of the kinds that hold several values.

Each cell's row in the list of bad inputs stands beside it.
"""

import base64
import json
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mixed
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch

from mlp_torch.__main__ import main
from mlp_torch.errors import DataError
from mlp_torch.ingest.kinds import image
from mlp_torch.ingest.kinds.image import EXAMPLE
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.server import build_app

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

GOOD = {
    "title": "a good film",
    "tags": ["Drama"],
    "bids": {"clicks": 1.5},
    "v": [0.5, 1.0, -1.0],
    "photo": base64.b64encode(EXAMPLE).decode(),
    "age": 40,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixed model, untrained: its answers depend on most fields."""
    policies = {"tags": {"missing": "error"}, "v": {"invalid": "missing"}, "bids": {"invalid": "drop"}}
    data = mixed.unprepared(300, fields=policies)
    data.source.rows = mixed.typed([row for row in mixed.rows(300) if row["tags"] is not None])
    data.prepare()
    torch.manual_seed(0)
    model = mixed.model(data)
    constant = (model.constant(data.tables["train"].y, data.tables["train"].weight), model.head)
    folder: Path = tmp_path_factory.mktemp("run") / "model"
    function = ServingFunction(data.schema, data.transform, model, name="mixed")
    export(function, folder, target=data.target, constant=constant, metrics={}, data=data.fingerprint)
    return folder


@pytest.fixture(scope="module")
def served(model: Path) -> Predictor:
    return tiny.loaded(model)


@pytest.fixture(scope="module")
def client(served: Predictor) -> Iterator[TestClient]:
    with TestClient(build_app(served)) as client:
        yield client


def post(client: TestClient, content: str) -> tuple[int, Any]:
    found = client.post("/v1/models/mixed:predict", content=content, headers={"Content-Type": "application/json"})
    return found.status_code, found.json()


def ask(client: TestClient, rows: list[dict[str, Any]]) -> tuple[int, Any]:
    return post(client, json.dumps({"instances": rows}))


BAD: list[tuple[int, str, Any, str]] = [
    (23, "title", "x" * 65_537, "cell_too_large"),
    (23, "tags", ["x" * 65_537], "cell_too_large"),
    (69, "title", ["a", "b"], "nested_value"),
    (69, "title", 5, "wrong_type"),
    (69, "tags", ["a", ["b"]], "nested_value"),
    (69, "tags", ["a", None], "null_member"),
    (69, "tags", {"a": 1}, "nested_value"),
    (72, "tags", None, "missing_value"),
    (69, "bids", {"a": {"b": 1}}, "nested_value"),
    (69, "bids", {"a": "x"}, "nested_value"),
    (12, "bids", {"a": None}, "not_a_map"),
    (21, "bids", dict.fromkeys("abcd", 1), "too_many_names"),
    (5, "bids", '{"a": 1, "a": 2}', "repeated_name"),
    (69, "v", [[1, 2, 3]], "nested_value"),
    (69, "v", [1, "2", 3], "nested_value"),
    (53, "photo", "/etc/passwd", "broken_image"),
    (53, "photo", "photos/a.png", "broken_image"),
    (53, "photo", "", "broken_image"),
    (53, "photo", base64.b64encode(b"no image").decode(), "broken_image"),
    (53, "photo", base64.b64encode(EXAMPLE[:40]).decode(), "broken_image"),
    (69, "photo", [1, 2], "nested_value"),
    (69, "photo", {"bytes": "a"}, "nested_value"),
]


@pytest.mark.parametrize(("number", "field", "value", "code"), BAD, ids=lambda value: repr(value)[:25])
def test_a_bad_cell_is_refused_by_code_column_rows_and_count(
    number: int, field: str, value: Any, code: str, served: Predictor, client: TestClient
) -> None:
    rows = [GOOD, {**GOOD, field: value}, GOOD, {**GOOD, field: value}]
    with pytest.raises(DataError) as caught:
        served.predict(rows)
    (problem,) = caught.value.problems
    found = (problem.code, problem.columns, problem.bad, problem.total, problem.rows)
    assert found == (code, (field,), 2, 4, (1, 3))
    assert "data." not in str(problem)  # no caller can set the training's policies
    assert len(str(problem)) < 1000
    status, content = ask(client, rows)
    assert (status, content["error"]) == (400, str(caught.value))
    assert content["problems"] == json.loads(json.dumps(caught.value.to_json()))
    assert ask(client, [GOOD])[0] == 200


IN_FILES: dict[str, list[tuple[str, Any, str]]] = {
    "parquet": [
        ("title", "x" * 65_537, "cell_too_large"),
        ("tags", ["x" * 65_537], "cell_too_large"),
        ("tags", ["a", None], "null_member"),
        ("tags", None, "missing_value"),
        ("bids", [("a", None)], "not_a_map"),
        ("bids", [(name, 1.0) for name in "abcd"], "too_many_names"),
        ("bids", [("a", 1.0), ("a", 2.0)], "repeated_name"),
        ("bids", [("a", math.nan)], "not_a_map"),
        ("photo", b"", "broken_image"),
        ("photo", b"no image", "broken_image"),
        ("photo", EXAMPLE[:40], "broken_image"),
    ],
    "csv": [
        ("title", "x" * 65_537, "cell_too_large"),
        ("tags", "", "missing_value"),
        ("bids", '{"a": null}', "not_a_map"),
        ("bids", '{"a": 1, "b": 1, "c": 1, "d": 1}', "too_many_names"),
        ("bids", '{"a": 1, "a": 2}', "repeated_name"),
        ("bids", "{", "not_a_map"),
        ("photo", "photos/none.png", "no_image_file"),
        ("photo", "photos/broken.png", "broken_image"),
        ("photo", "photos/huge.png", "huge_image"),
    ],
}


def file_of(kind: str, folder: Path) -> Path:
    """A good row before, between and after rows with a bad cell each."""
    good = {**GOOD, "photo": EXAMPLE, "bids": [("clicks", 1.5)]}
    if kind == "csv":
        (folder / "photos").mkdir()
        (folder / "photos" / "good.png").write_bytes(EXAMPLE)
        (folder / "photos" / "broken.png").write_bytes(EXAMPLE[:40])
        huge = EXAMPLE[:16] + (20_000).to_bytes(4, "big") * 2 + EXAMPLE[24:]  # width and height of a PNG
        (folder / "photos" / "huge.png").write_bytes(huge[:29] + zlib.crc32(huge[12:29]).to_bytes(4, "big") + huge[33:])
        told = {"tags": "Drama", "bids": '{"clicks": 1.5}', "v": "[0.5, 1.0, -1.0]", "photo": "photos/good.png"}
        good = {**GOOD, **told}
    rows = [good]
    for field, value, _ in IN_FILES[kind]:
        rows += [{**good, field: value}, good]
    path = folder / f"rows.{kind}"
    keyed = [{"id": i, **row} for i, row in enumerate(rows)]
    if kind == "csv":
        pd.DataFrame(keyed).to_csv(path, index=False)
    else:
        types = {"tags": pa.list_(pa.string()), "bids": pa.map_(pa.string(), pa.float64()), "photo": pa.binary()}
        columns = {name: pa.array([row[name] for row in keyed], types.get(name)) for name in keyed[0]}
        pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
@pytest.mark.parametrize("kind", IN_FILES)
def test_validate_tells_of_bad_cells_in_files_and_predict_passes_over_them(
    kind: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(kind, tmp_path)
    wanted: dict[tuple[str, str], list[int]] = {}
    for i, (field, _, code) in enumerate(IN_FILES[kind]):
        wanted.setdefault((code, field), []).append(2 * i + (3 if kind == "csv" else 1))  # a CSV's lines, from 1 on
    assert main(["validate", str(path), "--model", str(model), "--json", str(tmp_path / "told.json")]) == 2
    told = json.loads((tmp_path / "told.json").read_text())["problems"]
    assert {(problem["code"], *problem["columns"]): problem["rows"] for problem in told} == wanted
    command = ["predict", "--model", str(model), "--input", str(path), "--output", str(tmp_path / "scored.parquet")]
    capsys.readouterr()
    assert main([*command, "--key", "id"]) == 2
    printed = capsys.readouterr()
    assert all(f"\n{code}\n" in printed.out + printed.err for code, _ in wanted)
    assert not (tmp_path / "scored.parquet").exists()
    assert main([*command, "--key", "id", "--on-bad", "skip"]) == 0
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert [int(key) for key in scored["id"].to_pylist()] == list(range(0, 2 * len(IN_FILES[kind]) + 1, 2))
    assert len(set(scored["probability"].to_pylist())) == 1


def test_row_14_numbers_that_json_lacks_are_refused_in_lists_and_maps_too(client: TestClient) -> None:
    for field, cell in (("v", "[1, NaN, 2]"), ("v", "[1, 1e999, 2]"), ("bids", '{"a": Infinity}')):
        body = json.dumps({"instances": [{**GOOD, field: "HERE"}]}).replace('"HERE"', cell)
        status, content = post(client, body)
        assert (status, content["problems"][0]["code"]) == (400, "not_a_json_number")


def test_row_5_a_name_that_a_map_holds_twice_is_refused(client: TestClient) -> None:
    body = json.dumps({"instances": [{**GOOD, "bids": "HERE"}]}).replace('"HERE"', '{"a": 1, "a": 2}')
    status, content = post(client, body)
    assert (status, content["problems"][0]["code"]) == (400, "duplicate_key")


def test_row_28_lone_surrogates_are_refused_in_lists_and_names_too(served: Predictor, client: TestClient) -> None:
    for field, value in (("tags", ["a", "\ud800"]), ("title", "\udfff")):
        with pytest.raises(DataError, match=f'invalid_unicode: column "{field}"'):
            served.predict([{**GOOD, field: value}])
        status, content = ask(client, [{**GOOD, field: value}])
        assert (status, content["problems"][0]["code"]) == (400, "invalid_unicode")
    with pytest.raises(DataError, match='invalid_unicode: column "bids"'):
        served.predict([{**GOOD, "bids": {"\ud800": 1}}])
    status, content = ask(client, [{**GOOD, "bids": {"\ud800": 1}}])
    assert (status, content["problems"][0]["code"]) == (400, "invalid_unicode")


def test_row_63_what_is_nested_deeply_is_refused_and_the_server_lives(client: TestClient) -> None:
    for depth in (33, 1000, 50_000):
        for field, cell in (("v", "[" * depth + "]" * depth), ("bids", '{"a":' * depth + "1" + "}" * depth)):
            body = json.dumps({"instances": [{**GOOD, field: "HERE"}]}).replace('"HERE"', cell)
            assert post(client, body)[0] == 400
    assert ask(client, [GOOD])[0] == 200


def test_row_71_what_a_policy_takes_as_missing_is_answered_and_told(served: Predictor, client: TestClient) -> None:
    for wrong, code in (
        ([1.0, 2.0], "wrong_size"),
        ([1.0, 1e39, 2.0], "not_a_vector"),
        ("[1, null, 2]", "not_a_vector"),
    ):
        status, content = ask(client, [{**GOOD, "v": wrong}, GOOD])
        assert status == 200
        assert content["warnings"] == [f'changed: column "v": {code} read as missing in 1 of 2 rows']
        missing = ask(client, [{**GOOD, "v": None}, GOOD])[1]
        assert content["predictions"] == missing["predictions"]
    with pytest.warns(UserWarning, match="not_a_vector read as missing in 1 of 1 rows"):
        served.predict([{**GOOD, "v": [1.0, math.nan, 2.0]}])


def test_no_request_opens_a_file_whatever_lies_there(
    served: Predictor, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "file_bytes", lambda path: pytest.fail(f"opened {path}"))
    for path in ("a.png", str(tmp_path / "a.png"), f"../{tmp_path.name}/a.png", "file://a.png", os.sep):
        status, content = ask(client, [{**GOOD, "photo": path}])
        assert (status, content["problems"][0]["code"]) == (400, "broken_image")
        assert "base64" in content["error"]
    assert ask(client, [GOOD])[0] == 200


def test_the_longest_text_is_answered_as_its_first_words_are(served: Predictor) -> None:
    long = "good " * 13_107  # 65,535 bytes
    (answer,) = served.answer([{**GOOD, "title": long}]).rows()
    assert 0 <= answer["probability"] <= 1
    assert [text for text in served.answer([{**GOOD, "title": long}]).warnings if "more than 6 words" in text]
