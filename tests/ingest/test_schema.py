"""Policies, the validator's rules, what is learnt, and what leaves by schema.json."""

import datetime
import decimal
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_torch.errors import ConfigError, DataError, ModelError
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.reads import Kind, Read
from mlp_torch.ingest.schema import Schema, check_forms
from mlp_torch.ingest.scripted import Scripted
from mlp_torch.ingest.times import FIRST, LAST, days_since_1970, iso, wall_seconds

NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
NUMBER, STRING, TIME = Read("x"), Read("x", "string"), Read("x", "time")


def problems_of(read, array, **options):
    with pytest.raises(DataError) as caught:
        Schema.of([read], options.pop("policies", None)).check(pa.table({"x": array}), **options)
    return caught.value.problems


def values_of(read, array, **policies):
    return Schema.of([read], {"x": policies}).check(pa.table({"x": array})).arrays[read.key].to_pylist()


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"hour": {"mni": 0}}, r"data\.fields\.hour\.mni; did you mean min\?"),
        ({"hour": {"invalid": "drp"}}, r"data\.fields\.hour\.invalid .*'drp'; did you mean drop\?"),
        ({"hour": {"missing": "ignore"}}, r"data\.fields\.hour\.missing"),
        ({"hour": {"min": "0"}}, r"data\.fields\.hour\.min must be a finite number, however: '0'"),
        ({"hour": {"max": float("nan")}}, r"data\.fields\.hour\.max"),
        ({"hour": {"min": True}}, r"data\.fields\.hour\.min"),
        ({"hour": {"min": 2, "max": 1}}, r"min must be at most max, however: data\.fields\.hour has \[2, 1\]"),
        ({"hour": {"na_values": [-999]}}, r"data\.fields\.hour\.na_values must be a list of texts"),
        ({"huor": {"min": 0}}, r"data\.fields\.huor; did you mean hour\?"),
        ({"origin": {"min": 0}}, "min and max need a field read as number"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_its_key(policies, message):
    with pytest.raises(ConfigError, match=message):
        Schema.of([Read("hour"), Read("origin", "string")], policies)


def test_two_reads_that_would_share_a_key_are_refused():
    with pytest.raises(ConfigError, match="keys of reads must differ"):
        Schema.of([Read("a", "string"), Read("a:string")])


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array([1, None, -3]), [1.0, None, -3.0]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([1.5, float("nan")]), [1.5, None]),
        (pa.array([1.5, None], pa.float16()), [1.5, None]),
        (pa.array([2**53, -(2**53)]), [2.0**53, -(2.0**53)]),
        (pa.array([255], pa.uint8()), [255.0]),
        (pa.array([decimal.Decimal("1.10"), None]), [1.1, None]),
        (pa.array(["12", "-1.5e3", "0007", None]), [12.0, -1500.0, 7.0, None]),
        (pa.array(["9007199254740992", "1e300"]), [2.0**53, 1e300]),
        (pa.array(["5", "6"]).dictionary_encode(), [5.0, 6.0]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_numbers_widen_without_loss(array, wanted):
    found = values_of(NUMBER, array)
    assert [None if np.isnan(value) else value for value in found] == wanted


@pytest.mark.parametrize(
    "text", ["+1", ".5", "5.", "1_000", "0x1f", " 1", "1 ", "1\n", "nan", "inf", "1,5", "", "１", "1\0"]
)
def test_text_that_is_not_wholly_a_number_is_refused(text):
    (problem,) = problems_of(NUMBER, pa.array(["1", text]))
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("not_a_number", ("x",), 1, 2)
    assert (problem.rows, problem.examples, problem.key) == ((1,), (text,), "data.fields.x.invalid")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_in_text_are_read_to_the_last_bit(number):
    assert values_of(NUMBER, pa.array([repr(number)])) == [number]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2**53 + 1]),
        pa.array([1, 2**64 - 1], pa.uint64()),
        pa.array([1, -(2**63)]),
        pa.array(["1", "9007199254740993"]),
        pa.array(["1", "-" + "1" * 5000]),
        pa.array([decimal.Decimal(1), decimal.Decimal(2**53 + 1)]),
    ],
)
def test_row_10_whole_numbers_that_float64_would_round_are_refused(array):
    (problem,) = problems_of(NUMBER, array, policies={"x": {"invalid": "missing"}})
    assert (problem.code, problem.bad, problem.rows) == ("too_large_integer", 1, (1,))


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array(["00123", "", "  ", "NA", None, "x\0y"]), ["00123", "", "  ", "NA", None, "x\0y"]),
        (pa.array([5, None, -1]), ["5", None, "-1"]),
        (pa.array([5.0, float("nan"), -0.0]), ["5", None, "0"]),
        (pa.array([True, False]), ["1", "0"]),
        (pa.array([2**62 + 1]), [str(2**62 + 1)]),
        (pa.array([decimal.Decimal("5.00")]), ["5"]),
        (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
        (pa.array(["a"], pa.string_view()), ["a"]),
    ],
)
def test_categories_are_their_bytes_or_canonical_decimal_text(array, wanted):
    assert values_of(STRING, array) == wanted


