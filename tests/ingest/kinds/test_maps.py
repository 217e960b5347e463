"""Names with numbers: by Python's own json and dict, by pyfarmhash, and alike on each way in."""

import json
import math
from datetime import date
from typing import Any

import numpy as np
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
    fingerprint,
    graph,
    in_graph,
    inputs,
    layouts,
    refused,
    tensor,
    words,
)

from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.reads import Inputs, Read

KEYS = Read("bids", "map_keys", max_tokens=3)
VALUES = Read("bids", "map_values", max_tokens=3)
READS = (KEYS, VALUES)
NAME = st.text(st.characters(codec="utf-8"), max_size=6)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
MAP = st.dictionaries(NAME, NUMBER, max_size=3)


def expected(maps: list[dict[str, float] | None]) -> Inputs:
    """Names by fingerprint, each with its number."""
    names = np.zeros((len(maps), 3), np.int64)
    numbers = np.zeros((len(maps), 3))
    for row, found in enumerate(maps):
        pairs = sorted((fingerprint(name), float(number)) for name, number in (found or {}).items())
        for place, (name, number) in enumerate(pairs):
            names[row, place], numbers[row, place] = name, number
    return {KEYS.key: torch.from_numpy(names), VALUES.key: torch.from_numpy(numbers)}


@settings(max_examples=100, deadline=None)
@given(st.lists(MAP | st.none(), max_size=5))
def test_any_map_has_its_names_and_numbers_whatever_holds_it(maps: list[dict[str, float] | None]) -> None:
    wanted = expected(maps)
    assert_same_bits(inputs(maps, *READS) if maps else wanted, wanted)
    pairs = [None if found is None else [(k, float(v)) for k, v in found.items()] for found in maps]
    assert_same_bits(inputs(pa.array(pairs, pa.map_(pa.string(), pa.float64())), *READS), wanted)
    told = pa.array([None if found is None else json.dumps(found) for found in maps], pa.string())
    assert_same_bits(inputs(told, *READS), wanted)
    whole = pa.array([None if found is None else json.dumps(found, ensure_ascii=False) for found in maps], pa.string())
    assert_same_bits(inputs(whole, *READS), wanted)


@settings(max_examples=100, deadline=None)
@given(st.lists(MAP | st.none(), min_size=1, max_size=5))
def test_any_map_is_the_same_in_records_eager_and_in_torchscript(maps: list[dict[str, float] | None]) -> None:
    assert_same_bits(assert_alike_in_graph(maps, *READS), expected(maps))


def test_the_order_of_names_makes_no_difference() -> None:
    one, other = {"a": 1.0, "b": 2.0, "c": 3.0}, {"c": 3.0, "a": 1.0, "b": 2.0}
    found = inputs([one, other], *READS)
    assert all(torch.equal(x[0], x[1]) for x in found.values())
    assert_same_bits(in_graph([other], *READS), in_graph([one], *READS))
    assert not torch.equal(*inputs([one, {**one, "c": 3.5}], *READS)[VALUES.key])


MAPS: list[dict[str, float] | None] = [{"a": 1.5, "b": -2.0}, None, {}, {"日本": 1e300, "": 0.0, "a": 3.0}]
PAIRS = [None if found is None else list(found.items()) for found in MAPS]
TYPES = [
    pa.map_(pa.string(), pa.float64()),
    pa.map_(pa.large_string(), pa.float64()),
    pa.map_(pa.string_view(), pa.float64()),
    pa.map_(pa.dictionary(pa.int32(), pa.string()), pa.float64()),
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_maps_gives_the_same_names_and_numbers(kind: pa.DataType, layout: str) -> None:
    array = pa.array(PAIRS, pa.map_(pa.string(), pa.float64())).cast(kind)
    cells = layouts(array)[layout]
    assert_same_bits(inputs(cells, *READS), expected(MAPS))
    assert set(words(cells, KEYS).values()) == {"a", "b", "日本", ""}
    assert words(cells, VALUES) == {}


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32()], ids=str)
def test_numbers_of_every_width_are_read(kind: pa.DataType) -> None:
    amount = np.float16(3) if kind == pa.float16() else 3
    cells = pa.array([[("a", amount)]], pa.map_(pa.string(), kind))
    assert_same_bits(inputs(cells, *READS), expected([{"a": 3.0}]))


