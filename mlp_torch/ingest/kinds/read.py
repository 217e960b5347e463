"""A column as any kind: text that is no UTF-8, lists, and cells of several types are settled here, for all of them.

>>> from mlp_torch.ingest.reads import Read
>>> read(pa.array(["12", "twelve", None]), Read("age"), Field("age", ("number",))).values
array([12., nan, nan])
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.ingest.cells import Cells, How, Mask, by_word, is_coded, is_text, not_unicode
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.image import Image
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.maps import MapKeys, MapValues
from mlp_torch.ingest.kinds.number import Number
from mlp_torch.ingest.kinds.sets import Set
from mlp_torch.ingest.kinds.statistics import Statistics
from mlp_torch.ingest.kinds.string import String
from mlp_torch.ingest.kinds.time import Time
from mlp_torch.ingest.kinds.tokens import Tokens
from mlp_torch.ingest.kinds.vector import Vector
from mlp_torch.ingest.layouts import parts_of
from mlp_torch.ingest.reads import Read

KINDS: dict[str, Kind] = {
    "number": Number(),
    "string": String(),
    "time": Time(),
    "tokens": Tokens(),
    "statistics": Statistics(),
    "set": Set(),
    "map_keys": MapKeys(),
    "map_values": MapValues(),
    "vector": Vector(),
    "image": Image(),
}
FAULTS = {code: text for kind in KINDS.values() for code, text in kind.faults.items()}
AS_IT_IS = How()
REFUSED = ("nested_value", "wrong_type", "too_large_integer", "invalid_unicode", "missing_field")  # parts of a union


def read(array: pa.Array, item: Read, field: Field, how: How = AS_IT_IS) -> Cells:
    """The cells of a column as one kind, without judging: what cannot be read is marked.

    Args:
        array: the column, in one piece.
        item: as what to read it.
        field: whose `na_values` mean missing.
        how: what the source says of its cells.
    """
    kind = KINDS[item.kind]
    if isinstance(array.type, pa.SparseUnionType):
        return united(array, item, field, how)
    if pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    if is_text(array.type):
        return of_text(array, item, field, how)
    if pa.types.is_nested(array.type) and not kind.nested:
        return refused(array, "nested_value", kind.absent(item, len(array)))
    return kind.of_values(array, item, field, how)


def united(array: pa.UnionArray, item: Read, field: Field, how: How) -> Cells:
    """Cells of several types in one column (records may mix them): each is read by its own type."""
    where, parts, kind = [], [], KINDS[item.kind]
    for name, at, part in parts_of(array):
        where.append(at)
        known = refused(part, name, kind.absent(item, len(part))) if name in REFUSED else None
        parts.append(known or read(part, item, field, how))
    bad: dict[str, Mask] = {}
    changed: dict[str, int] = {}
    for at, part in zip(where, parts, strict=True):
        for code, wrong in part.bad.items():
            bad.setdefault(code, np.zeros(len(array), bool))[at] = wrong
        for what, count in part.changed.items():
            changed[what] = changed.get(what, 0) + count
    back = np.argsort(np.concatenate([np.zeros(0, np.int64), *where]), kind="stable")
    return Cells(concatenated([kind.absent(item, 0), *(part.values for part in parts)], back), bad, changed)


def concatenated(parts: list[Any], back: Any) -> Any:
    """Values one after the other, in another order."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)[back]
    if is_coded(parts[0].type):
        words = [part.dictionary_decode().cast(pa.large_string()) for part in parts]
        return pa.concat_arrays(words).take(pa.array(back)).dictionary_encode()
    return pa.concat_arrays(parts).take(pa.array(back))


def of_text(text: pa.Array, item: Read, field: Field, how: How) -> Cells:
    """Text as one kind; bytes that are no UTF-8 are kept from all that looks into them."""
    kind = KINDS[item.kind]
    text = text.cast(pa.large_string())
    coded = text.dictionary_encode() if kind.coded else None
    torn = not_unicode(text) if coded is None else by_word(not_unicode(coded.dictionary), coded)
    if torn.any():
        text = pc.if_else(torn, pa.scalar(None, pa.large_string()), text)
        coded = text.dictionary_encode() if coded is not None else None
    cells = kind.of_text(text if coded is None else coded, item, field, how)
    return cells._replace(bad={**cells.bad, "invalid_unicode": torn}) if torn.any() else cells
