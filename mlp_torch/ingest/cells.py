"""One Arrow column read as numbers, strings or times, cell by cell, without judging: what cannot be read is marked.

Nothing is guessed: text is a number only if the whole cell is one, a number is a category only if it is whole, and a
time has one form. Shape: N cells -> float64 (N,), NaN = missing; or dictionary-encoded Arrow large_string (N,), null =
missing: what is done with words, is done once for each distinct one.

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
from mlp_torch.ingest.layouts import parts_of
from mlp_torch.ingest.reads import Kind
from mlp_torch.ingest.times import FIRST, LAST, wall_seconds

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
CODED = pa.dictionary(pa.int32(), pa.large_string())
SPELLED = "text read as number"
LARGEST = 2**53  # float64 holds every whole number up to here
REFUSED = ("nested_value", "wrong_type", "too_large_integer", "invalid_unicode", "missing_field")  # parts of a union
EXPONENT = r"([eE][+-]?[0-9]+)?$"


class Cells(NamedTuple):
    """A column read as one kind.

    Args:
        values: float64 (N,) with NaN for missing, or a dictionary-encoded large_string array with nulls.
        bad: by reason code, the cells that could not be read; their values are missing.
        changed: by a few words, how many cells were read as something else than they were.
    """

    values: Any
    bad: dict[str, Mask]
    changed: dict[str, int]

    @property
    def missing(self) -> Mask:
        """(N,) whether a cell has no value, for whatever reason."""
        return np.isnan(self.values) if isinstance(self.values, np.ndarray) else ~present(self.values)


def read(array: pa.Array, kind: Kind, field: Field, *, decimal: str = ".") -> Cells:
    """The cells of a column as one kind; `decimal` is the mark of numbers in text."""
    if isinstance(array.type, pa.SparseUnionType):
        return united(array, kind, field, decimal)
    if pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    if is_text(array.type):
        return told_in_text(array, kind, field, decimal)
    if pa.types.is_nested(array.type):
        return refused(array, "nested_value", kind)
    if kind == "number":
        return numbers(array, field, decimal)
    return strings(array, field) if kind == "string" else times(array, field)


def united(array: pa.UnionArray, kind: Kind, field: Field, decimal: str) -> Cells:
    """Cells of several types in one column (records may mix them): each is read by its own type."""
    where, parts = [], []
    for name, at, part in parts_of(array):
        where.append(at)
        parts.append(refused(part, name, kind) if name in REFUSED else read(part, kind, field, decimal=decimal))
    bad: dict[str, Mask] = {}
    changed: dict[str, int] = {}
    for at, part in zip(where, parts, strict=True):
        for code, wrong in part.bad.items():
            bad.setdefault(code, np.zeros(len(array), bool))[at] = wrong
        for what, count in part.changed.items():
            changed[what] = changed.get(what, 0) + count
    back = np.argsort(np.concatenate([np.zeros(0, np.int64), *where]), kind="stable")
    if kind == "string":
        words = [pa.array([], pa.large_string()), *(part.values.dictionary_decode() for part in parts)]
        return Cells(pa.concat_arrays(words).take(pa.array(back)).dictionary_encode(), bad, changed)
    return Cells(np.concatenate([np.zeros(0), *(part.values for part in parts)])[back], bad, changed)


def told_in_text(text: pa.Array, kind: Kind, field: Field, decimal: str) -> Cells:
    """Text as one kind; bytes that are no UTF-8 are kept from all that looks into them."""
    text = text.cast(pa.large_string())
    coded = text.dictionary_encode() if kind != "number" else None
    torn = not_unicode(text) if coded is None else by_word(not_unicode(coded.dictionary), coded)
    if torn.any():
        text = pc.if_else(torn, pa.scalar(None, pa.large_string()), text)
        coded = text.dictionary_encode() if coded is not None else None
    if coded is None:
        cells = spelled(text, field, decimal)
    else:
        cells = strings(coded, field) if kind == "string" else told(coded, field)
    return cells._replace(bad={**cells.bad, "invalid_unicode": torn}) if torn.any() else cells


def by_word(words: Mask, coded: pa.DictionaryArray) -> Mask:
    """(N,) what is true of each cell's word; of a null nothing is."""
    if not words.any():
        return np.zeros(len(coded), bool)
    found: Mask = np.append(words, False)[coded.indices.fill_null(-1).to_numpy()]
    return found


def numbers(array: pa.Array, field: Field, decimal: str) -> Cells:
    """Numbers and booleans widen to float64."""
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
    return Cells(values, bad, {SPELLED: int(is_spelled.sum()), "na_values read as missing": int(na.sum())})


def too_large(text: pa.Array, values: Floats) -> Mask:
    """Whole numbers in text beyond ±2^53: float64 would round them in silence."""
    large: Mask = (np.abs(values) >= LARGEST) & matches(text, "^-?[0-9]+$")
    for i in np.flatnonzero(large & (np.abs(values) == LARGEST)):  # 2^53 itself, or 2^53 + 1 rounded
        large[i] = text[int(i)].as_py().lstrip("-").lstrip("0") != str(LARGEST)
    return large