def test_structs_have_the_names_whose_field_is_not_null() -> None:
    rows = [{"a": 1, "b": 2.5}, {"a": None, "b": 1.0}, None, {"a": None, "b": None}]
    wanted = expected([{"a": 1, "b": 2.5}, {"b": 1.0}, None, {}])
    cells = pa.array(rows)
    for layout in ("plain", "sliced", "chunked", "runs"):
        assert_same_bits(inputs(layouts(cells)[layout], *READS), wanted)
    assert checked(cells, *READS).counts["missing"] == {"bids": 1}
    assert_same_bits(by_parquet(cells, *READS), wanted)
    assert_same_bits(inputs(pa.array([{}, {}]), *READS), expected([{}, {}]))
    hidden = pa.StructArray.from_arrays([pa.array([1.0, 2.0])], ["a"], mask=pa.array([True, False]))
    assert_same_bits(inputs(hidden, *READS), expected([None, {"a": 2.0}]))


def test_files_frames_and_records_give_the_same_names_and_numbers() -> None:
    wanted = expected(MAPS)
    typed = pa.array(PAIRS, TYPES[0])
    assert_same_bits(by_csv([None if found is None else json.dumps(found) for found in MAPS], *READS), wanted)
    assert_same_bits(by_parquet(typed, *READS), wanted)
    for frame in (pd.DataFrame({"bids": MAPS}), pa.table({"bids": typed}).to_pandas()):  # dicts; lists of pairs
        assert_same_bits(inputs(table_of(frame)["bids"], *READS), wanted)
    assert_same_bits(inputs(pa.Table.from_pandas(pd.DataFrame({"bids": [{"a": 1}, {"b": 2}]}))["bids"], *READS),
                     expected([{"a": 1}, {"b": 2}]))  # fmt: skip


def test_a_frame_of_dicts_makes_no_field_of_each_name() -> None:
    frame = pd.DataFrame({"bids": [{f"name {i}": i} for i in range(3000)]})
    assert pa.types.is_union(table_of(frame)["bids"].type)  # a struct would have 3,000 fields, 9 million cells
    assert len(words(table_of(frame)["bids"], KEYS)) == 3000


def test_an_empty_list_is_a_map_without_names_as_pandas_and_php_write_it() -> None:
    for cells in ([[], {"a": 1}], ["[]", '{"a": 1}'], ["{}", '{"a": 1}']):
        found = checked(cells, *READS, missing="error")
        assert found.counts["missing"] == {}
        assert_same_bits(inputs(cells, *READS), expected([{}, {"a": 1}]))


def test_members_below_a_null_are_not_read() -> None:
    pairs = pa.StructArray.from_arrays(
        [pa.array(["a", "a", "b"]), pa.array([1.0, math.inf, 2.0])],
        fields=[pa.field("key", pa.string(), False), pa.field("value", pa.float64())],
    )
    offsets = pa.py_buffer(np.array([0, 2, 3], np.int32))
    hidden = pa.Array.from_buffers(TYPES[0], 2, [pa.py_buffer(b"\x02"), offsets], children=[pairs])
    assert hidden.to_pylist() == [None, [("b", 2.0)]]
    assert_same_bits(inputs(hidden, *READS), expected([None, {"b": 2.0}]))
    assert set(words(hidden, KEYS).values()) == {"b"}


def test_without_rows_there_are_no_names() -> None:
    for kind in (*TYPES, pa.string(), pa.null(), pa.struct([("a", pa.int64())]), pa.struct([])):
        assert_same_bits(inputs(pa.array([], kind), *READS), expected([]))


