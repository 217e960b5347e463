"""Steps that change a distribution's shape, against NumPy, SciPy and scikit-learn."""

import math

import numpy
import pytest
import torch
from scipy import special, stats
from sklearn.preprocessing import PolynomialFeatures, PowerTransformer, QuantileTransformer
from torch import Tensor

from mlp_torch.representation.curves import (
    INVERSE,
    Log,
    Log1p,
    Polynomial,
    Power,
    Quantile,
    Sigmoid,
    SquareRoot,
    normal_score,
)
from mlp_torch.representation.steps import Step
from tests.representation.fitted import lognormal


def double(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def after(step: Step, train: list[float], served: list[float]) -> list[float]:
    step.fit(double(train))
    found: list[float] = step(double(served)).tolist()
    return found


@pytest.mark.parametrize(
    ("step", "wanted"),
    [(Log(), numpy.log), (Log1p(), numpy.log1p), (SquareRoot(), numpy.sqrt), (Sigmoid(), special.expit)],
)
def test_a_curve_is_numpys(step: Step, wanted: numpy.ufunc) -> None:
    train = lognormal(50)
    numpy.testing.assert_allclose(after(step, train, train), wanted(train), rtol=1e-14)


@pytest.mark.parametrize(("step", "least"), [(Log(), 0.5), (Log1p(), -0.5), (SquareRoot(), 0.0)])
def test_a_value_below_those_of_training_counts_as_their_smallest(step: Step, least: float) -> None:
    low, lower, lowest = after(step, [least, 3.0], [least, least - 2, -1e308])
    assert low == lower == lowest
    assert math.isfinite(low)


@pytest.mark.parametrize(
    ("step", "least", "text"),
    [
        (Log(), 0.0, r"must be more than 0 for Log \(else take Log1p or Power\), however: 0 is a value"),
        (Log1p(), -1.0, r"must be more than -1 for Log1p \(else take Power\), however: -1 is a value"),
        (SquareRoot(), -3.0, r"must be at least 0 for SquareRoot \(else take Power\), however: -3 is a value"),
        (Power(), 5.0, r"must have two distinct values for Power.*, however: values from 5 to 5"),
        (Quantile(), 5.0, r"must have two distinct values for Quantile.*, however: values from 5 to 5"),
    ],
)
def test_values_that_a_curve_cannot_take_are_refused(step: Step, least: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        step.fit(double([least, 5.0]))


@pytest.mark.parametrize("shift", [0.0, -30.0, -1e4])
def test_a_power_is_scikit_learns_and_scipys_yeo_johnson(shift: float) -> None:
    train, served = [value + shift for value in lognormal(300)], [-70.0, -1.0, 0.0, 0.5, 900.0]
    step = Power()
    found = after(step, train, served)
    wanted = PowerTransformer(standardize=False).fit(numpy.array(train)[:, None])
    numpy.testing.assert_allclose(found, wanted.transform(numpy.array(served)[:, None])[:, 0], rtol=1e-6)
    numpy.testing.assert_allclose(found, stats.yeojohnson(numpy.array(served), lmbda=step.exponent.item()), rtol=1e-10)
    assert after(Power(), train[::-1], served) == found


@pytest.mark.parametrize("exponent", [0.0, 2.0, 1.0, -0.5])
def test_a_power_is_whole_where_its_exponent_divides_by_zero(exponent: float) -> None:
    step, served = Power(), [-3.0, 0.0, 5.0]
    step.exponent = torch.tensor(exponent, dtype=torch.float64)
    wanted = stats.yeojohnson(numpy.array(served), lmbda=exponent)
    numpy.testing.assert_allclose(step(double(served)), wanted, rtol=1e-12, atol=1e-15)


def test_a_polynomial_is_scikit_learns() -> None:
    served = [-2.0, 0.5, 3.0]
    wanted = PolynomialFeatures(3, include_bias=False).fit_transform(numpy.array(served)[:, None])
    numpy.testing.assert_allclose(Polynomial(3)(double(served)).T, wanted, rtol=1e-15)
    assert Polynomial(2)(Polynomial(3)(double(served))).shape == (6, 3)


@pytest.mark.parametrize("output", ["uniform", "normal"])
@pytest.mark.parametrize("quantiles", [10, 200, 1000])
def test_ranks_are_scikit_learns(output: str, quantiles: int) -> None:
    train, served = lognormal(500), [-9.0, 0.1, *lognormal(500)[:50], 1e9]
    # ties, but not at the ends, nor with a knot a row, where rounding parts scikit-learn's equal knots
    train += sorted(train)[100:300] if quantiles < 1000 else []
    wanted = QuantileTransformer(n_quantiles=min(quantiles, len(train)), output_distribution=output, subsample=None)
    expected = wanted.fit(numpy.array(train)[:, None]).transform(numpy.array(served)[:, None])[:, 0]
    found = after(Quantile(quantiles, output=output), train, served)  # type: ignore[arg-type]
    numpy.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_many_equal_ends_are_the_middle_of_their_share() -> None:
    train = [0.0] * 60 + [1.0] * 41
    assert after(Quantile(), train, [0.0, 1.0]) == pytest.approx([0.295, 0.8])


def test_the_normal_score_is_scipys() -> None:
    share = torch.linspace(1e-7, 1 - 1e-7, 10_001, dtype=torch.float64)
    found = normal_score(share, torch.tensor(INVERSE, dtype=torch.float64))
    numpy.testing.assert_allclose(found, stats.norm.ppf(share), rtol=1.2e-9, atol=1e-12)


def test_ranks_of_powers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"put it before Polynomial\), however: 2 powers"):
        Quantile().fit(Polynomial(2)(double([1.0, 2.0])))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Polynomial(1), "degree must be from 2 to 10, however: degree=1"),
        (lambda: Quantile(1), "quantiles must be at least 2, however: quantiles=1"),
        (lambda: Quantile(output="flat"), "output must be uniform or normal, however: output='flat'"),
    ],
)
def test_impossible_curves_are_refused_at_once(make, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=text):
        make()
