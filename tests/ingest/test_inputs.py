"""Rows of any kind to Arrow and on to tensors: the same rows give the same bits, whatever holds them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block, Places
from mlp_torch.ingest.fingerprint import cross, fingerprints
from mlp_torch.ingest.inputs import row_fingerprints, table_of, to_inputs, words_of
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv

READS = [Read("hour"), Read("hour", "string"), Read("origin", "string"), Read("at", "time")]
ROWS = [
    {"hour": 5, "origin": "JFK", "at": "2013-01-01T05:15"},
    {"hour": None, "origin": None, "at": None},
    {"hour": 23, "origin": "日本", "at": "2012-02-29"},
    {"hour": 0, "origin": "", "at": "2013-01-01 05:15:59"},
]


def inputs_of(rows):
    checked = Schema.of(READS).check(table_of(rows))
    return to_inputs(checked, READS)


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for key in wanted:
        assert found[key].dtype == wanted[key].dtype
        assert torch.equal(found[key].view(torch.int64), wanted[key].view(torch.int64)), key


def problem_of(rows, reads=READS, **options):
    with pytest.raises(DataError) as caught:
        Schema.of(reads).check(table_of(rows), **options)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_inputs_are_float64_with_nan_and_fingerprints_with_zero():
    inputs = inputs_of(ROWS)
    assert inputs["hour"].dtype == inputs["at:time"].dtype == torch.float64
    assert inputs["hour"].isnan().tolist() == [False, True, False, False]
    assert torch.equal(inputs["hour:string"], fingerprints(["5", None, "23", "0"]))
    assert torch.equal(inputs["origin:string"], fingerprints(["JFK", None, "日本", ""]))


def test_records_pandas_arrow_and_csv_give_the_same_bits(tmp_path):
    wanted = inputs_of(ROWS)
    assert_same_bits(inputs_of(pd.DataFrame(ROWS)), wanted)  # hour is a float with NaN there
    assert_same_bits(inputs_of(pd.DataFrame(ROWS).astype({"hour": "Int64", "origin": "category"})), wanted)
    assert_same_bits(
        inputs_of(pd.DataFrame(ROWS).assign(at=pd.to_datetime(pd.Series([r["at"] for r in ROWS]), format="ISO8601"))),
        wanted,
    )
    assert_same_bits(inputs_of(pa.Table.from_pylist(ROWS)), wanted)
    assert_same_bits(inputs_of(pa.Table.from_pylist(ROWS).to_batches()[0]), wanted)
    path = tmp_path / "rows.csv"
    path.write_text('at,origin,hour\n2013-01-01T05:15,JFK,5\n,,\n2012-02-29,日本,23\n2013-01-01 05:15:59,"",0\n')
    assert_same_bits(inputs_of(Csv(path).read().table), wanted)
    with pytest.raises(AssertionError):
        assert_same_bits(inputs_of([*ROWS[:3], {**ROWS[3], "hour": 1}]), wanted)


def test_one_row_alone_and_no_row_work():
    alone = inputs_of(ROWS[2])
    assert_same_bits(alone, {key: value[2:3] for key, value in inputs_of(ROWS).items()})
    none = inputs_of(pa.Table.from_pylist(ROWS).slice(0, 0))
    assert {key: (len(value), value.dtype) for key, value in none.items()} == {
        key: (0, value.dtype) for key, value in alone.items()
    }


def test_an_object_column_of_mixed_types_is_judged_cell_by_cell():
    frame = pd.DataFrame({"x": np.array(["5", 6, None, 7.0, True], dtype=object)})
    reads = [Read("x"), Read("x", "string")]
    inputs = to_inputs(Schema.of(reads).check(table_of(frame)), reads)
    assert inputs["x"].nan_to_num(-1.0).tolist() == [5.0, 6.0, -1.0, 7.0, 1.0]
    assert torch.equal(inputs["x:string"], fingerprints(["5", "6", None, "7", "1"]))


def test_a_cells_verdict_does_not_depend_on_its_neighbours():
    for neighbour in (1, 2.5, "x", None, True):
        with pytest.raises(DataError, match="not_whole"):
            Schema.of([Read("x", "string")]).check(table_of([{"x": 0.5}, {"x": neighbour}]))
        with pytest.raises(DataError, match="not_finite"):
            Schema.of([Read("x", "string")]).check(table_of([{"x": float("inf")}, {"x": neighbour}]))


def test_what_is_no_table_is_refused():
    assert problem_of("rows").code == "not_rows"
    assert problem_of([{"hour": 5}, 3]).rows == (1,)
    assert problem_of({"x": {"a": 1}}, [Read("x")]).code == "nested_value"


def test_a_key_that_only_some_records_have_is_named_with_their_rows():
    problem = problem_of([{"x": 1}, {}, {"x": 2}, {}], [Read("x")])
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("missing_field", ("x",), 2, 4)
    assert problem.rows == (1, 3)
    assert problem_of([{}, {}], [Read("x")]).code == "missing_column"


@pytest.mark.parametrize(
    ("value", "code"),
    [([1], "nested_value"), ({"a": 1}, "nested_value"), (1j, "wrong_type"), (b"x", "wrong_type"),
     (object(), "wrong_type")],
)  # fmt: skip
def test_row_69_nested_and_foreign_values_are_refused(value, code):
    problem = problem_of([{"x": 1}, {"x": value}], [Read("x")])
    assert (problem.code, problem.columns, problem.bad, problem.rows) == (code, ("x",), 1, (1,))


def test_row_64_an_integer_beyond_64_bits_is_refused_and_the_limit_is_not():
    problem = problem_of([{"x": 1}, {"x": 10**4000}], [Read("x")])
    assert (problem.code, problem.rows) == ("too_large_integer", (1,))
    assert problem_of([{"x": 0.5}, {"x": 2**53 + 1}], [Read("x")]).code == "too_large_integer"
    assert problem_of(pd.DataFrame({"x": [1, 2**70]}), [Read("x")]).code == "too_large_integer"
    array = Schema.of([Read("x", "string")]).check(table_of([{"x": -(2**63)}])).arrays["x:string"]
    assert array.to_pylist() == [str(-(2**63))]


def test_row_64_an_integer_that_python_does_not_write_is_refused_too():
    whole = 10**5000
    for value, code in ((whole, "too_large_integer"), (-whole, "too_large_integer"), ([whole], "nested_value")):
        for rows in ([{"x": 1}, {"x": value}], pd.DataFrame({"x": pd.Series([1, value], dtype=object)})):
            problem = problem_of(rows, [Read("x")])
            assert (problem.code, problem.rows) == (code, (1,))
            assert problem.examples == (f"{type(value).__name__}, too long to be written",)


def test_row_28_a_lone_surrogate_is_refused():
    problem = problem_of([{"x": "ok"}, {"x": "\ud800"}], [Read("x", "string")])
    assert (problem.code, problem.bad, problem.rows, problem.examples) == ("invalid_unicode", 1, (1,), (r"'\ud800'",))
    assert (
        problem_of(pd.DataFrame({"x": pd.Series(["\ud800"], dtype=object)}), [Read("x", "string")]).code
        == "invalid_unicode"
    )


def test_words_are_the_distinct_pairs_of_the_rows_that_may_be_seen():
    checked = Schema.of(READS).check(table_of(ROWS))
    every = dict(words_of(checked)(Read("origin", "string")))
    assert sorted(every.values()) == ["", "JFK", "日本"]
    assert all(fingerprints([word]).item() == fingerprint for fingerprint, word in every.items())
    some = words_of(checked, torch.tensor([1, 2, 2]))(Read("origin", "string"))
    assert [word for _, word in some] == ["日本"]


def checked_keys(**columns):
    reads = [Read(name, "string" if name == "id" else "time" if name == "at" else "number") for name in columns]
    return Schema.of(reads).check(pa.table(columns)), reads


def test_a_row_is_known_by_its_keys_canonical_text():
    checked, reads = checked_keys(id=["a", "b"], n=[5.0, 0.5], at=["1970-01-02", "1969-12-31"])
    parts = [fingerprints(["a", "b"]), fingerprints(["5", "0.5"]), fingerprints(["86400", "-86400"])]
    for part, item in zip(parts, reads, strict=True):
        assert torch.equal(row_fingerprints(checked, [item]), part)


def test_in_a_key_of_several_fields_a_time_is_its_bits():
    checked, reads = checked_keys(id=["a", "b"], n=[5.0, 0.5], at=["1970-01-02", "1970-01-01"])
    seconds = torch.tensor([86400.0, 0.0], dtype=torch.float64).view(torch.int64)
    parts = [fingerprints(["a", "b"]), fingerprints(["5", "0.5"]), seconds]
    assert torch.equal(row_fingerprints(checked, reads), cross(parts))
    assert not torch.equal(row_fingerprints(checked, reads[::-1]), cross(parts))


def test_without_a_key_a_row_is_its_number_in_the_table_also_after_drops():
    schema = Schema.of([Read("x")], {"x": {"missing": "drop"}})
    checked = schema.check(pa.table({"x": [1, None, 3]}))
    assert torch.equal(row_fingerprints(checked), fingerprints(["0", "2"]))


def test_row_55_repeated_keys_are_refused_with_their_rows():
    checked, reads = checked_keys(id=["a", "b", "a", "c", "b"])
    with pytest.raises(DataError) as caught:
        row_fingerprints(checked, reads)
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("repeated_key", ("id",), 4, 5)
    assert (problem.rows, problem.examples, problem.key) == ((0, 1, 2, 4), ("a", "b"), "data.key")


def test_row_56_a_missing_key_is_refused_with_its_rows():
    reads = [Read("id", "string")]
    checked = Schema.of(reads).check(Block(pa.table({"id": ["a", None, "c"]}), Places("line", 2)))
    with pytest.raises(DataError) as caught:
        row_fingerprints(checked, reads)
    (problem,) = caught.value.problems
    assert (problem.code, problem.bad, problem.rows, problem.unit) == ("missing_key", 1, (3,), "line")


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -1.0, 5.0, 1356998400.0, -62135596800.0, 2.0**53],
        [-0.0, 7.0],
        [0.5, 7.0, -2.25, 1e300, 2.0**63, -(2.0**63), 1e-7],
    ],
)
def test_a_number_as_a_key_is_its_decimal_text_whether_all_are_whole_or_not(values):
    item = Read("n")
    checked = Schema.of([item]).check(pa.table({"n": values}))
    texts = [str(int(value)) if value.is_integer() else repr(value) for value in values]
    assert torch.equal(row_fingerprints(checked, [item]), fingerprints(texts))
