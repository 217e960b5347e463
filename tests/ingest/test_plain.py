"""Plain records: the bits of the one validator wherever they are read past it, and never past a word of its."""

import datetime
import math
import random
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlp_torch.errors import DataError
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.plain import Plain
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema

READS = [
    Read("age"),
    Read("weight"),
    Read("income"),
    Read("hour"),
    Read("hour", "string"),
    Read("town", "string"),
    Read("id", "string"),
    Read("at", "time"),
    Read("day", "time"),
    Read("day", "string"),
    Read("due", "time"),
]
POLICIES = {
    "age": {"min": 0, "max": 120, "na_values": ["99", "NA"]},
    "weight": {"min": 0.5, "invalid": "missing"},
    "income": {"missing": "error", "invalid": "drop"},
    "hour": {"na_values": ["7", "-"]},
    "town": {"na_values": ["NA", "", "5"]},
    "id": {"missing": "error"},
    "due": {"missing": "drop", "invalid": "missing", "na_values": ["2000-01-01", "0"]},
}
KNOWN = {"age": (18.0, 65.0), "weight": (3.0, 90.5), "hour": (0.0, 23.0)}  # ranges of training rows

WORDS = ["Ulm", "Köln", "日本", " ", "00123", "a\0b", "nan", "5.0", "x" * 300, "é" * 20, "🙂", "\x1b[31m"]
TIMES = ["2020-01-01", "1969-12-31T23:59:59", "2024-02-29 12:30", "0001-01-01", "9999-12-31T23:59:59"]
NOTHING = [None, math.nan, float("-nan"), -math.nan]
NEVER = [True, False, [1], {"a": 1}, (1,), b"x", 1j, np.float64(30), np.int64(30), np.str_("Ulm"), np.bool_(True)]
NEVER += [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), "\ud800", math.inf, -math.inf]
NEVER += [2**63, -(10**400), 10**5000]
NO_NUMBER = ["12", "twelve", "", "1,5", "1e999", "NaN", "x" * 70_000]
NO_TIME = [1577836800, 0.5, "2026-02-30", "2020-1-1", "2020-01-01T25:00", "1700000000", "", "٢٠٢٠-01-01", "0000-01-01"]


def some_number(draw: random.Random) -> object:
    """Whole or not, inside of every range."""
    return draw.choice([draw.randint(20, 60), draw.uniform(20, 60), float(draw.randint(20, 60))])


def some_word(draw: random.Random) -> str:
    return draw.choice(WORDS) if draw.random() < 0.5 else f"N{draw.randint(0, 10**6)}"


def some_time(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return draw.choice(TIMES)
    whole = datetime.datetime(1990, 1, 1) + datetime.timedelta(seconds=draw.randrange(10**9))
    return draw.choice([whole.isoformat(), str(whole)[:16], str(whole.date()), str(whole)])


PLAIN = {
    "age": some_number,
    "weight": some_number,
    "income": lambda draw: draw.choice([0, -0.0, 2**53, -(2**53), 0.1, 5e-324, draw.gauss(0, 1e6)]),
    "hour": lambda draw: draw.randint(8, 23),
    "town": some_word,
    "id": some_word,
    "at": some_time,
    "day": some_time,
    "due": lambda draw: f"2{draw.randint(100, 999)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}",
}
MAY_MISS = ("age", "weight", "hour", "town", "at", "day")
ODD = {
    "age": [*NEVER, *NO_NUMBER, -1, 120.5, 99, 99.0, "99", "NA", 2**53 + 1],
    "weight": [*NEVER, *NO_NUMBER, 0.4, 0, -1e300, 2**53 + 1, 1e300],
    "income": [*NEVER, *NO_NUMBER, *NOTHING, 2**53 + 1, -(2**53) - 1, 1e16],
    "hour": [*NEVER, *NO_NUMBER, 7, 7.0, "7", "-", 5.5, 5.0, 2**53 + 1],
    "town": [*NEVER, "NA", "", "5", 5, 0.5, 5.0, "x" * 65_537, "é" * 40_000],
    "id": [*NEVER, *NOTHING, 5, 2**60, 0.5, "x" * 65_537],
    "at": [*NEVER, *NO_TIME],
    "day": [*NEVER, *NO_TIME],
    "due": [*NEVER, *NO_TIME, *NOTHING, "2000-01-01", "0", 0],
}
STRANGE = {"age": [17.9, 66, 0, 120], "weight": [2, 90.6, 2**53], "hour": [24, -1]}  # plain, and beyond training


def schema() -> Schema:
    found = Schema.of(READS, POLICIES)
    ranged = {name: replace(found.fields[name], low=low, high=high) for name, (low, high) in KNOWN.items()}
    return replace(found, fields={**found.fields, **ranged})


def good(draw: random.Random) -> dict[str, object]:
    """A row of plain cells, in any order."""
    row = {name: cell(draw) for name, cell in PLAIN.items()}
    for name in MAY_MISS:
        if draw.random() < 0.1:
            row[name] = draw.choice(NOTHING)
    names = draw.sample(list(row), len(row))
    return {name: row[name] for name in names}


def spoiled(draw: random.Random, rows: list[dict[str, object]]) -> None:
    """Puts one thing into the rows that is not plain."""
    row, name = draw.choice(rows), draw.choice(list(PLAIN))
    kind = draw.random()
    if kind < 0.9:
        row[name] = draw.choice(ODD[name])
    elif kind < 0.95:
        row["more"] = draw.choice([1, "x", None])
    else:
        del row[name]


def judged(found: Schema, rows: list[dict[str, object]]):
    """The validator's Inputs and warnings, or None where it refuses."""
    try:
        checked = found.check(table_of(rows))
    except DataError:
        return None
    return to_inputs(checked, found.reads.values()), checked


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key].view(torch.int64), value.view(torch.int64)), key


