"""One Arrow column read as numbers, strings or times, cell by cell, without judging: what cannot be read is marked.

Nothing is guessed: text is a number only if the whole cell is one, a number is a category only if it is whole, and a
time has one form. Shape: N cells -> float64 (N,), NaN = missing; or Arrow large_string (N,), null = missing.

>>> cells = read(pa.array(["12", "twelve", None]), "number", Field("age", ("number",)))
>>> cells.values, cells.bad["not_a_number"]
(array([12., nan, nan]), array([False,  True, False]))
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.reads import Kind
from mlp_torch.ingest.times import FIRST, LAST, wall_seconds

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
LARGEST = 2**53  # float64 holds every whole number up to here
EXPONENT = r"([eE][+-]?[0-9]+)?$"


class Cells(NamedTuple):
    """A column read as one kind.

    Args:
        values: float64 (N,) with NaN for missing, or a large_string array with nulls.
        bad: by reason code, the cells that could not be read; their values are missing.
        changed: by a few words, how many cells were read as something else than they were.
    """

    values: Any
    bad: dict[str, Mask]
    changed: dict[str, int]

    @property
    def missing(self) -> Mask:
        """(N,) whether a cell has no value, for whatever reason."""
        return np.isnan(self.values) if isinstance(self.values, np.ndarray) else mask(self.values.is_null())


def read(array: pa.Array, kind: Kind, field: Field, *, decimal: str = ".") -> Cells:
    """The cells of a column as one kind; `decimal` is the mark of numbers in text."""
    if isinstance(array.type, pa.SparseUnionType):
        return united(array, kind, field, decimal)
    if pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    if is_text(array.type):
        array = array.cast(pa.large_string())
        if not is_unicode(array):
            return refused(array, "invalid_unicode", kind)
    if kind == "number":
        return numbers(array, field, decimal)
    return strings(array, field) if kind == "string" else times(array, field)


def united(array: pa.UnionArray, kind: Kind, field: Field, decimal: str) -> Cells:
    """Cells of several types in one column (records may mix them): each is read by its own type."""
    codes = np.asarray(array.type_codes)
    parts = [read(array.field(i), kind, field, decimal=decimal) for i in range(array.type.num_fields)]
    values = parts[0].values
    bad: dict[str, Mask] = {}
    changed: dict[str, int] = {}
    for i, part in enumerate(parts):
        here = codes == array.type.type_codes[i]
        is_array = isinstance(values, np.ndarray)
        values = np.where(here, part.values, values) if is_array else pc.if_else(here, part.values, values)
        for code, wrong in part.bad.items():
            bad[code] = bad.get(code, False) | (wrong & here)
        for what, count in part.changed.items():
            changed[what] = changed.get(what, 0) + count
    return Cells(values, bad, changed)


def numbers(array: pa.Array, field: Field, decimal: str) -> Cells:
    """Numbers and booleans widen to float64; text must be a number as a whole."""
    if is_text(array.type):
        return spelled(array, field, decimal)
    if pa.types.is_decimal(array.type):
        return spelled(array.cast(pa.large_string()), field, ".")._replace(changed={})  # rounded once, as text is
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if not is_number(array.type):
        return refused(array, "wrong_type", "number")
    return measured(array, field)


def spelled(text: pa.Array, field: Field, decimal: str) -> Cells:
    """Numbers in text, by the grammar `-?digits[.digits][e…]`."""
    na = listed(text, field)
    fraction = r"([.][0-9]+)?" if decimal == "." else r"(,[0-9]+)?"
    is_spelled = matches(text, r"^-?[0-9]+" + fraction + EXPONENT) & ~na
    plain = pc.replace_substring(pc.if_else(is_spelled, text, None), ",", ".")
    values: Floats = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    large = too_large(text, values)
    infinite = np.isinf(values) & ~large
    bad = {"not_a_number": ~is_spelled & ~na & present(text), "too_large_integer": large, "not_finite": infinite}
    values = without_na(np.where(large | infinite, np.nan, values), field)
    return Cells(
        values, bad, {"text read as number": int(is_spelled.sum()), "na_values read as missing": int(na.sum())}
    )


def too_large(text: pa.Array, values: Floats) -> Mask:
    """Whole numbers in text beyond ±2^53: float64 would round them in silence."""
    large: Mask = (np.abs(values) >= LARGEST) & matches(text, "^-?[0-9]+$")
    for i in np.flatnonzero(large & (np.abs(values) == LARGEST)):  # 2^53 itself, or 2^53 + 1 rounded
        large[i] = text[int(i)].as_py().lstrip("-").lstrip("0") != str(LARGEST)
    return large


def measured(array: pa.Array, field: Field) -> Cells:
    """Arrow numbers as float64."""
    if pa.types.is_floating(array.type):
        values: Floats = np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False))  # a copy: Arrow's is frozen
        bad = {"not_finite": np.isinf(values)}
    else:
        whole = array.fill_null(0).to_numpy(zero_copy_only=False)
        values = np.where(present(array), whole.astype(np.float64), np.nan)
        bad = {"too_large_integer": (whole > LARGEST) | (whole < -LARGEST)}
    for wrong in bad.values():
        values[wrong] = np.nan
    return Cells(without_na(values, field), bad, {})


def strings(array: pa.Array, field: Field) -> Cells:
    """Text as it is, byte by byte; whole numbers and booleans as decimal text ("5", never "5.0")."""
    bad: dict[str, Mask] = {}
    changed = {"number read as text": 0 if is_text(array.type) else int(present(array).sum())}
    if is_text(array.type):
        text = array
    elif pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        text = array.cast(pa.uint8() if pa.types.is_boolean(array.type) else array.type).cast(pa.large_string())
    elif pa.types.is_floating(array.type):
        text, bad = whole_text(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    elif pa.types.is_decimal(array.type):
        text = pc.replace_substring_regex(array.cast(pa.large_string()), r"\.0+$", "")
        bad = {"not_whole": present(text) & ~matches(text, "^-?[0-9]+$")}
    else:
        return refused(array, "wrong_type", "string")
    na = listed(text, field)
    changed["na_values read as missing"] = int(na.sum())
    gone = np.logical_or.reduce([na, *bad.values()])
    return Cells(pc.if_else(gone, pa.scalar(None, pa.large_string()), text), bad, changed)


def whole_text(values: Floats) -> tuple[pa.Array, dict[str, Mask]]:
    """Whole floats as decimal text, and what is none."""
    with np.errstate(invalid="ignore"):
        infinite, large = np.isinf(values), np.isfinite(values) & (np.abs(values) > LARGEST)
        torn = np.isfinite(values) & (values != np.floor(values))
    readable = np.isfinite(values) & ~large & ~torn
    text = pa.array(np.where(readable, values, 0).astype(np.int64), mask=~readable).cast(pa.large_string())
    return text, {"not_finite": infinite, "too_large_integer": large & ~torn, "not_whole": torn}


def times(array: pa.Array, field: Field) -> Cells:
    """Seconds of wall clock since 1970-01-01, as given; numbers are seconds."""
    kind = array.type
    if is_text(kind):
        return told(array, field)
    if pa.types.is_date(kind):
        array, kind = array.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(kind):
        return refused(array, "aware_time", "time") if kind.tz is not None else in_calendar(Cells(clock(array), {}, {}))
    return in_calendar(measured(array, field)) if is_number(kind) else refused(array, "wrong_type", "time")


def in_calendar(cells: Cells) -> Cells:
    """Seconds outside the years 1 to 9999 are no time: they are milliseconds, as a rule."""
    beyond = np.isfinite(cells.values) & ((cells.values < FIRST) | (cells.values > LAST))
    return Cells(np.where(beyond, np.nan, cells.values), {**cells.bad, "not_a_time": beyond}, cells.changed)


def clock(array: pa.Array) -> Floats:
    """Arrow timestamps as float64 seconds; beyond 2^53 ticks whole seconds apart, so that they stay exact."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy()
    whole, rest = np.divmod(ticks, per_second)
    seconds = np.where(np.abs(ticks) <= LARGEST, ticks / per_second, whole + rest / per_second)
    return np.where(present(array), seconds, np.nan)


