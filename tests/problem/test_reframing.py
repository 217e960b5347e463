"""Golden values: integrals by scipy, closed forms, the exact distribution of a sample, and arithmetic by hand."""

import math

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.bin_targets import Hard, Ordinal, Smooth, Targets
from mlp_torch.problem.edges import quantile_edges
from mlp_torch.problem.likened import sample
from mlp_torch.problem.piecewise import cdf, quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.target import AtLeast, Number

DELAY = Number("delay")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def delays(n: int, seed: int = 0) -> Tensor:
    """Whole minutes shaped like flight delays: many a little early, a third late, a tail to 1,272."""
    draw = numpy.random.default_rng(seed)
    early = draw.normal(-8, 13, n)
    late = draw.exponential(45, n) * numpy.where(draw.random(n) < 0.05, 4, 1)
    return torch.tensor(numpy.where(draw.random(n) < 0.3, late, early).round().clip(-86, 1272))


def empirical_crps(train: Tensor, y: Tensor) -> float:
    """Mean CRPS of the training rows' own distribution: E|X - y| - E|X - X'| / 2 (Gneiting & Raftery 2007, (21))."""
    x, n = train.sort().values, len(train)
    distance = torch.stack([(x - value).abs().mean() for value in y.unique()])
    each = distance[torch.searchsorted(y.unique(), y)]
    rank = torch.arange(1, n + 1, dtype=torch.float64)
    return float(each.mean() - ((2 * rank - n - 1) * x).sum() / n**2)


def fitted(y: Tensor, **options: object) -> Reframed:
    torch.manual_seed(0)
    head = Reframed(4, DELAY, **options)  # type: ignore[arg-type]
    head.fit(y, torch.ones(len(y)))
    return head


