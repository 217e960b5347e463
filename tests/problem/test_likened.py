"""Golden values: distributions of scipy whose quantiles are known, and arithmetic by hand."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.likened import at_levels, of_quantiles
from mlp_torch.problem.quantiles import Quantiles
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


def test_quantiles_at_other_levels_are_those_at_which_the_distribution_reaches_them() -> None:
    levels, values = doubles(0.1, 0.4, 0.8), doubles(0, 15, 35).unsqueeze(0)
    # even between 0, 15 and 35; beyond them exponentials of the scales 5 and 10, as above
    found = at_levels(doubles(0.05, 0.1, 0.2, 0.5, 0.8, 0.95), levels, values)
    wanted = [stats.expon(0, 5).ppf(0.5) * -1, 0, 5, 20, 35, 35 + stats.expon(0, 10).ppf(0.75)]
    assert found[0].tolist() == pytest.approx(wanted)
    assert torch.equal(at_levels(levels, levels, values), values)


def test_heads_of_few_numbers_take_over_what_a_quantile_regression_says() -> None:
    """Other levels than its own once stopped a quantile head, and a bell had no deviation."""
    normal, levels = stats.norm([[20.0], [40.0]], [[5.0], [1.0]]), doubles(0.1, 0.3, 0.5, 0.8)
    y, values = torch.linspace(0, 60, 200).double(), torch.from_numpy(normal.ppf(levels.numpy()))
    bell, several = Gaussian(4, Number("y")), Quantiles(4, Number("y"), levels=(0.2, 0.5, 0.8))
    for head in (bell, several):
        head.fit(y, torch.ones(200))
    found = bell.predict(bell.from_quantiles(levels, values))
    assert found["mean"].tolist() == pytest.approx([20, 40], rel=1e-5)
    assert found["std"].tolist() == pytest.approx([5, 1], rel=1e-4)
    quantiles = several.predict(several.from_quantiles(levels, values))["quantiles"]
    assert quantiles[:, 1:].flatten().tolist() == pytest.approx(values[:, 2:].flatten().tolist(), rel=1e-5)
    assert quantiles[:, 0].tolist() == pytest.approx(values[:, :2].mean(dim=1).tolist(), rel=1e-5)
