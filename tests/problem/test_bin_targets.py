"""Golden values: scipy's normal distribution, and arithmetic by hand."""

import math

import numpy
import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.problem.bin_targets import Hard, Ordinal, Smooth

EDGES = torch.tensor([0.0, 1.0, 2.0, 4.0], dtype=torch.float64)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("y", [1.2, -9.0, 4.0, 30.0])
def test_smooth_labels_are_the_mass_of_scipys_normal_distribution(y: float) -> None:
    found = Smooth(0.7).label(doubles(y), EDGES)[0]
    wanted = numpy.diff(stats.norm(y, 0.7).cdf([-numpy.inf, *EDGES.tolist(), numpy.inf]))
    assert found.tolist() == pytest.approx(list(wanted), abs=1e-12)
    assert float(found.sum()) == pytest.approx(1, abs=1e-12)


def test_a_width_in_bins_is_that_of_the_bin_that_holds_y_and_of_a_tail_its_neighbours() -> None:
    found = Smooth(0.5, unit="bins").deviation(doubles(-5, 0.5, 1.5, 3, 40), EDGES)
    assert found.tolist() == [0.5, 0.5, 0.5, 1.0, 1.0]
    assert Smooth(0.5).deviation(doubles(-5, 3), EDGES).tolist() == [0.5, 0.5]


def test_a_little_smoothing_is_almost_the_hard_label() -> None:
    out = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).double()
    y = doubles(-3, 0.5, 3.0)
    assert torch.allclose(Smooth(0.01).loss(out, y, EDGES), Hard().loss(out, y, EDGES))
    assert not torch.allclose(Smooth(1.0).loss(out, y, EDGES), Hard().loss(out, y, EDGES), rtol=0.01)


def test_ordinal_targets_judge_the_probability_of_each_edge_by_hand() -> None:
    p = doubles(0.1, 0.2, 0.3, 0.25, 0.15)
    # y = 1.5 exceeds the edges 0 and 1, and not 2 and 4; P(y ≥ edge) = .9, .7, .4, .15
    wanted = -(math.log(0.9) + math.log(0.7) + math.log(1 - 0.4) + math.log(1 - 0.15)) / 4
    assert Ordinal().loss(p.log().unsqueeze(0), doubles(1.5), EDGES).item() == pytest.approx(wanted)
    assert Ordinal().loss(5 + p.log().unsqueeze(0), doubles(1.0), EDGES).item() == pytest.approx(wanted)


def test_an_ordinal_error_of_many_bins_costs_more_than_one_of_a_few_and_a_hard_one_does_not() -> None:
    out = torch.full((2, 5), -5.0)
    out[0, 1] = out[1, 4] = 5.0
    near, far = Ordinal().loss(out, doubles(-1.0, -1.0), EDGES).tolist()
    assert far > 3 * near
    near, far = Hard().loss(out, doubles(-1.0, -1.0), EDGES).tolist()
    assert far == near


def test_ordinal_losses_stay_finite_for_logits_that_no_softmax_survives() -> None:
    out = torch.tensor([[1e4, -1e4, 0.0, 0.0, 1e4]], requires_grad=True)
    Ordinal().loss(out, doubles(3.0), EDGES).sum().backward()
    assert bool(out.grad.isfinite().all())


def test_widths_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"width must be more than 0, however: width=0\.0"):
        Smooth(0.0)
    with pytest.raises(ValueError, match="unit must be target or bins, however: unit='sigma'"):
        Smooth(1.0, unit="sigma")  # type: ignore[arg-type]
