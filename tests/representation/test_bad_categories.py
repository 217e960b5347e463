"""Rows 15 to 21 of the list of bad inputs, for every column of categories: what training says and does about them."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import tiny
import torch

from mlp_torch.column import Column
from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.source import Frame
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.one_hot import OneHot
from mlp_torch.representation.shared import SharedEmbedding
from mlp_torch.reproducibility.split import ByColumn
from mlp_torch.target import Category
from mlp_torch.training.data import Data

ROWS = 1200
COLUMNS: dict[str, Callable[[], Column]] = {
    "Embedding": lambda: Embedding("word"),
    "SharedEmbedding": lambda: SharedEmbedding(["word", "city"]),
    "OneHot": lambda: OneHot("word", most=2000),
    "Hashed": lambda: Hashed("word", buckets=50),
    "Hashed twice": lambda: Hashed("word", buckets=50, second="sum"),
    "Crossed": lambda: Crossed(["word", "city"], buckets=50),
}
every_column = pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
with_vocabulary = pytest.mark.parametrize("kind", ["Embedding", "SharedEmbedding", "OneHot"])


def data(column: Column, words: list[Any]) -> Data:
    """A column of these words, over and over; the first two thirds of the rows are for training."""
    table = tiny.table(ROWS).append_column("word", pa.array((words * ROWS)[:ROWS]))
    part = pa.array(["train"] * 800 + ["val"] * 200 + ["test"] * 200)
    split = ByColumn("part", train=["train"], val=["val"], test=["test"])
    return Data(Frame(table.append_column("part", part)), {"x": column}, Category("late"), split)


def refused(column: Column, words: list[Any]) -> Problem:
    with pytest.raises(DataError) as caught:
        data(column, words).prepare()
    (problem,) = caught.value.problems
    return problem


def is_finite(prepared: Data) -> bool:
    """Whether every split's vectors are numbers."""
    layer = prepared.transform.named_columns()["x"].layer().eval()
    return all(bool(layer(table.features["x"]).isfinite().all()) for table in prepared.tables.values())


def told(prepared: Data, code: str) -> list[str]:
    return [note for note in prepared.notes() if note.startswith(f"{code}: ")]


@every_column
def test_row_15_a_column_without_values_is_refused_by_name_and_count(make: Callable[[], Column]) -> None:
    problem = refused(make(), [None])
    assert (problem.code, problem.columns) == ("all_missing", ("word",))
    assert (problem.bad, problem.total) == (ROWS, ROWS)


@with_vocabulary
def test_row_15_a_column_without_values_in_training_rows_alone_is_refused_too(kind: str) -> None:
    column = SharedEmbedding(["word", "other"]) if kind == "SharedEmbedding" else COLUMNS[kind]()
    words = [None] * 800 + ["a"] * 400
    unprepared = data(column, words)
    unprepared.source = Frame(unprepared.source.read().table.append_column("other", pa.array(words)))
    with pytest.raises(DataError) as caught:
        unprepared.prepare()
    (problem,) = caught.value.problems
    assert (problem.code, problem.key) == ("cannot_fit", "data.columns.x")
    assert problem.columns[0] == "word"
    assert "must have a value in training rows, however: all are missing" in problem.text


@every_column
def test_row_16_a_constant_column_is_warned_of_and_gives_numbers(make: Callable[[], Column]) -> None:
    prepared = data(make(), ["only"]).prepare()
    (warning,) = told(prepared, "constant")
    assert warning.startswith('constant: column "word" has the same value in all 1,200 rows')
    assert is_finite(prepared)


@every_column
def test_row_17_an_id_is_warned_of_with_both_counts(make: Callable[[], Column]) -> None:
    (warning,) = told(data(make(), [f"id {i}" for i in range(ROWS)]).prepare(), "id_like")
    assert warning.startswith('id_like: column "word" has 1,200 values in 1,200 rows')