@pytest.mark.parametrize(
    ("read", "array", "code"),
    [
        (STRING, pa.array([1.0, 0.5]), "not_whole"),
        (STRING, pa.array([decimal.Decimal("1.5")]), "not_whole"),
        (STRING, pa.array([1.0, 2.0**60]), "too_large_integer"),
        (STRING, pa.array([1.0, float("inf")]), "not_finite"),
        (STRING, pa.array([[1], [2]]), "nested_value"),
        (STRING, pa.array([b"x"]), "wrong_type"),
        (NUMBER, pa.array([datetime.date(2020, 1, 1)]), "wrong_type"),
        (NUMBER, pa.array([{"a": 1}]), "nested_value"),
        (TIME, pa.array([True]), "wrong_type"),
        (TIME, pa.array([0], pa.timestamp("s", "UTC")), "aware_time"),
        (TIME, pa.array([1.0, float("-inf")]), "not_finite"),
        (STRING, NOT_UTF8, "invalid_unicode"),
    ],
)  # fmt: skip
def test_cells_that_a_kind_cannot_take_are_refused(read, array, code):
    (problem,) = problems_of(read, array)
    assert (problem.code, problem.columns) == (code, ("x",))
    assert problem.bad >= 1


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array([datetime.datetime(1970, 1, 1, 0, 1)], pa.timestamp("us")), [60.0]),
        (pa.array([1_500_000_000], pa.timestamp("ns")), [1.5]),
        (pa.array([-1], pa.timestamp("ms")), [-0.001]),
        (pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]), [-62135596800.0, 253402214400.0]),
        (pa.array([86_400_000], pa.date64()), [86400.0]),
        (pa.array(["1970-01-01", "1970-01-01T01:00", "1970-01-01 00:00:01"]), [0.0, 3600.0, 1.0]),
        (pa.array([3, 4]), [3.0, 4.0]),
        (pa.array([0.25]), [0.25]),
    ],
)
def test_times_are_seconds_of_wall_clock(array, wanted):
    assert values_of(TIME, array) == wanted


@given(st.datetimes())
def test_iso_times_agree_with_pythons_own_clock(moment):
    moment = moment.replace(microsecond=0)
    seconds = int((moment - datetime.datetime(1970, 1, 1)).total_seconds())
    assert wall_seconds(moment.isoformat()) == seconds
    assert wall_seconds(moment.isoformat(" ")) == seconds
    assert wall_seconds(moment.isoformat()[:16]) == seconds - moment.second
    assert iso(seconds) == moment.isoformat()


def test_every_day_of_the_calendar_has_its_number():
    first = datetime.date(1, 1, 1).toordinal()
    epoch = datetime.date(1970, 1, 1).toordinal()
    days = [datetime.date.fromordinal(day) for day in range(first, datetime.date.max.toordinal(), 97)]
    assert [days_since_1970(day.year, day.month, day.day) for day in days] == [day.toordinal() - epoch for day in days]


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2023-02-29", "1900-02-29", "0000-01-01", "2024-13-01", "2024-00-01", "2024-01-00", "24-1-1", "",
     "2024-01-01T24:00", "2024-01-01T00:60", "2024-01-01T00:00:60", "2024-01-01T00:00Z", "2024-01-01T00:00:00Z",
     "2024-01-01x00:00", "2024-01-01T0000", "2024/01/01", "2024-01-01 ", "２０２４-01-01", "2024-01-01T00:00:00.5",
     "1357034400", "-024-01-01", "日本日本日本日本日本"],
)  # fmt: skip
def test_row_53_what_is_no_time_of_the_calendar_is_refused_with_examples(text):
    assert wall_seconds(text) is None
    (problem,) = problems_of(TIME, pa.array(["2024-02-29", text, None]))
    assert (problem.code, problem.bad, problem.rows, problem.examples) == ("not_a_time", 1, (1,), (text,))