def measured(array: pa.Array, field: Field) -> Cells:
    """Arrow numbers as float64."""
    if pa.types.is_floating(array.type):
        values: Floats = np.require(array.cast(pa.float64()).to_numpy(zero_copy_only=False), requirements="W")
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
    changed = {"number read as text": 0 if is_coded(array.type) else int(present(array).sum())}
    if is_coded(array.type):
        text = array
    elif pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        text = spelled_out((array.cast(pa.uint8()) if pa.types.is_boolean(array.type) else array).dictionary_encode())
    elif pa.types.is_floating(array.type):
        text, bad = whole_text(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    elif pa.types.is_decimal(array.type):
        words = pc.replace_substring_regex(array.cast(pa.large_string()), r"^(0)E-[0-9]+$|\.0+$", r"\1")  # 0E-7, 5.00
        bad = {"not_whole": present(words) & ~matches(words, "^-?[0-9]+$")}
        text = words.dictionary_encode()
    else:
        return refused(array, "wrong_type", "string")
    na = listed(text, field)
    changed["na_values read as missing"] = int(na.sum())
    return Cells(without(text, np.logical_or.reduce([na, *bad.values()])), bad, changed)


def spelled_out(coded: pa.DictionaryArray) -> pa.DictionaryArray:
    """Dictionary-encoded whole numbers as decimal text."""
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(pa.large_string()))


def without(text: pa.DictionaryArray, gone: Mask) -> pa.DictionaryArray:
    """The words, missing where they are gone."""
    if not gone.any():
        return text
    indices = pc.if_else(gone, pa.scalar(None, text.indices.type), text.indices)
    return pa.DictionaryArray.from_arrays(indices, text.dictionary)


def whole_text(values: Floats) -> tuple[pa.Array, dict[str, Mask]]:
    """Whole floats as decimal text, and what is none."""
    with np.errstate(invalid="ignore"):
        infinite, large = np.isinf(values), np.isfinite(values) & (np.abs(values) > LARGEST)
        torn = np.isfinite(values) & (values != np.floor(values))
    readable = np.isfinite(values) & ~large & ~torn
    text = pa.array(np.where(readable, values, 0).astype(np.int64), mask=~readable).dictionary_encode()
    return spelled_out(text), {"not_finite": infinite, "too_large_integer": large & ~torn, "not_whole": torn}


def times(array: pa.Array, field: Field) -> Cells:
    """Seconds of wall clock since 1970-01-01, as given; numbers are seconds."""
    kind = array.type
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


def told(coded: pa.DictionaryArray, field: Field) -> Cells:
    """Times in ISO text."""
    na = listed(coded, field)
    parsed = [wall_seconds(word) for word in coded.dictionary.to_pylist()]
    table = np.array([np.nan if seconds is None else float(seconds) for seconds in parsed] + [np.nan])
    values: Floats = table[coded.indices.fill_null(len(parsed)).to_numpy()]
    bad = {"not_a_time": np.isnan(values) & ~na & present(coded)}
    return Cells(np.where(na, np.nan, values), bad, {"na_values read as missing": int(na.sum())})


def refused(array: pa.Array, code: str, kind: Kind) -> Cells:
    """A column that cannot be read at all; a null is still a null."""
    n = len(array)
    values = pa.nulls(n, CODED) if kind == "string" else np.full(n, np.nan)
    return Cells(values, {code: present(array)}, {})


def listed(text: pa.Array, field: Field) -> Mask:
    """Which texts mean missing."""
    if not field.na_values:
        return np.zeros(len(text), bool)
    known = pa.array(field.na_values, pa.large_string())
    if not is_coded(text.type):
        return mask(pc.is_in(text, value_set=known))
    return by_word(mask(pc.is_in(text.dictionary, value_set=known)), text)


def without_na(values: Floats, field: Field) -> Floats:
    """Numbers that mean missing, as NaN."""
    return np.where(np.isin(values, field.na_numbers), np.nan, values) if field.na_numbers else values


def matches(text: pa.Array, pattern: str) -> Mask:
    """Which texts match; a null does not."""
    return mask(pc.match_substring_regex(text, pattern).fill_null(False))


def present(array: pa.Array) -> Mask:
    """Which cells are not null; to unpack Arrow's bits costs more than all else that is done with a column."""
    return mask(array.is_valid()) if array.null_count else np.ones(len(array), bool)


def mask(array: pa.Array) -> Mask:
    """A boolean Arrow array without nulls, for numpy."""
    found: Mask = array.to_numpy(zero_copy_only=False)
    return found


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_coded(kind: pa.DataType) -> bool:
    """Whether cells are codes of words."""
    return bool(pa.types.is_dictionary(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are binary numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def not_unicode(text: pa.Array) -> Mask:
    """Which cells are no UTF-8; Arrow looks only when asked, and then at all of them together."""
    found = np.zeros(len(text), bool)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        for i, content in enumerate(text.cast(pa.large_binary()).to_pylist()):
            try:
                (content or b"").decode()
            except UnicodeDecodeError:
                found[i] = True
    return found
