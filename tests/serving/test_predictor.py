"""The library call: any kind of rows, as many answers as rows, and files that are what they were."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import torch

import mlp_torch
from mlp_torch import files
from mlp_torch.errors import DataError, ModelError
from mlp_torch.serving import predictor as calls
from mlp_torch.serving.predictor import Predictor


def some(n: int) -> list[dict[str, object]]:
    """Rows as a caller of the folder's small model has them."""
    return [
        {
            "distance": None if i % 9 == 7 else 100.0 + 31 * i,
            "hour": i % 24,
            "origin": ("JFK", "LGA", "EWR")[i % 3],
            "carrier": ("UA", "日本")[i % 2],
        }
        for i in range(n)
    ]


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """The model's folder, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


def test_one_row_and_many_as_dicts_frame_and_arrow_get_the_same_values(predictor):
    given = some(40)
    listed = predictor.predict(given)
    frame = predictor.predict(pd.DataFrame(given, index=range(100, 140)))
    table = predictor.predict(pa.Table.from_pylist(given))
    batch = predictor.predict(pa.RecordBatch.from_pylist(given))
    assert table.to_pylist() == listed
    assert batch.to_pylist() == listed
    assert frame.to_dict("records") == listed
    assert list(frame.index) == list(range(100, 140))
    assert [predictor.predict(row) for row in given] == listed
    assert predictor.predict(tuple(given)) == listed
    assert len({row["probability"] for row in listed}) > 10


def test_an_answer_names_the_class_of_its_index(predictor):
    for row in predictor.predict(some(40)):
        assert row["label"] == ["on_time", "late"][row["class"]]
        assert row["class"] == int(row["probability"] >= 0.5)


def test_columns_in_another_order_and_ignored_ones_change_nothing(predictor):
    row = some(1)[0]
    other = {"more": "x", **dict(reversed(row.items()))}
    assert predictor.predict(other) == predictor.predict(row)
    assert predictor.answer([other]).warnings == ["columns that the model does not read: more"]
    assert predictor.answer([row]).warnings == []


@pytest.mark.parametrize("rows", [[], pa.table({"distance": pa.array([], pa.float64())}), pd.DataFrame({"hour": []})])
def test_no_rows_give_no_answers_under_the_same_names(predictor, rows):
    answer = predictor.answer(rows)
    assert answer.columns == {"probability": [], "class": [], "label": []}
    assert answer.rows() == []
    assert len(predictor.predict(rows)) == 0


@pytest.mark.parametrize("none", [[], ()])
def test_no_rows_in_a_list_give_an_empty_list(predictor, none):
    assert predictor.predict(none) == []


def test_no_rows_in_a_frame_or_a_table_give_the_columns_and_types_of_some(predictor):
    frame, table = pd.DataFrame(some(3), index=["a", "b", "c"]), pa.Table.from_pylist(some(3))
    found, whole = predictor.predict(frame.iloc[:0]), predictor.predict(frame)
    assert len(found) == 0
    assert (list(found.columns), found.index.dtype) == (list(whole.columns), frame.index.dtype)
    for batch in (table.slice(0, 0), table.slice(0, 0).combine_chunks().to_batches(), pa.table({})):
        rows = pa.RecordBatch.from_pylist([], table.schema) if isinstance(batch, list) else batch
        assert predictor.predict(rows).schema == predictor.predict(table).schema
        assert len(predictor.predict(rows)) == 0


@pytest.mark.parametrize("rows", [(row for row in some(2)), iter(some(2)), "JFK", 5, None, {1, 2}, [1], [some(1)]])
def test_what_holds_no_rows_is_refused_by_name(predictor, rows):
    with pytest.raises(DataError, match=r"not_rows: .*(generator|list_iterator|str|int|NoneType|set|list)"):
        predictor.predict(rows)


def test_a_frames_index_is_kept_whatever_it_is(predictor):
    frame = pd.DataFrame(some(4))
    for index in (pd.Index(["b", "a", "b", "c"]), pd.MultiIndex.from_product([[1, 2], ["x", "y"]], names=["n", None])):
        found = predictor.predict(frame.set_axis(index))
        pd.testing.assert_index_equal(found.index, index)
        assert found["probability"].tolist() == [row["probability"] for row in predictor.predict(some(4))]


@pytest.mark.parametrize("form", [list, pd.DataFrame, pa.Table.from_pylist, pa.RecordBatch.from_pylist])
def test_row_23_a_cell_of_a_megabyte_is_refused_in_every_form_of_rows(predictor, form):
    given = some(3)
    given[1]["origin"] = "é" * 500_000
    with pytest.raises(
        DataError, match=r'cell_too_large: column "origin".*65,536 bytes.*1,000,000; 1 of 3 rows, row 1'
    ):
        predictor.predict(form(given))
    with pytest.raises(DataError, match="cell_too_large"):
        predictor.predict(given[1])
    given[1]["origin"] = "é" * 32_768
    assert len(predictor.predict(form(given))) == 3


def test_threads_get_the_answers_that_one_alone_gets(folder, predictor):
    def form(thread, call):
        given = some(240)[thread * 25 + call :][:20]
        given[::4] = [{**row, "origin": f"{thread} {call} {i}"} for i, row in enumerate(given[::4])]  # never seen
        return (given[1], given, pa.Table.from_pylist(given), pd.DataFrame(given))[(thread + call) % 4]

    def answers(thread):
        return [pickle.dumps(fresh.predict(form(thread, call))) for call in range(25)]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="on this machine a row's last bits", category=RuntimeWarning)
        fresh = Predictor(folder)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(answers, range(8)))
    alone = [[pickle.dumps(predictor.predict(form(thread, call))) for call in range(25)] for thread in range(8)]
    assert found == alone
    assert len({answer for thread in found for answer in thread}) > 150


def test_a_row_that_training_drops_is_refused_and_never_left_out(predictor):
    given = some(3)
    given[1]["carrier"] = None
    with pytest.raises(DataError, match=r'missing_value: column "carrier".*1 of 3 rows, row 1'):
        predictor.predict(given)
    assert len(predictor.predict([given[0], given[2]])) == 2


def test_the_policy_of_training_stays_in_the_file_and_the_served_one_refuses(folder, predictor):
    stored = {field["name"]: field for field in json.loads((folder / "schema.json").read_text())["fields"]}
    assert stored["carrier"]["missing"] == "drop"
    assert predictor.schema.fields["carrier"].missing == "error"
    assert predictor.schema.fields["distance"].missing == "keep"


def test_invalid_values_that_training_drops_are_refused_too(folder, predictor):
    schema = predictor.schema
    dropping = calls.replace(schema.fields["hour"], invalid="drop", max=24.0)
    kept = calls.replace(schema.fields["distance"], invalid="missing")
    served = calls.served(calls.replace(schema, fields={**schema.fields, "hour": dropping, "distance": kept}))
    assert served.fields["hour"].invalid == "error"
    assert served.fields["distance"].invalid == "missing"


def test_an_unseen_category_is_answered_and_told(predictor):
    given = some(2)
    given[1]["origin"] = "XXX"
    answer = predictor.answer(given)
    assert len(answer.rows()) == 2
    assert "origin: 1 row with a category that training never showed" in answer.warnings
    assert not any("never showed" in text for text in predictor.answer(some(2)).warnings)


def test_more_rows_than_one_share_give_the_same_bits(predictor, monkeypatch):
    whole = predictor.predict(some(100))
    monkeypatch.setattr(calls, "ROWS", 32)
    assert predictor.predict(some(100)) == whole


def test_a_missing_file_is_named(copied):
    for name in ("model.pt", "schema.json", "target.pt", "manifest.json"):
        moved = (copied / name).rename(copied / "away")
        with pytest.raises(ModelError, match=f"{name} is missing"):
            Predictor(copied)
        moved.rename(copied / name)
    Predictor(copied)


@pytest.mark.parametrize("name", ["model.pt", "schema.json", "target.pt"])
def test_a_damaged_file_is_named(copied, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is damaged"):
        Predictor(copied)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 1}', '{"format": 1, "name": "a", "version": "b"}'])
def test_a_manifest_that_is_none_is_refused_by_name(copied, content):
    (copied / "manifest.json").write_text(content)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        Predictor(copied)


def test_a_file_of_another_format_is_refused_with_the_remedy(copied):
    path = copied / "schema.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["sha256"]["schema.json"] = files.sha256(path)
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"schema\.json must have format 1, however: format=2; install"):
        Predictor(copied)
    (copied / "manifest.json").write_text(json.dumps({**manifest, "format": 0}))
    with pytest.raises(ModelError, match=r"manifest\.json must have format 1, however: format=0"):
        Predictor(copied)


def test_files_beside_the_models_own_are_ignored(copied):
    (copied / "notes.txt").write_text("mine")
    assert Predictor(copied).predict(some(1)) == Predictor(copied).predict(some(1))


def test_what_is_no_folder_is_refused(folder):
    for wrong in (folder / "model.pt", folder / "nothing"):
        with pytest.raises(ModelError, match="a model must be a folder"):
            mlp_torch.load(wrong)


def test_a_machine_whose_bits_depend_on_the_batch_is_told_so(folder, monkeypatch):
    scored = Predictor.scored

    def uneven(self, *given):
        found = scored(self, *given)
        rows = len(found["probability"])
        return {**found, "probability": found["probability"] + (1e-6 if rows > 1 else 0)}

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        monkeypatch.setattr(Predictor, "scored", uneven)
        with pytest.raises(RuntimeWarning, match="a row's last bits depend on the rows beside it"):
            Predictor(folder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: run on a machine with CUDA")
def test_a_model_answers_from_a_gpu(folder, predictor):
    there = mlp_torch.load(folder, device="cuda").predict(some(20))
    assert [row["class"] for row in there] == [row["class"] for row in predictor.predict(some(20))]


def test_load_and_predict_need_no_training_library(folder, predictor, tmp_path):
    row = some(1)[0]
    script = f"""