DEEP = '{"a": ' * 5000 + "1" + "}" * 5000
BY_POLICY = ("not_a_map", "too_many_names", "repeated_name")
BAD: list[tuple[object, str]] = [
    ('{"a": 1, "a": 2}', "repeated_name"),
    ([("a", 1), ("a", 2)], "repeated_name"),
    ('{"a": 1, "b": 1, "c": 1, "d": 1}', "too_many_names"),
    (dict.fromkeys("abcd", 1), "too_many_names"),
    ('{"a": "x"}', "not_a_map"),
    ('{"a": null}', "not_a_map"),
    ('{"a": true}', "not_a_map"),
    ('{"a": NaN}', "not_a_map"),
    ('{"a": Infinity}', "not_a_map"),
    ('{"a": 1e999}', "not_a_map"),
    ('{"a": 1' + "0" * 400 + "}", "not_a_map"),
    ('{"a": 1' + "0" * 5000 + "}", "not_a_map"),
    ('{"a": {"b": 1}}', "not_a_map"),
    (DEEP, "not_a_map"),
    ("[" * 20_000, "not_a_map"),
    ('["a"]', "not_a_map"),
    ("[1]", "not_a_map"),
    ("1", "not_a_map"),
    ("a: 1", "not_a_map"),
    ("", "not_a_map"),
    ('{"a": 1} ', "fine"),
    ([None], "not_a_map"),
    ({"a": None}, "not_a_map"),
    ({"a": math.nan}, "not_a_map"),
    ({"a": math.inf}, "not_a_map"),
    ({"a": 10**400}, "nested_value"),
    ({"a": "x"}, "nested_value"),
    ({"a": True}, "nested_value"),
    ({"a": {"b": 1}}, "nested_value"),
    ({1: 1}, "nested_value"),
    (["a"], "nested_value"),
    ([("a", 1, 2)], "nested_value"),
    ({"\ud800": 1}, "invalid_unicode"),
    ('{"\\ud800": 1}', "invalid_unicode"),
    ('{"a\udfff": 1}', "invalid_unicode"),
    (5, "wrong_type"),
    (b"{}", "wrong_type"),
]


@pytest.mark.parametrize(("cell", "code"), BAD, ids=lambda value: repr(value)[:30])
def test_what_is_no_map_is_refused_by_reason_row_and_count(cell: object, code: str) -> None:
    cells = [{"a": 1}, cell, '{"b": 2}', None]
    if code == "fine":
        assert_same_bits(inputs(cells, *READS), expected([{"a": 1}, {"a": 1}, {"b": 2}, None]))
        return
    problem = refused(cells, *READS)
    code = "nested_value" if cell == ["a"] else code
    assert (problem.code, problem.bad, problem.total, problem.rows) == (code, 1, 4, (1,))
    assert problem.key == ("data.fields.bids.invalid" if code in BY_POLICY else None)
    if code in ("nested_value", "wrong_type"):
        assert "read as map must be names with numbers, or text that is an object of JSON" in str(problem)
    if code == "too_many_names":
        assert "max_names=3" in str(problem)
    if cell == "":
        assert 'na_values: [""]' in str(problem)
    if code in BY_POLICY:
        found = checked(cells, *READS, invalid="missing")
        assert found.counts["changed"] == {f"bids: {code} read as missing": 1}
        assert_same_bits(inputs(cells, *READS, invalid="missing"), expected([{"a": 1}, None, {"b": 2}, None]))
        assert checked(cells, *READS, invalid="drop").counts["dropped"] == {f"bids: {code}": 1}


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (pa.array([[("a", None)]], TYPES[0]), "not_a_map"),
        (pa.array([[("a", math.inf)]], TYPES[0]), "not_a_map"),
        (pa.array([[("a", 1.0), ("a", 1.0)]], TYPES[0]), "repeated_name"),
        (pa.array([[("a", "x")]], pa.map_(pa.string(), pa.string())), "nested_value"),
        (pa.array([[("a", True)]], pa.map_(pa.string(), pa.bool_())), "nested_value"),
        (pa.array([[(True, 1.0)]], pa.map_(pa.bool_(), pa.float64())), "nested_value"),
        (pa.array([[(date(2024, 1, 1), 1.0)]], pa.map_(pa.date32(), pa.float64())), "nested_value"),
        (pa.array([[({"n": 1}, 1.0)]], pa.map_(pa.struct([("n", pa.int64())]), pa.float64())), "nested_value"),
        (pa.array([{"a": "x"}]), "nested_value"),
        (pa.array([{"a": math.nan}]), "not_a_map"),
        (pa.array([["a"]]), "nested_value"),
        (pa.array([[1.0]]), "nested_value"),
        (pa.array([[None]]), "not_a_map"),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_typed_cells_that_are_no_maps_are_refused(cells: pa.Array, code: str) -> None:
    problem = refused(cells, *READS)
    assert (problem.code, problem.bad, problem.total) == (code, 1, 1)


