"""Ingestion in TorchScript: bit-equal to the Arrow path, and refuses what that refuses."""

import subprocess
import sys

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_torch.errors import DataError
from mlp_torch.ingest.inputs import to_inputs
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.scripted import Scripted
from mlp_torch.script import script

NAN = float("nan")
RAISED = (RuntimeError, torch.jit.Error)
READS = [Read("hour"), Read("hour", "string"), Read("origin", "string"), Read("at", "time"), Read("wind")]
SCHEMA = Schema.of(
    READS,
    {
        "hour": {"min": 0, "max": 24, "invalid": "missing", "na_values": ["7"]},
        "origin": {"na_values": ["NA", "日"]},
        "at": {"invalid": "missing"},
    },
)
TENSORS = {
    "hour": torch.tensor([5.0, NAN, 24.0, 25.0, float("inf"), 7.0, -0.0, 0.0], dtype=torch.float64),
    "wind": torch.tensor([0.1, NAN, 1e300, -1e-300, 2.0**53, 5e-324, -0.0, 3.0], dtype=torch.float64),
}
STRINGS = {
    "origin": ["JFK", None, "", "日本", "naïve", "NA", " \t", "x\0y" + "é" * 200],
    "at": [
        "2024-02-29",
        None,
        "0001-01-01",
        "9999-12-31T23:59:59",
        "2023-02-29",
        "",
        "1969-12-31 23:59",
        "日本日本日本日本日本",
    ],
}


def arrow_path(schema, tensors, strings):
    columns = {name: pa.array(values.numpy()) for name, values in tensors.items()}
    columns |= {name: pa.array(values, pa.string()) for name, values in strings.items()}
    return to_inputs(schema.check(pa.table(columns)), schema.reads.values())


def frozen(schema):
    return torch.jit.freeze(script(Scripted(schema)), optimize_numerics=False)


def all_forms(schema):
    module = Scripted(schema)
    return [module, script(module), frozen(schema)]


def bits(x):
    return x.masked_fill(x.isnan(), 0.5).view(torch.int64) if x.is_floating_point() else x  # any NaN is NaN


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for key in wanted:
        assert found[key].dtype == wanted[key].dtype, key
        a, b = (bits(x) for x in (found[key], wanted[key]))
        assert torch.equal(a, b), key
        assert torch.equal(found[key].isnan(), wanted[key].isnan()), key


FORMS = all_forms(SCHEMA)


@pytest.mark.parametrize("form", FORMS, ids=["eager", "scripted", "frozen"])
def test_every_form_equals_the_arrow_path_on_nasty_values(form):
    wanted = arrow_path(SCHEMA, TENSORS, STRINGS)
    assert_same_bits(form(TENSORS, STRINGS), wanted)
    for rows in (slice(0, 1), slice(0, 0)):
        some = {name: x[rows] for name, x in TENSORS.items()}, {name: x[rows] for name, x in STRINGS.items()}
        assert_same_bits(form(*some), arrow_path(SCHEMA, *some))
    with pytest.raises(AssertionError):
        assert_same_bits(form(TENSORS, {**STRINGS, "origin": STRINGS["origin"][::-1]}), wanted)


TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.none()
ISO = st.datetimes().map(lambda t: t.isoformat()[:19]) | st.dates().map(str) | TEXT | st.from_regex(
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?\Z"
)  # fmt: skip
HOUR = st.sampled_from([NAN, float("inf"), -1.0, 25.0, 7.0]) | st.integers(0, 24).map(float)
ROW = st.tuples(HOUR, st.floats(allow_infinity=False), TEXT, ISO)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, max_size=5))
def test_any_texts_times_and_numbers_give_the_same_bits_on_all_paths(rows):
    tensors = {"hour": torch.tensor([row[0] for row in rows], dtype=torch.float64)}
    tensors["wind"] = torch.tensor([row[1] for row in rows], dtype=torch.float64)
    strings = {"origin": [row[2] for row in rows], "at": [row[3] for row in rows]}
    wanted = arrow_path(SCHEMA, tensors, strings)
    for form in FORMS:
        assert_same_bits(form(tensors, strings), wanted)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool, torch.float32, torch.float16])
def test_any_real_tensor_is_a_number_and_whole_ones_are_categories(dtype):
    schema = Schema.of([Read("x"), Read("x", "string"), Read("c", "string")])
    x = torch.tensor([1, 0, 1]).to(dtype)
    wanted = arrow_path(schema, {"x": x, "c": x}, {})
    for form in all_forms(schema):
        assert_same_bits(form({"x": x, "c": x}, {}), wanted)


def test_ids_of_64_bits_are_categories_exactly():
    schema = Schema.of([Read("id", "string")])
    ids = torch.tensor([2**62 + 1, -(2**63), 2**53 + 1])
    for form in all_forms(schema):
        assert_same_bits(form({"id": ids}, {}), arrow_path(schema, {"id": ids}, {}))
        assert not torch.equal(form({"id": ids}, {})["id:string"], form({"id": ids - 1}, {})["id:string"])


def test_times_may_come_as_seconds():
    schema = Schema.of([Read("t", "time")])
    seconds = torch.tensor([0.25, NAN, -1.0], dtype=torch.float64)
    for form in all_forms(schema):
        assert_same_bits(form({"t": seconds}, {}), arrow_path(schema, {"t": seconds}, {}))


def test_text_and_number_of_a_field_read_as_both_may_be_given_apart():
    schema = Schema.of([Read("n"), Read("n", "string")])
    wanted = to_inputs(schema.check(pa.table({"n": ["007", None]})), schema.reads.values())
    tensors = {"n": torch.tensor([7.0, NAN], dtype=torch.float64)}
    for form in all_forms(schema):
        assert_same_bits(form(tensors, {"n": ["007", None]}), wanted)
        with pytest.raises(RAISED, match='field "n" must have as many rows'):
            form(tensors, {"n": ["007"]})


