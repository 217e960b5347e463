"""2,000 random tables: nothing but a DataError comes out, and every value that is accepted is the one that went in.

What a cell should become is worked out here anew, cell by cell, by Python's own numbers and clock and by pyfarmhash.
"""

import datetime
import decimal
import math
import re
from fractions import Fraction
from typing import Any, NamedTuple

import farmhash
import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema

MISSING, BAD, NEVER = "missing", "bad", "never"  # BAD as the policy says, NEVER whatever it says
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?")
EPOCH = datetime.datetime(1970, 1, 1)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
WHOLE = 2**53


class Ticks(NamedTuple):
    """A cell of an Arrow timestamp: Python's clock ends in the year 9999, Arrow's does not."""

    count: int
    unit: str


# --- what should become of a cell


def expected(value: Any, kind: str, na: tuple[str, ...]) -> Any:
    """A float, the text of a category, MISSING, BAD or NEVER."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, str) and not is_unicode(value):
        return NEVER
    if isinstance(value, str) and value in na:
        return MISSING
    found = {"number": as_number, "string": as_text, "time": as_time}[kind](value)
    if isinstance(found, float) and not isinstance(value, Ticks | datetime.date) and not told(value, kind):
        return MISSING if found in [float(text) for text in na if NUMBER.fullmatch(text)] else found
    return MISSING if kind == "string" and found in na else found


def told(value: Any, kind: str) -> bool:
    """Whether a time is told in text, which is no number whatever na_values say."""
    return isinstance(value, str) and kind == "time"


def as_number(value: Any) -> Any:
    if isinstance(value, str):
        if not NUMBER.fullmatch(value):
            return BAD
        too_large = re.fullmatch("-?[0-9]+", value) and abs(int(value)) > WHOLE
        return NEVER if too_large else BAD if math.isinf(float(value)) else float(value)
    if isinstance(value, decimal.Decimal):
        return NEVER if value == int(value) and abs(value) > WHOLE else float(value)
    if isinstance(value, bool | int):
        return float(value) if abs(value) <= WHOLE else NEVER
    if isinstance(value, float):
        return value if math.isfinite(value) else BAD
    return NEVER


def as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value if is_unicode(value) else NEVER
    if isinstance(value, bool | int):
        return str(int(value)) if -(2**63) <= value < 2**64 else NEVER
    if isinstance(value, float):
        return BAD if math.isinf(value) else str(int(value)) if value.is_integer() and abs(value) <= WHOLE else NEVER
    return str(int(value)) if isinstance(value, decimal.Decimal) and value == int(value) else NEVER


def is_unicode(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)


def as_time(value: Any) -> Any:
    found: Any = NEVER
    if isinstance(value, str):
        found = BAD
    if isinstance(value, str) and TIME.fullmatch(value) and value.isascii():
        try:
            found = (datetime.datetime.fromisoformat(value) - EPOCH).total_seconds()
        except ValueError:
            return BAD
    elif isinstance(value, Ticks):
        found = Fraction(value.count, PER_SECOND[value.unit])
    elif isinstance(value, datetime.date):
        found = float((value - EPOCH.date()).days * 86400)
    elif isinstance(value, float):
        found = value
    elif isinstance(value, int) and not isinstance(value, bool):
        found = float(value) if abs(value) <= WHOLE else NEVER
    if isinstance(found, str):
        return found
    return found if -62135596800 <= found <= 253402300799 else BAD


def same(found: Any, wanted: Any) -> bool:
    """Whether an input is what was wanted, to the last bit."""
    if wanted == MISSING:
        return bool(found == 0 if isinstance(found, int) else math.isnan(found))
    if isinstance(wanted, str):
        unsigned = farmhash.fingerprint64(wanted)
        return bool(found == unsigned - 2**64 * (unsigned >= 2**63))
    if isinstance(wanted, Fraction):  # whole seconds exactly; a fraction may have no float64 of its own
        return found == wanted if wanted.denominator == 1 else abs(found - wanted) <= math.ulp(found)
    return bool(found == wanted and math.copysign(1, found) == math.copysign(1, wanted))


# --- tables


WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
TOLD = st.sampled_from(["1", "007", "2.50", "-0", "1e999", "-999", "NaN", "inf", " 1", "1,5", "9007199254740993", "NA",
                        "2024-02-29", "2023-02-29", "0001-01-01T00:00", "9999-12-31 23:59:59", "2024-01-01T24:00",
                        "2024-01-01T00:00Z", "", " ", "日本", "a\0b", "\x1b[31m", "x" * 40, "１２"])  # fmt: skip
ISO = st.datetimes().map(lambda moment: moment.isoformat()[:19])
TEXT = st.one_of(WORDS, TOLD, ISO, st.floats().map(repr), st.integers(-(2**60), 2**60).map(str))
WIDE = st.integers(-(2**70), 2**70) | st.integers(WHOLE - 2, WHOLE + 2) | st.integers(-5, 5)
CELL = st.one_of(
    st.none(), st.booleans(), WIDE, st.floats(), TEXT, st.sampled_from(["\ud800", "a\udfff"]),
    st.sampled_from([[], [1], {"a": 1}, (1, 2), b"x", 1j, object()]),
)  # fmt: skip
SIZES = {pa.int8(): (7, 1), pa.int16(): (15, 1), pa.int32(): (31, 1), pa.int64(): (63, 1), pa.uint8(): (8, 0),
         pa.uint16(): (16, 0), pa.uint32(): (32, 0), pa.uint64(): (64, 0)}  # fmt: skip
FLOATS = {pa.float16(): np.float16, pa.float32(): np.float32, pa.float64(): np.float64}


def cells(values: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(values | st.none(), min_size=rows, max_size=rows)


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    """An Arrow column, and its cells as Python values."""
    make = draw(st.sampled_from([whole, real, text, clock, day, fixed, foreign, empty]))
    array, values = make(draw, rows)
    wrapped = draw(st.sampled_from(["plain", "plain", "coded", "runs", "sliced"]))
    if wrapped == "coded" and not pa.types.is_nested(array.type) and array.type != pa.float16():
        array = coded(array)
    if wrapped == "runs" and not pa.types.is_nested(array.type):
        array = pa.RunEndEncodedArray.from_arrays(pa.array(range(1, rows + 1), pa.int32()), array)
    if wrapped == "sliced":
        array = pa.concat_arrays([array, array]).slice(rows, rows)
    return array, values


def coded(array: pa.Array) -> pa.Array:
    """As categories, whose dictionary may hold null and the same value twice."""
    return pa.DictionaryArray.from_arrays(pa.array(range(len(array)), pa.int32()), array)


def whole(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    kind = draw(st.sampled_from([*SIZES, pa.bool_()]))
    if kind == pa.bool_():
        values = draw(cells(st.booleans(), rows))
    else:
        bits, signed = SIZES[kind]
        least, most = -(2**bits) * signed, 2**bits - 1
        edge = st.integers(WHOLE - 2, WHOLE + 2).map(lambda x: min(x, most))  # where float64 begins to round
        values = draw(cells(st.integers(least, most) | edge | st.integers(0, 5), rows))
    return pa.array(values, kind), values


def real(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    kind = draw(st.sampled_from(list(FLOATS)))
    values = draw(cells(st.floats(width={2: 16, 4: 32, 8: 64}[FLOATS[kind]().itemsize]), rows))
    return pa.array([None if value is None else FLOATS[kind](value) for value in values], kind), values


def text(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    values = draw(cells(TEXT, rows))
    return pa.array(values, draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))), values


def clock(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    unit, zone = draw(st.sampled_from(list(PER_SECOND))), draw(st.sampled_from([None, None, "UTC", "Europe/Berlin"]))
    near = st.integers(-62135596801 * PER_SECOND[unit], 253402300800 * PER_SECOND[unit]).filter(fits)
    ticks = draw(cells(near | st.integers(-(2**63), 2**63 - 1), rows))
    values = [None if tick is None else (b"aware" if zone else Ticks(tick, unit)) for tick in ticks]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp(unit, zone)), values


def fits(tick: int) -> bool:
    return -(2**63) <= tick < 2**63


def day(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    values = draw(cells(st.dates(), rows))
    return pa.array(values, draw(st.sampled_from([pa.date32(), pa.date64()]))), values


def fixed(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    places = draw(st.integers(0, 9))
    scaled = draw(cells(st.integers(-(10**25), 10**25) | st.integers(-5, 5), rows))
    values = [None if x is None else decimal.Decimal(x).scaleb(-places, decimal.Context(prec=60)) for x in scaled]
    return pa.array(values, draw(st.sampled_from([pa.decimal128(38, places), pa.decimal256(60, places)]))), values


FOREIGN = {
    pa.binary(): b"x", pa.binary_view(): b"\xff", pa.list_(pa.int64()): [1], pa.struct([("a", pa.int64())]): {"a": 1},
    pa.map_(pa.string(), pa.int64()): [("a", 1)], pa.duration("ns"): 5, pa.time64("ns"): 5, pa.time32("s"): 5,
    pa.month_day_nano_interval(): (1, 2, 3), pa.uuid(): b"0123456789abcdef", pa.list_(pa.list_(pa.null())): [[]],
}  # fmt: skip


def foreign(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    kind = draw(st.sampled_from(list(FOREIGN)))
    there = draw(cells(st.just(True), rows))
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    array = pa.array([FOREIGN[kind] if here else None for here in there], storage)
    wrapped = pa.ExtensionArray.from_storage(kind, array) if storage != kind else array
    return wrapped, [b"foreign" if here else None for here in there]


def empty(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[Any]]:
    return pa.nulls(rows), [None] * rows


class Case(NamedTuple):
    """A table, or records that make one; its cells by field; and what is wanted of it."""

    rows: Any
    cells: dict[str, list[Any]]
    reads: list[Read]
    policies: dict[str, dict[str, Any]]
    training: bool
    skip: bool


NAMES = st.one_of(st.sampled_from(["", "a", "a.b", "a:string", "日本", "x\0y", "\n", '"', "forward", " a"]), WORDS)
ORDER = ("number", "string", "time")
KINDS = st.lists(st.sampled_from(ORDER), min_size=1, max_size=3, unique=True)
NA = st.lists(st.sampled_from(["NA", "-999", "1", "2.50", "", "日本", "2024-02-29", "0"]), max_size=2).map(tuple)
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "invalid": st.sampled_from(["error", "missing", "drop"]),
        "missing": st.sampled_from(["keep", "error", "drop"]),
        "na_values": NA,
    },
)


@st.composite
def kinds_of(draw: st.DrawFn, values: list[Any]) -> list[str]:
    """Any kinds, or (mostly) such as can read each cell: else few tables would be accepted."""
    able = [kind for kind in ORDER if not {BAD, NEVER} & {expected(value, kind, ()) for value in values}]
    subset = st.lists(st.sampled_from(able or list(ORDER)), min_size=1, max_size=3, unique=True)
    return draw(subset if draw(st.sampled_from([True, True, True, False])) else KINDS)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    if draw(st.booleans()):
        makers = st.sampled_from([CELL, TEXT, ISO, WORDS, st.floats(), st.integers(-5, 5) | st.floats(-1e9, 1e9)])
        held = {name: draw(cells(draw(makers), rows)) for name in names}
        given: Any = [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]
    else:
        drawn = {name: draw(columns(rows)) for name in names}
        held = {name: values for name, (_, values) in drawn.items()}
        given = pa.table([array for array, _ in drawn.values()], names=list(drawn))
        if draw(st.booleans()):
            cut = draw(st.integers(0, rows))
            given = pa.concat_tables([given.slice(0, cut), given.slice(cut, 0), given.slice(cut)])
    wanted = {name: draw(kinds_of(values)) for name, values in held.items()}
    if any(f"{name}:{kind}" in names for name in names for kind in ("string", "time")):  # keys that would be the same
        wanted = {name: ["number"] for name in names}
    reads = [Read(name, kind) for name, kinds in wanted.items() for kind in kinds]
    policies = {name: draw(POLICY) for name in names}
    for name, kinds in wanted.items():
        if "number" in kinds and draw(st.booleans()):
            policies[name] = {**policies[name], "min": draw(st.sampled_from([-100, 0])), "max": 1e9}
    return Case(given, held, reads, policies, draw(st.booleans()), draw(st.booleans()))


def wanted_of(case: Case, name: str, row: int) -> dict[str, Any]:
    """What the reads of one cell should give, by key: a cell that is bad for one of them is so for all."""
    policy = case.policies[name]
    reads = [read for read in case.reads if read.field == name]
    found = {read.key: expected(case.cells[name][row], read.kind, policy.get("na_values", ())) for read in reads}
    number = found.get(name)
    if isinstance(number, float) and "min" in policy and not policy["min"] <= number <= policy["max"]:
        found[name] = BAD
    for worst in (NEVER, BAD):
        if worst in found.values():
            return dict.fromkeys(found, worst)
    return found


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
def test_any_table_gives_a_data_error_or_the_very_values_that_it_holds(case: Case):
    schema = Schema.of(case.reads, case.policies)
    rows = range(len(next(iter(case.cells.values()))))
    wanted = {name: [wanted_of(case, name, row) for row in rows] for name in case.cells}
    faults = {row for name in wanted for row in rows if fault(wanted[name][row], case.policies[name])}
    checked = refused = None
    try:
        checked = schema.check(Block(table_of(case.rows)), training=case.training, skip=case.skip)
        inputs = to_inputs(checked, case.reads)
    except DataError as error:
        refused = error
    if refused or not checked:
        event(f"refused: {refused.problems[0].code}")
        assert str(refused)
        assert refused.to_json()
        legal = {"no_rows", "all_missing"} if case.training else set()
        legal |= {"missing_column"} if not rows else set()  # records without rows have no columns
        assert faults or {problem.code for problem in refused.problems} <= legal
        return
    event("accepted" if len(checked.keep) else "accepted, without rows")
    counts = checked.counts
    assert counts["read"] == len(rows) == counts["used"] + sum(counts["dropped"].values())
    assert counts["used"] == len(checked.keep)
    assert set(rows) - set(checked.keep.tolist()) == {row for row in rows if gone(case, wanted, row)}
    for name in wanted:
        for at, row in enumerate(checked.keep.tolist()):
            for key, value in wanted[name][row].items():
                found = inputs[key][at].item()
                assert same(found, MISSING if value == BAD else value), (name, case.cells[name][row], found)


def fault(wanted: dict[str, Any], policy: dict[str, Any]) -> bool:
    """Whether something is wrong with a cell that a policy may refuse."""
    return bool({BAD, NEVER} & set(wanted.values())) or (
        MISSING in wanted.values() and policy.get("missing", "keep") != "keep"
    )


def gone(case: Case, wanted: dict[str, list[dict[str, Any]]], row: int) -> bool:
    """Whether a row of an accepted table must have been dropped."""
    for name, policy in case.policies.items():
        invalid, missing = policy.get("invalid", "error"), policy.get("missing", "keep")
        found = wanted[name][row].values()
        if NEVER in found or (BAD in found and (invalid != "missing" or missing != "keep")):
            return True
        if MISSING in wanted[name][row].values() and missing != "keep":
            return True
    return False


def test_the_reference_tells_values_apart():
    assert as_number("9007199254740993") == as_number(2**53 + 1) == as_text(0.5) == as_time(True) == NEVER
    assert as_number("x") == as_number(math.inf) == as_text(-math.inf) == as_time("2023-02-29") == BAD
    assert (as_number("-1.5e3"), as_text(5.0), as_time("1970-01-02"), as_time(Ticks(1500, "ms"))) == (
        -1500.0, "5", 86400.0, Fraction(3, 2),
    )  # fmt: skip
    assert expected("NA", "string", ("NA",)) == expected(-999, "number", ("-999",)) == MISSING
    assert same(math.nan, MISSING)
    assert not same(0.0, MISSING)
    assert not same(-0.0, 0.0)
    assert not same(2.0, 2.5)