@pytest.mark.parametrize("seed", range(4))
def test_plain_rows_are_all_read_with_the_validators_bits_and_others_never(seed):
    draw, judge = random.Random(seed), schema()
    plain, rows, answered, refused = Plain(judge), 0, 0, 0
    for _ in range(700):
        given = [good(draw) for _ in range(draw.choice([1, 1, 2, 3, 12]))]
        is_plain, strange = draw.random() < 0.5, draw.random() < 0.1
        if strange:
            name = draw.choice(list(STRANGE))
            draw.choice(given)[name] = draw.choice(STRANGE[name])
        if not is_plain:
            spoiled(draw, given)
        rows += len(given)
        found, verdict = plain(given), judged(judge, given)
        assert (found is not None) == is_plain, given
        assert (plain(given, known=True) is not None) == (is_plain and not strange), given
        refused += verdict is None
        if found is not None:
            inputs, checked = verdict
            answered += len(given)
            assert_same_bits(found, inputs)
            assert len(checked.keep) == len(given)
            assert checked.counts["ignored_columns"] == []
            assert bool(checked.warnings) == strange
    assert rows >= 2500  # a seed
    assert answered >= 1200
    assert refused > 150


@pytest.mark.parametrize("reads", [[Read("age")], [Read("town", "string")], [Read("at", "time")], READS])
@pytest.mark.parametrize("rows", [1, 31, 32, 33])
def test_rows_are_filled_up_with_zeros(reads, rows):
    draw, judge = random.Random(0), Schema.of(reads)
    given = [{name: PLAIN[name](draw) for name in judge.fields} for _ in range(rows)]
    found, wanted = Plain(judge, multiple=32)(given), judged(judge, given)[0]
    assert {len(x) for x in found.values()} == {32 if rows <= 32 else 64}
    assert_same_bits({key: x[:rows] for key, x in found.items()}, wanted)
    assert all((x[rows:] == 0).all() for x in found.values())


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{}],
        ["age"],
        [{"age": 30}, None],
        [types.MappingProxyType({"age": 30})],
        [{"age": 30, "more": 1}],
        [{"Age": 30}],
        [{"age": 30}, {}],
        [{"age": 30, 5: 6}],
    ],
)
def test_what_is_no_dict_with_just_the_fields_is_left_to_the_validator(records):
    plain = Plain(Schema.of([Read("age")]))
    assert plain(records) is None
    assert plain([{"age": 30}]) is not None


def test_text_may_be_so_long_that_it_is_never_too_large():
    plain = Plain(Schema.of([Read("town", "string")]))
    assert plain([{"town": "🙂" * 16_384}]) is not None
    assert plain([{"town": "🙂" * 16_385}]) is None
    with pytest.raises(DataError, match="cell_too_large"):
        Schema.of([Read("town", "string")]).check(table_of({"town": "🙂" * 16_385}))
