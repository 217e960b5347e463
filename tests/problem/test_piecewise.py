"""Golden values: integrals and distributions of scipy, closed forms, the formula for ensembles, arithmetic by hand."""

import math
from itertools import pairwise

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor

from mlp_torch.problem.piecewise import bin_of, cdf, crps, log_loss, quantiles

EDGES, TAILS, P = [-5.0, 0.0, 0.5, 2.0, 10.0], [3.0, 20.0], [0.05, 0.1, 0.3, 0.25, 0.2, 0.1]


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def function(x: float) -> float:
    """The distribution function of P, written without torch."""
    if x < EDGES[0]:
        return P[0] * math.exp((x - EDGES[0]) / TAILS[0])
    if x >= EDGES[-1]:
        return 1 - P[-1] * math.exp((EDGES[-1] - x) / TAILS[1])
    return float(numpy.interp(x, EDGES, numpy.cumsum(P)[:-1]))


def shape() -> dict[str, Tensor]:
    return {"edges": doubles(*EDGES), "tails": doubles(*TAILS)}


@pytest.mark.parametrize("y", [-300.0, -30.0, -5.0, 0.0, 0.3, 2.0, 9.99, 10.0, 50.0, 500.0])
def test_the_crps_is_the_integral_that_scipy_finds(y: float) -> None:
    ends = sorted([-2000.0, *EDGES, y, 3000.0])
    wanted = sum(
        integrate.quad(lambda x: (function(x) - (x >= y)) ** 2, low, high, limit=500)[0]
        for low, high in pairwise(ends)
        if low < high
    )
    assert float(crps(doubles(*P).unsqueeze(0), doubles(y), **shape())) == pytest.approx(wanted, rel=1e-6)


def test_the_crps_is_that_of_a_large_ensemble_drawn_from_the_distribution() -> None:
    levels = (torch.arange(20_000).double() + 0.5) / 20_000
    x = quantiles(doubles(*P).unsqueeze(0), levels, *shape().values())[0]
    for y in (-20.0, 0.2, 7.0, 90.0):
        # E|X - y| - E|X - X'| / 2 (Gneiting & Raftery 2007, (21)), of a sorted sample
        n, rank = len(x), torch.arange(1, len(x) + 1).double()
        wanted = (x - y).abs().mean() - ((2 * rank - n - 1) * x).sum() / n**2
        assert float(crps(doubles(*P).unsqueeze(0), doubles(y), **shape())) == pytest.approx(float(wanted), rel=1e-3)


def test_the_crps_of_a_uniform_distribution_has_its_closed_form() -> None:
    # U(0, 1): 1/3 - y(1 - y) inside, the distance to the nearest end + 1/3 outside
    y, edges = doubles(0.0, 0.25, 0.5, 1.0, 3.0, -2.0), torch.linspace(0, 1, 5).double()
    p = doubles(0, 0.25, 0.25, 0.25, 0.25, 0).expand(6, -1)
    found = crps(p, y, edges=edges, tails=torch.ones(2).double())
    assert found.tolist() == pytest.approx([1 / 3, 7 / 48, 1 / 12, 1 / 3, 2 + 1 / 3, 2 + 1 / 3], rel=1e-7)


def test_the_crps_of_an_exponential_has_its_closed_form() -> None:
    # Exp(scale s) at y ≥ 0: y + 2 s exp(-y / s) - 3 s / 2 (Jordan, Krüger & Lerch 2019)
    y, s = doubles(0.0, 1.0, 10.0, 100.0), 4.0
    found = crps(doubles(0, 1).expand(4, -1), y, edges=doubles(0), tails=doubles(1, s))
    assert found.tolist() == pytest.approx((y + 2 * s * (-y / s).exp() - 1.5 * s).tolist(), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.floats(-3, 7))
