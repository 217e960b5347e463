"""Golden values: arithmetic by hand, and numpy's division of sorted rows."""

import math

import numpy as np
import pytest
import torch

from mlp_torch.problem.reliability import CalibrationError, TopCalibrationError, equal_mass


def test_fifteen_bins_of_equally_many_rows_as_numpy_divides_them() -> None:
    draw = np.random.default_rng(0)
    p = draw.permutation(np.linspace(0.01, 0.99, 300) ** 3)
    y = (draw.random(300) < p).astype(int)
    order = p.argsort()
    gaps = [abs(p[rows].mean() - y[rows].mean()) for rows in np.split(order, 15)]
    metric = CalibrationError()
    for rows in np.array_split(np.arange(300), 7):  # in batches
        metric.update(torch.from_numpy(p[rows]), torch.from_numpy(y[rows]))
    assert float(metric.compute()) == pytest.approx(np.mean(gaps), rel=1e-12)


def test_the_error_by_hand_of_four_rows_in_two_bins() -> None:
    bins = equal_mass(torch.tensor([0.9, 0.1, 0.8, 0.3]).double(), torch.tensor([1, 1, 0, 0]), bins=2)
    assert bins.said.tolist() == pytest.approx([0.2, 0.85])
    assert bins.true.tolist() == pytest.approx([0.5, 0.5])
    assert float(bins.error()) == pytest.approx((0.3 + 0.35) / 2)


def test_rows_of_equal_probability_share_a_bin_whatever_their_order() -> None:
    p = torch.tensor([0.5] * 20 + [0.7] * 10)
    y = torch.tensor([1] * 6 + [0] * 14 + [1] * 10)
    expected = (20 * 0.2 + 10 * 0.3) / 30
    for seed in range(3):
        order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
        assert float(CalibrationError()(p[order], y[order])) == pytest.approx(expected, rel=1e-6)


def test_rows_of_equal_probability_lie_in_the_bin_of_their_middle_row() -> None:
    p = torch.tensor([0.1, 0.5, 0.5, 0.5, 0.9, 0.9])  # middles at rows 0.5, 2.5, 5 of 6, bins of 2
    assert equal_mass(p, torch.zeros(6), bins=3).rows.tolist() == [1, 3, 2]
    assert equal_mass(p, torch.zeros(6), bins=2).rows.tolist() == [4, 2]


def test_a_constant_is_as_far_off_as_its_base_rate() -> None:
    assert float(CalibrationError()(torch.full((40,), 0.25), torch.tensor([1, 0] * 20))) == pytest.approx(0.25)


def test_of_several_classes_the_most_probable_counts() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    assert float(TopCalibrationError()(p, torch.tensor([0, 0]))) == pytest.approx((0.4 + 0.8) / 2)


def test_labels_are_pooled_and_those_not_known_left_out() -> None:
    p = torch.tensor([[0.2, 0.9], [0.4, 0.6]])
    assert float(CalibrationError()(p, torch.tensor([[0, 1], [-1, 0]]))) == pytest.approx((0.2 + 0.1 + 0.6) / 3)


def test_of_no_rows_there_is_no_error() -> None:
    assert math.isnan(float(equal_mass(torch.zeros(0), torch.zeros(0)).error()))