def told(text: pa.Array, field: Field) -> Cells:
    """Times in ISO text; distinct texts are parsed once."""
    na = listed(text, field)
    coded = pc.if_else(na, pa.scalar(None, pa.large_string()), text).dictionary_encode()
    parsed = [wall_seconds(word) for word in coded.dictionary.to_pylist()]
    table = np.array([np.nan if seconds is None else float(seconds) for seconds in parsed] + [np.nan])
    values: Floats = table[coded.indices.fill_null(len(parsed)).to_numpy()]
    bad = {"not_a_time": np.isnan(values) & ~na & present(text)}
    return Cells(values, bad, {"na_values read as missing": int(na.sum())})


def refused(array: pa.Array, code: str, kind: Kind) -> Cells:
    """A column that cannot be read at all; a null is still a null."""
    n = len(array)
    values = pa.nulls(n, pa.large_string()) if kind == "string" else np.full(n, np.nan)
    return Cells(values, {code: present(array)}, {})


def listed(text: pa.Array, field: Field) -> Mask:
    """Which texts mean missing."""
    return mask(pc.is_in(text, value_set=pa.array(field.na_values, pa.large_string())))


def without_na(values: Floats, field: Field) -> Floats:
    """Numbers that mean missing, as NaN."""
    return np.where(np.isin(values, field.na_numbers), np.nan, values) if field.na_numbers else values


def matches(text: pa.Array, pattern: str) -> Mask:
    """Which texts match; a null does not."""
    return mask(pc.match_substring_regex(text, pattern).fill_null(False))


def present(array: pa.Array) -> Mask:
    """Which cells are not null."""
    return mask(array.is_valid())


def mask(array: pa.Array) -> Mask:
    """A boolean Arrow array without nulls, for numpy."""
    found: Mask = array.to_numpy(zero_copy_only=False)
    return found


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are binary numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_unicode(text: pa.Array) -> bool:
    """Whether all cells are UTF-8, which Arrow checks only when asked."""
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
