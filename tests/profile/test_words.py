"""Text: look-alikes with their counts, text that differs in nearly all rows, numbers and times in other spellings."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from mlp_torch.profile.content import of_field
from mlp_torch.profile.facts import look
from mlp_torch.profile.finding import Finding

DRAW = np.random.default_rng(0)


def found(values: object, *, typed: bool = False) -> dict[str, Finding]:
    """The findings on a field of these values, by code."""
    return {finding.code: finding for finding in of_field(look("x", pa.array(values)), typed=typed)}


def words(rows: int, *choices: str) -> list[str]:
    return [str(word) for word in DRAW.choice(choices, rows)]


def test_words_that_differ_by_case_blanks_or_unicode_form_are_named_in_groups_with_their_counts() -> None:
    composed, wide = "Café", "\uff32ome"  # a fullwidth R
    apart = unicodedata.normalize("NFD", composed)
    assert apart != composed
    finding = found(["Rome", "rome", "rome", wide, "Oslo", "Oslo ", composed, apart, "Ulm"])["look_alike"]
    assert (finding.count, finding.total, finding.unit) == (7, 8, "words")
    assert finding.examples[0] == f"Rome (1), rome (2), {wide} (1)"
    assert finding.loud
    assert "look_alike" not in found(["Rome", "Roma", "Oslo"])


def test_blanks_around_words_and_empty_cells_in_quotes_are_counted() -> None:
    finding = found(["a ", "b", "", "", "b"])["blanks"]
    assert (finding.count, finding.examples) == (3, ("a ", ""))


@pytest.mark.parametrize(
    ("distinct", "code"), [(400, "id_like"), (397, "id_like"), (300, "near_unique"), (201, "near_unique")]
)
def test_text_that_differs_in_most_rows_is_an_id_or_near_unique(distinct: int, code: str) -> None:
    values = [f"w{min(i, distinct - 1)}" for i in range(400)]
    finding = found(values)[code]
    assert (finding.count, finding.total) == (distinct, 400)


def test_text_with_two_cells_a_word_and_ids_in_few_rows_are_neither() -> None:
    assert found([f"w{i // 2}" for i in range(400)]) == {}
    assert found([f"w{i}" for i in range(19)]) == {}


def test_whole_numbers_are_ids_by_name_or_order_only() -> None:
    shuffled = DRAW.permutation(10**6)[:400]
    assert [f.code for f in of_field(look("customer_id", pa.array(shuffled)))] == ["id_like"]
    assert of_field(look("salary", pa.array(shuffled))) == []
    assert [f.code for f in of_field(look("made", pa.array(np.sort(shuffled))))] == ["id_like"]
    assert [f.code for f in of_field(look("Unnamed: 0", pa.array(range(400))))] == ["row_number"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([f"{i},{j}" for i, j in DRAW.integers(10, 99, (400, 2))], "decimal_comma"),
        ([f"€{i},{j}" for i, j in DRAW.integers(100, 999, (400, 2))], "other_numbers"),
        ([f"{i}%" for i in DRAW.integers(0, 99, 400)], "other_numbers"),
        ([f"{d}/{m}/2024" for d, m in DRAW.integers(1, 12, (400, 2))], "other_times"),
        ([f"{d}. May 2024" for d in DRAW.integers(1, 31, 400)], "other_times"),
        ([f"2024-05-{d:02d}T10:00:00Z" for d in DRAW.integers(1, 31, 400)], "other_times"),
        ([f"2024-05-{d:02d}" if d % 3 else f"{d}.5.2024" for d in DRAW.integers(1, 31, 400)], "mixed_dates"),
        ([" ".join(words(20, "lorem", "ipsum", "dolor")) for _ in range(400)], "prose"),
        ([f"{i:05d}" for i in DRAW.integers(0, 60, 400)], "leading_zeros"),
        ([f"{2**53 + 1 + i}" for i in DRAW.integers(0, 60, 400)], "huge_integers"),
        ([*(str(i % 100) for i in range(300)), *["unknown"] * 100], "mixed_kinds"),
        (words(400, "a", "b", "None"), "na_words"),
        (["x" * 70_000, "b", "b"], "cell_too_large"),
    ],
)
def test_each_spelling_has_its_code(values: list[str], code: str) -> None:
    assert list(found(values)) == [code]


def test_mixed_dates_show_one_of_each_form() -> None:
    days = ["2024-05-01", "13/5/2024", "14/5/2024"] * 20
    finding = found(days)["mixed_dates"]
    assert set(finding.examples) == {"2024-05-01", "13/5/2024"}
    assert finding.loud


@pytest.mark.parametrize(
    ("days", "clause"),
    [
        (["13/5/2024", "5/13/2024"], "now first, now second"),
        (["3/5/2024", "5/3/2024"], "nothing tells day from month"),
        (["13/5/2024", "14/5/2024"], ""),
    ],
)
def test_whether_day_or_month_comes_first_is_told_where_it_is_a_question(days: list[str], clause: str) -> None:
    assert found(days * 20)["other_times"].text.endswith(clause or "NN/NN/YYYY")


def test_many_codes_among_numbers_are_no_alarm_and_a_few_marks_are() -> None:
    codes = [*map(str, range(300)), *(f"{i}a" for i in range(100))]
    assert not found(codes)["mixed_kinds"].loud
    assert found([*map(str, range(300)), *["unknown"] * 100])["mixed_kinds"].loud


def test_numbers_stored_as_text_are_told_where_cells_have_types() -> None:
    values = [f"{x:.3f}" for x in DRAW.normal(size=50)]
    assert list(found(values, typed=True)) == ["numbers_as_text"]
    assert found(values) == {}


def test_fields_without_content_have_one_finding() -> None:
    assert list(found(["k"] * 400)) == ["constant"]
    assert list(found([None] * 400)) == ["empty"]
    assert list(found(["NA"] * 400)) == ["empty"]
    assert list(found([[1], [2]])) == ["several"]
    assert list(found([[[1]], [[2]]])) == ["unreadable"]
    assert list(found(["a", "b", *[None] * 398])) == ["few_values", "mostly_missing"]
    assert list(found([1.5, 2.5] * 60 + [None] * 130)) == ["mostly_missing"]


def test_decimal_points_in_a_file_of_decimal_commas_are_named_as_what_they_are() -> None:
    cells = pa.array([f"{i}.0" for i in range(30, 80)] * 8)
    (finding,) = of_field(look("age", cells, decimal=","))
    assert (finding.code, finding.count, finding.total) == ("other_numbers", 400, 400)
    assert finding.text.endswith("-?digits[,digits]: a decimal point, where the file has decimal commas")
    assert "with a comma" in finding.advice


def test_numbers_of_few_values_beside_strange_words_are_spelled_as_they_should_be() -> None:
    cells = [*[str(i) for i in range(19)] * 51, "old", "young", "ancient"]
    finding = found(cells)["mixed_kinds"]
    assert (finding.count, finding.total) == (3, 972)
    assert set(finding.examples) == {"old", "young", "ancient"}


def test_a_file_of_decimal_commas_has_a_comma_in_its_own_spelling() -> None:
    cells = pa.array([*[f"{i},5" for i in range(15)] * 20, *["old", "young", "new", "late", "x", "z"]])
    assert [finding.code for finding in of_field(look("age", cells, decimal=","))] == ["mixed_kinds"]
