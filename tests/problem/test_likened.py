"""Golden values: distributions of scipy whose quantiles are known, and arithmetic by hand."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.problem.likened import of_quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.target import Number


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def mass(levels: list[float], values: list[float], edges: list[float]) -> list[float]:
    n = len(edges) + 1
    found: list[float] = of_quantiles(doubles(*levels), doubles(*values).unsqueeze(0), doubles(*edges), torch.zeros(n))[
        0
    ].tolist()
    return [p * 2001 / 2000 for p in found]  # without the one row of the prior


def test_between_quantiles_mass_is_even() -> None:
    assert mass([0.2, 0.6, 0.8], [0, 10, 30], [0, 5, 20, 30]) == pytest.approx([0.2, 0.2, 0.3, 0.1, 0.2])


def test_beyond_the_quantiles_mass_falls_off_from_the_density_beside_it() -> None:
    # density .02 beside both ends, so that the scales are .1 / .02 = 5 and .2 / .02 = 10
    found = mass([0.1, 0.4, 0.8], [0, 15, 35], [-5, 0, 35, 45])
    low, high = stats.expon(0, 5).sf(5), stats.expon(0, 10).sf(10)
    assert found == pytest.approx([0.1 * low, 0.1 * (1 - low), 0.7, 0.2 * (1 - high), 0.2 * high])


def test_equal_quantiles_are_an_atom_and_no_nan() -> None:
    found = mass([0.1, 0.5, 0.9], [3, 3, 3], [2, 4])
    assert found == pytest.approx([0, 1, 0], abs=1e-9)
    assert mass([0.1, 0.5, 0.9], [0, 3, 3], [2, 4])[2] == pytest.approx(0, abs=1e-9)


def test_quantiles_that_cross_are_sorted() -> None:
    assert mass([0.2, 0.6, 0.8], [10, 0, 30], [5]) == mass([0.2, 0.6, 0.8], [0, 10, 30], [5])


@pytest.mark.parametrize("levels", [[0.5], [0.5, 0.2], [0.0, 0.5], [0.5, 1.0]])
def test_levels_that_make_no_distribution_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="levels must be two at least and rise between 0 and 1"):
        mass(levels, levels, [0])


def test_quantiles_of_a_known_distribution_score_as_it_does() -> None:
    normal = stats.norm(20, 5)
    y = torch.from_numpy(normal.ppf((torch.arange(5_000).double().numpy() + 0.5) / 5_000))
    head = Reframed(4, Number("y"), bins=60)
    head.fit(y, torch.ones(5_000))
    levels = torch.linspace(0.025, 0.975, 39).double()
    out = head.from_quantiles(levels, torch.from_numpy(normal.ppf(levels.numpy())).expand(5_000, -1))
    assert out.shape == (5_000, 60)
    found = {name: metric for name, (_, _, metric) in head.metrics().items()}
    predictions = head.predict(out)
    for name, (prediction, label, _) in head.metrics().items():
        found[name].update(predictions[prediction], head.labels(y)[label])
    # of a normal: its deviation / √π
    assert float(found["crps"].compute()) == pytest.approx(5 / torch.pi**0.5, rel=0.005)
    assert float(found["coverage_90"].compute()) == pytest.approx(0.9, abs=0.01)
    assert float(found["pit_error"].compute()) < 0.01
