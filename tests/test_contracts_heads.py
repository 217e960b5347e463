"""What every Head must hold. A new head joins by existing below `mlp_torch.problem`."""

import importlib
import inspect
import io
import math
import pkgutil
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import mlp_torch.problem
from mlp_torch.column import Column, Sample
from mlp_torch.head import Batch, Head
from mlp_torch.ingest.reads import Read
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.bin_targets import Hard, Ordinal, Smooth
from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.thresholds import BestF
from mlp_torch.reproducibility.transform import restore
from mlp_torch.responsible.verdict import labelled
from mlp_torch.script import script
from mlp_torch.target import AtLeast, Category, Flags, Number, Target

D = 8


def heads() -> list[type[Head]]:
    """All concrete heads of the package."""
    modules = pkgutil.walk_packages(mlp_torch.problem.__path__, "mlp_torch.problem.")
    found = {
        thing
        for module in modules
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(thing, Head) and thing.__module__ == module.name
    }
    return sorted(found, key=lambda head: head.__name__)


# The options of a head that change what it computes, beside its defaults.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "Binary": [{"gamma": 2.0, "calibration": "temperature"}, {"calibration": "isotonic", "threshold": BestF()}],
    "Multiclass": [{"gamma": 0.5, "calibration": "temperature"}],
    "Multilabel": [
        {"positive_weight": "balanced", "calibration": "temperature", "threshold": BestF()},
        {"positive_weight": [1.0, 0.3, 5.0]},
    ],
    "Neutral": [{"coverage": 0.5}, {"calibration": "temperature"}],
    "Ordinal": [{"calibration": "temperature"}],
    "Regression": [
        {"loss": "absolute"},
        {"loss": "huber"},
        {"loss": "poisson"},
        {"transform": "log", "smearing": True},
        {"transform": "log1p"},
        {"transform": "sqrt", "loss": "huber"},
        {"bounds": (0.0, 60.0)},
        {"bounds": (0.0, 60.0), "loss": "absolute"},
    ],
    "Reframed": [
        {"thresholds": {"over_3": 3.0}},
        {"targets": Smooth(0.5)},
        {"targets": Smooth(0.75, unit="bins")},
        {"targets": Ordinal()},
        {"edges": "uniform", "bins": 12},
    ],
    "Gaussian": [{"thresholds": {"over_3": 3.0}, "quantiles": (0.25,), "floor": 0.05}],
    "Quantiles": [{"levels": (0.1, 0.3, 0.5)}],
}
# Class names that mean something to a head.
CLASSES = {"Neutral": ["no", "neutral", "yes"], "Ordinal": ["1", "2", "4"]}


def told(options: dict[str, Any]) -> str:
    """Options in the name of a test, objects by their class."""
    plain = (int, float, str, tuple, list, dict)
    return str({name: x if isinstance(x, plain) else type(x).__name__ for name, x in options.items()} or "")


CASES = [(head, options) for head in heads() for options in [{}, *OPTIONS.get(head.__name__, [])]]
every_head = pytest.mark.parametrize(("kind", "options"), CASES, ids=[f"{h.__name__}{told(o)}" for h, o in CASES])


def target_of(kind: type[Head]) -> Target:
    """A fitted target of the sort that the head is for."""
    if kind is Multilabel:
        return Flags(["a", "b", "c"])
    if kind.objective == "binary":
        return AtLeast("y", 0.0)
    if kind.objective == "multiclass":
        names = CLASSES.get(kind.__name__, ["a", "b", "c"])
        target = Category("y", classes=names)
        target.fit({}, lambda read: list(zip((11, 12, 13), names, strict=True)))
        return target
    assert kind.objective == "regression", f"say here which target {kind.__name__} is for"
    return Number("y")