def test_na_values_mean_missing_as_text_and_as_the_number_they_spell():
    assert np.isnan(values_of(NUMBER, pa.array(["-999", "-999.0", "NA"]), na_values=["-999", "NA"])).all()
    assert np.isnan(values_of(NUMBER, pa.array([-999, -999]), na_values=["-999"])).all()
    assert values_of(NUMBER, pa.array([-999])) == [-999.0]
    assert values_of(STRING, pa.array(["NA", "na"]), na_values=["NA"]) == [None, "na"]
    assert values_of(STRING, pa.array([-999.0, 1.0]), na_values=["-999"]) == [None, "1"]
    assert np.isnan(values_of(TIME, pa.array(["NA"]), na_values=["NA"])).all()


def test_a_value_that_is_invalid_for_one_read_is_missing_for_all():
    schema = Schema.of([NUMBER, STRING], {"x": {"max": 24, "invalid": "missing"}})
    checked = schema.check(pa.table({"x": ["5", "99", "late", None]}))
    assert checked.arrays["x:string"].to_pylist() == ["5", None, None, None]
    assert checked.counts["missing"] == {"x": 3}
    assert checked.counts["changed"] == {
        "x: text read as number": 2,
        "x: not_a_number read as missing": 1,
        "x: out_of_range read as missing": 1,
    }


def test_a_value_made_missing_is_then_judged_as_a_missing_one():
    policies = {"x": {"max": 24, "invalid": "missing", "missing": "drop"}}
    checked = Schema.of([NUMBER], policies).check(pa.table({"x": [5, 99, None]}))
    assert checked.counts["dropped"] == {"x: missing_value": 2}


def test_read_is_used_plus_dropped_and_a_row_counts_once():
    schema = Schema.of([Read("a"), Read("b")], {"a": {"min": 0, "invalid": "drop"}, "b": {"missing": "drop"}})
    checked = schema.check(pa.table({"a": [-1, -1, 1, 1, 1], "b": [None, 1, None, 2, 3]}))
    assert checked.keep.tolist() == [3, 4]
    assert checked.arrays["b"].to_pylist() == [2.0, 3.0]
    assert checked.counts["dropped"] == {"a: out_of_range": 2, "b: missing_value": 1}
    assert checked.counts["read"] == checked.counts["used"] + sum(checked.counts["dropped"].values())


def test_all_problems_of_all_columns_are_reported_together():
    schema = Schema.of([Read("a"), Read("b", "time"), Read("c"), Read("d", "string")], {"a": {"min": 0}})
    with pytest.raises(DataError) as caught:
        schema.check(pa.table({"a": ["-1", "x", "1e999"], "b": ["2026-02-30"] * 3, "d": [0.5, 1, 2]}))
    assert [problem.code for problem in caught.value.problems] == [
        "missing_column", "not_a_number", "not_finite", "out_of_range", "not_a_time", "not_whole",
    ]  # fmt: skip


def test_numbers_beyond_the_training_range_are_noticed_in_serving_only():
    schema = Schema.of([NUMBER])
    train = schema.check(pa.table({"x": [1, 2, 9]}), training=True)
    learnt = schema.learn(to_inputs(train, [NUMBER]), words_of(train))
    assert (learnt.fields["x"].low, learnt.fields["x"].high) == (1.0, 9.0)
    (warning,) = learnt.check(pa.table({"x": [0, 5, 10]})).warnings
    assert "beyond_training" in warning
    assert "2 of 3 rows" in warning
    assert learnt.check(pa.table({"x": [1, 9]})).warnings == []


def learnt_from(table, reads):
    schema = Schema.of(reads)
    checked = schema.check(table)
    return schema.learn(to_inputs(checked, schema.reads.values()), words_of(checked))


