"""model.onnx and model.pt2 answer as the trained model, in processes that know nothing of this package."""

import copy
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import farmhash
import numpy as np
import pytest
import torch
from serving.conftest import build
from serving.test_export import HEADS, rows, trained

from mlp_torch import files
from mlp_torch.errors import ModelError
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.reads import Inputs
from mlp_torch.serving import portable
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task

ALL = ["torchscript", "onnx", "pt2"]


def shipped(data: Data, task: Task, folder: Path, formats: list[str] = ALL) -> Path:
    """The folder of a model."""
    serving = ServingFunction(data.schema, data.transform, task.model, name="tiny")
    train = data.tables["train"]
    constant = (task.model.constant(train.y, train.weight), task.model.head)
    return export(
        serving, folder, target=data.target, constant=constant, metrics={}, data=data.fingerprint, formats=formats
    )


@pytest.fixture(scope="module", params=list(HEADS))
def made(request, tmp_path_factory):
    data, task = trained(request.param)
    return data, task, shipped(data, task, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    data, task = trained("binary")
    return data, task, shipped(data, task, tmp_path_factory.mktemp("run") / "model")


def inputs_of(data: Data, records: list[dict[str, object]]) -> Inputs:
    return to_inputs(data.schema.check(table_of(records)), data.schema.reads.values())


def by_onnx(folder: Path, inputs: Inputs) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {key: x.numpy() for key, x in inputs.items()}), strict=True))


def by_pt2(folder: Path, inputs: Inputs) -> dict[str, np.ndarray]:
    return {name: x.numpy() for name, x in torch.export.load(folder / "model.pt2").module()(inputs).items()}


@pytest.mark.parametrize("answer", [by_onnx, by_pt2])
def test_a_file_answers_as_model_pt_for_any_number_of_rows(made, answer):
    data, _, folder = made
    model, fifty = Predictor(folder).module, inputs_of(data, rows(50))
    for count in (1, 2, 31, 50, 0):
        inputs = {key: x[:count].clone() for key, x in fifty.items()}
        wanted, found = model.predict(inputs), answer(folder, inputs)
        assert list(found) == list(wanted)
        for name, x in wanted.items():
            assert found[name].dtype == x.numpy().dtype
            assert found[name].shape == x.shape
            # a quantile near 0 is a difference of larger numbers: to a millionth of those, as the export has it
            atol = 1e-6 * max([1.0, *x.abs().flatten().tolist()])
            np.testing.assert_allclose(found[name], x.numpy(), rtol=1e-5, atol=atol)


def test_the_order_of_inputs_does_not_matter(binary):
    data, _, folder = binary
    inputs = inputs_of(data, rows(9))
    back = dict(reversed(inputs.items()))
    for answer in (by_onnx, by_pt2):
        assert np.array_equal(answer(folder, back)["probability"], answer(folder, inputs)["probability"])


def test_the_manifest_vouches_for_each_file(binary):
    _, _, folder = binary
    sums = json.loads((folder / "manifest.json").read_text())["sha256"]
    assert {"model.pt", "model.onnx", "model.pt2"} < set(sums)
    assert all(files.sha256(folder / name) == known for name, known in sums.items())