def y_of(kind: type[Head], x: Tensor) -> Tensor:
    """Labels that depend on the features, with long-tailed noise."""
    signal = (x[:, 0] + 0.5 * x[:, 1]).double()
    if kind is Multilabel:
        return torch.stack([signal > 0.3, signal > -0.5, x[:, 2] > 0], dim=1).double()
    if kind.objective == "binary":
        return (signal > 0.3).double()
    if kind.objective == "multiclass":
        return (signal > -0.5).double() + (signal > 0.5).double()
    if kind is Gaussian:  # whose likelihood a single far value would decide
        return 3 + 2 * signal + x[:, 2].double() / 3
    return nn.functional.softplus(3 + 2 * signal) + x[:, 2].double().exp() / 4  # more than 0, as some heads ask for


class Rows(NamedTuple):
    x: Tensor
    y: Tensor
    weight: Tensor

    def batch(self) -> Batch:
        return Batch({"x": self.x}, self.y, self.weight, torch.arange(len(self.y)))


def rows(kind: type[Head], n: int, seed: int = 0) -> Rows:
    x = torch.randn(n, D, generator=torch.Generator().manual_seed(seed))
    return Rows(x, y_of(kind, x), torch.ones(n))


def fitted(kind: type[Head], options: dict[str, Any], data: Rows, *, members: int = 1, seed: int = 0) -> Head:
    torch.manual_seed(seed)
    head = kind(D, target_of(kind), members=members, **options)
    head.fit(data.y, data.weight)
    return head


def calibrated(kind: type[Head], options: dict[str, Any], data: Rows, *, members: int = 1, seed: int = 0) -> Head:
    """A fitted head that has learned from calibration rows too, so that its buffers have their final lengths."""
    head = fitted(kind, options, data, members=members, seed=seed)
    held = rows(kind, 200, seed=8)
    with torch.no_grad():
        out = head(held.x.unsqueeze(1).expand(-1, members, -1) if members > 1 else held.x)
    head.calibrate(head.average(out) if members > 1 else out, held.y, held.weight)
    return head


def proper(head: Head, options: dict[str, Any]) -> None:
    """Makes a head's loss one whose best constant is what the metrics want: not as smooth, not as cautious."""
    if "gamma" in options:
        head.gamma = 0.0
    if is_smooth(options):
        head.targets = Hard()


def is_smooth(options: dict[str, Any]) -> bool:
    return isinstance(options.get("targets"), Smooth)


def least_loss(head: Head, options: dict[str, Any], data: Rows) -> float:
    """What is left where everything is known: of a smooth label its entropy."""
    if not is_smooth(options):
        return 0.0
    return float(torch.special.entr(options["targets"].label(data.y, head.bins.edges)).sum(dim=1).mean())


class Given(Column):
    """A vector as it is."""

    def __init__(self) -> None:
        super().__init__({"x": Read("x")})
        self.dim = D

    def fit(self, sample: Sample) -> None:
        """Nothing."""

    def layer(self) -> nn.Module:
        return nn.Identity()


class Split(nn.Module):
    """(B, d) -> (B, k, d): a hidden vector for each member."""

    def __init__(self, k: int):
        super().__init__()
        self.k = k
        self.scale = nn.Parameter(1 + 0.1 * torch.randn(k, D))

    def forward(self, h: Tensor) -> Tensor:
        return h.unsqueeze(1) * self.scale


def single(kind: type[Head], options: dict[str, Any], data: Rows, *, members: int = 1) -> Single:
    head = fitted(kind, options, data, members=members)
    hidden = nn.Sequential(nn.Linear(D, 64), nn.ReLU(), nn.Linear(64, D), nn.ReLU())
    backbone = hidden if members == 1 else nn.Sequential(hidden, Split(members))
    return Single(Encoder({"x": Given()}), backbone, head)


def train(model: Single, data: Rows, steps: int, rate: float = 0.01) -> None:
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        model.loss(model({"x": data.x}), data.batch()).mean().backward()
        optimizer.step()


def mean_loss(model: Single, data: Rows) -> float:
    with torch.no_grad():
        return float(model.loss(model({"x": data.x}), data.batch()).mean())


