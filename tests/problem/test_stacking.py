"""Stacking: what the last model reads in training, and what in the graph."""

import pytest
import torch
from scipy import special
from test_contracts_heads import rows
from test_contracts_models import binary, parts_of, stacked

from mlp_torch.errors import ConfigError
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.stacking import Opinion, Stacked

DATA = rows(Regression, 64)


def test_in_training_the_last_model_reads_what_members_said_out_of_fold_and_asks_nobody() -> None:
    torch.manual_seed(0)
    model = stacked(Regression, {}, DATA, ()).train()
    assert isinstance(model, Stacked)
    said = {"one.prediction": torch.randn(64), "two.prediction": torch.randn(64), "gate.probability": torch.rand(64)}
    first = model({"x": DATA.x, **said})
    assert torch.equal(model({"x": torch.full_like(DATA.x, torch.nan), **said}), first)
    assert not torch.equal(model({"x": DATA.x, **said, "one.prediction": torch.randn(64)}), first)


def test_in_the_graph_members_answer_whatever_was_said_before() -> None:
    torch.manual_seed(0)
    model = stacked(Regression, {}, DATA).eval()
    wrong = {"one.prediction": torch.full((64,), torch.nan)}
    assert torch.equal(model({"x": DATA.x, **wrong}), model({"x": DATA.x}))
    assert bool(model({"x": DATA.x}).isfinite().all())


def test_members_stay_in_evaluation() -> None:
    model = stacked(Regression, {}, DATA).train()
    assert model.backbone.training
    assert not any(module.training for module in model.members.modules() if module is not model.members)


def test_probabilities_are_read_as_standardized_log_odds() -> None:
    p = torch.tensor([0.1, 0.5, 0.9, 1.0])
    opinion = Opinion(1, is_probability=True)
    opinion.fit(p)
    x = special.logit([0.1, 0.5, 0.9, 1 - 1e-6])
    assert opinion(p)[:, 0].tolist() == pytest.approx(((x - x.mean()) / x.std()).tolist(), rel=1e-4)


def test_an_opinion_that_never_differs_is_zero() -> None:
    opinion = Opinion(1, is_probability=False)
    opinion.fit(torch.full((5,), 3.0))
    assert opinion(torch.full((2,), 3.0)).tolist() == [[0.0], [0.0]]
    opinion = Opinion(1, is_probability=True)
    opinion.fit(torch.full((1013,), 0.1))  # whose mean logit is rounded
    assert abs(opinion(torch.tensor([0.2])).item()) < 1


def test_a_member_without_folds_is_refused() -> None:
    parts = parts_of(Binary, {}, rows(Binary, 64), stages={"one": binary(DATA)})
    with pytest.raises(ConfigError, match=r"a stage must have folds, .* however: one"):
        Stacked(parts, members=["one"])
    with pytest.raises(ConfigError, match="members must name stages, however: none"):
        Stacked(parts, members=[])
    with pytest.raises(ConfigError, match="members must be distinct, however: one, one"):
        Stacked(parts, members=["one", "one"])