def evaluated(head: Reframed, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels = head.predict(out), head.labels(y)
    return {
        name: float(metric(predictions[prediction], labels[label]))
        for name, (prediction, label, metric) in head.metrics().items()
    }


@pytest.mark.parametrize("n", [2_000, 100_000])
def test_bins_cost_the_unconditional_distribution_less_than_a_hundredth_of_its_crps(n: int) -> None:
    train, test = delays(n), delays(5_000, seed=1)
    head = fitted(train)
    found = evaluated(head, head.constant(train, torch.ones(n)).expand(len(test), -1), test)
    assert found["crps"] == pytest.approx(empirical_crps(train, test), rel=0.002)
    assert found["coverage_90"] == pytest.approx(0.9, abs=0.015)


def test_bins_of_equal_width_or_of_equal_mass_would_cost_more() -> None:
    train, test = delays(20_000), delays(5_000, seed=1)
    exact, costs = empirical_crps(train, test), []
    mass = (train.quantile(torch.linspace(0, 1, 41).double()[1:-1]).unique() - 0.5).tolist()
    for edges in ("quantile", "uniform", mass):
        head = fitted(train, edges=edges)
        out = head.constant(train, torch.ones(len(train))).expand(len(test), -1)
        costs.append(evaluated(head, out, test)["crps"] - exact)
    assert 0 <= 20 * costs[0] < costs[1]
    assert 2 * costs[0] < costs[2]


def test_the_constants_read_outs_are_those_of_the_training_rows() -> None:
    y = delays(20_000)
    head = fitted(y, thresholds={"over_15": 15.0, "over_300": 300.0}, quantiles=(0.05, 0.5, 0.975))
    found = {name: x[0] for name, x in head.predict(head.constant(y, torch.ones(len(y))).unsqueeze(0)).items()}
    assert float(found["mean"]) == pytest.approx(float(y.mean()), rel=1e-5)
    assert float(found["std"]) == pytest.approx(float(y.std()), rel=1e-3)
    assert float(found["over_15"]) == pytest.approx(float((y > 15).double().mean()), rel=1e-5)
    assert float(found["over_300"]) == pytest.approx(float((y > 300).double().mean()), rel=1e-5)
    assert float(found["median"]) == pytest.approx(float(y.median()), abs=1)
    assert float(found["quantile_05"]) == pytest.approx(float(y.quantile(0.05)), abs=1.5)
    assert float(found["quantile_97_5"]) == pytest.approx(float(y.quantile(0.975)), rel=0.03)
    assert found["interval_90"][0] == found["quantile_05"]
    assert found["median"] == found["quantile_50"]


def test_read_outs_by_hand() -> None:
    head = Reframed(4, DELAY, edges=[0, 10, 30], quantiles=(0.1, 0.9), thresholds={"over_20": 20})
    head.fit(doubles(2, 4, 19, 21, 26), torch.ones(5))
    out = doubles(0, 0.25, 0.75, 0).log().float().unsqueeze(0)
    found = {name: x[0].tolist() for name, x in head.predict(out).items()}
    assert found["mean"] == pytest.approx(0.25 * 3 + 0.75 * 22)
    assert found["std"] == pytest.approx((0.25 * 10 + 0.75 * (361 + 441 + 676) / 3 - 17.25**2) ** 0.5)
    assert found["mode"] == pytest.approx(22)  # density .75 / 20 over .25 / 10
    assert found["quantile_10"] == pytest.approx(4)
    assert found["median"] == pytest.approx(10 + 20 / 3)
    assert found["quantile_90"] == pytest.approx(10 + 20 * 0.65 / 0.75)
    assert found["over_20"] == pytest.approx(0.75 * 2 / 3)
    assert found["probabilities"] == pytest.approx([0, 0.25, 0.75, 0])
    assert found["densities"] == pytest.approx([0, 0.025, 0.0375, 0])
    assert found["interval_80"] == pytest.approx([4, 10 + 20 * 0.65 / 0.75])


def test_quantiles_rise_with_their_level() -> None:
    head = fitted(delays(3_000), quantiles=(0.001, 0.2, 0.8, 0.999))
    out = 20 * torch.randn(500, 40, generator=torch.Generator().manual_seed(0))
    found = head.predict(out)
    low, high = found["interval_90"].unbind(1)
    names = ["quantile_00_1", "low", "quantile_20", "median", "quantile_80", "high", "quantile_99_9"]
    rising = torch.stack([{**found, "low": low, "high": high}[name] for name in names])
    assert bool((rising.diff(dim=0) >= 0).all())
    assert bool(rising.isfinite().all())


def test_the_distribution_function_at_a_quantile_is_its_level() -> None:
    head = fitted(delays(3_000), quantiles=(0.2, 0.8))
    p = torch.randn(200, 40, generator=torch.Generator().manual_seed(0)).double().softmax(dim=1)
    for at, level in enumerate(head.bins.levels.tolist()):
        where = quantiles(p, head.bins.levels, head.bins.edges, head.bins.tails)[:, at]
        reached = cdf(p, where, edges=head.bins.edges, tails=head.bins.tails)
        assert torch.allclose(reached, torch.full_like(reached, level), atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1),
    st.integers(2, 30),
)
def test_edges_rise_enclose_all_and_are_as_many_as_asked_for(values: list[int], bins: int) -> None:
    y = torch.tensor(values).double()
    edges = quantile_edges(y, torch.ones(len(y)), bins)
    assert edges.shape == (bins + 1,)
    assert bool((edges.diff() > 0).all())
    assert (edges[0], edges[-1]) == (y.min(), y.max())
    assert torch.equal(edges, quantile_edges(y.flip(0), torch.ones(len(y)), bins))


def test_a_value_that_many_rows_share_has_a_bin_of_its_own() -> None:
    y = torch.cat([torch.zeros(500), torch.linspace(1, 100, 500)]).double()
    head = fitted(y, bins=10)
    assert head.bins.edges[0].item() == 0.5
    assert head.predict(head.constant(y, torch.ones(1000)).unsqueeze(0))["mode"].item() == 0.0


