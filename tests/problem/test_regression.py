"""Golden values: scikit-learn, numpy, and arithmetic by hand."""

import math

import numpy
import pytest
import torch
from scipy import optimize
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.links import moments
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.scores import R2
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


def positive(n: int = 400) -> Tensor:
    return skewed(n)[0]


def fitted(y: Tensor, *, members: int = 1, **options: object) -> Regression:
    head = Regression(2, PRICE, members=members, **options)  # type: ignore[arg-type]
    head.fit(y, torch.ones(len(y)))
    return head


COMBINED: list[dict[str, object]] = [
    {},
    {"loss": "absolute", "transform": "log"},
    {"loss": "huber", "transform": "log1p", "smearing": True},
    {"transform": "sqrt"},
    {"loss": "poisson"},
    {"bounds": (0.0, 2000.0)},
    {"loss": "huber", "bounds": (0.0, 2000.0)},
]


@pytest.mark.parametrize("options", COMBINED)
def test_no_constant_is_better_than_the_best_that_scipy_finds(options: dict[str, object]) -> None:
    y, weight = skewed()
    head = Regression(2, PRICE, **options)  # type: ignore[arg-type]
    head.fit(y, weight)

    def cost(c: float) -> float:
        return float((head.loss(torch.full((len(y), 1), c, dtype=torch.float64), batch(y)) * weight).sum())

    found = optimize.minimize_scalar(cost, bounds=(-9, 9), method="bounded", options={"xatol": 1e-9})
    assert cost(float(head.constant(y, weight))) == pytest.approx(found.fun, rel=1e-6)


@pytest.mark.parametrize("options", COMBINED)
def test_the_prediction_of_members_is_the_mean_of_their_predictions(options: dict[str, object]) -> None:
    head = fitted(positive(), members=3, **options)
    outs = torch.tensor([[[-0.5], [0.3], [0.9]]])
    each = [head.predict(outs[:, k])["prediction"].item() for k in range(3)]
    assert head.predict(head.average(outs))["prediction"].item() == pytest.approx(sum(each) / 3, rel=1e-5)
    weighted = head.average(outs, torch.tensor([[0.2, 0.3, 0.5]]))
    wanted = 0.2 * each[0] + 0.3 * each[1] + 0.5 * each[2]
    assert head.predict(weighted)["prediction"].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("options", COMBINED)
def test_what_trees_are_taught_comes_back_as_y(options: dict[str, object]) -> None:
    y = positive()
    head = fitted(y, **options)
    taught = head.teach(y)
    raw = taught.log() if options.get("loss") == "poisson" else taught  # LightGBM's raw score of counts
    assert torch.allclose(
        head.predict(head.from_scores(raw, doubles(), doubles()))["prediction"].double(), y, rtol=1e-4
    )


def test_the_poisson_loss_is_half_of_scikit_learns_deviance_over_the_mean() -> None:
    y = torch.tensor(numpy.random.default_rng(0).poisson(3, 500)).double()
    head = fitted(y, loss="poisson")
    out = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).double()
    found = head.predict(out)["prediction"]
    wanted = sklearn_metrics.mean_poisson_deviance(y, found) / 2 / y.mean()
    assert float(head.loss(out, batch(y)).mean()) == pytest.approx(float(wanted), rel=1e-6)
    assert bool(head.loss(out, batch(torch.zeros(500).double())).isfinite().all())


def test_counts_that_are_all_zero_are_learned_without_nan() -> None:
    y = torch.zeros(9).double()
    head = fitted(y, loss="poisson")
    out = head.constant(y, torch.ones(9)).expand(9, 1)
    assert head.predict(out)["prediction"].tolist() == pytest.approx([0] * 9, abs=1e-30)
    assert bool(head.loss(out, batch(y)).isfinite().all())


def test_predictions_stay_within_bounds_that_targets_may_touch() -> None:
    y = doubles(1, 1, 5, 5, 3)
    head = fitted(y, bounds=(1, 5))
    out = torch.tensor([[-1e4], [0.0], [1e4]])
    assert head.predict(out)["prediction"].tolist() == [1, 3, 5]
    assert bool(head.loss(out, batch(doubles(1, 5, 5))).isfinite().all())
    assert head.predict(head.constant(y, torch.ones(5)).unsqueeze(0))["prediction"].item() == pytest.approx(3)


def test_squared_error_of_logarithms_predicts_the_geometric_mean_and_smearing_the_mean() -> None:
    y = positive(20_000)
    plain, smeared = fitted(y, transform="log"), fitted(y, transform="log", smearing=True)
    out = plain.constant(y, torch.ones(len(y))).expand(len(y), 1)
    assert plain.predict(out)["prediction"][0].item() == pytest.approx(float(y.log().mean().exp()), rel=1e-4)
    assert smeared.predict(out)["prediction"][0] == plain.predict(out)["prediction"][0]  # before calibration
    for head in (plain, smeared):
        head.calibrate(out, y, torch.ones(len(y)))
    assert smeared.predict(out)["prediction"][0].item() == pytest.approx(float(y.mean()), rel=1e-4)
    assert plain.predict(out)["prediction"][0].item() == pytest.approx(float(y.log().mean().exp()), rel=1e-4)