def test_the_example_is_made_of_medians_and_most_frequent_words_and_is_no_row():
    rows = [
        {"hour": 5, "origin": "JFK", "day": 3, "at": "2020-01-01", "name": "Ann"},
        {"hour": 7, "origin": "LGA", "day": 3, "at": "2020-01-03", "name": "Bob"},
        {"hour": 6, "origin": "EWR", "day": 4, "at": "2020-01-02", "name": "Cid"},
        {"hour": None, "origin": "JFK", "day": 5, "at": None, "name": "Dee"},
    ]
    reads = [Read("hour"), Read("origin", "string"), Read("day"), Read("day", "string")]
    reads += [Read("at", "time"), Read("name", "string")]
    schema = learnt_from(table_of(rows), reads)
    assert schema.example == {
        "hour": 6, "origin": "JFK", "day": 3, "at": "2020-01-02T00:00:00", "name": "example",
    }  # fmt: skip
    assert schema.example not in rows
    text = json.dumps(schema.to_json())
    assert not any(name in text for name in ("Ann", "Bob", "Cid", "Dee"))  # a word of one row alone would give it away
    assert schema.check(table_of(schema.example)).counts["used"] == 1


def test_a_field_without_any_value_has_a_missing_example():
    assert learnt_from(pa.table({"x": pa.nulls(2), "y": pa.nulls(2)}), [NUMBER, Read("y", "string")]).example == {
        "x": None,
        "y": None,
    }


def test_a_schema_survives_json_and_nothing_else_is_taken_for_one():
    schema = learnt_from(pa.table({"x": [1.5, 2.5], "o": ["a", "a"]}), [NUMBER, Read("o", "string")])
    again = Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False)))
    assert again == schema
    value = schema.to_json()
    for broken in (
        {},
        {**value, "reads": [["z", "number"]]},
        {**value, "fields": [{"name": "x", "kinds": ["os.system"]}]},
    ):
        with pytest.raises(ModelError):
            Schema.from_json(broken)


def test_a_schema_with_policies_survives_json():
    schema = Schema.of([NUMBER], {"x": {"min": 0, "invalid": "drop", "na_values": ["NA"]}}, strict=True)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_a_part_of_a_schema_asks_for_its_own_fields_only():
    schema = Schema.of([Read("a"), Read("b", "string"), Read("y")], {"a": {"min": 0}})
    part = schema.subset([Read("a"), Read("b", "string")])
    assert part.check(pa.table({"a": [1], "b": ["x"]})).counts["used"] == 1
    with pytest.raises(DataError, match="missing_column"):
        schema.check(pa.table({"a": [1], "b": ["x"]}))
    with pytest.raises(DataError, match="out_of_range"):
        part.check(pa.table({"a": [-1], "b": ["x"]}))
    with pytest.raises(ConfigError, match="must be one of the schema's, however: a:time"):
        schema.subset([Read("a", "time")])


def test_chunked_columns_are_one_column():
    table = pa.concat_tables([pa.table({"x": ["a", "b"]}), pa.table({"x": ["a", None]})])
    assert Schema.of([STRING]).check(table).arrays["x:string"].to_pylist() == ["a", "b", "a", None]
    coded = pa.table({"x": table.column("x").cast(pa.dictionary(pa.int32(), pa.string()))})
    assert Schema.of([STRING]).check(coded).arrays["x:string"].to_pylist() == ["a", "b", "a", None]


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["1", "2.5", "NaN", "2024-02-29", "-0", "1e999"]),
)
COLUMNS = st.one_of(
    st.lists(CELLS, min_size=3, max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=3, max_size=3),
    st.lists(st.dates() | st.none(), min_size=3, max_size=3).map(pa.array),
    st.lists(st.binary(max_size=3), min_size=3, max_size=3).map(pa.array),
    st.lists(st.lists(st.integers(0, 9), max_size=2), min_size=3, max_size=3).map(pa.array),
    st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-99, max_value=99), min_size=3,
             max_size=3).map(pa.array),
    st.lists(st.floats(width=32) | st.none(), min_size=3, max_size=3).map(lambda x: pa.array(x, pa.float32())),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(COLUMNS, st.sampled_from(["number", "string", "time"]), st.sampled_from(["error", "missing", "drop"]))
def test_any_table_gives_values_or_a_data_error_and_accepted_numbers_are_unchanged(column, kind, invalid):
    read = Read("x", kind)
    try:
        table = table_of([{"x": value} for value in column]) if isinstance(column, list) else pa.table({"x": column})
        checked = Schema.of([read], {"x": {"invalid": invalid}}).check(table, training=True)
        inputs = to_inputs(checked, [read])
    except DataError:
        return
    kept = [table.column("x")[int(i)].as_py() for i in checked.keep]
    assert len(inputs[read.key]) == len(kept) == checked.counts["used"]
    for before, after in zip(kept, inputs[read.key].tolist(), strict=True):
        if isinstance(before, int | float) and kind != "string" and np.isfinite(before):
            beyond = kind == "time" and not FIRST <= before <= LAST
            assert np.isnan(after) if beyond else after == before
        if isinstance(before, str) and kind == "string":
            assert after == fingerprints([before]).item()


