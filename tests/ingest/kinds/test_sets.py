"""Members of a cell: by Python's split, by pyfarmhash, and alike from text, lists, files and in TorchScript."""

import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ways_in import (
    assert_alike_in_graph,
    assert_same_bits,
    by_csv,
    by_parquet,
    checked,
    in_graph,
    inputs,
    layouts,
    padded,
    refused,
    tensor,
    words,
)

from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.reads import Read

READ = Read("tags", "set", max_tokens=3, separator=", ")
TEXT = st.text(st.characters(codec="utf-8"))
SEPARATOR = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3) | st.sampled_from(
    [",", ", ", "|", "aa", "日"]
)


def split(text: str | None, separator: str) -> list[str]:
    """By Python; a cell without text has no members."""
    return text.split(separator) if text else []


@settings(max_examples=300, deadline=None)
@given(st.data(), SEPARATOR)
def test_any_text_has_the_members_that_python_splits(data: st.DataObject, separator: str) -> None:
    member = st.text(st.sampled_from([*separator, "a", " "])) | TEXT
    cell = st.lists(member, max_size=5).map(separator.join)
    texts = data.draw(st.lists(cell | st.none(), max_size=6))
    read = Read("tags", "set", max_tokens=4, separator=separator)
    assert torch.equal(tensor(pa.array(texts, pa.string()), read), padded([split(x, separator) for x in texts], 4))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("a, é日")) | TEXT | st.none(), min_size=1, max_size=6).filter(any))
def test_any_text_is_the_same_in_records_eager_and_in_torchscript(texts: list[str | None]) -> None:
    found = assert_alike_in_graph(texts, READ)
    assert torch.equal(found[READ.key], padded([split(text, ", ") for text in texts], 3))


@pytest.mark.parametrize("separator", ["a", "aa", "|", "\t", ".", "日本", "\\", "; "])
def test_torchscript_splits_by_any_separator_as_python_does(separator: str) -> None:
    read = Read("tags", "set", max_tokens=6, separator=separator)
    texts = ["aaa", f"{separator}x", f"x{separator}{separator}y", separator, "", None, f"é{separator}日{separator}"]
    found = assert_alike_in_graph(texts, read)
    assert torch.equal(found[read.key], padded([split(text, separator) for text in texts], 6))