def test_smearing_is_duans_factor_also_of_log1p_and_forgets_an_earlier_one() -> None:
    y = torch.tensor(numpy.random.default_rng(0).poisson(3, 4_000)).double()
    head = fitted(y, transform="log1p", smearing=True)
    best = head.constant(y, torch.ones(len(y)))
    for out in (best + 1, best):
        head.calibrate(out.expand(len(y), 1), torch.where(y == 7, torch.nan, y), torch.ones(len(y)))
    known = y[y != 7]
    wanted = (known.log1p() - y.log1p().mean()).exp().mean()
    assert head.smear.item() == pytest.approx(float(wanted), rel=1e-5)
    assert head.predict(best.unsqueeze(0))["prediction"].item() == pytest.approx(float(known.mean()), rel=1e-4)
    head.calibrate(best.expand(len(y), 1), y, torch.zeros(len(y)))  # rows without weight say nothing
    assert head.smear.item() == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "y", "words"),
    [
        ({"loss": "poisson"}, [0, -1, 3, -2], "must be at least 0 for loss=poisson.*2 of 4.*-2"),
        ({"transform": "log"}, [0, 1, 3, 2], "must be more than 0 for transform=log.*1 of 4"),
        ({"transform": "log1p"}, [0, -0.5, 3, 2], "must be at least 0 for transform=log1p.*1 of 4"),
        ({"transform": "sqrt"}, [0, -0.5, 3, 2], "must be at least 0 for transform=sqrt.*1 of 4"),
        ({"bounds": (0, 2)}, [0, 1, 3, 2], r"must lie within bounds=\[0, 2\].*1 of 4.*3"),
    ],
)
def test_training_targets_outside_the_domain_are_counted_and_shown(
    options: dict[str, object], y: list[float], words: str
) -> None:
    with pytest.raises(DataError, match=f"(?s)target_domain.*price.*{words}"):
        fitted(doubles(*y, torch.nan)[:4], **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"transform": "cube"}, "transform must be one of none, log, log1p, sqrt, however: transform='cube'"),
        ({"loss": "poisson", "transform": "log"}, "must have neither transform nor bounds, however: transform='log'"),
        ({"loss": "poisson", "bounds": (0, 1)}, "must have neither transform nor bounds"),
        ({"transform": "log", "bounds": (0, 1)}, r"must have no transform, however: transform='log', bounds=\[0, 1\]"),
        ({"bounds": (1, 0)}, r"bounds must be two numbers that rise, however: bounds=\[1, 0\]"),
        ({"bounds": (1, 2, 3)}, r"bounds must be two numbers that rise, however: bounds=\[1, 2, 3\]"),
        ({"smearing": True}, "smearing must go with transform=log or log1p, however: transform='none'"),
    ],
)
def test_options_that_contradict_each_other_are_refused_in_a_sentence(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Regression(2, PRICE, **options)  # type: ignore[arg-type]


def test_a_validation_row_below_all_training_rows_counts_as_the_least_of_them() -> None:
    head = fitted(doubles(1, 2, 4), transform="log")
    found = head.loss(torch.zeros(2, 1), batch(doubles(0, 1)))
    assert found[0] == found[1]
    assert bool(found.isfinite().all())


def test_a_constant_of_many_rows_has_no_deviation_however_its_sum_is_rounded() -> None:
    weight = torch.rand(100_003, generator=torch.Generator().manual_seed(100_003))
    mean, scale = moments(torch.full_like(weight, 229.25521850585938).double(), weight)
    assert (mean.item(), scale.item()) == (pytest.approx(229.25521850585938, rel=1e-15), 1)


@pytest.mark.parametrize("transform", ["log", "log1p", "sqrt"])
def test_an_average_below_all_training_rows_stays_where_it_is(transform: str) -> None:
    head = Regression(2, PRICE, transform=transform)
    head.fit(torch.tensor([5.0, 6.0, 9.0]).double(), torch.ones(3))
    outs = head.from_points(torch.tensor([7.0, 8.0]).double(), *[torch.zeros(0)] * 2).unsqueeze(0) - 4
    low = head.predict(outs[0])["prediction"]
    assert float(low.max()) < 5
    assert head.predict(head.average(outs))["prediction"].tolist() == pytest.approx([float(low.mean())], rel=1e-5)


def test_r2_of_daily_returns_is_that_of_scikit_learn() -> None:
    draw = torch.Generator().manual_seed(0)
    y = 8e-4 * torch.randn(500, generator=draw).double()
    found = R2().set_dtype(torch.float64)
    prediction = y + 8e-4 * torch.randn(500, generator=draw).double()
    found.update(prediction, y)
    assert float(found.compute()) == pytest.approx(sklearn_metrics.r2_score(y, prediction))
    alike = R2().set_dtype(torch.float64)
    alike.update(torch.randn(1363, generator=draw), torch.full((1363,), 92.07).double())  # whose squares are rounded
    assert math.isnan(alike.compute())


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_predictions_of_others_come_back_in_the_unit(loss: str) -> None:
    head = Regression(2, PRICE, loss=loss)
    head.fit(torch.tensor([1.0, 2.0, 9.0]).double(), torch.ones(3))
    nobody = torch.zeros(0).double()
    out = head.from_points(torch.tensor([2.0, 5.0]).double(), nobody, nobody)
    assert head.predict(out)["prediction"].tolist() == pytest.approx([2, 5], rel=1e-5)
    out = head.from_quantiles(torch.tensor([0.1, 0.5]).double(), torch.tensor([[1.0, 2.0], [3.0, 5.0]]).double())
    assert head.predict(out)["prediction"].tolist() == pytest.approx([2, 5], rel=1e-5)
