"""The ways in which Arrow may lay out the cells of a column, as the one that is judged: values in full, by type.

>>> decoded(pa.array(["a", "b", "a"]).dictionary_encode()).to_pylist()
['a', 'b', 'a']
"""

from collections.abc import Iterator

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
    """Categories and runs as their values, text with wide offsets so that any amount fits."""
    if pa.types.is_dictionary(array.type):
        return taken(decoded(array.dictionary), array.indices)
    if pa.types.is_run_end_encoded(array.type):
        cells = array.offset + np.arange(len(array))
        return taken(decoded(array.values), pa.array(np.searchsorted(array.run_ends.to_numpy(), cells, side="right")))
    is_narrow = pa.types.is_string(array.type) or pa.types.is_string_view(array.type)
    return array.cast(pa.large_string()) if is_narrow else array


def taken(array: pa.Array, at: pa.Array) -> pa.Array:
    """Some cells of an array."""
    try:
        return array.take(at)
    except pa.ArrowNotImplementedError:  # of a type that no field holds: all that matters is which cells are there
        return pc.if_else(array.is_valid().take(at).fill_null(False), pa.scalar(b""), pa.scalar(None, pa.binary()))
