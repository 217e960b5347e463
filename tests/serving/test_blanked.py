"""Cells that a lenient policy reads as missing: told by every way of asking, and loudly where training saw few."""

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

from mlp_torch.__main__ import main
from mlp_torch.errors import how_many
from mlp_torch.ingest.source import Frame
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.server import build_app

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

ROWS = 1200
LENIENT = {"at": {"invalid": "missing"}, "age": {"na_values": ["-999"]}}


def table(rows: int, unreadable: int) -> pa.Table:
    """The tiny table with text for times, which the first rows hold in another form."""
    whole = tiny.table(rows)
    times = [f"{at:%d.%m.%y}" if i < unreadable else at.isoformat() for i, at in enumerate(whole["at"].to_pylist())]
    return whole.set_column(whole.column_names.index("at"), "at", pa.array(times))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on rows of which 1 in 1,200 has a time that cannot be read."""
    data = tiny.unprepared(fields=LENIENT)
    data.source = Frame(table(ROWS, 1))
    return tiny.shipped(data.prepare(), tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return tiny.loaded(model)


def request_of(unreadable: int, rows: int = 200, **cells: Any) -> list[dict[str, Any]]:
    """Rows as a caller has them."""
    wanted = ("city", "tail", "at", "age", "size")
    return [{name: row[name] for name in wanted} | cells for row in table(rows, unreadable).to_pylist()]


def changes(told: list[str]) -> list[str]:
    """What is told of cells that were read as something else."""
    return [sentence for sentence in told if sentence.startswith("changed: ")]


def test_the_share_of_training_is_kept_with_the_model(model, predictor):
    kept = {field["name"]: field["blanked"] for field in json.loads((model / "schema.json").read_text())["fields"]}
    assert kept == {"city": 0, "tail": 0, "age": 0, "size": 0, "at": 1 / ROWS}
    assert predictor.schema.fields["at"].blanked == 1 / ROWS


def test_an_answer_and_the_server_tell_of_cells_that_were_read_as_something_else(predictor):
    told = ['changed: column "at": not_a_time read as missing in 200 of 200 rows']
    assert changes(predictor.answer(request_of(200)).warnings) == told
    with TestClient(build_app(predictor)) as client:
        content = json.dumps({"instances": request_of(200)})
        sent = client.post("/v1/models/tiny:predict", content=content, headers={"Content-Type": "application/json"})
    assert (sent.status_code, changes(sent.json()["warnings"])) == (200, told)
    assert changes(predictor.answer(request_of(0, 3, age="-999")).warnings) == [
        'changed: column "age": na_values read as missing in 3 of 3 rows'
    ]
    assert changes(predictor.answer(request_of(0)).warnings) == []


@pytest.mark.parametrize("form", [list, pd.DataFrame, pa.Table.from_pylist])
def test_the_library_call_warns_once_of_all_cells_that_could_not_be_read(form, predictor):
    with pytest.warns(UserWarning, match=r'column "at": not_a_time read as missing in 9 of 20 rows') as caught:
        predictor.predict(form(request_of(9, 20)))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    predictor.predict(form(request_of(0, 20, age="-999")))  # as declared: no warning, which would be an error here
    with pytest.warns(UserWarning, match="in 1 of 1 rows"):
        predictor.predict(request_of(1, 1)[0])


@pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
@pytest.mark.parametrize(("unreadable", "loud"), [(1, False), (9, True)])  # of 200, and 1 in 1,200 in training
def test_predict_and_validate_are_loud_where_far_more_cells_than_in_training_are_blanked(
    unreadable, loud, model, tmp_path, capsys
):
    pq.write_table(table(200, unreadable), tmp_path / "rows.parquet")
    source = str(tmp_path / "rows.parquet")
    text = f'WARNING: column "at": {unreadable} of 200 cells were read as missing, in training 0.08% of them'
    assert main(["validate", source, "--model", str(model), "--json", str(tmp_path / "found.json")]) == 0
    said = capsys.readouterr().out
    assert (text in said) == loud
    assert said.endswith("\n\nno problems, but a WARNING\n" if loud else "\n\nno problems\n")
    assert json.loads((tmp_path / "found.json").read_text())["warnings"] == [text] * loud
    assert main(["predict", "--model", str(model), "--input", source, "--output", str(tmp_path / "out.parquet")]) == 0
    said = capsys.readouterr().out
    assert f"changed {how_many(unreadable, 'cell')}: at: not_a_time read as missing" in said
    assert (text in said) == loud