def constant_loss(head: Head, data: Rows, *, of: Rows) -> float:
    """The loss on `data` of the constant that fits `of` best."""
    out = head.constant(of.y, of.weight).expand(len(data.y), -1)
    return float(head.loss(out, data.batch()).mean())


class Predicting(nn.Module):
    """h -> predictions, as the exported graph has it."""

    def __init__(self, head: Head):
        super().__init__()
        self.head = head

    def forward(self, h: Tensor) -> dict[str, Tensor]:
        predictions: dict[str, Tensor] = self.head.predict(self.head(h))
        return predictions


class Averaging(nn.Module):
    """(B, k, d_in) -> predictions of the members' average."""

    def __init__(self, head: Head):
        super().__init__()
        self.head = head

    def forward(self, h: Tensor) -> dict[str, Tensor]:
        predictions: dict[str, Tensor] = self.head.predict(self.head.average(self.head(h)))
        return predictions


def equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return list(found) == list(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_walk_finds_the_heads() -> None:
    assert {"Binary", "Multiclass", "Reframed", "Regression"} <= {head.__name__ for head in heads()}


@every_head
def test_the_first_loss_is_that_of_the_constant(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 512)
    head = fitted(kind, options, data)
    # The bias alone is the constant; what the random weights add is small.
    assert torch.allclose(head(torch.zeros(1, D))[0], head.constant(data.y, data.weight), atol=1e-5)
    start = float(head.loss(head(0.3 * data.x).detach(), data.batch()).mean())
    assert start == pytest.approx(constant_loss(head, data, of=data), rel=0.1)


@every_head
def test_no_other_constant_has_a_lower_loss(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 512)
    data = data._replace(weight=torch.rand(512, generator=torch.Generator().manual_seed(5)))
    head = fitted(kind, options, data)
    proper(head, options)
    best = head.constant(data.y, data.weight)

    def loss(out: Tensor) -> float:
        return float((head.loss(out.expand(512, -1), data.batch()) * data.weight).sum() / data.weight.sum())

    for seed in range(5):
        step = torch.randn(best.shape, generator=torch.Generator().manual_seed(seed))
        assert loss(best) <= loss(best + 0.02 * step) + 1e-6
        assert loss(best) < loss(best + step)


@every_head
def test_thirty_two_memorised_rows_leave_no_loss(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 32)
    model = single(kind, options, data)
    start, floor = mean_loss(model, data), least_loss(model.head, options, data)
    ordinal = isinstance(options.get("targets"), Ordinal)  # which says little of one wrong edge among 39
    train(model, data, steps=400, rate=0.03 if ordinal else 0.01)
    assert mean_loss(model, data) - floor < (0.1 if ordinal else 0.05) * (start - floor)


@every_head
def test_shuffled_labels_teach_nothing_and_true_labels_do(kind: type[Head], options: dict[str, Any]) -> None:
    data, held = rows(kind, 512), rows(kind, 512, seed=1)
    order = torch.randperm(512, generator=torch.Generator().manual_seed(2))
    losses = {}
    for name, y in (("true", data.y), ("shuffled", data.y[order])):
        model = single(kind, options, data._replace(y=y))
        train(model, data._replace(y=y), steps=30)
        proper(model.head, options)
        losses[name] = mean_loss(model, held)
    chance = constant_loss(model.head, held, of=data)
    assert losses["true"] < 0.95 * chance
    assert losses["shuffled"] > 0.98 * chance


@every_head
def test_the_gradient_reaches_every_parameter(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 63)  # odd, so that slopes of ±1 cannot cancel
    for members in (1, 2):
        model = single(kind, options, data, members=members)
        model.loss(model({"x": data.x}), data.batch()).mean().backward()
        for name, parameter in model.head.named_parameters():
            assert parameter.grad is not None, name
            assert bool((parameter.grad.abs().sum(dim=-1) > 0).all()), name


@every_head
def test_the_loss_has_the_gradient_that_differences_give(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 6)
    head = fitted(kind, options, rows(kind, 128)).double()
    out = head(data.x.double()).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda out: head.loss(out, data.batch()), (out,))


