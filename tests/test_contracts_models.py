"""What every Model that is made of models must hold, with every head. A new head joins by existing."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_contracts_heads import Given, Rows, equal, heads, rows, target_of
from torch import Tensor, nn

from mlp_torch.head import Head
from mlp_torch.model import Model, padded, predicted
from mlp_torch.parts import Parts
from mlp_torch.problem.cascade import Cascade
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.ensembles import Bootstrap, Ensemble
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.snapshots import Snapshots
from mlp_torch.problem.stacking import Stacked
from mlp_torch.reproducibility.transform import restore
from mlp_torch.script import script
from mlp_torch.training.distillation import Distilled

WIDTH = 32  # with fewer than 16 units, BLAS may let a row's last bits depend on the rows beside it


class Body(nn.Module):
    """A backbone of one hidden layer, with k members if asked."""

    def __init__(self, widths: dict[str, int], members: int = 1):
        super().__init__()
        self.members, self.d_out = members, WIDTH
        self.hidden = nn.Linear(sum(widths.values()), WIDTH)
        self.scale = nn.Parameter(1 + 0.1 * torch.randn(members, WIDTH))

    def forward(self, vectors: Tensor) -> Tensor:
        h = self.hidden(vectors).tanh().unsqueeze(1) * self.scale  # (B, k, d)
        return h if self.members > 1 else h[:, 0]


def parts_of(kind: type[Head], options: dict[str, Any], data: Rows, *, members: int = 1, **more: Any) -> Parts:
    def head(d_in: int, members: int, sampling: Tensor | None = None) -> Head:
        made = kind(d_in, target_of(kind), members=members, **options)
        made.fit(data.y, data.weight, sampling)
        return made

    return Parts({"x": Given()}, lambda widths: Body(widths, members), head, data.y, data.weight, **more)


def binary(data: Rows) -> Model:
    return parts_of(Binary, {}, data._replace(y=(data.x[:, 0] > 0).double())).single()


def ensemble(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    return Ensemble(parts_of(kind, options, data), members=3, rows=Bootstrap())


def ensemble_of_members(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    return Ensemble(parts_of(kind, options, data, members=2), members=2)


def snapshots(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    model = Snapshots(parts_of(kind, options, data), cycle=1, most=4)
    for epoch in (1, 2):
        with torch.no_grad():
            for parameter in model.live.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        model.begin(epoch)
    return model


def cascade(kind: type[Head], options: dict[str, Any], data: Rows, routing: Any = "soft") -> Model:
    parts = parts_of(kind, options, data)
    stages = {"gate": binary(data), "low": parts.single(), "high": parts.single()}
    branches = {"no": "low", "yes": "high"}
    return Cascade(parts_of(kind, options, data, stages=stages), gate="gate", branches=branches, routing=routing)


def hard_cascade(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    return cascade(kind, options, data, "hard")


def stacked(kind: type[Head], options: dict[str, Any], data: Rows, columns: tuple[str, ...] = ("x",)) -> Model:
    parts = parts_of(kind, options, data)
    stages: dict[str, Model] = {"one": parts.single(), "two": parts.single(), "gate": binary(data)}
    said = {}
    for name, model in stages.items():
        with torch.no_grad():
            said[f"{name}.{model.head.point}"] = predicted(model.eval(), model({"x": data.x}))[model.head.point]
    return Stacked(parts_of(kind, options, data, stages=stages, features=said), members=list(stages), columns=columns)


def stacked_alone(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    return stacked(kind, options, data, ())


def distilled(kind: type[Head], options: dict[str, Any], data: Rows) -> Model:
    if not kind.softens:
        pytest.skip(f"{kind.__name__} learns from labels only")
    teacher = parts_of(Multiclass if issubclass(kind, Multiclass) else kind, {}, data).single().eval()
    said = {f"teacher.{teacher.head.point}": predicted(teacher, teacher({"x": data.x}))[teacher.head.point].detach()}
    parts = parts_of(kind, options, data, stages={"teacher": teacher}, features=said)
    return Distilled(parts, teacher="teacher")


MAKERS = [ensemble, ensemble_of_members, snapshots, cascade, hard_cascade, stacked, stacked_alone, distilled]
Make = Callable[[type[Head], dict[str, Any], Rows], Model]
every_head = pytest.mark.parametrize(
    ("kind", "options"), [(head, {}) for head in heads()], ids=lambda x: getattr(x, "__name__", "")
)
every_model = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def made(make: Make, kind: type[Head], options: dict[str, Any], seed: int = 0) -> tuple[Model, Rows]:
    torch.manual_seed(seed)
    data = rows(kind, 64)
    return make(kind, options, data).eval(), data


@torch.no_grad()
def said_of(model: Model, data: Rows) -> dict[str, Tensor]:
    """What members of a stacked model, or a student's teacher, say: features that training rows have as well."""
    if isinstance(model, Distilled):
        return {model.key: model.predict(model({"x": data.x}))[model.key.partition(".")[2]]}
    members = model.members if isinstance(model, Stacked) else []
    return {m.key: predicted(m.model, m.model({"x": data.x}))[m.point] for m in members}


