"""Bootstrap intervals against scipy's, against arithmetic by hand, and against torchmetrics on each draw."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torchmetrics.classification import BinaryAccuracy
from torchmetrics.regression import MeanSquaredError, R2Score

from mlp_torch.problem.scores import AUROC
from mlp_torch.reproducibility.intervals import (
    auroc_interval,
    counted,
    difference_interval,
    draws,
    interval,
    mean_interval,
    metric_interval,
    middle,
)


def drawn(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores with ties and labels that follow them somewhat."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(n, generator=generator) < 0.3).long()
    return ((torch.rand(n, generator=generator) + 0.3 * y) * 20).round() / 26, y


def test_the_interval_of_a_mean_is_that_of_scipy():
    x = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
    found = mean_interval(x, times=4000)
    known = stats.bootstrap((x.numpy(),), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    width = known.high - known.low
    assert found.value == pytest.approx(float(x.mean()))
    assert found.low == pytest.approx(known.low, abs=0.04 * width)
    assert found.high == pytest.approx(known.high, abs=0.04 * width)


def test_the_interval_of_an_auroc_is_what_torchmetrics_gives_on_the_same_draws():
    p, y = drawn(300)
    fast, slow = auroc_interval(p, y, times=200), metric_interval(AUROC(), p, y, times=200)
    assert fast == pytest.approx(slow, abs=1e-6)
    assert fast.low < fast.value < fast.high
    assert auroc_interval(p, y, times=200, seed=1).low != fast.low


def test_counts_are_those_of_the_drawn_rows():
    (counts,) = counted(7, 3, seed=5)
    for row, rows in zip(counts, draws(7, times=3, seed=5), strict=True):
        assert torch.equal(row, torch.bincount(rows, minlength=7).double())


def test_many_rows_come_in_parts_that_give_the_same_draws(monkeypatch):
    from mlp_torch.reproducibility import intervals

    x = torch.arange(50.0)
    whole = mean_interval(x, times=31)
    monkeypatch.setattr(intervals, "BLOCK", 200)
    assert mean_interval(x, times=31) == whole


def test_the_same_seed_gives_the_same_interval_and_another_another():
    p, y = drawn(100)
    assert metric_interval(BinaryAccuracy(), p, y, times=50) == metric_interval(BinaryAccuracy(), p, y, times=50)
    assert metric_interval(BinaryAccuracy(), p, y, times=50, seed=1) != metric_interval(
        BinaryAccuracy(), p, y, times=50
    )


def test_95_of_100_intervals_of_a_mean_hold_the_truth():
    generator = torch.Generator().manual_seed(3)
    held = 0
    for _ in range(400):
        found = mean_interval(torch.rand(80, generator=generator), times=300, seed=7)
        held += found.low <= 0.5 <= found.high
    assert 0.92 <= held / 400 <= 0.975


# --- groups


def test_rows_that_belong_together_are_drawn_together():
    groups = torch.tensor([9, 4, 9, 4, 7])
    for rows in draws(5, times=20, groups=groups):
        counts = torch.bincount(rows, minlength=5)
        assert counts[0] == counts[2]
        assert counts[1] == counts[3]
    sizes = {len(rows) for rows in draws(5, times=20, groups=groups)}
    assert len(sizes) > 1  # three groups of 2, 2 and 1 rows


def test_copies_of_rows_make_an_interval_narrower_unless_they_are_one_group():
    x = torch.randn(60, generator=torch.Generator().manual_seed(0))
    copies, groups = x.repeat_interleave(10), torch.arange(60).repeat_interleave(10)
    once, naive, grouped = mean_interval(x), mean_interval(copies), mean_interval(copies, groups=groups)

    def width(found):
        return found.high - found.low

    assert width(naive) < 0.5 * width(once)
    assert width(grouped) == pytest.approx(width(once), rel=1e-4)  # the same groups are drawn
    by_metric = metric_interval(MeanSquaredError(), copies, torch.zeros(600), groups=groups)
    assert width(by_metric) == pytest.approx(width(mean_interval(x**2)), rel=1e-4)


# --- differences


def test_a_paired_difference_is_narrower_than_that_of_two_independent_figures():
    p, y = drawn(400)
    other = (p + 0.01 * torch.randn(400, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    paired = difference_interval(AUROC(), p, other, y, times=100)
    one, two = auroc_interval(p, y, times=100), auroc_interval(other, y, times=100, seed=8)
    assert paired.value == pytest.approx(one.value - two.value, abs=1e-6)
    assert paired.high - paired.low < 0.5 * (one.high - one.low)
    assert paired.low <= paired.value <= paired.high


def test_a_contender_against_itself_differs_by_nothing():
    p, y = drawn(100)
    assert difference_interval(BinaryAccuracy(), p, p, y, times=20)[:3] == (0.0, 0.0, 0.0)


# --- what is not defined


def test_draws_without_a_figure_are_left_out_and_counted():
    p, y = drawn(20)
    y[:] = 0
    y[3] = 1
    found = auroc_interval(p, y, times=400)
    assert found.undefined == pytest.approx(400 * (1 - 1 / 20) ** 20, abs=40)  # the one row is not drawn
    assert math.isfinite(found.low)


def test_one_class_only_has_no_interval():
    p, _ = drawn(20)
    found = auroc_interval(p, torch.zeros(20, dtype=torch.int64), times=20)
    assert (found.undefined, found.to_json()) == (20, None)
    assert math.isnan(found.low)


def test_one_row_has_a_figure_and_no_interval():
    for found in (
        mean_interval(torch.tensor([3.0])),
        metric_interval(MeanSquaredError(), *torch.tensor([[1.0], [3.0]])),
    ):
        assert found.value in (3.0, 4.0)
        assert found.to_json() is None


def test_a_metric_that_finds_rows_too_few_says_so_in_no_draw():
    found = metric_interval(R2Score(), torch.tensor([1.0]), torch.tensor([2.0]))
    assert math.isnan(found.value)


def test_more_undefined_draws_than_defined_ones_give_no_interval():
    found = middle(1.0, torch.tensor([1.0, torch.nan, torch.nan]).double())
    assert math.isnan(found.low)
    assert math.isfinite(middle(1.0, torch.tensor([1.0, 2.0, torch.nan]).double()).low)


def test_any_figure_of_rows_has_an_interval():
    x = torch.arange(101.0)
    found = interval(lambda rows: float(x[rows].median()), 101, times=200)
    known = stats.bootstrap((x.numpy(),), np.median, method="percentile", n_resamples=2000, rng=0).confidence_interval
    assert found.value == 50
    assert found.low == pytest.approx(known.low, abs=4)
    assert found.high == pytest.approx(known.high, abs=4)