@every_head
def test_the_loss_is_one_finite_number_a_row_also_for_none_and_for_one(
    kind: type[Head], options: dict[str, Any]
) -> None:
    head = fitted(kind, options, rows(kind, 64))
    for n in (0, 1, 5):
        data = rows(kind, n, seed=3)
        loss = head.loss(head(data.x), data.batch())
        assert loss.shape == (n,)
        assert bool(loss.isfinite().all())
        assert bool((loss >= 0).all())


@every_head
def test_predictions_are_row_aligned_finite_and_typed(kind: type[Head], options: dict[str, Any]) -> None:
    head = calibrated(kind, options, rows(kind, 64))
    keys, labels = set(), head.labels(rows(kind, 1).y)
    for n in (0, 1, 7):
        for size in (1.0, 1000.0):  # logits that no softmax survives unharmed
            found = head.predict(size * head(rows(kind, n, seed=3).x))
            keys.add(tuple(found))
            for name, value in found.items():
                assert value.shape[0] == n, name
                assert value.dtype in (torch.float32, torch.int64), name
                assert bool(value.isfinite().all()), name
                if "probabilit" in name or (value.is_floating_point() and labels.get(name, value).dtype == torch.int64):
                    assert bool(((value >= 0) & (value <= 1)).all()), name
            for name, classes in head.names.items():
                most = 2 if found[name].dim() == 2 else len(classes)  # marks, or the index of a class
                assert bool(((found[name] >= 0) & (found[name] < most)).all())
    assert len(keys) == 1


@every_head
def test_a_row_is_answered_alone_as_in_a_batch(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 37)
    head = calibrated(kind, options, data)
    out = head(data.x).detach()
    together = head.predict(out)
    for row in (0, 17, 36):
        assert equal(head.predict(out[row : row + 1]), {name: x[row : row + 1] for name, x in together.items()})


@every_head
def test_scripted_predictions_equal_eager_ones_and_follow_the_weights(
    kind: type[Head], options: dict[str, Any]
) -> None:
    data = rows(kind, 16)
    head = calibrated(kind, options, data).eval()
    scripted = script(Predicting(head))
    for n in (16, 1, 0):
        assert equal(scripted(data.x[:n]), Predicting(head)(data.x[:n]))
    another = calibrated(kind, options, data, seed=1)
    assert not equal(scripted(data.x), Predicting(another)(data.x))


@every_head
def test_the_average_of_members_scripts_and_exports(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 16)
    head = calibrated(kind, options, data, members=2).eval()
    h = torch.stack([data.x, -data.x], dim=1)  # (B, 2, d)
    eager = Averaging(head)(h)
    assert equal(script(Averaging(head))(h), eager)
    exported = torch.export.export(Averaging(head), (h,)).module()(h)
    assert {name: x.shape for name, x in exported.items()} == {name: x.shape for name, x in eager.items()}


