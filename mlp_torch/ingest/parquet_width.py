"""How many bytes of memory a row of a Parquet file takes once it is decoded, told before any block is.

The footer tells it of pages that hold each value as it is. A dictionary holds a value once for all rows that have it,
and runs of one value are counted: there the type's width and the longest word of the dictionary tell it.

>>> leaves(pa.struct({"a": pa.int64(), "b": pa.list_(pa.string())}))
[DataType(int64), DataType(string)]
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from mlp_torch.ingest.cells import is_text

OFFSET = 8  # bytes that a text has beside its own
FEW = 256  # rows of a nested column that are read at once in search of a word


class Leaf(NamedTuple):
    """A column as pages have it; a nested one is several.

    Args:
        at: its index in the file.
        path: in the file, `column.list.element` for example.
        field: the column of the table.
        kind: of its values.
    """

    at: int
    path: str
    field: str
    kind: pa.DataType

    @property
    def bytes(self) -> float:
        """Of a value, without those of a word."""
        if is_words(self.kind):
            return OFFSET
        return 0 if pa.types.is_null(self.kind) else float(self.kind.bit_width / 8)


def leaves_of(file: pa.parquet.ParquetFile, fields: Collection[str] | None) -> list[Leaf]:
    """The leaves of some columns, or of all."""
    schema, found, at = file.schema_arrow, list[Leaf](), 0
    for i, name in enumerate(schema.names):
        kinds = leaves(schema.field(i).type)
        if fields is None or name in fields:
            found += [Leaf(at + j, file.schema.column(at + j).path, name, kind) for j, kind in enumerate(kinds)]
        at += len(kinds)
    return found


def leaves(kind: pa.DataType) -> list[pa.DataType]:
    """The types of a type's leaves, itself if it is not nested."""
    if isinstance(kind, pa.BaseExtensionType):
        return leaves(kind.storage_type)
    if not pa.types.is_nested(kind):
        return [kind]
    return [leaf for i in range(kind.num_fields) for leaf in leaves(kind.field(i).type)]


def is_words(kind: pa.DataType) -> bool:
    """Whether cells are text or bytes of any length, which Parquet keeps in a dictionary as a rule."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(kind) or bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def widest_row(coded: pa.parquet.ParquetFile, parts: list[Leaf]) -> float:
    """Bytes of a row of the row group whose rows are the widest.

    In a row group it is the mean of what pages hold, but each text counts as its column's longest: those of one block
    may all be. Of each row group a row is read, and with it the dictionaries: 2 ms for five columns.

    Args:
        coded: the file, open so that words are read as dictionaries.
        parts: the leaves that count.
    """
    metadata = coded.metadata
    return max((width(coded, i, parts) for i in range(metadata.num_row_groups)), default=0.0)


def width(coded: pa.parquet.ParquetFile, group: int, parts: list[Leaf]) -> float:
    """Bytes of a row of a row group: as pages hold it or as it is decoded, whichever is more."""
    metadata = coded.metadata.row_group(group)
    if metadata.num_rows <= 0:
        return 0.0
    columns = [metadata.column(leaf.at) for leaf in parts]
    encoded = sum(column.total_uncompressed_size for column in columns) / metadata.num_rows
    decoded, times = 0.0, dict[str, float]()
    for leaf, column in zip(parts, columns, strict=True):
        values = column.num_values / metadata.num_rows
        decoded += values * leaf.bytes
        times[leaf.field] = max(times.get(leaf.field, 0.0), values)
    words = longest_words(coded, group, [leaf for leaf in parts if is_words(leaf.kind)])
    return float(max(encoded, decoded + sum(times[field] * size for field, size in words.items())))


def longest_words(coded: pa.parquet.ParquetFile, group: int, parts: list[Leaf]) -> dict[str, int]:
    """By column, bytes of the longest words that the dictionaries of its leaves hold."""
    found: dict[str, int] = {}
    flat = sorted({leaf.field for leaf in parts if leaf.path == leaf.field})
    if flat:  # the first row brings the dictionary, whatever it holds
        first = next(coded.iter_batches(1, row_groups=[group], columns=flat, use_threads=False), None)
        found |= {name: longest(first.column(name)) for name in flat} if first else {}
    for name in sorted({leaf.field for leaf in parts} - set(flat)):  # a row without a value brings none
        paths = [leaf.path for leaf in parts if leaf.field == name]
        for batch in coded.iter_batches(FEW, row_groups=[group], columns=paths, use_threads=False):
            found[name] = longest(batch.column(name))
            if all(len(array.dictionary) for array in dictionaries(batch.column(name))):
                break
    return found


def longest(array: pa.Array) -> int:
    """Bytes of the longest words in an array's dictionaries."""
    words = (pc.binary_length(item.dictionary).drop_null().to_numpy() for item in dictionaries(array))
    return sum(max(sizes, default=0) for sizes in words)


def dictionaries(array: Any) -> Iterator[pa.DictionaryArray]:
    """The leaves of an array that have a dictionary of words."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        if is_words(kind):
            yield array
    elif isinstance(kind, pa.BaseExtensionType):
        yield from dictionaries(array.storage)
    elif pa.types.is_map(kind):
        yield from dictionaries(array.keys)
        yield from dictionaries(array.items)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from dictionaries(array.field(i))
    elif pa.types.is_nested(kind):
        yield from dictionaries(array.values)
