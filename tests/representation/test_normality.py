"""The normality score against SciPy, and the ranking of chains on distributions whose best chain is known."""

import math

import numpy
import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.representation.normality import normality, ranked


def normal(n: int = 900) -> Tensor:
    return torch.from_numpy(numpy.random.default_rng(0).normal(size=n))


@pytest.mark.parametrize("curve", [lambda x: x, torch.exp, lambda x: x**3])
def test_the_score_is_the_squared_correlation_of_scipys_probability_plot(curve) -> None:  # type: ignore[no-untyped-def]
    x = curve(normal())
    _, (_, _, r) = stats.probplot(x.numpy())
    assert normality(x) == pytest.approx(r**2, abs=2e-3)  # SciPy's expected values are Filliben's


@pytest.mark.parametrize(("curve", "best"), [(torch.exp, "Log"), (lambda x: (x + 5) ** 2, "SquareRoot")])
def test_the_inverse_of_what_made_a_distribution_is_best_but_for_ranks(curve, best: str) -> None:  # type: ignore[no-untyped-def]
    names = [name for name, _ in ranked(curve(normal()))]
    assert next(name for name in names if name not in ("Quantile", "Power")) == best
    assert names.index("as it is") > names.index(best)


def test_a_chain_that_the_values_rule_out_is_not_ranked() -> None:
    assert {name for name, _ in ranked(normal())} == {"as it is", "Power", "Quantile"}
    assert ranked(torch.full((9,), 3.0, dtype=torch.float64))[0] == ("as it is", 0.0)


def test_scores_are_finite_whatever_the_values() -> None:
    for values in ([1e308, -1e308, 3.0], [0.0, 5e-324], [7.0]):
        assert all(math.isfinite(score) for _, score in ranked(torch.tensor(values, dtype=torch.float64)))