@every_head
def test_the_exported_graph_takes_any_number_of_rows(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 16)
    head = calibrated(kind, options, data).eval().requires_grad_(False)
    program = torch.export.export(Predicting(head), (data.x,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    for n in (16, 3):
        found, wanted = program.module()(data.x[:n]), Predicting(head)(data.x[:n])
        assert set(found) == set(wanted)
        for name in wanted:
            assert torch.allclose(found[name].double(), wanted[name].double(), rtol=1e-5, atol=1e-6), name


@every_head
def test_members_are_judged_singly_and_averaged_before_they_predict(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 16)
    model = single(kind, options, data, members=2).eval()
    out = model({"x": data.x})
    assert out.shape[:2] == (16, 2)
    each = [model.head.loss(out[:, k], data.batch()) for k in range(2)]
    assert torch.allclose(model.loss(out, data.batch()), (each[0] + each[1]) / 2)
    found, averaged = model.predict(out), model.head.predict(model.head.average(out))
    assert equal({name: found[name] for name in averaged}, averaged)
    point = model.head.point
    wanted = torch.stack([model.head.predict(out[:, k])[point].double() for k in range(2)]).std(dim=0, unbiased=False)
    assert torch.allclose(found[f"{point}_spread"].double(), wanted, rtol=1e-4, atol=1e-5)
    same = model.predict(out[:, :1].expand(-1, 2, -1))
    for name, value in model.head.predict(out[:, 0]).items():
        assert torch.allclose(same[name].double(), value.double(), rtol=1e-4, atol=1e-5), name
    for name in set(same) - set(averaged):
        assert bool((same[name] == (1 if name.endswith("_agreement") else 0)).all()), name


@every_head
def test_an_average_with_all_the_weight_on_one_member_is_that_member(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 16)
    head = calibrated(kind, options, data, members=3).eval()
    outs = head(torch.stack([data.x, -data.x, 2 * data.x], dim=1)).detach()
    weight = torch.zeros(16, 3)
    weight[:, 1] = 1
    for name, value in head.predict(head.average(outs, weight)).items():
        assert torch.allclose(value.double(), head.predict(outs[:, 1])[name].double(), rtol=1e-4, atol=1e-5), name
    uniform = head.predict(head.average(outs, torch.full((16, 3), 1 / 3)))
    for name, value in head.predict(head.average(outs)).items():
        assert torch.allclose(value.double(), uniform[name].double(), rtol=1e-4, atol=1e-5), name


@every_head
def test_fitted_state_returns_from_a_file(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 64)
    head = calibrated(kind, options, data)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    restored = kind(D, target_of(kind), **options)
    assert not equal(Predicting(restored)(data.x), Predicting(head)(data.x))
    restore(restored, torch.load(file, weights_only=True))
    assert equal(Predicting(restored)(data.x), Predicting(head)(data.x))


@every_head
def test_calibrating_again_learns_what_calibrating_once_does(kind: type[Head], options: dict[str, Any]) -> None:
    data, held = rows(kind, 64), rows(kind, 200, seed=8)
    once, twice = calibrated(kind, options, data), fitted(kind, options, data)
    with torch.no_grad():
        twice.calibrate(-twice(held.x), 1 - held.y if kind.objective == "binary" else held.y, held.weight)
        twice.calibrate(twice(held.x), held.y, held.weight)
    assert equal(dict(once.state_dict()), dict(twice.state_dict()))
    assert once.learned() == twice.learned()
    assert once.notes() == twice.notes()
    changed = not equal(dict(once.state_dict()), dict(fitted(kind, options, data).state_dict()))
    assert changed or not once.calibrates


@every_head
def test_fitting_twice_learns_the_same(kind: type[Head], options: dict[str, Any]) -> None:
    first, second = (fitted(kind, options, rows(kind, 64)) for _ in range(2))
    assert equal(dict(first.state_dict()), dict(second.state_dict()))
    assert not equal(dict(first.state_dict()), dict(fitted(kind, options, rows(kind, 64, seed=9)).state_dict()))


@every_head
def test_rows_without_a_label_change_no_fitted_state(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 64)
    longer = Rows(torch.cat([data.x, data.x]), torch.cat([data.y, torch.full_like(data.y, torch.nan)]), torch.ones(128))
    first, second = fitted(kind, options, data), fitted(kind, options, longer)
    assert equal(dict(first.state_dict()), dict(second.state_dict()))
    assert torch.equal(first.constant(data.y, data.weight), first.constant(longer.y, longer.weight))


def score(head: Head, out: Tensor, y: Tensor) -> dict[str, float]:
    """All metrics on the rows that have a label, as an evaluation computes them."""
    predictions, labels, found = head.predict(out), head.labels(y), {}
    for name, (prediction, label, metric) in head.metrics().items():
        known = labelled(labels[label])
        metric.update(predictions[prediction][known], labels[label][known])
        found[name] = float(metric.compute())
    return found


@every_head
def test_metrics_prefer_a_trained_model_to_the_constant(kind: type[Head], options: dict[str, Any]) -> None:
    data, held = rows(kind, 512), rows(kind, 256, seed=1)
    model = single(kind, options, data)
    train(model, data, steps=40)
    head = model.head
    y = held.y.clone()
    y[:16] = torch.nan  # no label
    trained = score(head, model({"x": held.x}).detach(), y)
    constant = score(head, head.constant(data.y, data.weight).expand(256, -1), y)
    for name, (_, _, metric) in head.metrics().items():
        if metric.higher_is_better is None or name.startswith(("calibration", "coverage", "pit")):
            continue  # a constant is calibrated
        if math.isnan(constant[name]):
            continue  # a constant that always abstains is never wrong
        better = trained[name] > constant[name] if metric.higher_is_better else trained[name] < constant[name]
        assert better, name


@every_head
def test_metrics_of_one_row_and_of_none_do_not_fail(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 64)
    head = fitted(kind, options, data)
    for name, value in score(head, head(data.x[:1]).detach(), data.y[:1]).items():
        undefined = name in ("r2", "kappa") or "auroc" in name or "average_precision" in name
        undefined |= "recall" in name or "precision" in name or "covered" in name
        assert undefined or value == value, name


@every_head
def test_metrics_are_new_each_time_and_name_what_exists(kind: type[Head], options: dict[str, Any]) -> None:
    head = fitted(kind, options, rows(kind, 64))
    predictions, labels = head.predict(head(torch.zeros(2, D))), head.labels(rows(kind, 2).y)
    first, second = head.metrics(), head.metrics()
    assert list(first) == list(second)
    for name, (prediction, label, metric) in first.items():
        assert prediction in predictions
        assert label in labels
        assert second[name][2] is not metric
        is_half = name.startswith(("coverage", "width", "recall", "precision"))  # says nothing without its other half
        assert metric.higher_is_better is not None or is_half


@every_head
def test_labels_that_are_missing_are_marked(kind: type[Head], options: dict[str, Any]) -> None:
    head = fitted(kind, options, rows(kind, 64))
    y = rows(kind, 3).y
    y[1] = torch.nan
    for name, label in head.labels(y).items():
        assert labelled(label).tolist() == [True, False, True], name


@every_head
def test_scores_of_trees_become_an_out_that_beats_the_constant(kind: type[Head], options: dict[str, Any]) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="pip install 'mlp_torch[trees]'")
    data, held, test = rows(kind, 1000), rows(kind, 500, seed=1), rows(kind, 500, seed=2)
    head = fitted(kind, options, data)
    n = len(head.constant(data.y, data.weight))
    settings: dict[str, Any] = {"objective": head.objective, "verbose": -1, "num_threads": 1, "seed": 0}
    if head.objective == "multiclass":
        settings["num_class"] = n
    labels = head.teach(data.y)
    assert labels.dtype == torch.float64
    trees = [
        lightgbm.train(settings, lightgbm.Dataset(data.x.numpy(), label.numpy()), num_boost_round=30)
        for label in labels.reshape(len(labels), -1).unbind(1)
    ]

    def raw(x: Tensor) -> Tensor:
        scores = [torch.from_numpy(each.predict(x.numpy(), raw_score=True)).reshape(len(x), -1) for each in trees]
        return torch.cat(scores, dim=1)

    out = head.from_scores(raw(test.x), raw(held.x), held.y)
    assert out.shape == (500, n)
    assert out.dtype == torch.float32
    chance, floor = constant_loss(head, test, of=data), least_loss(head, options, test)
    assert float(head.loss(out, test.batch()).mean()) - floor < 0.8 * (chance - floor)


@every_head
def test_pictures_are_drawn_also_of_no_rows_and_of_missing_labels(kind: type[Head], options: dict[str, Any]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    head = calibrated(kind, options, rows(kind, 64))
    for n in (0, 1, 50):
        data = rows(kind, n, seed=4)
        data.y[: n // 4] = torch.nan
        for figure in head.pictures(head.predict(head(data.x).detach()), head.labels(data.y)).values():
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            assert len(set(bytes(canvas.buffer_rgba())[::4])) > 1