def test_the_crps_is_never_beaten_by_another_distribution_of_what_it_describes(raw: list[float], shift: float) -> None:
    edges, tails, p = doubles(0, 1, 3), doubles(1, 2), doubles(*raw) / sum(raw)
    other = (p.log() + doubles(shift, 0, -shift, 0) / 4).softmax(dim=0)
    # y at 2,000 even ranks of the distribution itself
    y = quantiles(p.unsqueeze(0), (torch.arange(2_000).double() + 0.5) / 2_000, edges, tails)[0]
    true, rival = (crps(q.expand(len(y), -1), y, edges=edges, tails=tails).mean() for q in (p, other))
    assert float(true) <= float(rival) + 1e-4


@pytest.mark.parametrize("y", [-30.0, -5.0, 0.3, 9.0, 10.0, 80.0])
def test_ranks_and_densities_are_those_of_the_distribution(y: float) -> None:
    p = doubles(*P).unsqueeze(0)
    assert float(cdf(p, doubles(y), **shape())) == pytest.approx(function(y), rel=1e-9)
    slope = (function(y + 1e-6) - function(y)) / 1e-6
    assert float(log_loss(p, doubles(y), **shape())) == pytest.approx(-math.log(slope), abs=1e-4)


def test_the_log_loss_is_that_of_scipys_uniform_and_exponential() -> None:
    found = log_loss(doubles(0, 0.5, 0.5).expand(2, -1), doubles(3.0, 14.0), edges=doubles(2, 12), tails=doubles(1, 5))
    wanted = [stats.uniform(2, 10).logpdf(3.0), stats.expon(12, 5).logpdf(14.0)]
    assert found.tolist() == pytest.approx([-(math.log(0.5) + each) for each in wanted], rel=1e-6)


def test_densities_integrate_to_one() -> None:
    x = torch.linspace(-60, 200, 400_001).double()
    density = (-log_loss(doubles(*P).expand(len(x), -1), x, **shape())).exp()
    assert float(torch.trapezoid(density, x)) == pytest.approx(1, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-5, 1 - 1e-5), st.lists(st.floats(-30, 30), min_size=6, max_size=6))
def test_the_rank_of_a_quantile_is_its_level(level: float, logits: list[float]) -> None:
    p = doubles(*logits).softmax(0).unsqueeze(0)
    where = quantiles(p, doubles(level), *shape().values())[:, 0]
    assert float(cdf(p, where, **shape())) == pytest.approx(level, rel=1e-6, abs=1e-9)


def test_a_bin_holds_its_lower_edge_and_not_its_upper() -> None:
    assert bin_of(doubles(-9, 0, 0.5, 1, 99), doubles(0, 1)).tolist() == [0, 1, 1, 2, 2]


def test_two_bins_have_one_edge_and_two_tails() -> None:
    p, edges, tails = doubles(0.5, 0.5).unsqueeze(0), doubles(0), doubles(1, 1)  # Laplace's distribution
    for y in (-2.0, 0.0, 3.0):
        assert float(cdf(p, doubles(y), edges=edges, tails=tails)) == pytest.approx(stats.laplace.cdf(y))
        # closed form of the standard Laplace: |y| + exp(-|y|) - 3/4 (Jordan, Krüger & Lerch 2019)
        found = float(crps(p, doubles(y), edges=edges, tails=tails))
        assert found == pytest.approx(abs(y) + math.exp(-abs(y)) - 0.75)
    assert quantiles(p, doubles(0.1, 0.9), edges, tails)[0].tolist() == pytest.approx(
        list(stats.laplace.ppf([0.1, 0.9]))
    )


def test_a_sure_forecast_costs_its_absolute_error_so_that_a_distribution_must_be_set_beside_a_distribution() -> None:
    p, edges = doubles(0, 1, 0).expand(3, -1), doubles(5, 5.001)
    found = crps(p, doubles(-2, 5, 11), edges=edges, tails=doubles(1, 1))
    assert found.tolist() == pytest.approx([7, 0, 6], abs=0.001)
