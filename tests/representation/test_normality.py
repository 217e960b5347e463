"""The normality score against SciPy, and the ranking of chains on distributions whose best chain is known."""

import math

import numpy
import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.representation.normality import ENOUGH, PLAIN, advised, normality, ranked


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


def test_one_wild_value_of_many_moves_no_score_and_rules_out_what_it_must() -> None:
    x = normal(20_000) + 10
    wild = torch.cat([x, torch.tensor([1e7], dtype=torch.float64)])
    assert dict(ranked(wild)) == pytest.approx(dict(ranked(x)), abs=1e-3)
    assert "Log" in dict(ranked(x))
    assert set(dict(ranked(torch.cat([x, -x[:1]])))) == {"as it is", "Power", "Quantile"}


def test_many_rows_are_ranked_as_a_part_of_them() -> None:
    few, many = ranked(torch.exp(normal(1000))), ranked(torch.exp(normal(100_000)))
    assert dict(few) == pytest.approx(dict(many), abs=0.05)


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("shape", ["normal", "uniform"])
def test_normal_and_uniform_numbers_are_left_as_they_are(shape: str, n: int) -> None:
    draw = numpy.random.default_rng(1)
    for _ in range(40):
        values = torch.from_numpy(draw.normal(10, 2, n) if shape == "normal" else draw.uniform(1, 3, n))
        assert normality(values) > ENOUGH
        assert advised(ranked(values)) == PLAIN


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda z: torch.exp(z), "Log"),
        (lambda z: torch.exp(z + 1.5).floor(), "Log1p"),  # counts, 0 among them
        (lambda z: (z + 1.8).clamp(min=0) ** 2, "SquareRoot"),
        (lambda z: -torch.exp(z), "Power"),
        (lambda z: z.sign() * torch.exp(z.abs() * 3), "Quantile"),  # two long tails, which no curve takes
    ],
)
def test_a_skewed_number_gets_the_simplest_chain_that_will_do(make, wanted: str) -> None:  # type: ignore[no-untyped-def]
    assert advised(ranked(make(normal()))) == wanted


def test_where_most_rows_share_a_value_no_curve_is_advised() -> None:
    rain = torch.cat([torch.zeros(900, dtype=torch.float64), torch.exp(normal(100))])
    scores = dict(ranked(rain))
    assert max(scores.values()) > scores[PLAIN] + 0.05  # by squeezing all that is not 0 into one value
    assert advised(ranked(rain)) == PLAIN
    assert advised([]) == advised(ranked(torch.ones(9, dtype=torch.float64))) == PLAIN