class Answering(nn.Module):
    """Features to predictions, by way of `out` and by way of vectors."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.model.predict(self.model(features))

    @torch.jit.export
    def read(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.model.predict(self.model.read_out(self.model.vectors(features)))


@every_model
@every_head
def test_the_scripted_model_equals_the_eager_one(make: Make, kind: type[Head], options: dict[str, Any]) -> None:
    model, data = made(make, kind, options)
    model.requires_grad_(False)
    scripted = script(Answering(model))
    for n in (64, 1):
        features = padded({"x": data.x[:n]})
        wanted = Answering(model)(features)
        assert equal(scripted(features), wanted)
        assert equal(scripted.read(features), wanted)
    another, _ = made(make, kind, options, seed=1)
    assert not equal(scripted({"x": data.x}), Answering(another)({"x": data.x}))


@every_model
@every_head
def test_a_row_is_answered_alone_as_in_a_batch(make: Make, kind: type[Head], options: dict[str, Any]) -> None:
    model, data = made(make, kind, options)
    together = Answering(model)({"x": data.x})
    for row in (0, 17, 63):
        alone = Answering(model)(padded({"x": data.x[row : row + 1]}))
        assert equal({name: x[:1] for name, x in alone.items()}, {k: x[row : row + 1] for k, x in together.items()})


# an export takes seconds: heads have their own test of it, so each is in one model here, and each model has two heads
@pytest.mark.parametrize(
    ("make", "kind"),
    [(make, kind) for make in MAKERS for kind in heads() if make is ensemble or kind in (Binary, Regression)],
    ids=lambda x: x.__name__,
)
def test_the_exported_graph_takes_any_number_of_rows(make: Make, kind: type[Head]) -> None:
    model, data = made(make, kind, {})
    model.requires_grad_(False)
    dynamic = ({"x": {0: torch.export.Dim("rows")}},)
    program = torch.export.export(Answering(model), ({"x": data.x},), dynamic_shapes=dynamic)
    for n in (64, 3):
        found, wanted = program.module()({"x": data.x[:n]}), Answering(model)({"x": data.x[:n]})
        for name in wanted:
            assert torch.allclose(found[name].double(), wanted[name].double(), rtol=1e-4, atol=1e-5), name


@every_model
@every_head
def test_what_was_learned_returns_from_a_file(make: Make, kind: type[Head], options: dict[str, Any]) -> None:
    model, data = made(make, kind, options)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    another, _ = made(make, kind, options, seed=1)
    restore(another, torch.load(file, weights_only=True))
    assert equal(Answering(another)({"x": data.x}), Answering(model)({"x": data.x}))


@every_model
@every_head
def test_predictions_are_those_of_the_head_on_the_average_and_the_loss_is_its_loss(
    make: Make, kind: type[Head], options: dict[str, Any]
) -> None:
    model, data = made(make, kind, options)
    out = model({"x": data.x})
    averaged = model.averaged(out)
    found, wanted = model.predict(out), model.head.predict(averaged)
    assert equal({name: found[name] for name in wanted}, wanted)
    assert torch.equal(model.loss(out, data.batch()), model.head.loss(averaged, data.batch()))


@every_model
@every_head
def test_what_learns_has_a_gradient_and_what_has_learned_has_none(
    make: Make, kind: type[Head], options: dict[str, Any]
) -> None:
    model, data = made(make, kind, options)
    model.train()
    said = said_of(model, data)
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if make in (cascade, hard_cascade):
        assert not learning
        return
    batch = data.batch()._replace(features={"x": data.x, **said})
    model.loss(model(batch.features), batch).mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in learning.values())
    if make in (stacked, stacked_alone):
        assert not [name for name in learning if name.startswith("members.")]
    if make is snapshots:
        assert all(name.startswith("live.") for name in learning)
