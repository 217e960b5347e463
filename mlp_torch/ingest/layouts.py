"""The ways in which Arrow may lay out the cells of a column, as the one that is judged: values in full, by type.

>>> decoded(pa.array(["a", "b", "a"]).dictionary_encode()).to_pylist()
['a', 'b', 'a']
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def parts_of(array: pa.UnionArray) -> Iterator[tuple[str, NDArray[np.int64], pa.Array]]:
    """By type of a sparse union: its name, which cells are of it, and these cells."""
    codes = np.asarray(array.type_codes)
    for i in range(array.type.num_fields):
        at = np.flatnonzero(codes == array.type.type_codes[i])
        yield array.type.field(i).name, at, decoded(taken(array.field(i), pa.array(at)))


def decoded(array: pa.Array) -> pa.Array:
    """Categories and runs as their values, tensors and views as lists, text with offsets for any amount of it."""
    if isinstance(array.type, pa.FixedShapeTensorType):
        return decoded(array.storage)
    if (plain := without_views(array.type)) != array.type:
        array = array.cast(plain)
    if pa.types.is_dictionary(array.type):
        return taken(decoded(array.dictionary), array.indices)
    if pa.types.is_run_end_encoded(array.type):
        cells = array.offset + np.arange(len(array))
        return taken(decoded(array.values), pa.array(np.searchsorted(array.run_ends.to_numpy(), cells, side="right")))
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        return in_order(array)
    return array.cast(pa.large_string()) if pa.types.is_string(array.type) else array


def without_views(kind: pa.DataType) -> pa.DataType:
    """A type whose text and bytes lie one after the other; Arrow takes no cells from views, nor from lists of them."""
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if pa.types.is_map(kind):
        names = without_views(kind.key_type)
        return kind if names == kind.key_type else pa.map_(names, kind.item_type)
    if isinstance(kind, pa.ListType | pa.LargeListType):
        members = without_views(kind.value_type)
        return kind if members == kind.value_type else pa.large_list(members)
    return kind


def in_order(views: Any) -> pa.LargeListArray:
    """Views of members, in any order, as lists one after the other; Arrow's own cast trips over nulls among them."""
    there = views.is_valid().to_numpy(zero_copy_only=False)
    lengths = np.where(there, views.sizes.to_numpy(), 0).astype(np.int64)
    ends = lengths.cumsum()
    at = np.repeat(views.offsets.to_numpy() - (ends - lengths), lengths) + np.arange(lengths.sum())
    offsets = pa.array(np.concatenate([[0], ends]), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, taken(decoded(views.values), pa.array(at)), mask=pa.array(~there))


def joined(parts: list[pa.Array]) -> pa.Array:
    """Parts of a column in one piece, with offsets for any amount: some images, or lists, exceed those of 32 bits."""
    kind = parts[0].type
    wide = {pa.binary(): pa.large_binary(), pa.binary_view(): pa.large_binary()}.get(kind, kind)
    wide = pa.large_list(kind.value_type) if pa.types.is_list(kind) else wide
    return pa.chunked_array([part.cast(wide) for part in parts], wide).combine_chunks()


def taken(array: pa.Array, at: pa.Array) -> pa.Array:
    """Some cells of an array."""
    try:
        return array.take(at)
    except pa.ArrowNotImplementedError:  # of a type that no field holds: all that matters is which cells are there
        return pc.if_else(array.is_valid().take(at).fill_null(False), pa.scalar(b""), pa.scalar(None, pa.binary()))
