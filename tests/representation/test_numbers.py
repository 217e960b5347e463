"""Numbers against NumPy, pandas and scikit-learn."""

import math

import numpy
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.representation.numbers import FARTHEST, Bucketized, Scaled, exact_sum

NAN = float("nan")


def inputs(values: list[float], key: str = "x") -> dict[str, Tensor]:
    return {key: torch.tensor(values, dtype=torch.float64)}


def fit(column: Column, values: list[float]) -> Column:
    rows = inputs(values, next(iter(column.reads.values())).key)
    column.fit(Sample(rows, torch.zeros(len(values)), lambda read: []))
    column.resize()
    if column.codes:
        column.see(column.encode(rows))
    return column


def encoded(column: Column, values: list[float]) -> Tensor:
    return column.encode(inputs(values, next(iter(column.reads.values())).key))


def lognormal(n: int) -> list[float]:
    values: list[float] = numpy.random.default_rng(0).lognormal(3, 1, n).tolist()
    return values


def test_scaled_is_scikit_learns_standard_scaler() -> None:
    train, test = lognormal(501), [0.0, -5.5, 1e6, 20.0]
    wanted = StandardScaler().fit(numpy.array(train)[:, None]).transform(numpy.array(test)[:, None])
    numpy.testing.assert_allclose(encoded(fit(Scaled("x"), train), test), wanted, rtol=1e-6)


def test_missing_cells_are_left_out_of_mean_and_deviation() -> None:
    train = lognormal(100)
    with_gaps = fit(Scaled("x"), [NAN, *train, NAN])
    numpy.testing.assert_allclose(with_gaps.mean, numpy.mean(train), rtol=1e-12)
    numpy.testing.assert_allclose(with_gaps.scale, numpy.std(train), rtol=1e-12)


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
    with pytest.raises(ValueError, match=r"x must have a finite spread, however: values from -1e\+308 to 1e\+308"):
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


EDGES = [-1.5, 0.0, 3.0]


@given(st.lists(st.one_of(st.floats(allow_nan=False), st.sampled_from(EDGES)), min_size=1))
def test_given_edges_cut_as_numpy_digitize_does(values: list[float]) -> None:
    column = fit(Bucketized("x", edges=EDGES), [0.0])
    assert encoded(column, values).tolist() == numpy.digitize(values, EDGES).tolist()


def test_missing_cells_have_the_last_bucket_of_their_own() -> None:
    column = fit(Bucketized("x", edges=EDGES), [0.0])
    assert column.codes == 5
    assert encoded(column, [NAN, float("inf"), -1e308]).tolist() == [4, 3, 0]


@pytest.mark.parametrize(("n", "buckets"), [(100, 5), (1000, 8), (60, 60), (7, 2)])
def test_quantile_buckets_hold_as_many_rows_as_those_of_pandas(n: int, buckets: int) -> None:
    train = lognormal(n)
    found = numpy.bincount(encoded(fit(Bucketized("x", buckets=buckets), train), train), minlength=buckets)
    wanted = pandas.Series(pandas.qcut(train, buckets, labels=False)).value_counts().sort_index().to_numpy()
    if n % buckets == 0:
        assert found.tolist() == wanted.tolist()
    assert abs(found - n / buckets).max() < 1


def test_ties_make_fewer_buckets_and_none_is_empty() -> None:
    train = [0.0] * 80 + [1.0] * 15 + [2.0] * 5
    column = fit(Bucketized("x", buckets=10), train)
    assert column.edges.tolist() == [1.0]
    assert fit(Bucketized("x", buckets=3), [0.0] * 99 + [0.5, 7.0]).edges.tolist() == [0.5]  # rain and none
    assert encoded(column, [0.0, 1.0, 2.0, -7.0]).tolist() == [0, 1, 1, 0]
    for seed in range(20):
        values = numpy.random.default_rng(seed).poisson(1.5, 50).astype(float).tolist()
        column = fit(Bucketized("x", buckets=6), values)
        counts = torch.bincount(encoded(column, values), minlength=column.codes)
        assert bool((counts[:-1] > 0).all())
        assert counts[-1] == 0


@pytest.mark.parametrize(
    ("values", "text"),
    [([NAN, NAN], "x must have a value in training rows"), ([5.0, 5.0, NAN], "x must have two distinct values")],
)
def test_rows_without_two_values_cannot_be_cut_into_quantiles(values: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fit(Bucketized("x", buckets=3), values)
    assert fit(Bucketized("x", edges=EDGES), values).codes == 5  # given edges need no rows


def test_buckets_without_training_rows_are_spare() -> None:
    assert fit(Bucketized("x", edges=EDGES), [0.5, 7.0]).layer().spare.tolist() == [0, 1, 4]
    assert fit(Bucketized("x", edges=EDGES), [-2.0, -1.0, 0.5, 7.0, NAN]).layer().spare.tolist() == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "one of buckets and edges must be given"),
        ({"buckets": 3, "edges": [1.0]}, "one of buckets and edges must be given"),
        ({"buckets": 1}, "buckets must be at least 2, however: buckets=1"),
        ({"edges": []}, r"edges must be finite numbers that ascend, at least 1, however: edges=\[\]"),
        ({"edges": [1.0, 1.0]}, "must be finite numbers that ascend"),
        ({"edges": [NAN]}, "must be finite numbers that ascend"),
        ({"edges": [0.0, math.inf]}, "must be finite numbers that ascend"),
        ({"buckets": 3, "dim": 0}, "dim must be at least 1, however: dim=0"),
    ],
)
def test_impossible_buckets_are_refused_at_once(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Bucketized("x", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"missing": "mode"}, {"clip": 0}, {"clip": -1.0}, {"clip": NAN}, {"clip": 1e9}])
def test_impossible_scalings_are_refused_at_once(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be .*, however: {name}="):
        Scaled("x", **options)  # type: ignore[arg-type]