def test_a_rating_of_five_values_fills_forty_bins_without_an_empty_one_breaking_it() -> None:
    y = doubles(1, 2, 3, 4, 5).repeat_interleave(torch.tensor([10, 10, 20, 30, 30]))
    head = fitted(y)
    found = head.predict(head.constant(y, torch.ones(100)).unsqueeze(0))
    assert bool((head.bins.edges.diff() > 0).all())
    # Empty bins hold half a row each, as nothing is impossible; that pulls the mean a little to the middle.
    assert found["mean"].item() == pytest.approx(3.6, abs=0.15)


def test_weights_count_as_rows() -> None:
    y, weight = doubles(0, 1, 2, 3, 10), torch.tensor([1.0, 2.0, 1.0, 3.0, 1.0])
    repeated = y.repeat_interleave(weight.long())
    assert torch.equal(quantile_edges(y, weight, 3), quantile_edges(repeated, torch.ones(8), 3))
    assert not torch.equal(quantile_edges(y, weight, 3), quantile_edges(y, torch.ones(5), 3))


def test_the_average_of_members_is_their_mixture_and_not_the_mean_of_logits() -> None:
    head = fitted(delays(1_000), members=3, thresholds={"over_15": 15.0})
    outs = 2 * torch.randn(20, 3, 40, generator=torch.Generator().manual_seed(0))
    each = [head.predict(outs[:, k]) for k in range(3)]
    found = head.predict(head.average(outs))
    for name in ("probabilities", "mean", "over_15"):
        wanted = torch.stack([one[name] for one in each]).mean(dim=0)
        assert torch.allclose(found[name], wanted, rtol=1e-4, atol=1e-5), name
    assert not torch.allclose(head.predict(outs.mean(dim=1))["mean"], found["mean"], rtol=0.01)


def test_residuals_of_held_rows_are_put_around_the_predictions_of_trees() -> None:
    draw = numpy.random.default_rng(0)
    x = torch.tensor(draw.normal(0, 20, 6_000))
    y = x + torch.tensor(draw.gumbel(0, 10, 6_000))
    head = fitted(y[:2_000])
    out = head.from_scores(x[4_000:], x[2_000:4_000], y[2_000:4_000])
    assert torch.allclose(out.exp().sum(dim=1), torch.ones(2_000), atol=1e-5)
    found = evaluated(head, out, y[4_000:])
    point = float((x[4_000:] - y[4_000:]).abs().mean())
    # What the true distribution around each prediction would score: E|X - X'| / 2 = β ln 2 for a Gumbel.
    assert found["crps"] == pytest.approx(10 * math.log(2), rel=0.05)
    assert found["crps"] < 0.85 * point
    assert found["coverage_90_error"] < 0.02


def test_scores_in_one_piece_equal_scores_row_by_row() -> None:
    y = delays(5_000)
    head = fitted(y)
    scores = torch.linspace(-50, 200, 4_500).double()  # more than one chunk
    together = head.from_scores(scores, torch.zeros(5_000).double(), y)
    for row in (0, 4_095, 4_096, 4_499):
        assert torch.equal(together[row], head.from_scores(scores[row : row + 1], torch.zeros(5_000).double(), y)[0])


def test_a_sample_of_residuals_has_the_quantiles_of_all() -> None:
    y = delays(50_000)
    found = sample(torch.cat([y, doubles(torch.nan)]))
    assert len(found) == 2_000
    for level in (0.05, 0.5, 0.95):
        assert float(found.quantile(level)) == pytest.approx(float(y.quantile(level)), abs=1.5)
    assert sample(doubles(3, 1, 2)).tolist() == [1, 2, 3]


def test_labels_above_a_threshold_are_strictly_above() -> None:
    head = Reframed(4, DELAY, edges=[0, 10, 30], thresholds={"over_15": 15.0})
    assert head.labels(doubles(14, 15, 16, torch.nan))["over_15"].tolist() == [0, 0, 1, -1]