REFUSED = [
    ({}, Read("x"), {}, {}, r'field "x" must be given in `tensors`: numbers of shape \(B,\)'),
    ({}, Read("x"), {}, {"x": ["5"]}, 'field "x" must be given in `tensors`'),
    ({}, Read("x", "string"), {}, {}, 'field "x" must be given in `strings`'),
    ({}, Read("x", "time"), {}, {}, 'field "x" must be given in `strings`: YYYY-MM-DD'),
    (
        {"max": 5},
        Read("x"),
        {"x": [1.0, 6.0]},
        {},
        r'field "x": values must be in the valid range \(-∞, 5\], .* first row 1',
    ),
    ({"max": 5, "invalid": "drop"}, Read("x"), {"x": [1.0, 6.0]}, {}, "valid range"),
    ({}, Read("x"), {"x": [1.0, float("inf")]}, {}, 'field "x": values must be finite'),
    ({}, Read("x"), {"x": [1, 2**53 + 1]}, {}, "within ±2^53".replace("^", r"\^")),
    ({"invalid": "missing"}, Read("x"), {"x": [1, -(2**63)]}, {}, "within"),
    ({}, Read("x", "string"), {"x": [1.0, 0.5]}, {}, "text or whole"),
    ({}, Read("x", "string"), {"x": [1.0, 2.0**60]}, {}, "within"),
    ({}, Read("x", "string"), {"x": [1.0, float("-inf")]}, {}, "finite"),
    ({}, Read("x", "time"), {}, {"x": ["2026-02-30"]}, "a date of the calendar, however: 1 of 1 rows, first row 0"),
    ({"missing": "error"}, Read("x"), {"x": [1.0, NAN]}, {}, 'field "x" must not be missing, however: 1 of 2 rows'),
    ({"missing": "drop"}, Read("x", "string"), {}, {"x": [None, "a", None]}, "2 of 3 rows"),
    ({"missing": "error", "na_values": ["NA"]}, Read("x", "string"), {}, {"x": ["NA"]}, "must not be missing"),
    ({}, Read("x"), {"x": [[1.0]]}, {}, r"must be a real tensor of shape \(B,\)"),
]


@pytest.mark.parametrize(("policies", "read", "tensors", "strings", "message"), REFUSED)
def test_what_is_refused_raises_and_names_the_field(policies, read, tensors, strings, message):
    schema = Schema.of([read], {"x": policies})
    tensors = {
        name: torch.tensor(x, dtype=None if isinstance(x[0], int) else torch.float64) for name, x in tensors.items()
    }
    for form in all_forms(schema):
        with pytest.raises(RAISED, match=message):
            form(tensors, strings)


def test_fields_must_have_the_same_number_of_rows():
    schema = Schema.of([Read("a"), Read("b", "string")])
    for form in all_forms(schema):
        with pytest.raises(RAISED, match='fields must have 2 rows, however: "b:string" has 1'):
            form({"a": torch.zeros(2)}, {"b": ["x"]})


def test_names_that_no_field_has_are_ignored_unless_strict():
    tensors = {"a": torch.zeros(1), "z": torch.zeros(5)}
    assert list(frozen(Schema.of([Read("a")]))(tensors, {})) == ["a"]
    with pytest.raises(RAISED, match='however: "z"'):
        frozen(Schema.of([Read("a")], strict=True))(tensors, {})


def test_field_names_may_be_anything():
    schema = Schema.of([Read("a.b"), Read("", "string"), Read("forward"), Read("日本", "time")])
    tensors = {"a.b": torch.ones(1), "forward": torch.ones(1)}
    strings = {"": ["x"], "日本": ["2024-02-29"]}
    wanted = arrow_path(schema, {name: x.double() for name, x in tensors.items()}, strings)
    for form in all_forms(schema):
        assert_same_bits(form(tensors, strings), wanted)


def test_inputs_are_left_as_they_were():
    hour, origin = TENSORS["hour"].clone(), list(STRINGS["origin"])
    for form in FORMS:
        form(TENSORS, STRINGS)
    assert torch.equal(hour.nan_to_num(9.0), TENSORS["hour"].nan_to_num(9.0))
    assert origin == STRINGS["origin"]


def test_a_saved_graph_runs_in_a_process_without_this_package(tmp_path):
    path = tmp_path / "ingest.pt"
    frozen(SCHEMA).save(path)
    code = (
        "import sys, torch\nsys.modules['mlp_torch'] = None\n"
        f"m = torch.jit.load({str(path)!r})\n"
        "print(m({'hour': torch.tensor([5]), 'wind': torch.zeros(1)}, {'origin': ['日本'], 'at': ['2024-02-29']}))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    one = {"hour": torch.tensor([5]), "wind": torch.zeros(1)}, {"origin": ["日本"], "at": ["2024-02-29"]}
    assert str(Scripted(SCHEMA)(*one)["origin:string"].item()) in done.stdout


def test_no_device_is_folded_into_the_frozen_graph():
    assert "Device = prim::Constant" not in str(frozen(SCHEMA).inlined_graph)

    class Folding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("at", torch.zeros(()))

        def forward(self, x: torch.Tensor):
            return x.to(self.at.device)

    assert "Device = prim::Constant" in str(torch.jit.freeze(script(Folding())).inlined_graph)


def test_the_arrow_path_refuses_what_the_graph_refuses():
    schema = Schema.of([Read("x")], {"x": {"max": 5}})
    with pytest.raises(DataError, match="out_of_range"):
        schema.check(pa.table({"x": [6]}))