def test_a_field_policy_is_a_value():
    assert Field.of("x", ("number",), {"min": 0}) == Field("x", ("number",), min=0.0)
    assert Field.of("x", ("number",), {"min": 0}) != Field.of("x", ("number",), {"min": 1})


def test_hidden_cells_of_a_union_are_not_judged():
    cells = [pa.array([1.5, float("inf")]), pa.array(["no number", "5"])]
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), cells)
    assert values_of(NUMBER, union) == [1.5, 5.0]
    (problem,) = problems_of(NUMBER, pa.UnionArray.from_sparse(pa.array([1, 1], pa.int8()), cells))
    assert (problem.code, problem.rows) == ("not_a_number", (0,))


@pytest.mark.parametrize("seconds", [1_700_000_000_000, -62_135_596_801, 253_402_300_800])
def test_seconds_outside_the_calendar_are_milliseconds_and_refused(seconds):
    read = Read("at", "time")
    with pytest.raises(DataError, match=r'not_a_time.*"at".*1 of 2 rows, row 1'):
        Schema.of([read]).check(pa.table({"at": [0, seconds]}))
    with pytest.raises((RuntimeError, torch.jit.Error), match="years 1 to 9999"):
        Scripted(Schema.of([read]))({"at": torch.tensor([0.0, seconds], dtype=torch.float64)}, {})


def test_seconds_at_the_ends_of_the_calendar_are_times():
    read = Read("at", "time")
    checked = Schema.of([read]).check(pa.table({"at": [FIRST, LAST]}))
    assert to_inputs(checked, [read])["at:time"].tolist() == [FIRST, LAST]


def test_an_empty_text_in_a_number_field_is_told_how_it_can_mean_missing():
    with pytest.raises(DataError, match=r'"" means missing with na_values: \[""\]; 1 of 2 rows'):
        Schema.of([Read("x")]).check(pa.table({"x": ["", "1"]}))
    with pytest.raises(DataError, match=r"text that is no number; 1 of 2 rows"):
        Schema.of([Read("x")]).check(pa.table({"x": ["old", "1"]}))


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        (
            [Read("a", "image", size=(1, 8, 8)), Read("a", "image", size=(3, 9, 9))],
            "as image must have the same size",
        ),
        (
            [Read("a", "map_keys", max_tokens=3), Read("a", "map_keys", max_tokens=5)],
            "as map must have the same max_names",
        ),
    ],
)
def test_a_field_that_a_host_would_have_to_pass_in_two_shapes_is_refused(reads: list[Read], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Schema.of(reads)
    Schema.of([reads[0], reads[0]])
    Schema.of([Read("a", "set", max_tokens=3, separator=","), Read("a", "set", max_tokens=5, separator=",")])


@pytest.mark.parametrize(
    ("kinds", "are_refused"),
    [
        (["string", "number"], False),
        (["string", "time"], False),
        (["number", "time", "string"], False),
        (["string", "tokens", "statistics", "set"], False),
        (["map_keys", "map_values"], False),
        (["number", "tokens"], True),
        (["number", "string", "tokens"], True),
        (["time", "tokens"], True),
        (["image", "string"], True),
        (["map_keys", "string"], True),
        (["vector", "statistics"], True),
    ],
)
def test_a_field_that_no_one_form_serves_is_refused(kinds: list[Kind], are_refused: bool) -> None:
    options = {"set": {"separator": ","}, "image": {"size": (1, 8, 8)}, "vector": {"size": (2,)}}
    reads = [Read("a", kind, **options.get(kind, {})) for kind in kinds]
    for some in (reads, reads[::-1]):
        if are_refused:
            with pytest.raises(ConfigError, match=r"a must be read by all columns in one form.*give the") as caught:
                check_forms(some)
            assert "as string and as tokens" not in str(caught.value)  # which go together
        else:
            check_forms(some)
        Schema.of(some)  # a split or a key may read it otherwise
