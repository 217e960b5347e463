"""What is exported is what was trained: bit for bit, alone and in any batch, in a process that has only torch."""

import copy
import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow.compute as pc
import pytest
import tiny
import torch

from mlp_torch import files
from mlp_torch.backbone.mlp import MLP
from mlp_torch.errors import DataError, ModelError
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.source import Frame
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.neutral import Neutral
from mlp_torch.problem.ordinal import Ordinal
from mlp_torch.problem.quantiles import Quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.undecided import Band
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.serving import export as exporting
from mlp_torch.serving.export import Scoring, ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.probes import probes, raw_arguments
from mlp_torch.target import Category, Number
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs

HEADS = {
    "binary": (Binary, lambda: Category("late", classes=["on time", "late"])),
    "multiclass": (Multiclass, lambda: Category("late", classes=["on time", "late"])),
    "ordinal": (Ordinal, lambda: Band("delay", 10, 60, classes=("10", "60", "100"))),
    "neutral": (Neutral, lambda: Band("delay", 10, 60)),
    "regression": (Regression, lambda: Number("delay")),
    "gaussian": (Gaussian, lambda: Number("delay")),
    "quantiles": (Quantiles, lambda: Number("delay")),
    "reframed": (Reframed, lambda: Number("delay")),
}


def trained(name: str) -> tuple[Data, Task]:
    """A model of one head after a few steps, so that no weight is at its start."""
    kind, target = HEADS[name]
    table = tiny.table(600)
    delay = pc.add(pc.multiply(table["size"], 10.0), pc.fill_null(table["age"], 0.0))
    data = tiny.unprepared(600)
    data.source, data.target = Frame(table.append_column("delay", delay)), target()
    two_alike = {"days": Scaled("at", kind="time"), "amount": Scaled("size")}  # which the graph stacks
    data.transform = Transform({**tiny.columns(), **two_alike})
    data.prepare()
    torch.manual_seed(0)
    encoder = Encoder(data.transform.named_columns())
    backbone = MLP(encoder.widths, hidden=[16, 8])
    head = kind(backbone.d_out, data.target)
    table = data.tables["train"]
    head.fit(table.y, table.weight)
    model = Single(encoder, backbone, head)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        model.loss(model(table.features), table).mean().backward()
        optimizer.step()
    return data, Task(data.transform, data.target, model)


def shipped(data: Data, task: Task, folder: Path) -> Path:
    """The folder of a model."""
    serving = ServingFunction(data.schema, data.transform, task.model, name="tiny")
    train = data.tables["train"]
    constant = (task.model.constant(train.y, train.weight), task.model.head)
    options = {"target": data.target, "constant": constant}
    return export(serving, folder, **options, metrics={"test/loss": 0.5}, data=data.fingerprint)


@pytest.fixture(scope="module", params=list(HEADS))
def made(request, tmp_path_factory):
    data, task = trained(request.param)
    return data, task, shipped(data, task, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    data, task = trained("binary")
    return data, task, shipped(data, task, tmp_path_factory.mktemp("run") / "model")


def rows(n: int) -> list[dict[str, object]]:
    """Rows of the table, with missing, unseen, empty and non-ASCII values among them."""
    found = tiny.table(n, seed=5).select(["city", "tail", "at", "age", "size"]).to_pylist()
    odd = [{"city": "naïve"}, {"city": ""}, {"city": None, "tail": None}, {"age": None, "size": None}, {"tail": "日本"}]
    for i, row in enumerate(found):
        row["at"] = row["at"].isoformat()
        row.update(odd[i] if i < len(odd) else {})
    found[5 % n]["at"] = None
    return found


def loaded(folder: Path) -> torch.jit.ScriptModule:
    return torch.jit.load(str(folder / "model.pt"))


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a)


