"""Repeated keys are found in blocks as they would be in one table."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from mlp_torch.ingest.block import Block, Places
from mlp_torch.serving.keys import faults, identities, later, occurrences, refusals, repeated, unusable


def tables(blocks, first=0, most=5):
    """Tables of occurrences of keys in blocks; rows are numbered through."""
    found = []
    for keys in blocks:
        array = keys if isinstance(keys, pa.Array) else pa.array(keys)
        found.append(occurrences(array, np.arange(len(array)), Places("row", first), most=most))
        first += len(array)
    return [lambda table=table: table for table in found]


def by_hand(blocks):
    """How many rows have a repeated key, and the first of them."""
    keys = [key for block in blocks for key in block]
    counts = Counter(keys)
    rows = [row for row, key in enumerate(keys) if counts[key] > 1]
    return len(rows), tuple(rows[:5])


def test_rows_whose_key_is_in_another_block_too_are_counted_and_named():
    problem = repeated(tables([["a", "b"], ["c"], ["d", "b", "a"]]), "id", "row", total=6)
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("repeated_key", ("id",), 4, 6)
    assert problem.rows == (0, 1, 4, 5)
    assert problem.examples == ("a", "b")
    assert problem.key == "--repeated-keys"


def test_rows_of_several_files_are_named_by_file():
    found = [
        occurrences(pa.array(["a", "b"]), np.array([1, 3]), Places("row", 10, files=((0, "one"), (3, "two")))),
        occurrences(pa.array(["b"]), np.array([0]), Places("row", 0, files=((0, "three"),))),
    ]
    problem = repeated([lambda: found[0], lambda: found[1]], "id", "row")
    assert problem.rows == ("two:13", "three:0")


def test_keys_that_are_there_once_are_no_problem():
    assert repeated(tables([["a", "b"], [], ["c"]]), "id", "row") is None
    assert repeated(tables([[]]), "id", "row") is None


@pytest.mark.parametrize("entries", [1, 3, 7, 50, 10_000])
@pytest.mark.parametrize("distinct", [3, 60, 5000])
@pytest.mark.parametrize("text", [True, False])
def test_any_number_of_ranges_finds_what_one_table_would_show(entries, distinct, text):
    draw = np.random.default_rng(distinct)
    blocks = [draw.integers(-distinct, distinct, size).tolist() for size in (40, 0, 90, 1, 60)]
    blocks = [[f"k{key}" for key in block] for block in blocks] if text else blocks
    problem = repeated(tables(blocks), "id", "row", entries=entries)
    assert (problem.bad, problem.rows) == by_hand(blocks)


@pytest.mark.parametrize("entries", [1, 3, 50, 10_000])
@pytest.mark.parametrize("distinct", [1, 3, 60, 5000])
def test_later_rows_of_a_key_are_all_but_the_first_of_the_table_that_the_blocks_make(entries, distinct):
    draw = np.random.default_rng(distinct)
    blocks = [draw.integers(0, distinct, size).tolist() for size in (40, 0, 90, 1, 60)]
    seen, wanted = set(), {}
    for number, block in enumerate(blocks):
        for row, key in enumerate(block):
            if key in seen:
                wanted.setdefault(number, []).append(row)
            seen.add(key)
    found = later(tables(blocks, most=None), entries=entries)
    assert {number: rows.tolist() for number, rows in found.items()} == wanted


def test_without_repeated_keys_nothing_is_later():
    assert later(tables([["a"], ["b"]], most=None)) == {}
    assert later(tables([[]], most=None)) == {}


def test_a_key_of_every_row_leaves_a_few_entries_a_block():
    table = occurrences(pa.array(["same"] * 1000), np.arange(1000), Places())
    assert len(table) == 5
    assert sum(table["count"].to_pylist()) == 1000


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([0, 1, -1, 2**62], pa.int64()),
        pa.array([0, 1, 2**63, 2**64 - 1], pa.uint64()),
        pa.array([True, False]),
        pa.array([1.5, -0.25, 1e300, float("inf")]),
        pa.array([1.5, -0.25, 0.0], pa.float32()),
        pa.array(np.array([1.5, -0.25, 0.0], np.float16)),
        pa.array([datetime(2020, 1, 1), datetime(2020, 1, 2)]),
        pa.array([datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)]),
        pa.array([1, 2], pa.date32()),
        pa.array([1, 2], pa.time32("s")),
        pa.array([1, 2], pa.duration("s")),
        pa.array([1, 2]).cast(pa.decimal128(25, 2)),
        pa.array(["a", "", "日本"], pa.string_view()),
    ],
    ids=lambda keys: str(keys.type),
)
def test_keys_of_any_type_differ_where_their_values_do(keys):
    assert len(set(identities(keys).tolist())) == len(keys)
    assert np.array_equal(identities(keys.slice(1)), identities(keys)[1:])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_zero_and_minus_zero_are_one_key(kind):
    keys = pa.array(np.array([0.0, 1.0, -0.0], kind))
    assert repeated(tables([keys]), "id", "row").rows == (0, 2)
    assert {number: rows.tolist() for number, rows in later(tables([keys], most=None)).items()} == {0: [2]}


def test_a_missing_key_is_null_or_nan_and_an_empty_text_is_none():
    table = pa.table({"a": pa.array(["", None, "x"]), "b": pa.array([1.0, float("nan"), None])})
    assert unusable(table, "a")["missing_key"].tolist() == [False, True, False]
    assert unusable(table, "b")["missing_key"].tolist() == [False, True, True]
    (problem,) = refusals(Block(table, Places("line", 2)), "b", unusable(table, "b"))
    assert (problem.code, problem.bad, problem.total, problem.rows) == ("missing_key", 2, 3, (3, 4))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_a_key_that_is_no_utf8_is_told_with_its_bytes_and_is_no_missing_one(kind):
    raw = pa.array([b"a", b"caf\xe9", None, b"K\xc3\xb6ln"], pa.large_binary())
    text = pa.Array.from_buffers(pa.large_string(), 4, raw.buffers())
    table = pa.table({"id": text.cast(pa.string()).cast(kind) if kind != pa.large_string() else text})
    wrong = unusable(table, "id")
    assert wrong["missing_key"].tolist() == [False, False, True, False]
    assert wrong["invalid_unicode"].tolist() == [False, True, False, False]
    missing, torn = refusals(Block(table, Places("row", 10)), "id", wrong)
    assert (missing.code, missing.rows) == ("missing_key", (12,))
    assert (torn.code, torn.columns, torn.bad, torn.total, torn.rows) == ("invalid_unicode", ("id",), 1, 4, (11,))
    assert torn.examples == (str(b"caf\xe9"),)


def test_a_column_that_cannot_be_the_key_is_refused_by_its_reason():
    table = pa.table([[1], [[1]], [1]], names=["id", "list", "id"])
    assert [problem.code for problem in faults(table, "list")] == ["wrong_type"]
    assert [problem.code for problem in faults(table, "id")] == ["duplicate_column"]
    (problem,) = faults(pa.table({"id": [1]}), "ids")
    assert problem.code == "missing_column"
    assert "did you mean id?" in str(problem)
