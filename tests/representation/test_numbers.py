"""Numbers against NumPy, pandas and scikit-learn."""

import hashlib
import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from mlp_torch.column import Sample
from mlp_torch.representation.curves import Log, Polynomial
from mlp_torch.representation.numbers import FARTHEST, Scaled
from mlp_torch.representation.statistics import exact_sum
from mlp_torch.representation.steps import ZScore
from tests.representation.fitted import NAN, encoded, fit, lognormal


def test_scaled_is_scikit_learns_standard_scaler() -> None:
    train, test = lognormal(501), [0.0, -5.5, 1e6, 20.0]
    wanted = StandardScaler().fit(numpy.array(train)[:, None]).transform(numpy.array(test)[:, None])
    numpy.testing.assert_allclose(encoded(fit(Scaled("x"), train), test), wanted, rtol=1e-6)


def test_missing_cells_are_left_out_of_mean_and_deviation() -> None:
    train = lognormal(100)
    with_gaps = fit(Scaled("x"), [NAN, *train, NAN])
    numpy.testing.assert_allclose(with_gaps.chain[0].mean, numpy.mean(train), rtol=1e-12)
    numpy.testing.assert_allclose(with_gaps.chain[0].scale, numpy.std(train), rtol=1e-12)


@pytest.mark.parametrize("values", [[1.0, 2.0, 9.0], [1.0, 2.0, 6.0, 99.0], [7.0]])
@pytest.mark.parametrize("missing", ["mean", "median"])
def test_a_missing_cell_gets_the_training_mean_or_median(values: list[float], missing: str) -> None:
    column = fit(Scaled("x", missing=missing), values)  # type: ignore[arg-type]
    wanted = {"mean": numpy.mean, "median": numpy.median}[missing](values)
    assert column.fill == pytest.approx(wanted)
    assert torch.equal(encoded(column, [NAN]), encoded(column, [float(wanted)]))


def test_the_indicator_is_there_only_where_training_had_missing_cells() -> None:
    without, beside = fit(Scaled("x"), [1.0, 3.0]), fit(Scaled("x"), [1.0, 3.0, NAN])
    assert without.dim == 1
    assert encoded(without, [3.0, NAN]).tolist() == [[1.0], [0.0]]
    assert beside.dim == 2
    assert encoded(beside, [3.0, NAN]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@given(
    st.floats(-1e100, 1e100, allow_subnormal=True),
    st.integers(1, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_constant_column_gives_zero_and_stays_finite(value: float, n: int, served: float) -> None:
    column = fit(Scaled("x"), [value] * n)
    assert encoded(column, [value, NAN]).tolist() == [[0.0], [0.0]]
    assert bool(encoded(column, [served]).isfinite().all())


def test_values_are_clipped_where_asked_and_kept_where_not() -> None:
    train = [0.0, 2.0]
    assert encoded(fit(Scaled("x", clip=3), train), [101.0, -101.0, 2.0]).tolist() == [[3.0], [-3.0], [1.0]]
    assert encoded(fit(Scaled("x"), train), [101.0, -99.0]).tolist() == [[100.0], [-100.0]]


def test_the_widest_training_outlier_is_far_from_the_limit_and_any_served_number_is_within() -> None:
    n = 10_000
    column = fit(Scaled("x"), [0.0] * (n - 1) + [1e9])
    assert encoded(column, [1e9]).item() == pytest.approx(math.sqrt(n - 1), rel=1e-6)  # no row lies further out than √N
    assert encoded(column, [1e308, -1e308]).tolist() == [[FARTHEST], [-FARTHEST]]


def test_numbers_whose_spread_overflows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x must have a finite spread .*, however: values from -1e\+308 to 1e\+308"):
        fit(Scaled("x"), [1e308, -1e308])


def test_more_rows_than_torch_quantile_takes_have_a_median() -> None:
    n = 2**24 + 1
    rows = {"x": torch.arange(n, dtype=torch.float64)}
    with pytest.raises(RuntimeError, match="too large"):
        rows["x"].quantile(0.5)
    column = Scaled("x", missing="median")
    column.fit(Sample(rows, rows["x"], lambda read: []))
    assert column.fill.item() == (n - 1) / 2


@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), min_size=1, max_size=60), st.integers(-1060, 0))
def test_a_sum_is_the_same_in_any_order_and_as_near_as_fsum(values: list[float], exponent: int) -> None:
    x = torch.tensor([math.ldexp(value, exponent) for value in values], dtype=torch.float64)
    total = float(exact_sum(x))
    assert total == float(exact_sum(x.flip(0))) == float(exact_sum(x.sort().values))
    allowed = float(x.abs().max()) * 2.0**-80 + abs(total) * 2.0**-52
    assert total == pytest.approx(math.fsum(x.tolist()), rel=0, abs=allowed)


def test_elapsed_days_are_a_scaled_time() -> None:
    column = fit(Scaled("at", kind="time"), [0.0, 2 * 86400.0])
    assert encoded(column, [0.0, 3 * 86400.0]).tolist() == [[-1.0], [2.0]]


@pytest.mark.parametrize("options", [{"missing": "mode"}, {"clip": 0}, {"clip": -1.0}, {"clip": NAN}, {"clip": 1e9}])
def test_impossible_scalings_are_refused_at_once(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be .*, however: {name}="):
        Scaled("x", **options)  # type: ignore[arg-type]


def test_the_default_gives_the_bits_that_were_recorded_before_chains() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5000, dtype=torch.float64, generator=draw).exp() * 37.7 - 2
    x[torch.rand(5000, generator=draw) < 0.1] = NAN
    for options, wanted in (({}, "bb968d47a7debea7"), ({"missing": "median", "clip": 3.0}, "9c04bfcc8e748aa5")):
        column = fit(Scaled("x", **options), x.tolist())  # type: ignore[arg-type]
        found = column.encode({"x": x})
        assert hashlib.sha256(found.numpy().tobytes()).hexdigest()[:16] == wanted


def test_steps_run_in_order_and_missing_cells_go_through_them() -> None:
    column = fit(Scaled("x", steps=[Log(), ZScore()]), [1.0, 100.0, NAN])
    assert encoded(column, [1.0, 100.0, 10.0]).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    wanted = math.log(50.5) / math.log(10) - 1
    assert encoded(column, [NAN]).tolist() == [[pytest.approx(wanted), 1.0]]


def test_powers_stand_side_by_side_and_the_flag_is_last() -> None:
    column = fit(Scaled("x", steps=[Polynomial(3)]), [1.0, 3.0, NAN])
    assert column.dim == 4
    assert encoded(column, [3.0, NAN]).tolist() == [[3.0, 9.0, 27.0, 0.0], [2.0, 4.0, 8.0, 1.0]]


def test_a_step_that_cannot_be_fitted_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"x must be more than 0 for Log .*, however: -2 is a value"):
        fit(Scaled("x", steps=[Log(), ZScore()]), [1.0, -2.0])
    with pytest.raises(ValueError, match=r"steps must be at least one, such as Identity, however: steps=\[\]"):
        Scaled("x", steps=[])