def test_coverage_is_neither_better_high_nor_low_and_its_error_is_better_low() -> None:
    head = Reframed(4, DELAY, edges=[0, 50, 100])
    out = torch.tensor([[-50.0, 0.0, 0.0, -50.0]]).expand(4, -1)  # even from 0 to 100
    found = evaluated(head, out, doubles(2, 50, 94, 97))
    assert found["coverage_90"] == 0.5
    assert found["coverage_90_error"] == pytest.approx(0.4)
    assert found["width_90"] == pytest.approx(90)
    assert head.metrics()["coverage_90"][2].higher_is_better is None


def test_a_target_with_one_value_is_refused() -> None:
    for edges in ("quantile", "uniform"):
        with pytest.raises(DataError, match=r"constant_target: .*5 to 5"):
            fitted(torch.full((9,), 5.0).double(), edges=edges)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bins": 1}, "bins must be at least 2, however: bins=1"),
        ({"edges": "equal"}, "edges must be quantile, uniform or a list of numbers, however: edges='equal'"),
        ({"edges": [0, 2, 1]}, r"edges must rise, however: edges=\[0, 2, 1\]"),
        ({"edges": [0, 1, math.inf]}, "edges must be finite"),
        ({"quantiles": (0.5, 1.0)}, "quantiles must lie between 0 and 1"),
        ({"thresholds": {"mean": 3.0}}, "thresholds must have names of their own, however: mean"),
    ],
)
def test_options_that_make_no_distribution_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Reframed(4, DELAY, **options)  # type: ignore[arg-type]


def test_a_target_with_classes_is_refused() -> None:
    with pytest.raises(DataError, match="class_target"):
        Reframed(4, AtLeast("delay", 15))


def test_the_pit_picture_is_flat_where_distributions_are_right() -> None:
    y = delays(20_000)
    head = fitted(y)
    p = head.predict(head.constant(y, torch.ones(len(y))).expand(len(y), -1))
    bars = [bar.get_height() for bar in head.pictures(p, head.labels(y))["pit"].axes[0].patches]
    assert sum(bars) == 20_000
    assert max(bars) < 2 * 1_000


def test_a_level_that_rounding_leaves_unreached_is_the_last_edge() -> None:
    head = Reframed(4, DELAY, edges=[0, 10, 30], quantiles=(0.9999999,))
    p = doubles(0.0, 0.5, 0.4999998, 0.0).unsqueeze(0)
    assert quantiles(p, head.bins.levels, head.bins.edges, head.bins.tails)[0, 0].item() == 30


def test_a_bin_without_training_rows_is_even() -> None:
    head = Reframed(4, DELAY, edges=[0, 10, 30], thresholds={"over_15": 15.0})
    head.fit(doubles(2, 4), torch.ones(2))
    found = head.predict(torch.tensor([[-200.0, -200.0, 200.0, -200.0]]))
    assert found["mean"].item() == pytest.approx(20)
    assert found["std"].item() == pytest.approx(20 / 12**0.5)
    assert found["over_15"].item() == pytest.approx(0.75)


def test_intervals_hold_their_share_of_new_rows_though_the_model_is_too_sure() -> None:
    y, new = delays(4_000, seed=1), delays(20_000, seed=2)
    head = fitted(delays(4_000))
    sure = 3 * head.constant(y, torch.ones(4_000))  # probabilities cubed: far too narrow
    before = evaluated(head, sure.expand(20_000, -1), new)
    head.calibrate(sure.expand(4_000, -1), y, torch.ones(4_000))
    after = evaluated(head, sure.expand(20_000, -1), new)
    for share in (80, 90):
        assert before[f"coverage_{share}_error"] > 0.05
        assert after[f"coverage_{share}_error"] < 0.02
    assert after["crps"] == before["crps"]  # the distribution itself is left as it is