def contents(path: Path) -> bytes:
    """A file, or all that an archive holds."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_no_graph_ships_the_words_that_training_rows_held(binary):
    data, _, folder = binary
    column = next(column for column in data.transform.named_columns().values() if len(column.meanings()) > 2)
    word = max(column.meanings()[2:], key=len)
    assert len(word) >= 4
    assert any(json.dumps(word)[1:-1].encode() in bytes(x.tolist()) for x in column.buffers() if x.dtype == torch.uint8)
    for file in ("model.pt", "model.onnx", "model.pt2"):
        for form in (word, json.dumps(word)[1:-1]):
            assert form.encode() not in contents(folder / file), file


def test_a_damaged_file_is_found_when_the_model_is_loaded(binary, tmp_path):
    data, task, _ = binary
    folder = shipped(data, task, tmp_path / "model", ["torchscript", "pt2"])
    (folder / "model.pt2").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"model\.pt2 is damaged"):
        Predictor(folder)


def test_a_format_that_is_not_asked_for_is_not_there_and_an_older_file_of_it_goes(binary, tmp_path):
    data, task, _ = binary
    (tmp_path / "model.onnx").write_bytes(b"an older model")
    shipped(data, task, tmp_path, ["torchscript", "pt2"])
    assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "model.pt2").exists()
    shipped(data, task, tmp_path, ["torchscript"])
    assert not (tmp_path / "model.pt2").exists()
    assert set(Predictor(tmp_path).manifest["sha256"]) == {"model.pt", "schema.json", "target.pt"}


class Tampered(portable.Portable):
    """A graph that is not what was trained."""

    what = ""

    def __init__(self, scoring, *, codes):
        super().__init__(scoring, codes=codes)
        if self.what == "weight":
            self.model.head.output.bias.data += 1e-3
        else:  # a missing time gets the code of 23:00
            self.encode.columns["hour"].size -= 1


@pytest.mark.parametrize("name", ["onnx", "pt2"])
@pytest.mark.parametrize(
    ("what", "however"), [("weight", "prediction 'probability' of"), ("code", "column 'hour' of 24 rows differs")]
)
def test_a_file_that_disagrees_is_not_handed_out(binary, tmp_path, monkeypatch, name, what, however):
    data, task, _ = binary
    monkeypatch.setattr(Tampered, "what", what)
    monkeypatch.setattr(portable, "Portable", Tampered)
    file = f"model\\.{name}"
    with pytest.raises(
        ModelError, match=f"{file} must answer as the trained model, however: {however}.*leave {name} out"
    ):
        shipped(data, task, tmp_path, ["torchscript", name])
    with pytest.raises(ModelError, match=r"manifest\.json is missing"):
        Predictor(tmp_path)


def test_a_file_that_was_written_otherwise_than_it_was_made_is_not_handed_out(binary, tmp_path, monkeypatch):
    data, task, _ = binary
    other = copy.deepcopy(task)
    other.model.head.output.bias.data += 1e-3
    folder = shipped(data, other, tmp_path / "other")

    def replaced(path, save):
        path.write_bytes((folder / path.name).read_bytes())

    scoring = ServingFunction(data.schema, data.transform, task.model, name="tiny").eval().scoring
    monkeypatch.setattr(files, "write", replaced)
    for name in ("onnx", "pt2"):
        with pytest.raises(ModelError, match="however: prediction 'probability' of"):
            portable.write(scoring, tmp_path, schema=data.schema, classes={}, formats=[name])


def test_a_model_that_torch_export_refuses_is_told_with_the_way_out(binary, tmp_path, monkeypatch):
    data, task, _ = binary
    monkeypatch.setattr(portable.Portable, "forward", lambda self, inputs: {"x": torch.ones(int(inputs["age"].sum()))})
    with pytest.raises(
        ModelError, match=r"model\.pt2 needs a model that torch\.export takes, however: .*leave pt2 out"
    ):
        shipped(data, task, tmp_path, ["torchscript", "pt2"])


def test_next_to_zero_a_prediction_may_differ_by_a_millionth_of_the_largest():
    wanted = torch.tensor([100.0, 0.0])
    assert portable.alike(torch.tensor([100.0009, 9e-5]), wanted)
    assert not portable.alike(torch.tensor([100.0012, 0.0]), wanted)
    assert not portable.alike(torch.tensor([100.0, 2e-4]), wanted)
    assert not portable.alike(wanted.double(), wanted)
    assert not portable.alike(wanted[:1], wanted)
    assert portable.alike(torch.zeros(0), torch.zeros(0))
    assert not portable.alike(torch.tensor([3, 4]), torch.tensor([3, 5]))


def test_the_files_tell_the_names_of_classes(binary):
    import onnxruntime

    _, _, folder = binary
    told = onnxruntime.InferenceSession(folder / "model.onnx").get_modelmeta().custom_metadata_map["classes.json"]
    extra = {"classes.json": ""}
    torch.export.load(folder / "model.pt2", extra_files=extra)
    assert json.loads(told) == json.loads(extra["classes.json"]) == {"class": ["on time", "late"]}


HOST = """
import json, sys
import numpy as np
{imports}
folder, cells = sys.argv[1], json.loads(sys.argv[2])
inputs = {{key: np.array(x, np.float64 if key in ("age", "size", "at:time") else np.int64) for key, x in cells.items()}}
{answer}
assert not any(name.startswith(("mlp_torch", "lightning"{never})) for name in sys.modules)
print(json.dumps(found.tolist()))
"""
HOSTS = {
    "onnx": HOST.format(
        imports="import onnxruntime",
        answer="found = onnxruntime.InferenceSession(folder + '/model.onnx').run(['probability'], inputs)[0]",
        never=', "torch"',
    ),
    "pt2": HOST.format(
        imports="import torch",
        answer="graph = torch.export.load(folder + '/model.pt2').module()\n"
        "found = graph({key: torch.from_numpy(x) for key, x in inputs.items()})['probability']",
        never="",
    ),
}


def fingerprint(word: str | None) -> int:
    """As any FarmHash library gives it, signed; 0 = missing."""
    return 0 if word is None else int(np.uint64(farmhash.fingerprint64(word)).astype(np.int64))


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_without_this_package_answers_from_fingerprints_of_another_library(binary, name, tmp_path):
    _, _, folder = binary
    records = rows(8)
    cells = {f"{field}:string": [fingerprint(row[field]) for row in records] for field in ("city", "tail")}
    cells |= {
        field: [float("nan") if row[field] is None else row[field] for row in records] for field in ("age", "size")
    }
    times = [row["at"] for row in records]
    cells["at:time"] = [float("nan") if at is None else float(np.datetime64(at, "s").astype(int)) for at in times]
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", HOSTS[name], str(folder), json.dumps(cells)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        json.loads(done.stdout), Predictor(folder).answer(records).columns["probability"], rtol=1e-5
    )


def test_the_documentation_s_blocks_run_and_answer_as_the_library_does(tmp_path, monkeypatch, capsys):
    folder = build(tmp_path / "model", formats=ALL)
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    onnx, pt2 = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    named: dict[str, object] = {}
    exec(onnx, named)
    records = [{name: None if x != x else x for name, x in row.items()} for row in named["rows"]]
    wanted = Predictor(folder).answer(records).columns
    np.testing.assert_allclose(named["found"]["probability"], wanted["probability"], rtol=1e-5)
    assert capsys.readouterr().out.strip().endswith(str(wanted["label"]))
    exec(pt2, named)
    np.testing.assert_allclose(named["found"]["probability"].numpy(), wanted["probability"], rtol=1e-5)
