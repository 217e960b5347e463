"""The ranking of chains of steps: which numbers have one, what is said, and what the page shows of it."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from mlp_torch.profile.chains import LEAST, after, chains_of, ranking
from mlp_torch.profile.facts import Facts, look
from mlp_torch.profile.numbers import of_numbers
from mlp_torch.profile.page import html
from mlp_torch.profile.report import DataReport, report_of
from mlp_torch.profile.table import printed

DRAW = np.random.default_rng(0)
SKEWED = DRAW.lognormal(3, 1, 800)


def facts(values: object) -> Facts:
    return look("x", pa.array(values))


def test_a_skewed_number_gets_the_chain_that_undoes_it_with_the_ranking() -> None:
    found = chains_of(facts(SKEWED))
    assert found is not None
    assert found.advised == "Log"
    assert re.fullmatch(r"normality \.\d\d as it is; .*Log 1\.00.*: take Log, .*", found.why)
    normal = chains_of(facts(np.log(SKEWED)))
    assert normal is not None
    assert normal.advised == "as it is"
    assert normal.why.endswith(": near enough")


@pytest.mark.parametrize(
    "values",
    [
        SKEWED[: LEAST - 1],
        [*SKEWED[: LEAST - 1], None, None],
        np.exp(np.arange(800) % 20 / 2.0),  # few values
        ["a", "b"] * 400,
        np.arange(800).astype("M8[D]"),
        pa.nulls(800, pa.float64()),
        [7.5] * 800,
    ],
)
def test_few_values_and_what_is_no_number_have_no_ranking(values: object) -> None:
    assert chains_of(facts(values)) is None


def test_only_the_given_rows_are_ranked() -> None:
    values = np.r_[SKEWED, np.log(SKEWED)]
    first = np.arange(1600) < 800
    ranks = [chains_of(facts(values), rows) for rows in (first, ~first)]
    assert [found and found.advised for found in ranks] == ["Log", "as it is"]
    assert chains_of(facts(values), first) == chains_of(facts(np.r_[SKEWED, -np.exp(SKEWED / 9)]), first)


def test_a_value_that_may_mean_missing_must_be_settled_first() -> None:
    field = facts([*SKEWED, *[-9999.0] * 30])
    findings = list(of_numbers(field))
    assert [finding.code for finding in findings][:1] == ["sentinel"]
    found = chains_of(field, findings=findings)
    assert found is not None
    assert found.advised == "as it is"
    assert found.why.endswith("take none while a value far from all others may mean missing")


def test_a_share_of_equal_values_that_no_curve_parts_is_the_reason() -> None:
    found = chains_of(facts(np.r_[np.zeros(4000), SKEWED]))
    assert found is not None
    assert found.why.endswith("most rows share a value, and no curve parts them")


def test_numbers_at_the_ends_of_float64_are_ranked_without_a_warning() -> None:
    for values in (np.r_[SKEWED, 1.7e308, -1.7e308], np.r_[SKEWED, 1e308], SKEWED * 5e-324, SKEWED * 1e304):
        found = chains_of(facts(values))
        assert found is None or all(0 <= score <= 1 for _, score in found.scores)


def test_what_comes_after_is_the_z_score_of_the_chain() -> None:
    field = facts([*SKEWED, *SKEWED[:300], None])
    found = chains_of(field)
    assert found is not None
    wanted = stats.zscore(np.log(np.r_[SKEWED, SKEWED[:300]]))
    counts = field.levels[2]
    np.testing.assert_allclose(np.repeat(after(field, found), counts), np.sort(wanted), rtol=1e-9)


def test_a_line_for_each_number_far_from_normal_is_printed() -> None:
    table = pa.table({"a\x1b": SKEWED, "b": np.log(SKEWED), "c": DRAW.uniform(size=800), "d": ["x"] * 800})
    out = printed(report_of(table))
    (line,) = (line for line in out.splitlines() if "take Log" in line)
    assert line.startswith('"a\\u001b": normality ')
    assert "near enough to normal as they are: 2 of 3 numbers" in out
    assert ranking([("x", None)]) == []


def report(count: int, *, rows: int = 800) -> DataReport:
    """Of a table in which every field is skewed."""
    return report_of(pa.table({f"<b>{i}": DRAW.lognormal(0, 1, rows) for i in range(count)}))


def test_the_page_shows_before_and_after_where_a_chain_is_taken_and_stays_small() -> None:
    skewed = report(10)
    text = html(skewed)
    assert text.count("<figcaption>after Log and ZScore</figcaption>") == 10
    assert text.count("<img ") == 20
    assert text.count(": take Log, ") == 10
    assert "<b>" not in text
    without = html(replace(skewed, fields=[replace(field, chains=None) for field in skewed.fields]))
    assert without.count("<img ") == 10
    assert len(text) <= 1.5 * len(without)
    assert html(skewed) == text


def test_numbers_whose_spread_float64_does_not_have_are_not_ranked() -> None:
    ends = np.random.default_rng(0).uniform(-1, 1, 300) * 1.7e308
    assert chains_of(look("x", pa.array(ends))) is None
    assert chains_of(look("x", pa.array(ends / 1e200))) is not None
