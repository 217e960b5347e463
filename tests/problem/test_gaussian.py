"""Golden values: scipy's normal distribution, integrals by scipy, and arithmetic by hand."""

import math

import numpy
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.gaussian import Gaussian, cdf, crps, log_loss
from mlp_torch.target import AtLeast, Number

PRICE = Number("price")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def bell(n: int = 4_000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """x and y ~ N(20 + 5x, (1 + |x|)²)."""
    draw = numpy.random.default_rng(seed)
    x = draw.uniform(-2, 2, n)
    return torch.from_numpy(x), torch.from_numpy(draw.normal(20 + 5 * x, 1 + abs(x)))


def fitted(y: Tensor, **options: object) -> Gaussian:
    torch.manual_seed(0)
    head = Gaussian(2, PRICE, **options)  # type: ignore[arg-type]
    head.fit(y, torch.ones(len(y)))
    return head


def true_out(head: Gaussian, x: Tensor, *, factor: float = 1.0) -> Tensor:
    """What a network that knows everything would give, with the deviation times a factor."""
    mean, std = (20 + 5 * x - head.mean) / head.scale, factor * (1 + x.abs()) / head.scale
    return head.raw(mean, std**2)


def evaluated(head: Gaussian, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels = head.predict(out), head.labels(y)
    return {
        name: float(metric(predictions[prediction], labels[label]))
        for name, (prediction, label, metric) in head.metrics().items()
    }


@pytest.mark.parametrize("y", [-7.0, 1.0, 3.0, 20.0])
def test_the_crps_is_the_integral_that_scipy_finds(y: float) -> None:
    normal = stats.norm(3, 2)
    low, _ = integrate.quad(lambda x: normal.cdf(x) ** 2, -40, y, limit=200)
    high, _ = integrate.quad(lambda x: normal.sf(x) ** 2, y, 60, limit=200)
    assert float(crps(doubles(3, 2).unsqueeze(0), doubles(y))) == pytest.approx(low + high, rel=1e-7)


def test_ranks_and_densities_are_scipys() -> None:
    y, normal = doubles(-7, 1, 3, 20), stats.norm(3, 2)
    moments = doubles(3, 2).expand(4, -1)
    assert cdf(moments, y).tolist() == pytest.approx(list(normal.cdf(y)))
    assert log_loss(moments, y).tolist() == pytest.approx(list(-normal.logpdf(y)))


def test_read_outs_are_scipys() -> None:
    _, y = bell()
    head = fitted(y, quantiles=(0.05, 0.975), thresholds={"over_25": 25.0})
    found = {name: x[0].tolist() for name, x in head.predict(true_out(head, doubles(0.5))).items()}
    normal = stats.norm(22.5, 1.5)
    assert found["mean"] == pytest.approx(22.5)
    assert found["std"] == pytest.approx(1.5, rel=1e-5)
    assert found["moments"] == [found["mean"], found["std"]]
    assert found["quantile_05"] == pytest.approx(normal.ppf(0.05))
    assert found["quantile_97_5"] == pytest.approx(normal.ppf(0.975))
    assert found["interval_80"] == pytest.approx(list(normal.interval(0.8)))
    assert found["interval_90"] == pytest.approx(list(normal.interval(0.9)))
    assert found["over_25"] == pytest.approx(normal.sf(25), rel=1e-4)


def test_the_loss_is_the_log_likelihood_up_to_a_constant() -> None:
    x, y = bell(50)
    head = fitted(y)
    out = true_out(head, x)
    loss = head.loss(out, Batch({}, y, torch.ones(50), torch.arange(50))).double()
    wanted = -torch.from_numpy(stats.norm(20 + 5 * x, 1 + x.abs()).logpdf(y))
    difference = loss - wanted
    assert float(difference.std()) < 1e-5
    # a row that is known as exactly as the floor allows costs nothing
    exact = torch.tensor([[float((y[0] - head.mean) / head.scale), -60.0]])
    assert head.loss(exact, Batch({}, y[:1], torch.ones(1), torch.arange(1))).item() == pytest.approx(0, abs=1e-4)


def test_the_truth_scores_better_than_a_deviation_that_is_too_small_or_too_large() -> None:
    x, y = bell()
    head = fitted(y)
    found = [evaluated(head, true_out(head, x, factor=factor), y) for factor in (0.6, 1.0, 1.7)]
    for name in ("crps", "log_loss", "pit_error", "coverage_80_error", "coverage_90_error"):
        assert found[1][name] < min(found[0][name], found[2][name]), name
    assert found[1]["crps"] == pytest.approx(2 / math.pi**0.5, rel=0.03)  # the mean deviation over √π
    assert found[1]["coverage_90_error"] < 0.02


def test_calibration_rows_make_intervals_of_a_model_that_is_too_sure_hold_their_share() -> None:
    (x, y), (x_new, y_new) = bell(seed=1), bell(20_000, seed=2)
    head = fitted(y)
    head.calibrate(true_out(head, x, factor=0.4), y, torch.ones(len(y)))
    found = evaluated(head, true_out(head, x_new, factor=0.4), y_new)
    assert found["coverage_80_error"] < 0.02
    assert found["coverage_90_error"] < 0.02
    assert head.reach.tolist() == pytest.approx([1.2816 / 0.4, 1.6449 / 0.4], rel=0.05)
    head.calibrate(true_out(head, x), y, torch.ones(len(y)))  # what was learned before does not enter
    assert head.reach.tolist() == pytest.approx([1.2816, 1.6449], rel=0.05)


def test_members_are_averaged_to_the_moments_of_their_mixture() -> None:
    _, y = bell()
    head = fitted(y)
    means, stds, weights = doubles(10, 20, 40), doubles(2, 3, 4), doubles(0.5, 0.3, 0.2)
    outs = head.raw((means - head.mean) / head.scale, (stds / head.scale) ** 2).unsqueeze(0)  # (1, 3, 2)
    found = head.predict(head.average(outs, weights.unsqueeze(0)))
    draw = numpy.random.default_rng(0)
    member = draw.choice(3, 400_000, p=weights.numpy())
    sample = draw.normal(means.numpy()[member], stds.numpy()[member])
    assert found["mean"].item() == pytest.approx(sample.mean(), rel=0.005)
    assert found["std"].item() == pytest.approx(sample.std(), rel=0.005)


def test_no_deviation_is_less_than_the_floor() -> None:
    _, y = bell()
    head = fitted(y, floor=0.1)
    found = head.predict(torch.tensor([[0.0, -1e4]]))
    assert found["std"].item() == pytest.approx(0.1 * head.scale.item())


def test_a_constant_target_is_learned() -> None:
    head = fitted(torch.full((5,), 7.0).double())
    found = evaluated(head, head.constant(torch.full((5,), 7.0), torch.ones(5)).expand(5, -1), torch.full((5,), 7.0))
    assert found["rmse"] == 0
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"floor": 0.0}, r"floor must lie between 0 and 1, however: floor=0\.0"),
        ({"quantiles": (0.5, 1.0)}, "quantiles must lie between 0 and 1"),
        ({"thresholds": {"std": 3.0}}, "thresholds must have names of their own, however: std"),
        (
            {"thresholds": {"loss": 3.0, "target": 1.0}},
            "thresholds must have names .* however: loss, target",
        ),
        ({"thresholds": {"over": float("nan")}}, "thresholds must be finite, however: over=nan"),
    ],
)
def test_options_that_make_no_distribution_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Gaussian(4, PRICE, **options)  # type: ignore[arg-type]


def test_a_target_with_classes_is_refused() -> None:
    with pytest.raises(DataError, match="class_target"):
        Gaussian(4, AtLeast("delay", 15))
