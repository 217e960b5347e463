"""Each kind of bad input that tables and records can hold, by its number in the list of bad inputs.

Every refusal is checked for its code, column and count; every fallback for the value it gives and its count.
"""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.notice import notices
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.scripted import Scripted
from mlp_torch.script import script

READS = [Read("age"), Read("town", "string"), Read("at", "time")]
GOOD = {
    "age": [30, 41, 52],
    "town": ["Ulm", "Köln", "Bonn"],
    "at": ["2020-01-01", "2020-01-02T10:00", "2020-01-03 10:00:01"],
}


def rows_of(columns):
    """The same values as records, so that each case runs on both ways in."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def both(columns):
    arrays = {}
    for name, values in columns.items():
        arrays[name] = values if isinstance(values, pa.Array) else pa.array(values)
    return [pa.table(arrays), table_of(rows_of({name: array.to_pylist() for name, array in arrays.items()}))]


def refused(changes, policies=None, *, reads=READS, **options):
    """The only problem that the changed columns have, the same on both ways in."""
    found = []
    for table in both({**GOOD, **changes}):
        with pytest.raises(DataError) as caught:
            Schema.of(reads, policies).check(table, **options)
        assert len(caught.value.problems) == 1, caught.value
        found.append(caught.value.problems[0])
    assert (found[0].code, found[0].columns, found[0].rows) == (found[1].code, found[1].columns, found[1].rows)
    return found[0]


def accepted(changes, policies=None, *, reads=READS, decimal=".", **options):
    table = both({**GOOD, **changes})[0]
    checked = Schema.of(reads, policies).check(Block(table, decimal=decimal), **options)
    return checked, to_inputs(checked, reads)


def assert_says(problem, code, column, bad):
    assert (problem.code, problem.columns, problem.bad) == (code, (column,), bad)
    assert code in str(problem)
    assert f'"{column}"' in str(problem)
    assert f"{bad:,} of {problem.total:,} rows" in str(problem)


def test_the_good_table_is_accepted_whole():
    checked, _ = accepted({})
    assert checked.counts == {
        "read": 3, "used": 3, "dropped": {}, "changed": {}, "missing": {}, "beyond_training": {},
        "ignored_columns": [],
    }  # fmt: skip
    assert checked.warnings == []


def test_row_1_missing_columns_are_listed_beside_the_available_and_the_near():
    table = pa.table({"Age": [1], "town": ["Ulm"]})
    with pytest.raises(DataError) as caught:
        Schema.of(READS).check(table)
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns) == ("missing_column", ("age", "at"))
    assert '"age": did you mean Age?' in str(problem)
    assert 'available: "Age", "town"' in str(problem)


def test_row_1_one_missing_column_and_the_available_ones_are_named_once():
    with pytest.raises(DataError) as caught:
        Schema.of([Read("joined")]).check(pa.table({"town": ["Ulm"], "age": [1]}))
    assert str(caught.value) == 'missing_column: column "joined": not in the table; available: "town", "age"'


def test_row_1_a_missing_field_of_the_graph_is_named_with_what_it_needs():
    graph = script(Scripted(Schema.of([Read("age")])))
    with pytest.raises(torch.jit.Error, match='field "age" must be given in `tensors`'):
        graph({}, {})


def test_row_2_extra_columns_are_ignored_by_name_or_refused_if_strict():
    checked, inputs = accepted({"shoe": [1, 2, 3]})
    assert checked.counts["ignored_columns"] == ["shoe"]
    assert "shoe" not in inputs
    with pytest.raises(DataError) as caught:
        Schema.of(READS, strict=True).check(pa.table({**GOOD, "shoe": [1, 2, 3]}))
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.key) == ("extra_column", ("shoe",), "data.source.strict")


def test_row_3_the_order_of_columns_changes_no_bit():
    schema = Schema.of(READS)
    plain = to_inputs(schema.check(pa.table(GOOD)), READS)
    turned = to_inputs(schema.check(pa.table(dict(reversed(GOOD.items())))), READS)
    assert all(torch.equal(plain[key], turned[key]) for key in plain)
    other = to_inputs(schema.check(pa.table({**GOOD, "age": [30, 41, 53]})), READS)
    assert not torch.equal(plain["age"], other["age"])


def test_row_4_duplicate_columns_are_refused():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["age", "age"])
    with pytest.raises(DataError) as caught:
        Schema.of([Read("age")]).check(table)
    assert [(problem.code, problem.columns) for problem in caught.value.problems] == [("duplicate_column", ("age",))]


def test_row_6_text_in_a_number_is_refused_with_rows_and_examples():
    problem = refused({"age": ["30", "old", "very old"]})
    assert_says(problem, "not_a_number", "age", 2)
    assert (problem.rows, problem.examples) == ((1, 2), ("old", "very old"))
    assert problem.key == "data.fields.age.invalid"


def test_row_6_text_in_a_number_is_missing_or_drops_its_row_by_policy_and_is_counted():
    checked, inputs = accepted({"age": ["30", "old", "1"]}, {"age": {"invalid": "missing"}})
    assert inputs["age"].isnan().tolist() == [False, True, False]
    assert checked.counts["changed"]["age: not_a_number read as missing"] == 1
    checked, inputs = accepted({"age": ["30", "old", "1"]}, {"age": {"invalid": "drop"}})
    assert inputs["age"].tolist() == [30.0, 1.0]
    assert checked.counts["dropped"] == {"age: not_a_number": 1}
    assert (checked.counts["read"], checked.counts["used"]) == (3, 2)


def test_row_7_numbers_in_text_are_read_and_counted():
    checked, inputs = accepted({"age": ["30", "4.5", None]})
    assert inputs["age"].nan_to_num(-1).tolist() == [30.0, 4.5, -1.0]
    assert checked.counts["changed"] == {"age: text read as number": 2}


@pytest.mark.parametrize("values", [[1, 0, 1], [True, False, True], np.array([1, 0, 1], np.uint8)])
def test_row_8_integers_and_booleans_widen(values):
    _, inputs = accepted({"age": pa.array(values)})
    assert inputs["age"].tolist() == [1.0, 0.0, 1.0]


def test_row_9_a_fraction_is_no_category():
    problem = refused({"town": [1.0, 1.5, 2.5]})
    assert_says(problem, "not_whole", "town", 2)
    assert "continuous" in str(problem)


def test_row_10_integers_beyond_2_to_53_are_refused_and_never_rounded():
    for values in ([1, 2**53 + 1, 2], ["1", str(2**53 + 1), "2"]):
        assert_says(refused({"age": values}), "too_large_integer", "age", 1)
    _, inputs = accepted({"town": [1, 2**53 + 1, 2]})
    assert torch.equal(inputs["town:string"], fingerprints(["1", "9007199254740993", "2"]))


def test_row_11_leading_zeros_of_ids_stay():
    _, inputs = accepted({"town": ["00123", "123", "0123"]})
    assert torch.equal(inputs["town:string"], fingerprints(["00123", "123", "0123"]))
    assert inputs["town:string"].unique().numel() == 3


@pytest.mark.parametrize("missing", [None, math.nan])
def test_row_12_missing_numbers_stay_missing_and_are_counted_or_refused_by_policy(missing):
    checked, inputs = accepted({"age": [1.5, missing, 2.5]})
    assert inputs["age"].isnan().tolist() == [False, True, False]
    assert checked.counts["missing"] == {"age": 1}
    problem = refused({"age": [1.5, missing, missing]}, {"age": {"missing": "error"}})
    assert_says(problem, "missing_value", "age", 2)
    assert (problem.rows, problem.key) == ((1, 2), "data.fields.age.missing")


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_row_13_infinity_is_refused_also_where_every_number_is_in_range(value):
    assert_says(refused({"age": [1.0, value, 2.0]}), "not_finite", "age", 1)
    checked, inputs = accepted({"age": [1.0, value, 2.0]}, {"age": {"invalid": "missing"}})
    assert inputs["age"].isnan().tolist() == [False, True, False]
    assert checked.counts["changed"] == {"age: not_finite read as missing": 1}
    assert accepted({"age": [1.0, value, 2.0]}, {"age": {"invalid": "drop"}})[0].keep.tolist() == [0, 2]


def test_row_13_infinity_in_text_is_refused():
    assert_says(refused({"age": ["1", "1e999", "2"]}), "not_finite", "age", 1)


def test_row_15_a_column_without_values_is_refused_in_training_only():
    problem = refused({"age": pa.nulls(3)}, training=True)
    assert_says(problem, "all_missing", "age", 3)
    assert accepted({"age": pa.nulls(3)})[0].counts["missing"] == {"age": 3}


def test_row_16_a_constant_column_is_warned_of_in_training():
    checked, inputs = accepted({"age": [7, 7, 7]}, training=True)
    (warning,) = notices(checked.arrays, Schema.of(READS).reads)
    assert warning.startswith('constant: column "age"')
    assert "3 rows" in warning
    assert inputs["age"].tolist() == [7.0] * 3
    assert notices(accepted({}, training=True)[0].arrays, Schema.of(READS).reads) == []


def test_row_17_a_column_like_an_id_is_warned_of_in_training():
    ids = pa.table({"town": [f"id{i}" for i in range(200)]})
    towns = pa.table({"town": [f"id{i % 50}" for i in range(200)]})
    schema = Schema.of([Read("town", "string")])
    (warning,) = notices(schema.check(ids).arrays, schema.reads)
    assert warning.startswith('id_like: column "town" has 200 values in 200 rows')
    assert notices(schema.check(towns).arrays, schema.reads) == schema.check(ids).warnings == []


def test_row_18_an_unseen_category_is_a_fingerprint_of_its_own():
    _, inputs = accepted({"town": ["Ulm", "never seen", None]})
    assert torch.equal(inputs["town:string"], fingerprints(["Ulm", "never seen", None]))


def test_row_19_categories_are_bytes_as_they_come_and_look_alikes_are_counted_in_training():
    words = ["Köln", "ko\u0308ln", "KÖLN", " Köln", "Bonn"]
    schema = Schema.of([Read("town", "string")])
    checked = schema.check(pa.table({"town": words}))
    assert checked.arrays["town:string"].to_pylist() == words
    assert to_inputs(checked, [Read("town", "string")])["town:string"].unique().numel() == 5
    (warning,) = notices(checked.arrays, schema.reads)
    assert warning.startswith('look_alike: column "town" has 4 words')


def test_row_20_empty_text_and_blanks_are_values_and_not_missing():
    checked, inputs = accepted({"town": ["", "  ", None]})
    assert checked.counts["missing"] == {"town": 1}
    assert (inputs["town:string"] != 0).tolist() == [True, True, False]
    assert inputs["town:string"].unique().numel() == 3


def test_row_24_control_characters_stay_in_every_form():
    words = ["a\0b", "a", "\x1b[31m"]
    _, inputs = accepted({"town": words})
    graph = script(Scripted(Schema.of([Read("town", "string")])))
    assert torch.equal(inputs["town:string"], graph({}, {"town": words})["town:string"])
    assert inputs["town:string"].unique().numel() == 3


def test_row_24_control_characters_are_escaped_in_messages():
    assert r"\u001b" in str(refused({"age": ["1", "\x1b[31m", "2"]}))


def test_row_30_and_57_no_rows_give_no_rows_but_are_no_training_set():
    table = pa.table({"age": pa.array([], pa.int64())})
    schema = Schema.of([Read("age")])
    assert to_inputs(schema.check(table), [Read("age")])["age"].shape == (0,)
    assert schema.check(table).counts["read"] == 0
    with pytest.raises(DataError) as caught:
        schema.check(table, training=True)
    assert [problem.code for problem in caught.value.problems] == ["no_rows"]
    graph = script(Scripted(Schema.of(READS)))
    empty = graph({"age": torch.zeros(0)}, {"town": [], "at": []})
    assert {key: tuple(value.shape) for key, value in empty.items()} == {read.key: (0,) for read in READS}


def test_a_training_set_of_which_every_row_is_dropped_says_why():
    table = pa.table({"age": [-1, -2]})
    with pytest.raises(DataError, match=r"no_rows: .*age: out_of_range \(2\)"):
        Schema.of([Read("age")], {"age": {"min": 0, "invalid": "drop"}}).check(table, training=True)


def test_row_37_a_decimal_comma_is_refused_with_the_remedy_and_read_when_declared():
    problem = refused({"age": ["1,5", "2", "1,234,567"]})
    assert_says(problem, "not_a_number", "age", 2)
    assert "data.source.decimal" in str(problem)
    assert accepted({"age": ["1,5", "2", "3,25"]}, decimal=",")[1]["age"].tolist() == [1.5, 2.0, 3.25]
    assert "data.source.decimal" not in str(refused({"age": ["old", "2", "3"]}))


@pytest.mark.parametrize("text", ["NA", "None", "null", "nan", "NaN", ""])
def test_row_39_texts_that_look_missing_stay_unless_listed(text):
    _, inputs = accepted({"town": [text, "x", None]})
    assert torch.equal(inputs["town:string"], fingerprints([text, "x", None]))
    checked, inputs = accepted({"town": [text, "x", None]}, {"town": {"na_values": [text]}})
    assert torch.equal(inputs["town:string"], fingerprints([None, "x", None]))
    assert checked.counts["changed"] == {"town: na_values read as missing": 1}
    assert checked.counts["missing"] == {"town": 2}


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}])
def test_row_69_a_nested_cell_is_refused(value):
    schema = Schema.of([Read("age")])
    for table in (table_of([{"age": 1}, {"age": value}]), pa.table({"age": [None, value]})):
        with pytest.raises(DataError) as caught:
            schema.check(table)
        (problem,) = caught.value.problems
        assert_says(problem, "nested_value", "age", 1)
        assert problem.rows == (1,)
    ignored = table_of({"age": 1, "note": value})
    assert schema.check(ignored).counts["ignored_columns"] == ["note"]


def test_row_71_a_number_outside_the_range_is_refused_missing_or_dropped_and_outliers_inside_stay():
    policies = {"age": {"min": 0, "max": 120}}
    problem = refused({"age": [-3, 30, 1048]}, policies)
    assert_says(problem, "out_of_range", "age", 2)
    assert "[0, 120]" in str(problem)
    assert (problem.rows, problem.examples) == ((0, 2), ("-3", "1048"))
    assert problem.key == "data.fields.age.invalid"
    checked, inputs = accepted({"age": [-3, 30, 1048]}, {"age": {**policies["age"], "invalid": "missing"}})
    assert inputs["age"].isnan().tolist() == [True, False, True]
    assert checked.counts["changed"] == {"age: out_of_range read as missing": 2}
    checked, inputs = accepted({"age": [-3, 30, 1048]}, {"age": {**policies["age"], "invalid": "drop"}})
    assert inputs["age"].tolist() == [30.0]
    assert checked.counts["dropped"] == {"age: out_of_range": 2}
    checked, inputs = accepted({"age": [0, 30, 120]}, {"age": {**policies["age"], "invalid": "drop"}})
    assert inputs["age"].tolist() == [0.0, 30.0, 120.0]


def test_row_71_the_graph_names_field_and_range():
    graph = script(Scripted(Schema.of([Read("age")], {"age": {"min": 0, "max": 120}})))
    with pytest.raises(torch.jit.Error, match=r'field "age": values must be in the valid range \[0, 120\]'):
        graph({"age": torch.tensor([-3])}, {})


def test_row_72_a_missing_category_is_zero_and_counted_or_refused_by_policy():
    checked, inputs = accepted({"town": ["Ulm", None, None]})
    assert (inputs["town:string"] == 0).tolist() == [False, True, True]
    assert checked.counts["missing"] == {"town": 2}
    problem = refused({"town": ["Ulm", None, None]}, {"town": {"missing": "error"}})
    assert_says(problem, "missing_value", "town", 2)