@with_vocabulary
def test_row_18_an_unseen_category_has_the_unknown_code_and_is_counted(kind: str) -> None:
    prepared = data(COLUMNS[kind](), ["a", "b"] * 450 + ["new"] * 300).prepare()
    assert prepared.counts["unseen"] == {"calibration": {}, "val": {"x": 100}, "test": {"x": 200}}
    assert "val: 100 rows hold a category of x that training never showed" in prepared.notes()
    assert (prepared.tables["test"].features["x"].reshape(200, -1)[:, 0] == 0).all()
    assert is_finite(prepared)


@pytest.mark.parametrize("kind", ["Hashed", "Hashed twice", "Crossed"])
def test_row_18_what_is_hashed_has_a_bucket_for_an_unseen_category(kind: str) -> None:
    prepared = data(COLUMNS[kind](), ["a", "b"] * 450 + ["new"] * 300).prepare()
    assert prepared.counts["unseen"] == {"calibration": {}, "val": {}, "test": {}}
    assert is_finite(prepared)


@every_column
def test_rows_19_and_20_look_alikes_and_blanks_are_values_of_their_own_and_counted(make: Callable[[], Column]) -> None:
    words = ["Köln", "ko\u0308ln", "KÖLN ", "", " ", None, "Ulm"]
    prepared = data(make(), words).prepare()
    (warning,) = told(prepared, "look_alike")
    assert warning.startswith('look_alike: column "word" has 5 words that differ by case, blanks or Unicode form only')
    assert prepared.counts["missing"]["word"] == sum(i % len(words) == 5 for i in range(ROWS))  # "" and " " are none


def test_rows_19_and_20_each_look_alike_and_blank_has_a_code_of_its_own() -> None:
    words = ["Köln", "ko\u0308ln", "KÖLN ", "", " ", None, "Ulm"]
    for make in (lambda: Embedding("word"), lambda: OneHot("word"), lambda: Hashed("word", buckets=10**6)):
        features = data(make(), words).prepare().tables["train"].features["x"]
        assert len(features.unique()) == 7


@with_vocabulary
def test_row_21_too_many_categories_are_refused_with_both_numbers_and_the_way_out(kind: str) -> None:
    column = {
        "Embedding": lambda: Embedding("word", most=500),
        "SharedEmbedding": lambda: SharedEmbedding(["word", "city"], most=500),
        "OneHot": lambda: OneHot("word", most=500),
    }[kind]()
    problem = refused(column, [f"id {i}" for i in range(ROWS)])
    assert (problem.code, problem.columns[0], problem.key) == ("cannot_fit", "word", "data.columns.x")
    cities = 5 if kind == "SharedEmbedding" else 0  # the words of both fields together
    assert f"must have at most 500 categories, however: {800 + cities}; use Hashed" in problem.text


@pytest.mark.parametrize("kind", ["Hashed", "Hashed twice", "Crossed"])
def test_row_21_what_is_hashed_takes_any_number_of_categories_in_bounded_memory(kind: str) -> None:
    prepared = data(COLUMNS[kind](), [f"id {i}" for i in range(ROWS)]).prepare()
    column = prepared.transform.named_columns()["x"]
    assert column.codes <= 2 * 51
    assert sum(x.numel() for x in column.state_dict().values()) < 20 * 51


@every_column
def test_row_9_a_number_that_is_no_whole_one_is_no_category(make: Callable[[], Column]) -> None:
    problem = refused(make(), [1.5, 2.0])
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("not_whole", ("word",), 600, ROWS)


@every_column
def test_whole_numbers_are_categories_by_their_decimal_text(make: Callable[[], Column]) -> None:
    numbers, texts = data(make(), [5, 17, -3]).prepare(), data(make(), ["5", "17", "-3"]).prepare()
    for name, table in numbers.tables.items():
        assert torch.equal(table.features["x"], texts.tables[name].features["x"])