LISTS = [["Action", "Drama"], None, [], ["a", "b", "c", "d"], ["", "Drama"]]
WANTED = padded([x or [] for x in LISTS], 3)
TYPES = [
    pa.list_(pa.string()),
    pa.large_list(pa.large_string()),
    pa.list_(pa.string_view()),
    pa.list_view(pa.string()),
    pa.large_list_view(pa.large_string()),
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_lists_gives_the_same_members(kind: pa.DataType, layout: str) -> None:
    cells = layouts(pa.array(LISTS, kind))[layout]
    assert torch.equal(tensor(cells, READ), WANTED)
    assert sorted(words(cells, READ).values()) == sorted({member for cell in LISTS for member in cell or ()})


def test_lists_of_one_length_of_categories_and_of_whole_numbers() -> None:
    pairs = pa.array([["a", "b"], None, ["c", "a"]], pa.list_(pa.string(), 2))
    assert torch.equal(tensor(pairs, READ), padded([["a", "b"], [], ["c", "a"]], 3))
    assert torch.equal(tensor(pairs.slice(1), READ), padded([[], ["c", "a"]], 3))
    coded = pa.ListArray.from_arrays([0, 2, 2, 3], pa.array(["a", "b", "a"]).dictionary_encode())
    assert torch.equal(tensor(coded, READ), padded([["a", "b"], [], ["a"]], 3))
    for whole in (pa.array([[5, -7], []], pa.list_(pa.int8())), [[5, -7], []]):  # as a category: decimal text
        assert torch.equal(tensor(whole, READ), padded([["5", "-7"], []], 3))


def test_members_below_a_null_are_not_read() -> None:
    hidden = pa.ListArray.from_arrays([0, 2, 4], pa.array(list("abcd")), mask=pa.array([True, False]))
    assert torch.equal(tensor(hidden, READ), padded([[], ["c", "d"]], 3))
    assert words(hidden, READ).values() == {"c": 0, "d": 0}.keys() or set(words(hidden, READ).values()) == {"c", "d"}
    assert refused(pa.ListArray.from_arrays([0, 1, 2], pa.array([None, "a"])), READ).rows == (0,)
    covered = pa.ListArray.from_arrays([0, 1, 2], pa.array([None, "a"]), mask=pa.array([True, False]))
    assert torch.equal(tensor(covered, READ), padded([[], ["a"]], 3))


def test_views_in_any_order_and_of_shared_members_give_their_own() -> None:
    views = pa.ListViewArray.from_arrays([2, 0, 1], [2, 2, 2], pa.array(list("abcd")))
    assert torch.equal(tensor(views, READ), padded([["c", "d"], ["a", "b"], ["b", "c"]], 3))
    assert torch.equal(tensor(views.slice(1), READ), padded([["a", "b"], ["b", "c"]], 3))


def test_text_lists_files_frames_and_records_give_the_same_members() -> None:
    texts = [None if cell is None else ", ".join(cell) for cell in LISTS]
    for cells in (texts, LISTS, [tuple(cell) if cell else cell for cell in LISTS], [*LISTS[:2], *texts[2:]]):
        assert torch.equal(tensor(cells, READ), WANTED)
    for frame in (pd.DataFrame({"tags": LISTS}), pd.DataFrame({"tags": texts})):
        assert torch.equal(tensor(table_of(frame)["tags"], READ), WANTED)
    assert_same_bits(by_csv(texts, READ), inputs(LISTS, READ))
    for kind in (None, pa.large_list(pa.string()), pa.list_(pa.dictionary(pa.int32(), pa.string()))):
        assert_same_bits(by_parquet(pa.array(LISTS, kind), READ), inputs(LISTS, READ))


def test_without_rows_there_are_no_members() -> None:
    for kind in (*TYPES, pa.string(), pa.null(), pa.list_(pa.null())):
        assert tensor(pa.array([], kind), READ).shape == (0, 3)
        assert words(pa.array([], kind), READ) == {}


def test_members_beyond_the_first_are_left_out_and_counted() -> None:
    found = checked([["a", "b", "c", "d"], "a, b, c, d", ["a"]], READ)
    assert found.counts["changed"] == {"tags: more than 3 members, of which the first are read": 2}


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (["a", None], "null_member"),
        ([None], "null_member"),
        ([5, None], "null_member"),
        (["\ud800"], "invalid_unicode"),
        ("a, \udfff", "invalid_unicode"),
        (["a", 5], "nested_value"),
        ([["a"]], "nested_value"),
        ([{"a": 1}], "nested_value"),
        ({"a"}, "nested_value"),  # whose order changes from run to run
        ({"a": 1}, "nested_value"),
        ([1.5], "wrong_type"),
        ([b"a"], "nested_value"),
        (5, "wrong_type"),
        (b"a", "wrong_type"),
        (["x" * 65_537], "cell_too_large"),
        (["x" * 40_000] * 2, "cell_too_large"),
        ("x, " * 30_000, "cell_too_large"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_set_is_refused_by_reason_row_and_count(cell: object, code: str) -> None:
    problem = refused(["good", cell, ["good"]], READ)
    assert (problem.code, problem.bad, problem.total, problem.rows) == (code, 1, 3, (1,))
    by_policy = code == "null_member"
    assert problem.key == ("data.fields.tags.invalid" if by_policy else None if "large" not in code else problem.key)
    if code in ("nested_value", "wrong_type"):
        assert "read as set must be a list of texts or of whole numbers, or text with the separator" in str(problem)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([["a", None], ["b"]]),
        pa.array([["a", None], ["b"]], pa.large_list(pa.string())),
        pa.array([["a", None], ["b", "c"]], pa.list_(pa.string(), 2)),
        pa.array([["a", None], ["b"]], pa.list_view(pa.string())),
        pa.array([[1, None], [2]]),
    ],
    ids=lambda cells: str(cells.type),
)
def test_a_null_in_a_typed_list_is_refused_or_becomes_what_the_policy_says(cells: pa.Array) -> None:
    problem = refused(cells, READ)
    assert (problem.code, problem.bad, problem.rows, problem.key) == (
        "null_member", 1, (0,), "data.fields.tags.invalid",
    )  # fmt: skip
    found = checked(cells, READ, invalid="missing")
    assert found.counts["changed"] == {"tags: null_member read as missing": 1}
    assert found.counts["missing"] == {"tags": 1}
    assert checked(cells, READ, invalid="drop").counts["dropped"] == {"tags: null_member": 1}


def test_policies_say_what_becomes_of_missing_sets_and_an_empty_one_is_none() -> None:
    cells = [["a"], None, "NA", "", []]
    assert checked(cells, READ, na_values=["NA"]).counts["missing"] == {"tags": 2}
    assert checked(cells, READ, na_values=["NA"], missing="drop").counts["dropped"] == {"tags: missing_value": 2}
    problem = refused(cells, READ, na_values=["NA"], missing="error")
    assert (problem.code, problem.bad, problem.rows) == ("missing_value", 2, (1, 2))
    assert in_graph(["NA", "", "a"], READ, na_values=("NA",))[READ.key].count_nonzero() == 1
    assert in_graph(["", "a"], READ, missing="error")[READ.key].count_nonzero() == 1
    with pytest.raises(Exception, match='field "tags" must not be missing, however: 1 of 2 rows'):
        in_graph(["NA", "a"], READ, na_values=("NA",), missing="error")


def test_two_separators_of_one_field_are_two_reads() -> None:
    other = Read("tags", "set", max_tokens=3, separator="|")
    found = assert_alike_in_graph(["a, b|c", "d|e, f"], READ, other)
    assert torch.equal(found[READ.key], padded([["a", "b|c"], ["d|e", "f"]], 3))
    assert torch.equal(found[other.key], padded([["a, b", "c"], ["d", "e, f"]], 3))