def test_calibrating_twice_learns_the_same_as_once() -> None:
    y = delays(500, seed=1)
    one, two = fitted(delays(2_000)), fitted(delays(2_000))
    out = one.constant(y, torch.ones(500)).expand(500, -1)
    two.calibrate(4 * out, y, torch.ones(500))
    assert not torch.equal(one.bins.reach, two.bins.reach)
    for head in (one, two):
        head.calibrate(out, y, torch.ones(500))
    assert torch.equal(one.bins.reach, two.bins.reach)


def test_intervals_stay_as_they_are_where_calibration_rows_are_too_few() -> None:
    head = fitted(delays(500))
    out = head.constant(delays(500), torch.ones(500)).expand(3, -1)
    head.calibrate(out, doubles(0, 1, torch.nan), torch.ones(3))
    assert head.bins.reach.tolist() == pytest.approx([0.4, 0.45])


def test_values_further_out_than_any_training_row_have_a_finite_score_that_grows_with_the_distance() -> None:
    y = delays(5_000)
    head = fitted(y)
    out = head.constant(y, torch.ones(5_000)).unsqueeze(0)
    for sign in (-1, 1):
        found = [evaluated(head, out, doubles(sign * far)) for far in (2e3, 4e3, 8e3)]
        for name in ("crps", "log_loss"):
            scores = [one[name] for one in found]
            assert scores == sorted(scores)
            assert scores[2] - scores[1] == pytest.approx(2 * (scores[1] - scores[0]), rel=0.01), name  # straight tails


def test_the_mass_above_a_threshold_beyond_all_training_rows_is_not_zero() -> None:
    head = Reframed(4, DELAY, edges=[0, 10], thresholds={"over_30": 30.0})
    head.fit(doubles(5, 12, 14, 16, 18), torch.ones(5))
    found = head.predict(torch.tensor([[-99.0, -99.0, 0.0]]))  # all above 10, by 5 on average
    assert found["over_30"].item() == pytest.approx(math.exp(-20 / 5), rel=1e-5)


def test_edges_and_tails_are_told_to_those_who_read_densities() -> None:
    head = Reframed(4, DELAY, edges=[0, 10])
    head.fit(doubles(-4, 5, 12, 14, 16, 18), torch.ones(6))
    assert head.scales() == {"edges": [0, 10], "tails": [4, 5]}
    found = head.predict(torch.zeros(1, 3))
    assert found["densities"][0].tolist() == pytest.approx([1 / 12, 1 / 30, 1 / 15])


def test_the_pit_error_is_small_where_distributions_are_right_and_large_where_not() -> None:
    y = delays(20_000)
    head = fitted(y)
    out = head.constant(y, torch.ones(len(y))).expand(len(y), -1)
    assert evaluated(head, out, y)["pit_error"] < 0.02
    assert evaluated(head, 3 * out, y)["pit_error"] > 0.05


@pytest.mark.parametrize("targets", [Hard(), Smooth(0.75, unit="bins"), Ordinal()])
def test_all_targets_find_a_planted_distribution(targets: Targets) -> None:
    n = 500
    x = torch.linspace(-1, 1, n).double()
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    y = 10 * x + (1 + x) * torch.from_numpy(stats.norm.ppf((order + 0.5) / n))  # wider to the right
    torch.manual_seed(0)
    head = Reframed(64, DELAY, targets=targets)
    head.fit(y, torch.ones(n))
    network = torch.nn.Sequential(torch.nn.Linear(1, 64), torch.nn.Tanh(), head)
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    h, batch = x.float().unsqueeze(1), Batch({}, y, torch.ones(n), torch.arange(n))
    for _ in range(100):
        optimizer.zero_grad()
        head.loss(network(h), batch).mean().backward()
        optimizer.step()
    with torch.no_grad():
        found = evaluated(head, network(h), y)
    assert found["crps"] == pytest.approx(1 / math.pi**0.5, rel=0.1)  # of the true normals: mean deviation / √π