def test_the_graph_answers_as_the_task_does_bit_for_bit(made):
    data, task, folder = made
    some = rows(200)
    inputs = to_inputs(data.schema.check(table_of(some)), data.schema.reads.values())
    features = data.transform(inputs)
    table = select(data.tables["train"], slice(0, 200))._replace(features=features)
    with torch.inference_mode():
        expected = task.model.predict(outputs(task, table))
        found = loaded(folder)(*raw_arguments(some, data.schema))
    assert same(found, expected)
    assert not any(value.isnan().any() for value in found.values())
    assert same(loaded(folder).predict(inputs), expected)


def test_a_weight_that_differs_by_one_bit_is_seen(binary):
    data, task, _ = binary
    other = copy.deepcopy(task)
    bias = other.model.head.output.bias
    bias.data = torch.nextafter(bias.data, torch.full_like(bias.data, 9.0)) + 1e-6
    table = select(data.tables["train"], slice(0, 50))
    assert not same(other.model.predict(outputs(other, table)), task.model.predict(outputs(task, table)))


def test_a_row_has_the_same_bits_alone_and_in_a_batch_of_any_size(made):
    data, _, folder = made
    graph, some = loaded(folder), rows(1000)
    inputs = to_inputs(data.schema.check(table_of(some)), data.schema.reads.values())
    whole = graph.predict(inputs)
    for size in [*range(1, 71), 999]:
        start = (37 * size) % (1000 - size)
        part = graph.predict({key: x[start : start + size] for key, x in inputs.items()})
        assert same(part, {name: value[start : start + size] for name, value in whole.items()}), size


def test_no_rows_give_no_predictions(made):
    data, _, folder = made
    graph = loaded(folder)
    tensors, strings = raw_arguments(rows(6), data.schema)
    found = graph({name: x[:0] for name, x in tensors.items()}, {name: [] for name in strings})
    one = graph({name: x[:1] for name, x in tensors.items()}, {name: x[:1] for name, x in strings.items()})
    assert {name: (0, *value.shape[1:]) for name, value in one.items()} == {n: tuple(v.shape) for n, v in found.items()}
    assert all(len(words) == 0 for words in graph.readable(found).values())


def test_vectors_and_read_out_are_the_halves_of_predict_and_gradients_flow(made):
    data, _, folder = made
    graph = loaded(folder)
    inputs = to_inputs(data.schema.check(table_of(rows(32))), data.schema.reads.values())
    vectors = graph.vectors(inputs).detach().requires_grad_(True)
    assert vectors.shape == (32, sum(column.dim for column in data.transform.named_columns().values()))
    read = graph.read_out(vectors)
    assert same({n: v.detach() for n, v in read.items()}, graph.predict(inputs))
    first = next(value for value in read.values() if value.is_floating_point())
    first.double().sum().backward()
    assert vectors.grad is not None
    assert float(vectors.grad.abs().sum()) > 0


def test_judge_predicts_and_marks_the_rows_of_a_column_that_training_never_showed(binary):
    data, _, folder = binary
    inputs = to_inputs(data.schema.check(table_of(rows(6))), data.schema.reads.values())
    predictions, unseen = loaded(folder).judge(inputs)
    assert same(predictions, loaded(folder).predict(inputs))
    assert unseen["city"].tolist() == [True, False, False, False, False, False]