def test_a_million_names_are_refused_as_too_many_and_too_long() -> None:
    from mlp_torch.errors import DataError

    with pytest.raises(DataError) as caught:
        checked([dict.fromkeys(map(str, range(10**6)), 1.0), {"a": 1}], *READS)
    assert {problem.code for problem in caught.value.problems} == {"too_many_names", "cell_too_large"}
    assert all((problem.bad, problem.total, problem.rows) == (1, 2, (0,)) for problem in caught.value.problems)
    assert len(str(caught.value)) < 2000


def test_names_of_a_map_may_have_so_many_bytes_as_a_text() -> None:
    assert refused([{"x" * 65_537: 1}], *READS).code == "cell_too_large"
    assert tensor([{"x" * 65_536: 1}], KEYS).count_nonzero() == 1


def test_policies_say_what_becomes_of_missing_maps_and_an_empty_one_is_none() -> None:
    cells: list[Any] = [{"a": 1}, None, "NA", {}, "{}"]
    assert checked(cells, *READS, na_values=["NA"]).counts["missing"] == {"bids": 2}
    assert checked(cells, *READS, na_values=["NA"], missing="drop").counts["dropped"] == {"bids: missing_value": 2}
    problem = refused(cells, *READS, na_values=["NA"], missing="error")
    assert (problem.code, problem.bad, problem.rows) == ("missing_value", 2, (1, 2))
    assert in_graph([{}, {"a": 1}], *READS, missing="error")[KEYS.key].count_nonzero() == 1
    with pytest.raises(Exception, match='field "bids" must not be missing, however: 1 of 2 rows'):
        in_graph([None, {"a": 1}], *READS, missing="error")


def test_a_host_passes_numbers_and_names_of_which_the_graph_refuses_what_is_no_map() -> None:
    one = torch.tensor([[1.0, 2.0, 0.0]])
    ask = graph(*READS)
    assert ask({"bids": one}, {"bids": ["a", "b", None]})[KEYS.key].count_nonzero() == 2
    assert ask({"bids": one}, {"bids": [None, None, "a"]})[VALUES.key].tolist() == [[0, 0, 0]]  # gaps close
    for numbers, names, says in (
        (one, ["a", "a", None], "have a name once"),
        (one * math.inf, ["a", None, None], "be finite"),
        (one, ["a", None], "must have 3 numbers and names a row"),
        (one[:, :2], ["a", None], "must have 3 numbers and names a row"),
    ):
        with pytest.raises(Exception, match=f'field "bids".*{says}'):
            ask({"bids": numbers}, {"bids": names})
    for tensors, strings in (({"bids": one}, {}), ({}, {"bids": ["a", "b", None]})):
        with pytest.raises(Exception, match='field "bids" must be given in `tensors`: numbers of shape'):
            ask(tensors, strings)
    lenient = graph(*READS, invalid="missing")
    assert lenient({"bids": one}, {"bids": ["a", "a", None]})[KEYS.key].tolist() == [[0, 0, 0]]
