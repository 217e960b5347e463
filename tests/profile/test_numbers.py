"""Numbers and times: piles that mean missing, outliers that stay, cells that are none."""

import warnings

import numpy as np
import pyarrow as pa
import pytest

from mlp_torch.profile.facts import look
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.numbers import of_numbers

DRAW = np.random.default_rng(0)
AGES = DRAW.integers(18, 90, 500).astype(float)
BLOOD = DRAW.normal(70, 12, 700).round()  # mmHg


def found(values: object, *codes: str) -> list[Finding]:
    """The findings of some codes on a field of these values."""
    return [finding for finding in of_numbers(look("x", pa.array(values))) if finding.code in codes]


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        (np.r_[AGES, [999] * 30], {"999": 30}),
        (np.r_[AGES, [-999] * 3], {"-999": 3}),
        (np.r_[AGES, [9999] * 2], {"9999": 2}),
        (np.r_[AGES, [-999] * 3, [9999] * 4], {"-999": 3, "9999": 4}),
        (np.r_[AGES, [8888] * 3, [9999] * 3], {"8888": 3, "9999": 3}),
        (np.r_[DRAW.normal(size=500), [999.9] * 5], {"999.9": 5}),
        (np.r_[BLOOD[BLOOD > 30], [0] * 35], {"0": 35}),
        (np.r_[np.zeros(900), DRAW.lognormal(8, 1, 100).round(), [99999] * 5], {"99999": 5}),
    ],
)
def test_a_value_piled_far_from_all_others_is_named_with_its_cells(values: object, marks: dict[str, int]) -> None:
    sentinels = found(values, "sentinel")
    assert {finding.examples[0]: finding.count for finding in sentinels} == marks
    assert all(f'na_values: ["{finding.examples[0]}"]' in finding.advice for finding in sentinels)
    assert all(finding.loud for finding in sentinels)


@pytest.mark.parametrize(
    "values",
    [
        AGES,
        np.r_[AGES, [999]],  # once is an outlier
        DRAW.lognormal(0, 2, 1000),
        np.r_[np.zeros(900), DRAW.lognormal(0, 1, 100)],  # rain
        np.r_[np.zeros(80), DRAW.integers(0, 40, 700)],  # years of experience
        DRAW.poisson(2, 1000),
        DRAW.lognormal(0, 1, 1000).clip(max=6),  # a scale that ends there
        np.repeat(10.0 ** np.arange(9), 30),  # a long tail all the way
        [0, 1] * 200,
        [1.0, 2.0, 99.0],
        [5.0] * 100,
        [None, 1.0],
    ],
)
def test_long_tails_zeros_and_few_values_are_no_piles(values: object) -> None:
    assert found(values, "sentinel") == []


def test_a_pile_is_named_as_its_cells_spell_it_and_its_range_leaves_piles_out() -> None:
    words = [*(f"{age:.0f}" for age in AGES), *["0999"] * 9, *["-1e4"] * 9]
    finding, other = found([word.removeprefix("0") for word in words], "sentinel")
    assert (finding.examples, other.examples) == (("-1e4",), ("999",))
    assert "18 … 89" in finding.text


def test_a_time_that_stands_for_missing_can_be_declared_in_text_only() -> None:
    days = [f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 29)] + ["1900-01-01"] * 9
    (finding,) = found(days, "sentinel")
    assert finding.examples == ("1900-01-01",)
    assert "na_values" in finding.advice
    (finding,) = found(np.array(days, "M8[s]"), "sentinel")
    assert "na_values" not in finding.advice


def test_outliers_are_counted_without_the_piles_and_the_farthest_are_shown() -> None:
    values = np.r_[DRAW.normal(size=500), [50.0, -80.0], [999.0] * 5]
    (finding,) = found(values, "outliers")
    assert (finding.count, finding.total, finding.examples) == (2, 507, ("-80", "50"))
    assert not finding.loud
    assert found(DRAW.normal(size=500), "outliers") == []


def test_cells_that_are_no_number_are_counted_with_the_commonest_first() -> None:
    (finding,) = found([*map(str, range(500)), "x", "old", "old", "NA"], "invalid")
    assert (finding.count, finding.total, finding.examples) == (3, 504, ("old", "x"))
    assert finding.loud
    (finding,) = found([*map(str, range(500)), "NA", "?"], "na_words")
    assert 'na_values: ["NA", "?"]' in finding.advice


def test_infinity_and_years_beyond_the_calendar_are_invalid() -> None:
    (finding,) = found([1.0, 2.0, np.inf, -np.inf], "invalid")
    assert finding.count == 2
    (finding,) = found(pa.array([0, 10**15], pa.timestamp("s")), "invalid")
    assert (finding.count, finding.examples) == (1, ("outside the years 1 to 9999",))


def test_a_few_dates_in_another_form_among_proper_ones_are_mixed_dates() -> None:
    days = [f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 29)]
    (finding,) = found([*days, "1/5/2024", "31.12.2024"], "invalid", "mixed_dates")
    assert (finding.code, finding.count) == ("mixed_dates", 2)
    (finding,) = found([*days, "2024-02-30", "soon"], "invalid", "mixed_dates")
    assert finding.code == "invalid"
    (finding,) = found([*days, "2023-02-31"], "invalid", "mixed_dates")
    assert (finding.code, finding.count) == ("invalid", 1)
    assert finding.text == 'cells that are no time; "2023-02-31" has the form but is no day of the calendar'


def test_whole_numbers_that_spell_dates_are_told_and_other_large_ones_are_not() -> None:
    days = [20_240_000 + 100 * m + d for m in range(1, 13) for d in range(1, 29)]
    assert [finding.code for finding in found(days, "other_times")] == ["other_times"]
    assert found([*days, 20_241_301], "other_times") == []


def test_numbers_at_the_end_of_float64_neither_warn_nor_stop_the_look() -> None:
    values = np.r_[DRAW.normal(size=100), 1e308, -1e308, 5e-324]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (finding,) = found(values, "outliers", "sentinel")
    assert finding.count == 2
