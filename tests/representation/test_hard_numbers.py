"""Every chain of steps and every way to cut buckets on numbers that are hard to fit, and on served ones never seen.

Whatever training rows hold, a column is fitted or refused with what to do; whatever is served after that, no feature is
NaN or infinite, none lies beyond the limit, and no warning is given (tests make errors of them).
"""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.errors import DataError
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.curves import Log, Log1p, Polynomial, Power, Quantile, Sigmoid, SquareRoot
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.steps import Clip, Identity, MinMax, Step, Winsorize, ZScore
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script

NAN, LARGEST, SMALLEST = math.nan, 1.7976931348623157e308, 5e-324
CHAINS: dict[str, Callable[[], list[Step]]] = {
    "identity": lambda: [Identity()],
    "z-score": lambda: [ZScore()],
    "min-max": lambda: [MinMax()],
    "clip": lambda: [Clip(-5.0, 5.0)],
    "winsorize": lambda: [Winsorize(), ZScore()],
    "log": lambda: [Log(), ZScore()],
    "log1p": lambda: [Log1p(), ZScore()],
    "root": lambda: [SquareRoot(), MinMax()],
    "power": lambda: [Power(), ZScore()],
    "power alone": lambda: [Power()],
    "sigmoid": lambda: [ZScore(), Sigmoid()],
    "ranks": lambda: [Quantile()],
    "normal scores": lambda: [Quantile(output="normal"), ZScore()],
    "log of log": lambda: [Log1p(), Log1p(), ZScore()],
    "cubes": lambda: [Polynomial(3)],  # the only ones that do not keep the order of numbers
    "cubes of z-scores": lambda: [ZScore(), Polynomial(3), ZScore()],
    "powers of cubes": lambda: [ZScore(), Polynomial(3), Power(), MinMax()],
}
COLUMNS: dict[str, Callable[[], Column]] = {
    **{name: lambda make=make: Scaled("x", steps=make()) for name, make in CHAINS.items()},  # type: ignore[misc]
    "median": lambda: Scaled("x", missing="median", clip=3.0),
    "buckets by quantile": lambda: Bucketized("x", buckets=10),
    "buckets by width": lambda: Bucketized("x", buckets=10, by="width"),
    "buckets by tree": lambda: Bucketized("x", buckets=10, by="tree"),
    "buckets by edges": lambda: Bucketized("x", edges=[-1.0, 0.0, 1e300]),
}
TRAIN: dict[str, list[float]] = {
    "all missing": [NAN] * 9,
    "one row": [3.0],
    "one value": [0.1] * 9,
    "one value and missing cells": [-7.0, NAN, -7.0, NAN],
    "0 alone": [0.0, -0.0, 0.0],
    "two values": [1.0, 2.0],
    "neighbours": [1.0, math.nextafter(1.0, 2.0)] * 5,
    "heavy ties": [0.0] * 99 + [1.0],
    "ties at both ends": [-1.0] * 50 + [2.0] * 50,
    "the ends of float64": [LARGEST, -LARGEST, 0.0],
    "1e308": [1e308, 1.5e308, 1e307],
    "one far value": [*map(float, range(1, 60)), 1e308],
    "one far value below": [*map(float, range(1, 60)), -1e308],
    "denormals": [SMALLEST, 3 * SMALLEST, 0.0],
    "2^53": [2.0**53, 2.0**53 - 1, 2.0**53 - 2, -(2.0**53)],
    "large and close": [1e15 + i for i in range(20)],
    "all sizes": [10.0**e for e in range(-300, 300, 20)],
    "negative": [-3.0, -2.0, -1e-9, -5e5],
    "plain": [1.0, 4.0, 2.5, 3.0, NAN, 9.0],
}
SERVED = [NAN, 0.0, -0.0, 1.0, -1.0, 3.5, 1e-9, -1e9, 1e18, 2.0**53 + 2, SMALLEST, -SMALLEST, 1e300, -1e300]
SERVED += [LARGEST, -LARGEST]