def test_a_process_with_torch_alone_takes_raw_values(binary, tmp_path):
    data, _, folder = binary
    tensors, strings = raw_arguments(rows(7), data.schema)
    numbers = {name: x.tolist() for name, x in tensors.items()}
    script = f"""
import sys
class Torch:  # nothing else of ours or of data frames
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mlp_torch", "pyarrow", "pandas", "lightning", "numpy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Torch())
import warnings
warnings.simplefilter("ignore")
import torch
nan = float("nan")
graph = torch.jit.load({str(folder / "model.pt")!r})
tensors = {{k: torch.tensor(v, dtype=torch.float64) for k, v in {numbers!r}.items()}}
found = graph(tensors, {strings!r})
print([x.hex() for x in found["probability"].double().tolist()])
print(graph.readable(found), graph.names, graph.name)
inputs = graph.read_out(torch.zeros(2, {sum(c.dim for c in data.transform.named_columns().values())}))
print(sorted(inputs), "mlp_torch" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    expected = loaded(folder)(tensors, strings)
    lines = ran.stdout.splitlines()
    assert lines[0] == str([x.hex() for x in expected["probability"].double().tolist()])
    words = [["on time", "late"][i] for i in expected["class"].tolist()]
    assert lines[1] == f"{{'class': {words}}} {{'class': ['on time', 'late']}} tiny"
    assert lines[2] == "['class', 'probability'] False"


def pinned(text: str) -> list[str]:
    """What in a graph's text is bound to one device: `map_location` moves tensors, but no device that is a constant.

    A factory without a device makes its tensor on the CPU.
    """
    constants = re.findall(r'(%\S+) : Device = prim::Constant\[value="\w+"', text)
    moving = set(re.findall(r"(%\S+) : Device = prim::device", text))
    makers = re.findall(r"aten::(?:zeros|ones|full|empty|arange|tensor|linspace|eye)\(.*?\)", text)
    return constants + [made for made in makers if not moving & set(re.findall(r"%[^\s,)]+", made))]


def test_nothing_in_the_graph_is_pinned_to_a_device(made):
    _, _, folder = made
    graph = loaded(folder)
    found = {
        name: pinned(str(getattr(graph, name).inlined_graph)) for name in ("predict", "judge", "vectors", "read_out")
    }
    assert found == {"predict": [], "judge": [], "vectors": [], "read_out": []}
    # text comes from the CPU's lists; a tensor that is made of it is moved to where a buffer is
    assert not [item for item in pinned(str(graph.forward.inlined_graph)) if item.startswith("%")]


@pytest.mark.parametrize(
    ("where", "expected"), [("device=self.here.device", 2), ("dtype=torch.float32", 1), ("device=x.device", 0)]
)
def test_a_tensor_that_is_made_on_one_device_would_be_found(where, expected, tmp_path):
    lines = [
        "import torch",
        "class Made(torch.nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.register_buffer('here', torch.zeros(3))",
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:",
        f"        return x + torch.zeros(x.shape[0], {where}) + self.here.sum()",
    ]
    (tmp_path / "made.py").write_text("\n".join(lines))
    spec = spec_from_file_location("made", tmp_path / "made.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    graph = torch.jit.freeze(exporting.script(module.Made()), optimize_numerics=False)
    assert len(pinned(str(graph.inlined_graph))) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: run on a machine with CUDA")
def test_the_graph_runs_on_a_gpu(made):
    _, _, folder = made
    there, here = Predictor(folder, device="cuda"), Predictor(folder)
    some = rows(50)
    for name, values in there.answer(some).columns.items():
        expected = here.answer(some).columns[name]
        if isinstance(values[0], str | int):
            assert values == expected
        else:
            assert torch.allclose(torch.tensor(values), torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_stacked_numbers_that_disagree_with_trainings_are_not_handed_out(binary, tmp_path):
    data, task, _ = binary
    serving = ServingFunction(data.schema, data.transform, task.model, name="tiny")
    serving.scoring.encode.stacks[0].scaled.steps[0].mean += 1e-3
    options = {"target": data.target, "constant": (torch.zeros(1), task.model.head)}
    with pytest.raises(ModelError, match="must equal the trained model, however: prediction 'probability' differs"):
        export(serving, tmp_path, **options, metrics={}, data=data.fingerprint)


def test_a_graph_that_disagrees_is_not_handed_out(binary, tmp_path, monkeypatch):
    data, task, _ = binary

    def tampered(module):
        other = copy.deepcopy(module)
        if isinstance(other, Scoring):
            other.model.head.output.bias.data += 1e-3
        return script(other)

    script = exporting.script
    monkeypatch.setattr(exporting, "script", tampered)
    with pytest.raises(ModelError, match="must equal the trained model, however: prediction 'probability' differs"):
        shipped(data, task, tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    monkeypatch.undo()
    shipped(data, task, tmp_path)


def test_a_model_that_answers_nan_is_not_handed_out(binary, tmp_path):
    data, task, _ = binary
    broken = copy.deepcopy(task)
    broken.model.head.output.weight.data[0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="predictions must be numbers, however: 'probability'"):
        shipped(data, broken, tmp_path)


def test_a_model_that_is_refused_leaves_no_older_one_behind(binary, tmp_path):
    data, task, _ = binary
    shipped(data, task, tmp_path)
    broken = copy.deepcopy(task)
    broken.model.head.output.bias.data += float("nan")
    with pytest.raises(ModelError):
        shipped(data, broken, tmp_path)
    with pytest.raises(ModelError, match=r"manifest\.json is missing"):
        Predictor(tmp_path)


def test_the_modules_are_left_as_they_were(binary, tmp_path):
    data, task, _ = binary
    before = copy.deepcopy(task.state_dict())
    task.train()
    shipped(data, task, tmp_path)
    assert all(torch.equal(x, before[key]) for key, x in task.state_dict().items() if isinstance(x, torch.Tensor))
    assert all(p.requires_grad for p in task.model.parameters())


def test_the_manifest_tells_where_the_model_comes_from(binary):
    data, _, folder = binary
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert set(manifest["sha256"]) == {"model.pt", "schema.json", "target.pt"}
    assert all(files.sha256(folder / name) == known for name, known in manifest["sha256"].items())
    assert manifest["version"] == manifest["sha256"]["model.pt"][:12]
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["metrics"] == {"test/loss": 0.5}
    assert manifest["data"] == data.fingerprint
    assert manifest["git"] is None or len(manifest["git"]) == 40


def test_the_scales_of_vectors_are_told_beside_the_graph(made):
    _, task, folder = made
    wanted = task.model.head.scales()
    assert json.loads((folder / "manifest.json").read_text())["scales"] == wanted
    assert Predictor(folder).scales == wanted
    if isinstance(task.model.head, Reframed):
        answer = Predictor(folder).predict(rows(2))[0]
        assert len(answer["densities"]) == len(wanted["edges"]) + 1


def test_packages_that_are_not_installed_have_no_version():
    assert exporting.version_of("no-such-package") is None
    assert exporting.version_of("torch") == torch.__version__


def test_every_file_says_its_format_and_loads_without_code(binary):
    _, _, folder = binary
    state = torch.load(folder / "target.pt", weights_only=True)
    assert state["format"] == 1
    assert set(state) == {"format", "target", "head", "constant", "constant_head"}
    assert json.loads((folder / "schema.json").read_text())["format"] == 1


def test_the_example_row_is_nobodys(binary):
    data, _, folder = binary
    example = json.loads((folder / "schema.json").read_text())["example"]
    table = [{**row, "at": row["at"].isoformat()} for row in tiny.table(600).to_pylist()]
    assert not any(all(row[name] == value for name, value in example.items()) for row in table)
    assert example["tail"] in {row["tail"] for row in table} | {"example"}
    assert data.schema.check(table_of([example])).counts["used"] == 1


def test_an_extra_file_in_the_folder_is_no_part_of_the_model(binary, tmp_path):
    data, task, _ = binary
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pictures").mkdir()
    shipped(data, task, tmp_path)
    (tmp_path / "notes.txt").unlink()
    assert "notes.txt" not in Predictor(tmp_path).manifest["sha256"]


def test_the_graph_refuses_what_the_schema_refuses(binary):
    data, _, folder = binary
    tensors, strings = raw_arguments(rows(6), data.schema)
    del tensors["age"]
    with pytest.raises(torch.jit.Error, match='field "age" must be given'):
        loaded(folder)(tensors, strings)
    with pytest.raises(DataError, match="missing_column"):
        data.schema.check(table_of([{"city": "Oslo"}]))


def test_the_probes_hold_what_the_example_does_not(binary):
    data, _, _ = binary
    found = probes(data.schema)
    assert len(found) % 16
    assert {row["city"] for row in found} >= {None, "", "日本", "naïve"}
