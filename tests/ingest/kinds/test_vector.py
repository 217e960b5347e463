"""Vectors: by NumPy's float32 and Python's json, alike on each way in."""

import json
import math

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
    graph,
    in_graph,
    inputs,
    layouts,
    refused,
    tensor,
)

from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.reads import Inputs, Read

READ = Read("v", "vector", size=(3,))
LARGEST = float(np.finfo(np.float32).max)
NUMBER = st.floats(-LARGEST, LARGEST) | st.integers(-(2**70), 2**70)
CELL = st.lists(NUMBER, min_size=3, max_size=3)


def expected(vectors: list[list[float] | None]) -> Inputs:
    """By NumPy, which rounds to the nearest float32."""
    rows = [[math.nan] * 3 if vector is None else [float(x) for x in vector] for vector in vectors]
    return {READ.key: torch.from_numpy(np.array(rows, np.float64).reshape(-1, 3).astype(np.float32))}


@settings(max_examples=200, deadline=None)
@given(st.lists(CELL | st.none(), max_size=5))
def test_any_vector_has_its_numbers_whatever_holds_it(vectors: list[list[float] | None]) -> None:
    wanted = expected(vectors)
    assert_same_bits(inputs(vectors, READ) if vectors else wanted, wanted)
    told = pa.array([None if vector is None else json.dumps(vector) for vector in vectors], pa.string())
    assert_same_bits(inputs(told, READ), wanted)
    real = [None if vector is None else [float(x) for x in vector] for vector in vectors]
    assert_same_bits(inputs(pa.array(real, pa.list_(pa.float64())), READ), wanted)
    arrays = [None if vector is None else np.array(vector) for vector in real]
    assert_same_bits(inputs(arrays, READ) if vectors else wanted, wanted)


@settings(max_examples=100, deadline=None)
@given(st.lists(CELL | st.none(), min_size=1, max_size=5))
def test_any_vector_is_the_same_in_records_eager_and_in_torchscript(vectors: list[list[float] | None]) -> None:
    assert_same_bits(assert_alike_in_graph(vectors, READ), expected(vectors))


VECTORS = [[1.0, -2.5, 3.0], None, [0.0, -0.0, 5.0]]
TYPES = [
    pa.list_(pa.float64()),
    pa.list_(pa.float32(), 3),
    pa.large_list(pa.float32()),
    pa.list_view(pa.float64()),
    pa.large_list_view(pa.float32()),
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_lists_gives_the_same_vectors(kind: pa.DataType, layout: str) -> None:
    assert_same_bits(inputs(layouts(pa.array(VECTORS, kind))[layout], READ), expected(VECTORS))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint16(), pa.float16()], ids=str)
def test_numbers_of_every_width_are_read(kind: pa.DataType) -> None:
    cell = [np.float16(x) for x in (1, 2, 3)] if kind == pa.float16() else [1, 2, 3]
    for lists in (pa.list_(kind), pa.list_(kind, 3)):
        assert_same_bits(inputs(pa.array([cell, None], lists), READ), expected([[1, 2, 3], None]))


def test_numbers_below_a_null_are_not_read() -> None:
    flat, mask = pa.array([math.inf, 1, 2, 3, 4, 5], pa.float32()), pa.array([True, False])
    for hidden in (
        pa.FixedSizeListArray.from_arrays(flat, 3, mask=mask),
        pa.ListArray.from_arrays([0, 3, 6], flat, mask=mask),
    ):
        assert_same_bits(inputs(hidden, READ), expected([None, [3, 4, 5]]))


def test_tensors_of_one_shape_are_vectors() -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert_same_bits(inputs(tensors, READ), expected([[0, 1, 2], [3, 4, 5]]))


def test_files_frames_and_records_give_the_same_vectors() -> None:
    wanted = expected(VECTORS)
    assert_same_bits(by_csv([None if vector is None else json.dumps(vector) for vector in VECTORS], READ), wanted)
    for kind in (pa.list_(pa.float64()), pa.list_(pa.float32(), 3)):
        assert_same_bits(by_parquet(pa.array(VECTORS, kind), READ), wanted)
    arrays = [None if vector is None else np.array(vector, np.float32) for vector in VECTORS]
    for cells in (VECTORS, arrays):
        assert_same_bits(inputs(table_of(pd.DataFrame({"v": cells}))["v"], READ), wanted)
    assert_same_bits(inputs([tuple(v) if v else v for v in VECTORS], READ), wanted)


def test_without_rows_there_are_no_vectors() -> None:
    for kind in (*TYPES, pa.string(), pa.null()):
        assert tensor(pa.array([], kind), READ).shape == (0, 3)


NEAR = [LARGEST, -LARGEST, 1e-45]


def test_the_largest_numbers_of_float32_are_read_and_larger_ones_refused_alike() -> None:
    assert_same_bits(assert_alike_in_graph([NEAR], READ), expected([NEAR]))
    above = float(np.nextafter(LARGEST, math.inf))
    for wrong in (above, -above, 1e39, math.inf):
        assert refused([[0.0, wrong, 0.0]], READ).code == "not_a_vector"
        with pytest.raises(Exception, match="must be finite numbers of float32, however: 1 of 1 rows, first row 0"):
            in_graph([[0.0, wrong, 0.0]], READ)