def double(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def fitted(make: Callable[[], Column], train: Tensor) -> Transform | str:
    """The column, or why it is refused."""
    y = (torch.arange(len(train)) % 2).double()
    try:
        return Transform({"x": make()}).fit(Sample({"x": train}, y, lambda read: []))
    except DataError as error:
        (problem,) = error.problems
        assert (problem.code, problem.columns, problem.key) == ("cannot_fit", ("x",), "data.columns.x")
        return problem.text


def check(transform: Transform, cells: Tensor) -> Tensor:
    """The features of served cells, which must be finite, within the limit, and the same in the exported graph."""
    column = transform.named_columns()["x"]
    x = transform({"x": cells})["x"]
    assert torch.equal(script(transform)({"x": cells})["x"], x)
    if x.dtype == torch.int64:
        assert 0 <= int(x.min()) <= int(x.max()) < column.codes
    else:
        assert bool(x.isfinite().all())
        assert float(x.abs().max()) <= column.limit
    return x


@pytest.mark.parametrize("train", TRAIN.values(), ids=TRAIN)
@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_finite_on_all_that_is_served_or_says_why_it_cannot_be_fitted(
    make: Callable[[], Column], train: list[float]
) -> None:
    found = fitted(make, double(train))
    if isinstance(found, str):
        assert found.startswith("x must ")
        assert " (else " in found, "what to do"
        assert "however: " in found
        assert "nan" not in found.replace(" is finite", "")
        return
    check(found, double([*train, *SERVED]))


@pytest.mark.parametrize("name", [name for name in CHAINS if "cubes" not in name])
@pytest.mark.parametrize("train", [TRAIN["plain"], TRAIN["heavy ties"], TRAIN["2^53"], TRAIN["all sizes"]])
def test_a_chain_keeps_the_order_of_numbers_also_of_those_never_seen(name: str, train: list[float]) -> None:
    found = fitted(COLUMNS[name], double(train))
    if not isinstance(found, str):
        features = check(found, double([value for value in [*train, *SERVED] if value == value]).sort().values)[:, 0]
        assert bool((features.diff() >= 0).all())


@pytest.mark.parametrize(
    ("name", "train", "text"),
    [
        (
            "z-score",
            "all missing",
            "x must have a value in training rows (else leave it out), however: all are missing",
        ),
        ("log", "negative", "x must be more than 0 for Log (else take Log1p or Power), however: -500000 is a value"),
        ("power", "one value", "x must have two distinct values for Power, and a finite spread (else leave Power out)"),
        ("ranks", "the ends of float64", "x must have two distinct values for Quantile, and a finite spread (else"),
        ("z-score", "the ends of float64", "x must have a finite spread (else bound it by min and max in data.fields)"),
        ("buckets by width", "the ends of float64", "x must have a finite spread (else bound it by min and max in"),
        ("buckets by quantile", "one value", "x must have two distinct values to be cut into buckets (else leave it"),
        ("power", "one far value", "x must have an exponent of maximum likelihood for Power (else take Quantile)"),
    ],
)
def test_what_cannot_be_fitted_says_which_and_what_to_do(name: str, train: str, text: str) -> None:
    found = fitted(COLUMNS[name], double(TRAIN[train]))
    assert isinstance(found, str)
    assert found.startswith(text)


def test_more_buckets_than_values_become_fewer_and_are_told() -> None:
    for name in ("buckets by quantile", "buckets by tree"):
        found = fitted(COLUMNS[name], double(TRAIN["two values"]))
        assert isinstance(found, Transform)
        column = found.named_columns()["x"]
        assert column.codes == 3  # two buckets and the one of missing cells
        assert any("is cut into 2 buckets, not 10: " in note for note in column.notes())


@pytest.mark.parametrize("name", list(CHAINS))
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30),
    st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=10),
)
def test_any_numbers_at_all_are_finite_or_refused(name: str, train: list[float], served: list[float]) -> None:
    found = fitted(COLUMNS[name], double(train))
    if isinstance(found, str):
        assert "however: " in found
    else:
        x = found({"x": double([*train, *served])})["x"]
        assert bool(x.isfinite().all())
