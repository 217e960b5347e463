"""Golden values: ranks counted by hand, scipy's Kolmogorov-Smirnov distance, and coverage of simulated rows."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from mlp_torch.problem.intervals import Coverage, CoverageError, PITError, conformal, held, interval_metrics


def ones(n: int) -> Tensor:
    return torch.ones(n)


@pytest.mark.parametrize("n", [9, 10, 19, 99, 100, 1_000])
@pytest.mark.parametrize("share", [0.8, 0.9])
def test_the_conformal_score_is_that_of_the_rank_for_finite_samples(n: int, share: float) -> None:
    scores = torch.arange(1, n + 1).double()[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    assert conformal(scores, ones(n), share, otherwise=-1).item() == math.ceil(round(share * (n + 1), 9))


def test_too_few_rows_say_nothing() -> None:
    for n, wanted in ((0, -1), (3, -1), (8, -1), (9, 9)):
        assert conformal(torch.arange(1, n + 1).double(), ones(n), 0.9, otherwise=-1).item() == wanted


def test_rows_without_a_label_or_weight_do_not_count() -> None:
    scores = torch.tensor([*range(1, 20), math.nan, 500]).double()
    weight = torch.tensor([1.0] * 20 + [0.0])
    assert conformal(scores, weight, 0.9, otherwise=-1).item() == 18


def test_a_row_that_weighs_twice_counts_as_two() -> None:
    scores, weight = torch.arange(1, 101).double(), ones(100)
    weight[:50] = 3.0
    # 200 in all, 202 with one more of mean weight; 161.6 are reached 11.6 rows beyond the fiftieth
    assert conformal(scores, weight, 0.8, otherwise=-1).item() == 62


def test_the_guarantee_holds_on_average_over_small_calibration_splits() -> None:
    draw = torch.Generator().manual_seed(0)
    covered = []
    for _ in range(2_000):
        scores = torch.rand(11, generator=draw)
        covered.append(bool(scores[10] <= conformal(scores[:10], ones(10), 0.8, otherwise=1)))
    # exactly ⌈.8 · 11⌉ / 11 = .818; the simple rank ⌈.8 · 10⌉ would hold .727
    assert sum(covered) / 2_000 == pytest.approx(9 / 11, abs=0.03)


def test_the_ends_of_an_interval_belong_to_it() -> None:
    interval = torch.tensor([[1.0, 3.0]]).expand(5, -1)
    y = torch.tensor([0.9, 1.0, 2.0, 3.0, 3.1]).double()
    assert held(interval, y).tolist() == [0, 1, 1, 1, 0]


def test_coverage_and_its_error_by_hand() -> None:
    interval, y = torch.tensor([[1.0, 3.0]]).expand(5, -1), torch.tensor([0.9, 1.0, 2.0, 3.0, 3.1]).double()
    assert float(Coverage(0.9)(interval, y)) == pytest.approx(0.6)
    assert float(CoverageError(0.9)(interval, y)) == pytest.approx(0.3)
    assert CoverageError(0.9).higher_is_better is False
    assert Coverage(0.9).higher_is_better is None


def test_metrics_of_intervals_have_one_name_in_all_heads() -> None:
    names = [f"{what}_{share}{more}" for share in (80, 90) for what, more in
             (("coverage", ""), ("coverage", "_error"), ("width", ""))]  # fmt: skip
    assert list(interval_metrics()) == names


def test_the_pit_error_is_scipys_kolmogorov_smirnov_distance_from_an_even_distribution() -> None:
    ranks = torch.rand(5_000, generator=torch.Generator().manual_seed(0)).double() ** 1.3
    metric = PITError(lambda preds, target: preds)
    for part in ranks.split(700):
        metric.update(part, part)
    wanted = stats.kstest(ranks.numpy(), "uniform").statistic
    assert float(metric.compute()) == pytest.approx(wanted, abs=1 / 200)
    assert wanted > 0.05


def test_ranks_of_zero_and_one_are_counted() -> None:
    metric = PITError(lambda preds, target: preds)
    metric.update(torch.tensor([0.0, 1.0]), torch.zeros(2))
    assert float(metric.compute()) == pytest.approx(0.495)
