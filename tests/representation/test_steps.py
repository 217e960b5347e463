"""Linear steps and those that cut, against SciPy and scikit-learn."""

import numpy
import pytest
import torch
from scipy.stats.mstats import winsorize
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from mlp_torch.representation.steps import Clip, Identity, MinMax, Winsorize, ZScore
from tests.representation.fitted import lognormal


def train() -> torch.Tensor:
    return torch.tensor(lognormal(101), dtype=torch.float64)


def test_min_max_is_scikit_learns_from_minus_one_to_one() -> None:
    step, served = MinMax(), torch.tensor([-4.0, 7.0, 1e5], dtype=torch.float64)
    step.fit(train())
    wanted = MinMaxScaler((-1, 1)).fit(train().numpy()[:, None]).transform(served.numpy()[:, None])[:, 0]
    numpy.testing.assert_allclose(step(served), wanted, rtol=1e-12)
    assert step(train()).aminmax() == (-1, 1)


def test_min_max_takes_the_widest_range_of_float64() -> None:
    step, ends = MinMax(), torch.tensor([-1.7e308, 1.7e308], dtype=torch.float64)
    step.fit(ends)
    assert step(ends).tolist() == [-1, 1]


def test_a_constant_is_zero_after_min_max_and_z_score() -> None:
    for step in (MinMax(), ZScore()):
        step.fit(torch.full((9,), 0.1, dtype=torch.float64))
        assert step(torch.full((2,), 0.1, dtype=torch.float64)).tolist() == [0, 0]


def test_the_z_score_of_several_features_is_that_of_each() -> None:
    step, both = ZScore(), torch.stack([train(), train() ** 2])
    step.fit(both)
    wanted = StandardScaler().fit_transform(both.T.numpy()).T
    numpy.testing.assert_allclose(step(both.clone()), wanted, rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.05), (0.0, 0.1), (0.2, 0.0)])
def test_winsorized_values_are_scipys(low: float, high: float) -> None:
    step = Winsorize(low, high)
    step.fit(train())
    numpy.testing.assert_array_equal(step(train()), winsorize(train().numpy(), (low, high)).data)


def test_clipped_values_are_the_bounds() -> None:
    x = torch.tensor([-9.0, 0.5, 9.0], dtype=torch.float64)
    assert Clip(-1, 1)(x).tolist() == [-1, 0.5, 1]
    assert Clip(high=2)(x).tolist() == [-9, 0.5, 2]
    assert Identity()(x).tolist() == x.tolist()


@pytest.mark.parametrize("bounds", [(None, None), (1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_impossible_bounds_are_refused_at_once(bounds: tuple[float | None, float | None]) -> None:
    with pytest.raises(ValueError, match="low must be less than high, and one of both given, however: low="):
        Clip(*bounds)


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (float("nan"), 0.1)])
def test_impossible_shares_are_refused_at_once(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="low and high must be at least 0 and less than 1 together, however: low="):
        Winsorize(*shares)
