"""Rows that are there twice, with equal or other targets, and fields that say the same."""

import numpy as np
import pyarrow as pa

from mlp_torch.profile.copies import mixed, of_fields, of_rows
from mlp_torch.profile.facts import look
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.suspicions import suspicions

DRAW = np.random.default_rng(0)


def rows(cells: dict[str, list[object]], **options: object) -> dict[str, Finding]:
    """The findings on rows by code."""
    arrays = {name: pa.array(values) for name, values in cells.items()}
    return {finding.code: finding for finding in of_rows(arrays, **options)}  # type: ignore[arg-type]


def twins(cells: dict[str, object]) -> list[tuple[str, ...]]:
    """The fields of each finding on fields."""
    return [finding.fields for finding in of_fields([look(name, pa.array(v)) for name, v in cells.items()])]


def test_rows_that_repeat_an_earlier_one_are_counted_missing_cells_and_all() -> None:
    found = rows({"a": [1, None, 1, None, 2], "b": ["x", "y", "x", "y", "x"]})
    assert found["duplicate_rows"].count == 2
    assert found["duplicate_rows"].examples == ("row 2 repeats row 0", "row 3 repeats row 1")
    assert rows({"a": [1, None, 2], "b": ["x", "x", "x"]}) == {}
    assert rows({"a": [1.0, float("nan"), float("nan")]})["duplicate_rows"].count == 1


def test_rows_that_differ_in_their_id_alone_are_found() -> None:
    cells: dict[str, list[object]] = {"id": [1, 2, 3], "a": ["x", "x", "y"]}
    assert rows(cells) == {}
    found = rows(cells, ids={"id"})["duplicate_rows"]
    assert found.count == 1
    assert 'but "id"' in found.text


def test_equal_rows_with_other_targets_are_all_counted() -> None:
    cells: dict[str, list[object]] = {"a": ["x", "x", "x", "y", "y"], "y": [1, 1, 0, 1, 1]}
    found = rows(cells, target="y")
    assert found["conflicting_rows"].count == 3
    assert found["duplicate_rows"].count == 2
    assert "conflicting_rows" not in rows({"a": [1, 2], "y": [0, 1]}, target="y")


def test_cells_that_hold_lists_are_left_aside() -> None:
    assert rows({"a": [[1], [2]], "b": [1, 2]}) == {}
    assert rows({"a": [[1], [2]]}) == {}


def test_the_number_of_a_row_depends_on_the_order_of_fields() -> None:
    a, b = np.array([0, 1, 1]), np.array([1, 0, 1])
    assert len(np.unique(mixed([a, b]))) == 3


def test_fields_that_are_equal_renamed_or_in_the_same_order_are_copies_of_the_first() -> None:
    x, town = DRAW.normal(size=400), DRAW.choice(["Rome", "Oslo", "Ulm"], 400)
    names = {"Rome": "it", "Oslo": "no", "Ulm": "de"}
    found = twins(
        {
            "x": x,
            "same": x,
            "celsius": 9 / 5 * x + 32,
            "cubed": -(x**3),
            "town": town,
            "land": [names[word] for word in town],
            "noise": x + DRAW.normal(size=400) / 10,
            "two": DRAW.choice(["a", "b"], 400),
        }
    )
    # one that is not equal cell by cell where each row differs is found by its order
    assert set(found) == {("same", "x"), ("celsius", "x"), ("cubed", "x"), ("land", "town")}


def test_ids_and_fields_with_other_gaps_are_no_copies() -> None:
    x = DRAW.normal(size=400)
    assert twins({"a": [f"a{i}" for i in range(400)], "b": [f"b{i}" for i in range(400)]}) == []
    assert twins({"a": [f"a{i}" for i in range(400)], "b": [f"a{i}" for i in range(400)]}) == [("b", "a")]
    assert twins({"x": x, "mostly": np.where(np.arange(400) < 200, x, np.nan)}) == []
    assert twins({"town": ["a", "b", None, None] * 9, "other": ["a", "b", "c", "c"] * 9}) == []


def test_what_only_grows_with_an_id_is_no_copy_of_it() -> None:
    x = np.sort(DRAW.normal(size=400))
    known = {name: look(name, pa.array(v)) for name, v in {"id": np.arange(400), "x": x, "twin": x}.items()}
    found = [(finding.code, *finding.fields) for finding in suspicions(known)]
    assert found == [("id_like", "id"), ("copy_of_field", "twin", "x")]
