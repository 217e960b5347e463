"""Rows cut by what a field holds; months and weekdays against the standard library, quantiles against numpy."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import torch

from mlp_torch.reproducibility.slices import FEW, MOST, cut, recognized


def rows(found) -> dict[str, int]:
    """How many rows each slice has."""
    return dict(zip(found.names, torch.bincount(found.of_row, minlength=len(found.names)).tolist(), strict=True))


def test_categories_are_slices_as_they_are_and_missing_is_one():
    found = cut(pa.array(["Oslo"] * 40 + ["東京"] * 31 + [None] * 2 + [""] * 30))
    assert rows(found) == {"Oslo": 40, "東京": 31, '""': 30, "(missing)": 2}
    assert found.joined == 0


def test_values_of_few_rows_are_joined_and_counted():
    found = cut(pa.array(["a"] * FEW + ["b"] * (FEW - 1) + ["c"]))
    assert rows(found) == {"a": FEW, "other (2 values)": FEW}
    assert found.joined == 2


def test_one_value_of_few_rows_stays_since_there_is_none_to_join_it_with():
    assert rows(cut(pa.array(["a"] * FEW + ["b"] * 2))) == {"a": FEW, "b": 2}
    assert rows(cut(pa.array(["a"]))) == {"a": 1}


def test_only_the_most_frequent_values_are_slices_of_their_own():
    words = [f"v{i:03}" for i in range(MOST + 10) for _ in range(FEW + i)]
    found = cut(pa.array(words))
    assert found.names[-1] == "other (10 values)"
    assert len(found.names) == MOST + 1
    assert "v009" not in found.names
    assert "v010" in found.names


def test_every_row_is_in_the_slice_of_its_value():
    words = ["a", "b", None, "a", "rare", "c", "b"] * 40 + ["x", "y"]
    found = cut(pa.array(words))
    for word, i in zip(words, found.of_row.tolist(), strict=True):
        assert found.names[i] == ({None: "(missing)", "x": "other (2 values)", "y": "other (2 values)"}.get(word, word))


def test_few_distinct_numbers_are_slices_of_their_own():
    x = pa.array([1.0, 2.5, None] * 40)
    assert rows(cut(x)) == {"1": 40, "2.5": 40, "(missing)": 40}
    assert rows(cut(pa.array([1, 2] * 40))) == {"1": 40, "2": 40}


def test_many_numbers_are_cut_into_equal_parts_at_quantiles():
    x = np.random.default_rng(0).permutation(1000).astype(float)
    found = cut(pa.array(x))
    assert set(rows(found).values()) == {100}
    assert found.names[0] == "0 to below 100"
    assert found.names[-1] == "900 to 999"
    assert torch.equal(found.of_row, torch.from_numpy(x // 100).long())


def test_a_number_that_most_rows_hold_makes_fewer_slices_and_none_is_empty():
    x = pa.array([0.0] * 700 + [float(i) for i in range(1, 301)])
    counts = rows(cut(x))
    assert min(counts.values()) > 0
    assert sum(counts.values()) == 1000


def test_nan_is_missing():
    assert rows(cut(pa.array([float("nan")] * 3 + [1.0] * 40), "number")) == {"1": 40, "(missing)": 3}


def test_times_of_many_months_are_cut_by_month():
    first = datetime.datetime(2023, 12, 1, 23, 59)
    days = [first + datetime.timedelta(hours=12 * i) for i in range(200)] + [None]
    names = [day.strftime("%Y-%m") if day else "(missing)" for day in days]
    found = cut(pa.array(days))
    assert {name: names.count(name) for name in names} == rows(found)
    assert [found.names[i] for i in found.of_row.tolist()] == names


def test_times_of_a_few_weeks_are_cut_by_weekday():
    first = datetime.datetime(1969, 12, 22)  # before 1970 too
    hours = [first + datetime.timedelta(hours=5 * i) for i in range(280)]
    found = cut(pa.array(hours))
    for hour, i in zip(hours, found.of_row.tolist(), strict=True):
        assert found.names[i] == hour.strftime("%A")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2", ""], "number"),
        (["007", "12"], "string"),
        (["1,5", "2"], "string"),
        (["2024-01-31", "2024-02-01", None], "time"),
        (["2024-01-31 10:00:00", "2024-02-01 11:30:00"], "time"),
        (["", None], "string"),
        (["a", "1"], "string"),
        ([True, False, None], "string"),
        ([1, 2, None], "number"),
        ([[1, 2], None], "string"),
        ([b"x"], "string"),
        ([datetime.date(2024, 1, 1)], "time"),
        ([datetime.time(10, 0)], "string"),
    ],
)
def test_what_no_schema_knows_is_taken_for_what_it_looks_like(values, kind):
    assert recognized(pa.array(values))[0] == kind
    cut(pa.array(values))  # whatever it is, it can be cut


def test_names_are_escaped_and_cut():
    found = cut(pa.array(["x\x1b[2J" + "y" * 100] * 40 + ["z"] * 40))
    assert found.names[0].startswith("x\\u001b[2J")
    assert len(found.names[0]) < 60


def test_no_rows_have_no_slices():
    assert cut(pa.array([], pa.string())).names == []
    assert cut(pa.array([], pa.float64())).names == []
    assert cut(pa.array([], pa.timestamp("s"))).names == []