BAD: list[tuple[object, str]] = [
    ([1.0, math.nan, 2.0], "not_a_vector"),
    ([1.0, None, 2.0], "not_a_vector"),
    ([None, None, None], "not_a_vector"),
    ([1.0, math.inf, 2.0], "not_a_vector"),
    ([1.0, 1e39, 2.0], "not_a_vector"),
    ([1, 10**400, 2], "nested_value"),
    (np.array([1.0, math.nan, 2.0]), "not_a_vector"),
    ("[1, NaN, 2]", "not_a_vector"),
    ("[1, 1e999, 2]", "not_a_vector"),
    ("[1, 1e39, 2]", "not_a_vector"),
    ("[1, null, 2]", "not_a_vector"),
    ('[1, "2", 3]', "not_a_vector"),
    ("[1, true, 3]", "not_a_vector"),
    ("[[1, 2, 3]]", "not_a_vector"),
    ("[" * 30_000, "not_a_vector"),
    ("[1, 2, 3", "not_a_vector"),
    ("1, 2, 3", "not_a_vector"),
    ('{"a": 1}', "not_a_vector"),
    ("", "not_a_vector"),
    ([], "wrong_size"),
    ([1.0], "wrong_size"),
    ([1, 2], "wrong_size"),
    ([1.0, 2.0, 3.0, 4.0], "wrong_size"),
    ("[]", "wrong_size"),
    ("[1, 2]", "wrong_size"),
    ([1, "2", 3], "nested_value"),
    ([True, False, True], "nested_value"),
    ([[1, 2, 3]], "nested_value"),
    (np.ones((1, 3)), "nested_value"),
    ({"a": 1}, "nested_value"),
    (["a", "b", "c"], "wrong_type"),
    (1.5, "wrong_type"),
    (b"abc", "wrong_type"),
]


@pytest.mark.parametrize(("cell", "code"), BAD, ids=lambda value: repr(value)[:30])
def test_what_is_no_vector_is_refused_by_reason_row_and_count(cell: object, code: str) -> None:
    good = [1.0, 2.0, 3.0]
    problem = refused([good, cell, "[1, 2, 3]", None], READ)
    assert (problem.code, problem.bad, problem.total, problem.rows) == (code, 1, 4, (1,))
    by_policy = code in ("not_a_vector", "wrong_size")
    assert problem.key == ("data.fields.v.invalid" if by_policy else None)
    if not by_policy:
        assert "read as vector must be a list of numbers, or text that is a list of JSON" in str(problem)
    if code == "wrong_size":
        assert "size=3" in str(problem)
    if by_policy:
        found = checked([good, cell], READ, invalid="missing")
        assert found.counts["changed"] == {f"v: {code} read as missing": 1}
        assert_same_bits(inputs([good, cell], READ, invalid="missing"), expected([good, None]))
        assert checked([good, cell], READ, invalid="drop").counts["dropped"] == {f"v: {code}": 1}


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (pa.array([[1.0, None, 2.0]]), "not_a_vector"),
        (pa.array([[1, None, 2]], pa.list_(pa.int32(), 3)), "not_a_vector"),
        (pa.array([[None] * 3]), "not_a_vector"),
        (pa.array([[1.0]]), "wrong_size"),
        (pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), "wrong_size"),
        (pa.array([["a"]]), "wrong_type"),
        (pa.array([[True, False, True]]), "wrong_type"),
        (pa.array([{"a": 1}]), "nested_value"),
        (pa.array([1.0]), "wrong_type"),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_typed_cells_that_are_no_vectors_are_refused(cells: pa.Array, code: str) -> None:
    problem = refused(cells, READ)
    assert (problem.code, problem.bad, problem.total) == (code, 1, 1)


def test_policies_say_what_becomes_of_missing_vectors() -> None:
    cells = [[1, 2, 3], None, "NA"]
    assert checked(cells, READ, na_values=["NA"]).counts["missing"] == {"v": 2}
    assert checked(cells, READ, na_values=["NA"], missing="drop").counts["dropped"] == {"v: missing_value": 2}
    problem = refused(cells, READ, na_values=["NA"], missing="error")
    assert (problem.code, problem.bad, problem.rows) == ("missing_value", 2, (1, 2))
    with pytest.raises(Exception, match='field "v" must not be missing, however: 1 of 2 rows'):
        in_graph([None, [1, 2, 3]], READ, missing="error")
    assert refused([None, None], READ, training=True).code == "all_missing"


def test_a_host_passes_numbers_of_any_type_in_the_wanted_shape() -> None:
    ask = graph(READ)
    wanted = expected([[1, 2, 3]])
    for dtype in (torch.float32, torch.float64, torch.int64, torch.float16):
        assert_same_bits(ask({"v": torch.tensor([[1, 2, 3]], dtype=dtype)}, {}), wanted)
    for shape in ((3,), (1, 2), (1, 3, 1)):
        with pytest.raises(Exception, match='field "v" must have shape'):
            ask({"v": torch.ones(shape)}, {})
    with pytest.raises(Exception, match=r'field "v" must be given in `tensors`: vectors of shape \(B, 3\)'):
        ask({}, {})
    half = torch.tensor([[1.0, math.nan, 2.0], [math.nan] * 3])
    with pytest.raises(Exception, match="must be finite numbers of float32, however: 1 of 2 rows, first row 0"):
        ask({"v": half}, {})
    assert graph(READ, invalid="missing")({"v": half}, {})[READ.key].isnan().all()