import sys, warnings
warnings.simplefilter("ignore")
class Absent:
    def find_spec(self, name, path=None, target=None):
        parts = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "pandas", "sklearn", "torchmetrics",
                 "matplotlib", "tensorboard", "lightgbm", "starlette")
        if name.split(".")[0] in parts:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import mlp_torch
print("torch" in sys.modules)
print(mlp_torch.load({str(folder)!r}).predict({row!r}))
print(sorted(name for name in sys.modules if name.startswith("mlp_torch.") and name.count(".") == 1))
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    light, answer, modules = ran.stdout.splitlines()
    assert light == "False"
    assert answer == str(predictor.predict(row))
    assert modules == "['mlp_torch.errors', 'mlp_torch.files', 'mlp_torch.ingest', 'mlp_torch.serving']"


def test_dicts_are_answered_without_importing_what_only_others_need(folder, tmp_path):
    row = some(1)[0]
    script = f"""
import sys, warnings
warnings.simplefilter("ignore")
import mlp_torch
predictor = mlp_torch.load({str(folder)!r})
predictor.predict({row!r})
predictor.answer([{row!r}, {{**{row!r}, "origin": "a word never seen"}}])
print(*sorted({{".".join(name.split(".")[:depth]) for name in sys.modules for depth in (1, 2)}}))
"""
    never = {
        "lightning",
        "pytorch_lightning",
        "torchmetrics",
        "hydra",
        "omegaconf",
        "yaml",
        "pandas",
        "sklearn",
        "scipy",
    }
    never |= {
        "matplotlib",
        "tensorboard",
        "lightgbm",
        "starlette",
        "uvicorn",
        "orjson",
        "pyarrow.csv",
        "pyarrow.parquet",
    }
    never |= {"torch._dynamo", "torch._inductor", "mlp_torch.training", "mlp_torch.column", "mlp_torch.model"}
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert never & set(ran.stdout.split()) == set()
    assert {"torch", "pyarrow", "mlp_torch.serving"} <= set(ran.stdout.split())
