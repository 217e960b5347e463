"""Golden values: scikit-learn's pinball loss, numpy's weighted quantiles, scipy's closed forms, arithmetic by hand."""

import math

import numpy
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_pinball_loss
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.quantiles import Quantiles, crps, pinball, weighted_quantiles
from mlp_torch.target import AtLeast, Number

PRICE = Number("price")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def skewed(n: int = 4_000, seed: int = 0) -> Tensor:
    return torch.from_numpy(numpy.random.default_rng(seed).gamma(2, 10, n))


def fitted(y: Tensor, *, members: int = 1, **options: object) -> Quantiles:
    torch.manual_seed(0)
    head = Quantiles(8, PRICE, members=members, **options)  # type: ignore[arg-type]
    head.fit(y, torch.ones(len(y)))
    return head


def evaluated(head: Quantiles, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels = head.predict(out), head.labels(y)
    return {
        name: float(metric(predictions[prediction], labels[label]))
        for name, (prediction, label, metric) in head.metrics().items()
    }


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_quantiles_never_cross_whatever_the_weights(size: float) -> None:
    head = fitted(skewed(), members=3)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=size)
    outs = head(torch.randn(500, 3, 8))
    for out in (outs[:, 0], head.average(outs), head.average(outs, torch.rand(500, 3).softmax(dim=1))):
        found = head.predict(out.detach())
        assert bool((found["quantiles"].diff(dim=1) >= 0).all())
        for share in (50, 80, 90):
            low, high = found[f"interval_{share}"].unbind(1)
            assert bool((low <= high).all())


def test_the_pinball_loss_is_scikit_learns() -> None:
    y, levels = skewed(200), doubles(0.1, 0.5, 0.9)
    found = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).double() * 20
    costs = pinball(found, y, levels=levels).mean(dim=0)
    wanted = [mean_pinball_loss(y, found[:, i], alpha=level) for i, level in enumerate(levels.tolist())]
    assert costs.tolist() == pytest.approx(wanted)


def test_weighted_quantiles_are_numpys() -> None:
    y, weight = skewed(301), torch.from_numpy(numpy.random.default_rng(1).random(301))
    levels = doubles(0.05, 0.3, 0.5, 0.95)
    wanted = numpy.quantile(y.numpy(), levels.numpy(), weights=weight.numpy(), method="inverted_cdf")
    assert weighted_quantiles(y, weight, levels).tolist() == pytest.approx(list(wanted))


def test_seven_levels_find_the_crps_of_a_normal_to_two_percent_and_99_to_a_thousandth() -> None:
    normal, y = stats.norm(20, 5), doubles(*stats.norm(20, 5).ppf((numpy.arange(2_000) + 0.5) / 2_000))
    for levels, near in (
        (doubles(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95), 0.02),
        (torch.linspace(0.005, 0.995, 100).double(), 0.002),
    ):
        found = crps(torch.from_numpy(normal.ppf(levels.numpy())).expand(2_000, -1), y, levels=levels).mean()
        assert float(found) == pytest.approx(5 / math.pi**0.5, rel=near)


def test_a_network_finds_planted_quantiles_and_covers_new_rows() -> None:
    def draw(n: int, seed: int) -> tuple[Tensor, Tensor]:
        random = numpy.random.default_rng(seed)
        x = random.uniform(0, 1, n)
        return torch.from_numpy(x).float().unsqueeze(1), torch.from_numpy(random.exponential(1 + 3 * x))

    (x, y), (x_new, y_new) = draw(4_000, 0), draw(10_000, 1)
    torch.manual_seed(0)
    head = Quantiles(32, PRICE)
    head.fit(y, torch.ones(4_000))
    network = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), head)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    batch = Batch({}, y, torch.ones(4_000), torch.arange(4_000))
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 200)
        optimizer.zero_grad()
        head.loss(network(x), batch).mean().backward()
        optimizer.step()
    with torch.no_grad():
        found = head.predict(network(torch.tensor([[0.2], [0.8]])))["quantiles"]
        judged = evaluated(head, network(x_new), y_new)
    for row, scale in zip(found, (1.6, 3.4), strict=True):
        assert row.tolist() == pytest.approx(list(stats.expon(0, scale).ppf(head.levels.numpy())), rel=0.15, abs=0.1)
    for share in (50, 80, 90):
        assert judged[f"coverage_{share}_error"] < 0.02


def test_calibration_rows_widen_intervals_that_are_too_narrow_and_narrow_those_that_are_too_wide() -> None:
    y, new = skewed(seed=1), skewed(20_000, seed=2)
    head = fitted(skewed())
    best = head.constant(y, torch.ones(len(y)))
    middle = best[head.middle]
    for factor, sign in ((0.5, 1), (2.0, -1)):
        out = middle + factor * (best - middle)
        head.calibrate(out.expand(len(y), -1), y, torch.ones(len(y)))
        assert bool((sign * head.wider > 0).all())
        found = evaluated(head, out.expand(len(new), -1), new)
        for share in (50, 80, 90):
            assert found[f"coverage_{share}_error"] < 0.02


def test_a_narrowed_interval_ends_at_its_middle() -> None:
    head = fitted(skewed())
    head.wider.fill_(-1e6)
    low, high = head.predict(head.constant(skewed(), torch.ones(4_000)).unsqueeze(0))["interval_90"][0]
    assert low == high


def test_each_pair_of_levels_alike_far_from_the_median_is_an_interval() -> None:
    head = Quantiles(4, PRICE, levels=(0.01, 0.1, 0.4, 0.5, 0.6, 0.9))
    assert head.interval_names == ["interval_20", "interval_80"]
    assert head.scales() == {"levels": [0.01, 0.1, 0.4, 0.5, 0.6, 0.9]}
    assert "coverage_20_error" in head.metrics()
    assert not Quantiles(4, PRICE, levels=(0.5,)).interval_names


def test_a_far_value_does_not_press_all_others_together() -> None:
    y = torch.cat([skewed(), doubles(1e9)])
    head = fitted(y)
    out = head.constant(y, torch.ones(len(y)))
    assert float(out[-1] - out[0]) * head.scale.item() == pytest.approx(44, rel=0.1)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((0.1, 0.9), r"levels must rise and hold 0\.5, however: levels=\(0\.1, 0\.9\)"),
        ((0.9, 0.5), r"levels must rise and hold 0\.5"),
        ((0.5, 1.0), "levels must lie between 0 and 1"),
    ],
)
def test_levels_that_make_no_head_are_refused(levels: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Quantiles(4, PRICE, levels=levels)


def test_a_target_with_classes_is_refused() -> None:
    with pytest.raises(DataError, match="class_target"):
        Quantiles(4, AtLeast("delay", 15))
