"""The rows on which graph and modules must agree."""

import pytest
import torch

from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.serving.probes import TIMES, probes, raw_arguments, troubles

READS = [Read("age"), Read("city", "string"), Read("at", "time"), Read("hour"), Read("hour", "string")]
INPUTS = {
    "age": torch.tensor([3.0, 5.0, 5.0], dtype=torch.float64),
    "city:string": torch.tensor([1, 1, 2]),
    "at:time": torch.tensor([0.0, 60.0, 60.0], dtype=torch.float64),
    "hour": torch.tensor([7.0, 7.0, 8.0], dtype=torch.float64),
    "hour:string": torch.tensor([7, 7, 8]),
}
WORDS = {"city": [(1, "Oslo"), (2, "Rome")], "hour": [(7, "7"), (8, "8")]}


def schema(**policies: dict[str, object]) -> Schema:
    return Schema.of(READS, policies).learn(INPUTS, lambda read: WORDS[read.field])


def test_each_field_is_once_missing_and_at_the_ends_of_its_range():
    found = probes(schema())
    assert {name for name in schema().fields if any(row[name] is None for row in found)} == {
        "age",
        "city",
        "at",
        "hour",
    }
    assert {row["age"] for row in found} == {None, 3.0, 5}
    assert {row["at"] for row in found} == {None, "1970-01-01T00:01:00", *TIMES}


def test_words_are_empty_blank_foreign_long_and_unseen():
    words = {row["city"] for row in probes(schema())}
    assert {"Oslo", "", " ", "日本", "naïve", None} <= words
    assert max(len(word.encode()) for word in words if word) > 64


@pytest.mark.parametrize("missing", ["error", "drop"])
def test_a_field_that_must_not_be_missing_never_is(missing):
    found = probes(schema(city={"missing": missing}))
    assert all(row["city"] is not None for row in found)
    assert any(row["age"] is None for row in found)


def test_texts_that_mean_missing_are_no_probes_of_a_field_that_must_not_be():
    field = schema(city={"missing": "error", "na_values": ["", "日本"]}).fields["city"]
    found = troubles(field, [Read("city", "string")], "Rome")
    assert {"", "日本"} & set(found) == set()
    assert "naïve" in found


@pytest.mark.parametrize(
    ("reads", "cells"),
    [
        ([Read("x")], [3.612e24, 3.612e24, 6e24]),
        ([Read("x", "map_keys", max_tokens=1), Read("x", "map_values", max_tokens=1)], [{"a": 1.0}, {"b": 2.0}] * 2),
    ],
)
def test_the_schema_takes_the_probes_of_numbers_beyond_whole_ones_and_of_maps_of_one_name(reads, cells):
    wanted = Schema.of(reads)
    checked = wanted.check(table_of([{"x": cell} for cell in cells]))
    learned = wanted.learn(to_inputs(checked, reads), words_of(checked))
    rows = probes(learned)
    assert learned.check(table_of(rows)).counts["used"] == len(rows)


def test_the_schema_takes_every_probe():
    for policies in ({}, {"age": {"min": 3, "max": 5}}, {"city": {"na_values": [""]}}, {"at": {"missing": "drop"}}):
        some = schema(**policies)
        assert some.check(table_of(probes(some))).counts["used"] == len(probes(some))


def test_their_number_is_no_multiple_of_16_whatever_the_fields():
    sizes = set()
    for n in range(1, 40):
        many = Schema.of([Read(f"x{i}") for i in range(n)])
        many = many.learn({f"x{i}": torch.tensor([1.0], dtype=torch.float64) for i in range(n)}, lambda read: [])
        sizes.add(len(probes(many)) % 16)
    assert 0 not in sizes
    assert len(sizes) > 3


def test_raw_arguments_give_text_as_strings_and_all_else_as_tensors():
    tensors, strings = raw_arguments(probes(schema()), schema())
    assert set(tensors) == {"age", "hour"}
    assert set(strings) == {"city", "at"}
    assert tensors["age"].dtype == torch.float64
    assert int(tensors["age"].isnan().sum()) == 1
    assert strings["city"].count(None) == 1
