"""Buckets against NumPy, pandas and scikit-learn."""

import math

import numpy
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from mlp_torch.representation.bucketized import Bucketized
from tests.representation.fitted import NAN, encoded, fit, lognormal

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
        ({"edges": [1.0], "by": "tree"}, "by is for buckets, not for edges that are given, however: by='tree'"),
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


def test_equally_wide_buckets_are_those_of_pandas() -> None:
    train = lognormal(200)
    wanted = pandas.cut(train, 7, labels=False, right=False)
    assert encoded(fit(Bucketized("x", buckets=7, by="width"), train), train).tolist() == wanted.tolist()


def test_a_tree_cuts_where_the_target_changes_as_scikit_learns_does() -> None:
    train = lognormal(400)
    y = [float(value > 11) + 2.5 * (value > 60) + 0.3 * (i % 3) for i, value in enumerate(train)]
    column = fit(Bucketized("x", buckets=3, by="tree"), train, y)
    tree = DecisionTreeRegressor(max_leaf_nodes=3, random_state=0).fit(numpy.array(train)[:, None], y)
    leaves = tree.apply(numpy.array(train)[:, None])
    found = encoded(column, train).tolist()
    assert len(set(zip(found, leaves.tolist(), strict=True))) == len(set(found)) == 3
    assert encoded(column, [9.0, 13.0, 50.0, 70.0, NAN]).tolist() == [0, 1, 1, 2, 3]


def test_a_tree_does_not_depend_on_the_order_of_rows_or_the_size_of_values() -> None:
    train = [value + 1.7e9 for value in range(300)]  # seconds, which float32 holds to 128
    y = [float(value % 300 > 201) for value in range(300)]
    there = fit(Bucketized("x", buckets=2, by="tree"), train, y)
    back = fit(Bucketized("x", buckets=2, by="tree"), train[::-1], y[::-1])
    assert there.edges.tolist() == back.edges.tolist() == [1.7e9 + 202]


def test_rows_without_a_label_teach_a_tree_nothing() -> None:
    values, y = [0.0, 1.0, 2.0, 3.0, 9.0, 9.5], [0.0, 0.0, 1.0, 1.0, NAN, NAN]
    assert fit(Bucketized("x", buckets=5, by="tree"), values, y).edges.tolist() == [2.0]


def test_a_target_that_no_split_tells_apart_is_refused() -> None:
    for y in ([1.0] * 50, [NAN] * 50):
        with pytest.raises(ValueError, match=r"x must tell targets apart .*, however: no split does"):
            fit(Bucketized("x", buckets=3, by="tree"), lognormal(50), y)


def test_an_overflowing_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"x must have a finite spread \(else .*\), however: values from -1e"):
        fit(Bucketized("x", buckets=3, by="width"), [-1e308, 1e308])


def test_fewer_buckets_than_asked_and_empty_ones_are_told() -> None:
    assert fit(Bucketized("x", buckets=3), lognormal(60)).notes() == []
    assert fit(Bucketized("x", buckets=10), [0.0, 0.0, 1.0, 2.0]).notes() == [
        "x is cut into 3 buckets, not 10: values are tied"
    ]
    assert fit(Bucketized("x", buckets=4, by="width"), [0.0, 1.0, 100.0]).notes() == [
        "2 of 4 buckets of x hold no training row"
    ]
    assert fit(Bucketized("x", edges=EDGES), [0.5, 7.0, 8.0]).notes() == ["2 of 4 buckets of x hold no training row"]
