"""Python values as Arrow columns that say of each cell what it was; nothing is cast.

>>> column_of([5, None, 7]).to_pylist(), column_of([5, "five"]).type.num_fields
([5, None, 7], 2)
"""

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mlp_torch.ingest.kinds.maps import is_amount


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
    "words": pa.large_list(pa.large_string()),
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
    "words": list,
    "numbers": lambda numbers: [float(number) for number in numbers],
    "pairs": lambda pairs: [(name, float(number)) for name, number in pairs.items()],
}
SCALAR = ("bool", "whole", "unsigned", "fraction", "text")
ABSENT = object()  # a cell that its record lacks


def kind_of(value: object) -> str:
    """A type of cells, a problem that it is, or "" where there is no value."""
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
    return nested_kind(value) if isinstance(value, list | tuple | set | Mapping | np.ndarray) else "wrong_type"


def nested_kind(value: Any) -> str:
    """A list of words or of numbers, a dict of numbers; what is neither, or goes deeper, no field holds."""
    if isinstance(value, Mapping):
        named = all(kind_of(name) == "text" for name in value)
        return "pairs" if named and all(is_amount(number) for number in value.values()) else "nested_value"
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return "nested_value"
    if isinstance(value, list | tuple | np.ndarray):
        if all(kind_of(member) == "text" for member in value):
            return "words"
        if all(is_amount(number) for number in value):
            return "numbers"
    return "nested_value"


def printed(value: object) -> str:
    """What no cell may hold, for a message: in ASCII, and a deep one in part."""
    try:
        return ascii(value)[:200] if isinstance(value, str | int) else ascii(reprlib.repr(value))[1:-1]
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"{type(value).__name__}, too long to be written"


def is_torn(text: str) -> bool:
    """Whether text holds a lone surrogate, which has no UTF-8."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
