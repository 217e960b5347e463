"""Cascades: which branch answers a row, and which stages make none."""

from typing import Any

import pytest
import torch
from test_contracts_heads import Rows, rows
from test_contracts_models import binary, parts_of

from mlp_torch.errors import ConfigError
from mlp_torch.head import Head, is_alike
from mlp_torch.model import Model
from mlp_torch.problem.cascade import Cascade
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.neutral import Neutral
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.target import Number

DATA = rows(Regression, 64)


def stages(data: Rows = DATA) -> dict[str, Model]:
    torch.manual_seed(0)
    parts = parts_of(Regression, {}, data)
    return {"gate": binary(data), "low": parts.single(), "high": parts.single()}


def cascade(
    found: dict[str, Model] | None = None, kind: type[Head] = Regression, data: Rows = DATA, **options
) -> Cascade:
    found = found or stages()
    given = {"gate": "gate", "branches": {"no": "low", "yes": "high"}, **options}
    return Cascade(parts_of(kind, {}, data, stages=found), **given).eval()


def test_hard_routing_takes_the_answer_of_the_likeliest_branch() -> None:
    found = stages()
    model = cascade(found, routing="hard")
    out = model({"x": DATA.x})
    said = model.predict(out)
    low, high = (found[name].predict(found[name]({"x": DATA.x}))["prediction"] for name in ("low", "high"))
    late = said["gate/class"] == 1
    assert 0 < int(late.sum()) < 64
    assert torch.allclose(said["prediction"], torch.where(late, high, low), atol=1e-5)


def test_soft_routing_is_the_mixture_by_the_gates_probabilities() -> None:
    found = stages()
    model = cascade(found, routing="soft")
    said = model.predict(model({"x": DATA.x}))
    low, high = (found[name].predict(found[name]({"x": DATA.x}))["prediction"] for name in ("low", "high"))
    p = said["gate/probability"]
    assert torch.allclose(said["prediction"], (1 - p) * low + p * high, atol=1e-4)
    assert model.head.names["gate/class"] == ["no", "yes"]


@pytest.mark.parametrize(("kind", "classes"), [(Multiclass, "a b c"), (Neutral, "no abstain yes")])
def test_a_gate_of_three_classes_has_three_branches(kind, classes) -> None:
    torch.manual_seed(0)
    gate = parts_of(kind, {}, rows(kind, 64)).single()
    parts = parts_of(Regression, {}, DATA)
    found: dict[str, Model] = {"gate": gate, **{name: parts.single() for name in ("x", "y", "z")}}
    first, second, third = classes.split()
    for routing in ("soft", "hard"):
        model = cascade(found, branches={third: "z", first: "x", second: "y"}, routing=routing)
        said = model.predict(model({"x": DATA.x}))
        each = torch.stack([found[name].predict(found[name]({"x": DATA.x}))["prediction"] for name in "xyz"], dim=1)
        p = said["gate/probabilities"]
        if routing == "hard":
            p = torch.nn.functional.one_hot(said["gate/class"], 3)
        assert torch.allclose(said["prediction"], (p * each).sum(dim=1), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate": "gait"}, "a stage must be one of stages, however: gait; did you mean gate"),
        ({"gate": "low"}, "gate must be a classifier, however: stage low predicts no class"),
        ({"branches": {"no": "low"}}, "each class of gate must have a branch, however: none for yes"),
        (
            {"branches": {"no": "low", "jes": "high"}},
            "branches must be by class of gate, however: jes; did you mean yes",
        ),
        ({"branches": {"no": "low", "yes": "hi"}}, "a stage must be one of stages, however: hi"),
        (
            {"branches": {"no": "low", "yes": "gate"}},
            "branches must have the head of the whole, with its options and its target, however: that of gate differs",
        ),
    ],
)
def test_stages_that_do_not_fit_each_other_are_refused(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        cascade(**options)


def test_branches_that_speak_in_other_units_are_refused() -> None:
    found = stages()
    found["high"] = parts_of(Regression, {}, DATA._replace(y=10 * DATA.y)).single()
    with pytest.raises(ConfigError, match=r"branches must have the head of the whole.*however: that of high differs"):
        cascade(found)


def test_unknown_routing_is_refused() -> None:
    with pytest.raises(ValueError, match="routing must be hard or soft, however: routing='firm'"):
        cascade(routing="firm")


def test_a_cascade_of_classifiers_mixes_probabilities() -> None:
    data = rows(Binary, 64)
    torch.manual_seed(0)
    parts = parts_of(Binary, {}, data)
    found: dict[str, Model] = {"gate": binary(data), "low": parts.single(), "high": parts.single()}
    model = cascade(found, Binary, data, routing="soft")
    said = model.predict(model({"x": data.x}))
    low, high = (found[name].predict(found[name]({"x": data.x}))["probability"] for name in ("low", "high"))
    p = said["gate/probability"]
    assert torch.allclose(said["probability"], (1 - p) * low + p * high, atol=1e-5)


def test_branches_of_other_classes_are_refused() -> None:
    data = rows(Binary, 64)
    parts = parts_of(Binary, {}, data)
    found: dict[str, Model] = {"gate": binary(data), "low": parts.single(), "high": parts.single()}
    found["high"].head.target_classes = [*reversed(found["high"].head.target_classes)]
    with pytest.raises(ConfigError, match=r"branches must have the head of the whole.*however: that of high differs"):
        cascade(found, Binary, data)


def test_the_branch_that_differs_is_named_in_any_order() -> None:
    found = stages()
    found["high"] = parts_of(Regression, {}, DATA._replace(y=10 * DATA.y)).single()
    with pytest.raises(ConfigError, match="however: that of high differs"):
        cascade(found, branches={"yes": "high", "no": "low"})


def test_heads_of_other_bins_are_not_alike() -> None:
    y, weight = torch.arange(91).double(), torch.ones(91)
    heads = [
        Reframed(2, Number("y"), edges=edges)
        for edges in ([0.0, 15.0, 30.0, 60.0], [0.0, 15.0, 30.0, 60.0], [-0.5, 14.6, 29.1, 59.2])
    ]
    for head in heads:
        head.fit(y, weight)
    assert torch.equal(heads[0].constant(y, weight), heads[2].constant(y, weight))
    assert is_alike(heads[0], heads[1], y, weight)
    assert not is_alike(heads[0], heads[2], y, weight)


@pytest.mark.parametrize("other", [{"loss": "poisson"}, {"transform": "log"}, {"bounds": (0.0, 4.0)}])
def test_heads_that_only_share_their_best_constant_are_not_alike(other: dict[str, Any]) -> None:
    y, weight = torch.tensor([1.0, 3.0]).double(), torch.ones(2)
    heads = [Regression(2, Number("y"), **options) for options in ({}, {}, other)]
    for head in heads:
        head.fit(y, weight)
    assert is_alike(heads[0], heads[1], y, weight)
    assert not is_alike(heads[0], heads[2], y, weight)
