"""One Arrow column read as one kind, and what all kinds ask of cells; each kind is a file of `kinds`.

Nothing is guessed: what cannot be read is marked, not judged. What is done with words, is done once for each distinct
one.

>>> by_word(np.array([True, False]), pa.array(["no", "yes", "no"]).dictionary_encode())
array([ True, False,  True])
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.ingest.fields import Field

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
CODED = pa.dictionary(pa.int32(), pa.large_string())
LARGEST = 2**53  # float64 holds every whole number up to here


class Cells(NamedTuple):
    """A column read as one kind.

    Args:
        values: float64 (N,) with NaN for missing, or an Arrow array with nulls, of words dictionary-encoded.
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


class How(NamedTuple):
    """What a source says of its cells.

    Args:
        decimal: the mark of numbers in text.
        folder: where the paths of files that cells name begin; None: cells name none.
    """

    decimal: str = "."
    folder: Path | None = None


def blanked(values: Any, gone: Mask) -> Any:
    """The values, missing where they are gone."""
    if isinstance(values, np.ndarray):
        return np.where(gone, np.nan, values)
    if is_coded(values.type):
        return without(values, gone)
    return values.take(pa.array(np.arange(len(values)), mask=gone)) if gone.any() else values


def by_word(words: Mask, coded: pa.DictionaryArray) -> Mask:
    """(N,) what is true of each cell's word; of a null nothing is."""
    if not words.any():
        return np.zeros(len(coded), bool)
    found: Mask = np.append(words, False)[coded.indices.fill_null(-1).to_numpy()]
    return found


def listed(text: pa.Array, field: Field) -> Mask:
    """Which texts mean missing."""
    if not field.na_values:
        return np.zeros(len(text), bool)
    known = pa.array(field.na_values, pa.large_string())
    if not is_coded(text.type):
        return mask(pc.is_in(text, value_set=known))
    return by_word(mask(pc.is_in(text.dictionary, value_set=known)), text)


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


def without(text: pa.DictionaryArray, gone: Mask) -> pa.DictionaryArray:
    """The words, missing where they are gone."""
    if not gone.any():
        return text
    indices = pc.if_else(gone, pa.scalar(None, text.indices.type), text.indices)
    return pa.DictionaryArray.from_arrays(indices, text.dictionary)
