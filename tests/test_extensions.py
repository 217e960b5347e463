"""A column, a head and a backbone that the package has never heard of: trained, exported, loaded, asked."""

import math
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError

import mlp_torch
from mlp_torch.column import Column, Sample
from mlp_torch.head import Batch, Head
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.reads import Read
from mlp_torch.model import Encoder, Model, Single
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.run import quiet
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.target import Number, Target
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task


class Waves(Column):
    """A number as sines of learned frequencies: `encode` scales it, the layer learns.

    Args:
        field: the raw field.
        waves: how many frequencies.
    """

    top: Tensor

    def __init__(self, field: str, *, waves: int = 3):
        super().__init__({"x": Read(field)})
        self.key, self.waves, self.dim = self.reads["x"].key, waves, 2 * waves
        self.register_buffer("top", torch.ones((), dtype=torch.float64))

    def fit(self, sample: Sample) -> None:
        self.top = sample.inputs[self.key].nan_to_num().abs().max()

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return (inputs[self.key].nan_to_num() / self.top).clamp(-10.0, 10.0).float().unsqueeze(-1)  # (B, 1)

    def layer(self) -> nn.Module:
        return Periodic(self.waves)


class Periodic(nn.Module):
    def __init__(self, waves: int):
        super().__init__()
        self.frequency = nn.Parameter(torch.arange(1, waves + 1) * math.pi)

    def forward(self, x: Tensor) -> Tensor:
        angle = x * self.frequency  # (B, waves)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)  # (B, 2 · waves)


class Counts(Head):
    """A Poisson rate."""

    def __init__(self, d_in: int, target: Target, *, members: int = 1):
        super().__init__(d_in, target, 1, members=members)

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        nn.init.constant_(self.output.bias, float(self.constant(y, weight)))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return nn.functional.poisson_nll_loss(out[:, 0], batch.y.float(), reduction="none")

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        return {"rate": out[:, 0].exp()}

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        return ((y * weight).sum() / weight.sum()).log().float().unsqueeze(0)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"rate": y}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        return {"mae": ("rate", "rate", MeanAbsoluteError())}


class Residual(nn.Module):
    """A backbone: any module with `d_out`."""

    def __init__(self, widths: dict[str, int]):
        super().__init__()
        self.d_out = sum(widths.values())
        self.linear = nn.Linear(self.d_out, self.d_out)

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors + self.linear(vectors).relu()


def own() -> Data:
    """The tiny table with a column of one's own beside the package's, and a number to predict."""
    data = tiny.unprepared(400)
    columns = {name: column for name, column in tiny.columns().items() if name != "size"}
    data.transform, data.target = Transform({**columns, "waves": Waves("age", waves=2)}), Number("size")
    return data.prepare()


def model_of(data: Data) -> Single:
    torch.manual_seed(0)
    encoder = Encoder(data.transform.named_columns())
    backbone = Residual(encoder.widths)
    head = Counts(backbone.d_out, data.target)
    head.fit(data.tables["train"].y, data.tables["train"].weight)
    return Single(encoder, backbone, head)


def trained_one_step(data: Data) -> Task:
    task = Task(data.transform, data.target, model_of(data))
    tiny.trainer(max_steps=1, enable_checkpointing=False).fit(task, data)
    return task


def rows() -> list[dict[str, object]]:
    found = tiny.table(20, seed=3).select(["city", "tail", "at", "age"]).to_pylist()
    odd = [{"city": "日本"}, {"city": ""}, {"city": None, "age": None}, {"tail": "naïve"}, {"at": None}]
    for row, change in zip(found, odd, strict=False):
        row.update(change)
    return [{**row, "at": row["at"] and row["at"].isoformat()} for row in found]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Data, Task, Path]:
    quiet()
    data = own()
    task = trained_one_step(data)
    folder = export(
        ServingFunction(data.schema, data.transform, task.model, name="own"),
        tmp_path_factory.mktemp("own") / "model",
        target=data.target,
        constant=(task.model.constant(data.tables["train"].y, data.tables["train"].weight), task.model.head),
        metrics={},
        data=data.fingerprint,
    )
    return data, task, folder


def test_every_part_of_ones_own_learns_in_a_step(shipped: tuple[Data, Task, Path]) -> None:
    data, task, _ = shipped
    start, now = dict(model_of(data).named_parameters()), dict(task.model.named_parameters())
    for name in ("encoder.layers.waves.frequency", "backbone.linear.weight", "head.output.weight"):
        assert not torch.equal(now[name], start[name]), name


def test_what_is_loaded_answers_as_what_was_trained(shipped: tuple[Data, Task, Path]) -> None:
    data, task, folder = shipped
    predictor = mlp_torch.load(folder)
    assert isinstance(predictor, Predictor)
    answers = [row["rate"] for row in predictor.predict(rows())]
    assert len(answers) == 20
    assert all(rate > 0 for rate in answers)
    assert len(set(answers)) > 10
    assert predictor.predict(rows()[4])["rate"] == answers[4]
    inputs = predictor_inputs(data)
    eager = ServingFunction(data.schema, data.transform, task.model, name="own").eval().predict(inputs)
    assert eager["rate"].tolist() == answers
    untrained = ServingFunction(data.schema, data.transform, model_of(data), name="own").eval().predict(inputs)
    assert untrained["rate"].tolist() != answers


def predictor_inputs(data: Data) -> dict[str, Tensor]:
    """The same rows through ingestion."""
    return to_inputs(data.schema.check(table_of(rows())), data.schema.reads.values())


class Graph(nn.Module):
    """Inputs -> predictions, without the padding that makes TorchScript's answers bit-equal in any batch."""

    def __init__(self, transform: Transform, model: Model):
        super().__init__()
        self.transform, self.model = transform, model

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.model.predict(self.model(self.transform(inputs)))


def tiny_graph() -> tuple[Data, Graph]:
    data = tiny.data(400)
    torch.manual_seed(0)
    return data, Graph(data.transform, tiny.model(data))


def own_graph() -> tuple[Data, Graph]:
    data = own()
    return data, Graph(data.transform, model_of(data))


@pytest.mark.parametrize("build", [tiny_graph, own_graph])
def test_the_whole_graph_exports_for_any_number_of_rows(build) -> None:  # type: ignore[no-untyped-def]
    data, graph = build()
    graph.eval().requires_grad_(False)
    inputs = to_inputs(data.schema.check(data.source.read()), data.transform.reads)
    inputs["city:string"][:2] = torch.tensor([0, 12345])  # missing, unseen
    shapes = {key: {0: torch.export.Dim.DYNAMIC} for key in inputs}
    exported = torch.export.export(graph, (inputs,), dynamic_shapes=(shapes,)).module()
    for n in (400, 33, 1, 0):
        part = {key: x[:n] for key, x in inputs.items()}
        found, wanted = exported(part), graph(part)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert found[name].dtype == value.dtype
            if value.dtype == torch.int64:
                assert torch.equal(found[name], value), name
            else:
                assert torch.allclose(found[name], value, rtol=1e-6, atol=1e-6), name
    other = {**inputs, "city:string": inputs["city:string"].roll(1)}
    name = next(iter(wanted))
    assert not torch.allclose(exported(other)[name], graph(inputs)[name], rtol=1e-6, atol=1e-6)
