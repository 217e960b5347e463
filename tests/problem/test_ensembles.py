"""Bagging: what the bootstrap draws, and what the members of an ensemble learn."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from test_contracts_heads import Rows, rows
from test_contracts_models import parts_of
from torch import Tensor

from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Single
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.ensembles import Bootstrap, Ensemble
from mlp_torch.problem.regression import Regression

N = 20_000


def draws(members: int = 4) -> Tensor:
    row = fingerprints([f"r{i}" for i in range(N)])
    return Bootstrap()(row, torch.zeros(N), members)


def test_the_bootstrap_draws_from_a_poisson_distribution() -> None:
    found = np.bincount(draws(1)[:, 0].clamp(max=7).long().numpy(), minlength=8)
    expected = stats.poisson(1).pmf(np.arange(8)) * N
    expected[7] = N - expected[:7].sum()
    assert stats.chisquare(found, expected).pvalue > 0.001


def test_members_draw_independently_of_each_other() -> None:
    correlation = np.corrcoef(draws(4).numpy().T) - np.eye(4)
    assert np.abs(correlation).max() < 0.03  # standard deviation .007


def test_a_row_is_drawn_by_its_fingerprint_alone() -> None:
    whole = draws(4)
    row = fingerprints([f"r{i}" for i in range(N)])
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))[:100]
    assert torch.equal(Bootstrap()(row[order], torch.zeros(100), 4), whole[order])
    assert torch.equal(Bootstrap()(row, torch.zeros(N), 2), whole[:, :2])


def trained(model: Single | Ensemble, data: Rows, steps: int = 40) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 0.01, eps=1e-12)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(model({"x": data.x}), data.batch())
        (loss.sum() / len(data.y)).backward()
        optimizer.step()


def test_a_member_learns_what_it_would_learn_alone_from_its_sample() -> None:
    data = rows(Regression, 200)
    torch.manual_seed(0)
    ensemble = Ensemble(parts_of(Regression, {}, data), members=2, rows=Bootstrap())
    alone = copy.deepcopy(ensemble.members[1])
    trained(ensemble, data)
    count = Bootstrap()(data.batch().row, data.y, 2)[:, 1].long()
    assert int(count.max()) > 1  # some rows are drawn more than once
    repeated = Rows(*(x.repeat_interleave(count, dim=0) for x in data))
    assert isinstance(alone, Single)
    optimizer = torch.optim.Adam(alone.parameters(), 0.01, eps=1e-12)
    for _ in range(40):
        optimizer.zero_grad()
        (alone.loss(alone({"x": repeated.x}), repeated.batch()).sum() / 200).backward()
        optimizer.step()
    found, wanted = (dict(model.named_parameters()) for model in (ensemble.members[1], alone))
    for name, parameter in wanted.items():
        assert torch.allclose(found[name], parameter, atol=1e-4), name
    assert not torch.allclose(found["head.output.weight"], ensemble.members[0].head.output.weight, atol=1e-2)


def test_without_rows_every_member_learns_from_all() -> None:
    data = rows(Regression, 50)
    model = Ensemble(parts_of(Regression, {}, data), members=3)
    out = model({"x": data.x})
    each = torch.stack([model.head.loss(out[:, i], data.batch()) for i in range(3)])
    assert torch.allclose(model.loss(out, data.batch()), each.mean(dim=0))


def test_an_ensemble_of_networks_with_members_counts_them_all() -> None:
    data = rows(Binary, 50)
    model = Ensemble(parts_of(Binary, {}, data, members=2), members=3, rows=Bootstrap())
    assert model({"x": data.x}).shape == (50, 6, 1)
    weight = Bootstrap()(data.batch().row, data.y, 3)
    out = model({"x": data.x})
    each = torch.stack([model.head.loss(out[:, i], data.batch()) * weight[:, i // 2] for i in range(6)])
    assert torch.allclose(model.loss(out, data.batch()), each.mean(dim=0))


def test_the_average_is_that_of_probabilities_and_the_spread_that_of_members() -> None:
    data = rows(Binary, 50)
    torch.manual_seed(1)
    model = Ensemble(parts_of(Binary, {}, data), members=3).eval()
    out = 3 * model({"x": data.x}).detach()
    each = out[:, :, 0].sigmoid().numpy()
    found = model.predict(out)
    np.testing.assert_allclose(found["probability"], each.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["probability_spread"], each.std(axis=1), atol=1e-6)
    majority = each.mean(axis=1) > 0.5
    np.testing.assert_allclose(found["class_agreement"], ((each > 0.5) == majority[:, None]).mean(axis=1), atol=1e-6)


def test_one_member_is_no_ensemble() -> None:
    with pytest.raises(ValueError, match="members must be at least 2, however: members=1"):
        Ensemble(parts_of(Binary, {}, rows(Binary, 20)), members=1)
