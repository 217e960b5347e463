"""Python values as Arrow columns that say of each cell what it was; nothing is cast.

>>> column_of([5, None, 7]).to_pylist(), column_of([5, "five"]).type.num_fields
([5, None, 7], 2)
"""

import math
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

NESTED = (list, tuple, set, Mapping, np.ndarray)


def column_of(values: Sequence[object]) -> pa.Array:
    """Python values as one Arrow column that says of each cell what it was; nothing is cast.

    Cells of several types give a sparse union with a part a type, so that each cell is judged as if it were alone.
    What no cell may hold is a part that is called as its problem (`REFUSED`) and holds the values as they print.
    """
    kinds = [kind_of(value) for value in values]
    parts = list(dict.fromkeys(kind for kind in kinds if kind))
    if not parts:
        return pa.nulls(len(values))
    arrays = []
    for part in parts:
        make = MAKE.get(part, printed)
        cells = [make(value) if kind == part else None for value, kind in zip(values, kinds, strict=True)]
        arrays.append(pa.array(cells, TYPES.get(part, pa.large_string())))
    if len(parts) == 1 and parts[0] in SCALAR:  # others are told in the same words beside cells of another type
        return arrays[0]
    codes = pa.array([parts.index(kind) if kind else 0 for kind in kinds], pa.int8())
    return pa.UnionArray.from_sparse(codes, arrays, field_names=parts)


TYPES = {
    "bool": pa.bool_(),
    "whole": pa.int64(),
    "unsigned": pa.uint64(),
    "fraction": pa.float64(),
    "bytes": pa.large_binary(),
    "nothing": pa.large_list(pa.null()),
    "words": pa.large_list(pa.large_string()),
    "wholes": pa.large_list(pa.int64()),
    "numbers": pa.large_list(pa.float64()),
    "pairs": pa.map_(pa.large_string(), pa.float64()),
}
MAKE: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "whole": int,
    "unsigned": int,
    "fraction": float,
    "text": str,
    "bytes": bytes,
    "nothing": lambda members: [None] * len(members),
    "words": lambda members: [member if isinstance(member, str) else None for member in members],
    "wholes": lambda members: [int(member) if kind_of(member) else None for member in members],
    "numbers": lambda members: [real(member) for member in members],
    "pairs": lambda pairs: [(name, real(number)) for name, number in pairs_of(pairs)],
}
LISTS = {frozenset[str](): "nothing", frozenset(["text"]): "words", frozenset(["whole"]): "wholes"}
NUMBERS = {"whole", "unsigned", "fraction"}
AMOUNTS = NUMBERS | {""}
SCALAR = ("bool", "whole", "unsigned", "fraction", "text")
ABSENT = object()  # a cell that its record lacks


def kind_of(value: object) -> str:
    """A type of cells, a problem that it is, or "" where there is no value."""
    kind = flat_kind(value)
    return nested_kind(value) if kind == "wrong_type" and isinstance(value, NESTED) else kind


def flat_kind(value: object) -> str:
    """The same of a cell that is no list or the like; those are of the wrong type, however deep they go."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return "invalid_unicode" if is_torn(value) else "text"
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        if -(2**63) <= int(value) < 2**63:
            return "whole"
        return "unsigned" if 0 <= int(value) < 2**64 else "too_large_integer"
    if isinstance(value, float | np.floating):
        return "fraction"
    if value is ABSENT:
        return "missing_field"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    return "wrong_type"


def nested_kind(value: Any) -> str:
    """A list of words or of numbers, names with numbers; what is neither, or goes deeper, no field holds.

    A null, or a number that is none, in a list or beside a name is the matter of the field's kind.
    """
    if isinstance(value, set) or (isinstance(value, np.ndarray) and value.ndim != 1):
        return "nested_value"
    if isinstance(value, Mapping) or (len(value) and all(isinstance(member, tuple) for member in value)):
        return pairs_kind(pairs_of(value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":  # at once
        return "numbers" if value.dtype.kind == "f" else "wholes"
    kinds = {member_kind(member) for member in value} - {""}
    if kinds and kinds <= NUMBERS:
        return LISTS.get(frozenset(kinds), "numbers")
    if "invalid_unicode" in kinds and kinds <= {"text", "invalid_unicode"}:
        return "invalid_unicode"
    return LISTS.get(frozenset(kinds), "nested_value")


def pairs_of(value: Any) -> list[Any]:
    """The pairs of a dict, or of a list of them, as pandas makes of Arrow's maps."""
    return list(value.items() if isinstance(value, Mapping) else value)


def pairs_kind(pairs: list[Any]) -> str:
    """Names with numbers; None stands for a number that is missing."""
    if not all(len(pair) == 2 and isinstance(pair[0], str) and member_kind(pair[1]) in AMOUNTS for pair in pairs):
        return "nested_value"
    return "invalid_unicode" if any(is_torn(name) for name, _ in pairs) else "pairs"


def member_kind(member: Any) -> str:
    """A type of what a list or dict holds: an amount may be as large as float64 has them."""
    kind = flat_kind(member)
    return "fraction" if kind == "too_large_integer" and abs(member) <= sys.float_info.max else kind


def real(number: Any) -> float | None:
    """A number as float64."""
    return None if number is None else float(number)


def printed(value: object) -> str:
    """What no cell may hold, for a message: in ASCII, and a deep one in part."""
    try:
        return ascii(value)[:200] if isinstance(value, str | int) else ascii(reprlib.repr(value))[1:-1]
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"{type(value).__name__}, too long to be written"


def is_torn(text: str) -> bool:
    """Whether text holds a lone surrogate, which has no UTF-8."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
