"""Blocks judged one after the other give the counts and the problems of one table."""

from dataclasses import replace

import pyarrow as pa
import pytest

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block, Places, Torn
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema

READS = [Read("age"), Read("town", "string")]
TABLE = pa.table(
    {
        "age": ["1", "old", None, "-5", "7", "x", "900", "3"],
        "town": ["Ulm", None, "Bonn", "Köln", None, "Ulm", "Ulm", "Bonn"],
        "shoe": list("abcdefgh"),
    }
)


def blocks(table, size):
    return [Block(table.slice(at, size), Places("row", at)) for at in range(0, len(table), size)]


def inspected(schema, size, **options):
    inspection = Inspection(schema, **options)
    checked = [inspection.check(block) for block in blocks(TABLE, size)]
    return inspection, checked


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_problems_of_all_blocks_are_those_of_the_whole_table(size):
    schema = Schema.of(READS, {"age": {"min": 0, "max": 100}, "town": {"missing": "error"}})
    with pytest.raises(DataError) as whole:
        schema.check(TABLE)
    inspection, _ = inspected(schema, size)
    with pytest.raises(DataError) as caught:
        inspection.close()
    by_code = {problem.code: problem for problem in caught.value.problems}
    assert by_code == {problem.code: problem for problem in whole.value.problems}
    assert by_code["not_a_number"].rows == (1, 5)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_counts_of_all_blocks_are_those_of_the_whole_table(size):
    schema = Schema.of(READS, {"age": {"min": 0, "max": 100, "invalid": "drop"}, "town": {"na_values": ["Ulm"]}})
    schema = replace(schema, fields={**schema.fields, "age": replace(schema.fields["age"], low=2.0, high=8.0)})
    inspection, checked = inspected(schema, size)
    assert inspection.close() == schema.check(TABLE).counts
    assert inspection.counts["beyond_training"] == {"age": 1}
    assert [town for part in checked for town in part.arrays["town:string"].to_pylist()] == [None, "Bonn", None, "Bonn"]


def test_rows_that_are_skipped_say_why_and_where():
    schema = Schema.of(READS, {"age": {"min": 0, "max": 100}, "town": {"missing": "error"}})
    torn = Torn(9, 2, 3, "1,2")
    checked = schema.check(Block(TABLE, Places("line", 2), torn=(torn,)), skip=True)
    assert checked.keep.tolist() == [0, 2, 7]
    assert [checked.reasons[i] if i >= 0 else "" for i in checked.reason] == [
        "", "age: not_a_number", "", "age: out_of_range", "town: missing_value", "age: not_a_number",
        "age: out_of_range", "",
    ]  # fmt: skip
    assert sum(checked.counts["dropped"].values()) == 6
    assert checked.counts["dropped"]["wrong_field_count"] == 1
    assert checked.counts["read"] == checked.counts["used"] + 6


def test_what_skips_no_row_is_refused_all_the_same():
    with pytest.raises(DataError, match="missing_column"):
        Schema.of([Read("height")]).check(TABLE, skip=True)


def test_training_needs_rows_and_a_value_of_each_field():
    empty = Inspection(Schema.of([Read("age")], {"age": {"min": 0, "invalid": "drop"}}))
    empty.check(Block(pa.table({"age": [-1]})))
    with pytest.raises(DataError, match=r"no_rows: training needs rows, however: age: out_of_range \(1\)"):
        empty.close(training=True)
    missing = Inspection(Schema.of(READS))
    for _ in range(2):
        missing.check(Block(pa.table({"age": [1, 2], "town": pa.nulls(2)})))
    with pytest.raises(DataError, match='all_missing: column "town"'):
        missing.close(training=True)
    assert missing.close()["missing"] == {"town": 4}


@pytest.mark.parametrize("size", [1, 3, 8])
def test_rows_that_lack_all_fields_which_drop_together_are_dropped_in_blocks_as_in_the_whole_table(size):
    table = pa.table({"ann": [1.0, None, None, 1, None], "ben": [None, 2.0, None, 1, None], "x": [1.0] * 5})
    reads = [Read(name) for name in table.column_names]
    schema = Schema.of(reads, {name: {"missing": "drop_together"} for name in ("ann", "ben")})
    inspection = Inspection(schema)
    kept = [len(inspection.check(block).keep) for block in blocks(table, size)]
    counts = inspection.close()
    assert sum(kept) == 3
    assert counts["dropped"] == {"ann, ben: missing_value": 2}
    assert counts == schema.check(table).counts
