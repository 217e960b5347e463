"""Golden values: scikit-learn, numpy, and arithmetic by hand."""

import numpy
import pytest
import torch
from scipy import optimize
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.regression import Regression
from mlp_torch.target import AtLeast, Number

PRICE = Number("price")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch(y: Tensor) -> Batch:
    return Batch({}, y, torch.ones(len(y)), torch.arange(len(y)))


def skewed(n: int = 400) -> tuple[Tensor, Tensor]:
    draw = numpy.random.default_rng(0)
    return torch.tensor(draw.lognormal(3, 1, n)), torch.tensor(draw.random(n)).float()


def test_metrics_equal_those_of_scikit_learn() -> None:
    y, _ = skewed()
    head = Regression(2, PRICE)
    head.fit(y, torch.ones(len(y)))
    out = torch.randn(len(y), 1, generator=torch.Generator().manual_seed(0))
    found = head.predict(out)["prediction"]
    metrics = {name: float(metric(found, y)) for name, (_, _, metric) in head.metrics().items()}
    assert metrics["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(y, found), rel=1e-9)
    assert metrics["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(y, found), rel=1e-9)
    assert metrics["r2"] == pytest.approx(sklearn_metrics.r2_score(y, found), rel=1e-9)


def test_sums_of_metrics_stay_exact_over_batches() -> None:
    metric = Regression(2, PRICE).metrics()["rmse"][2]
    for _ in range(3):
        metric.reset()
        metric.update(torch.zeros(1), doubles(10000.0))
        for _ in range(100):
            metric.update(torch.zeros(1), doubles(1.0))  # lost beside 1e8 in float32
    assert float(metric.compute()) == pytest.approx(((1e8 + 100) / 101) ** 0.5, rel=1e-12)


def test_r2_of_one_row_is_undefined_and_fails_nothing() -> None:
    metric = Regression(2, PRICE).metrics()["r2"][2]
    assert metric(torch.ones(1), doubles(2)).isnan()


def test_the_scale_is_the_weighted_mean_and_deviation() -> None:
    y, weight = skewed()
    head = Regression(2, PRICE)
    head.fit(y, weight)
    mean = numpy.average(y, weights=weight.double())
    assert head.link.mean.item() == pytest.approx(mean, rel=1e-12)
    assert head.link.scale.item() == pytest.approx(
        numpy.average((y - mean) ** 2, weights=weight.double()) ** 0.5, rel=1e-12
    )
    assert head.predict(torch.tensor([[-1.0]]))["prediction"].item() == pytest.approx(
        mean - head.link.scale.item(), rel=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1, 1e12])
def test_a_constant_target_is_learned_with_a_scale_of_one(value: float) -> None:
    head = Regression(2, PRICE)
    head.fit(torch.full((7,), value).double(), torch.ones(7))
    assert head.link.scale.item() == 1.0
    assert head.predict(torch.zeros(1, 1))["prediction"].item() == pytest.approx(value)


def test_a_small_deviation_survives_beside_a_large_mean() -> None:
    y = 1.7e9 + doubles(0, 10, 20, 30)  # seconds: float32 has steps of 128 here
    head = Regression(2, PRICE)
    head.fit(y, torch.ones(4))
    assert head.loss(torch.zeros(4, 1), batch(y)).tolist() == pytest.approx([1.8, 0.2, 0.2, 1.8], rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "wanted"), [("squared", [9.0, 0.25]), ("absolute", [3.0, 0.5]), ("huber", [2.5, 0.125])]
)
def test_losses_by_hand(loss: str, wanted: list[float]) -> None:
    head = Regression(2, PRICE, loss=loss)  # type: ignore[arg-type]
    assert head.loss(torch.tensor([[3.0], [0.5]]), batch(doubles(0, 0))).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_the_constant_is_the_minimum_that_scipy_finds(loss: str) -> None:
    y, weight = skewed()
    head = Regression(2, PRICE, loss=loss)  # type: ignore[arg-type]
    head.fit(y, weight)

    def cost(c: float) -> float:
        row = head.loss(torch.full((len(y), 1), c, dtype=torch.float64), batch(y))
        return float((row * weight).sum())

    found = optimize.minimize_scalar(cost, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert cost(float(head.constant(y, weight))) == pytest.approx(found.fun, rel=1e-6)
    assert cost(float(head.constant(y, weight)) + 0.1) > found.fun * 1.001


def test_absolute_loss_predicts_the_median() -> None:
    y = doubles(1, 2, 3, 4, 100)
    head = Regression(2, PRICE, loss="absolute")
    head.fit(y, torch.ones(5))
    assert head.predict(head.constant(y, torch.ones(5)).unsqueeze(0))["prediction"].item() == pytest.approx(3, abs=1e-5)


def test_trees_learn_standardized_values_which_come_back_in_the_unit() -> None:
    y, weight = skewed()
    head = Regression(2, PRICE)
    head.fit(y, weight)
    out = head.from_scores(head.teach(y), doubles(), doubles())
    assert torch.allclose(head.predict(out)["prediction"].double(), y, rtol=1e-5)


def test_objectives_follow_the_loss() -> None:
    found = [Regression(2, PRICE, loss=loss).objective for loss in ("squared", "absolute", "huber", "poisson")]
    assert found == ["regression", "regression_l1", "huber", "poisson"]


def test_rows_drawn_otherwise_move_the_bias_and_not_the_scale() -> None:
    y, weight = doubles(0, 0, 10, 10), torch.ones(4)
    head = Regression(2, PRICE)
    head.fit(y, weight, torch.tensor([1.0, 1.0, 3.0, 3.0]))
    assert (head.link.mean.item(), head.link.scale.item()) == (5.0, 5.0)
    assert head.output.bias.item() == pytest.approx(0.5)


def test_a_target_with_classes_is_refused() -> None:
    with pytest.raises(DataError, match='class_target: column "delay"'):
        Regression(2, AtLeast("delay", 15))


def test_an_unknown_loss_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="loss must be one of squared, absolute, huber, poisson, however: loss='mse'"):
        Regression(2, PRICE, loss="mse")  # type: ignore[arg-type]


def test_the_picture_of_residuals_counts_every_row() -> None:
    head = Regression(2, PRICE)
    y = torch.cat([torch.linspace(-1, 1, 200), torch.tensor([1e6, torch.nan])]).double()
    figure = head.pictures({"prediction": torch.zeros(202)}, head.labels(y))["residuals"]
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 201
