"""Maps from names to numbers: Arrow maps and structs, dicts, or objects of JSON in text.

Of a struct, as Arrow makes one of dicts, a field that is null is a name that is not there. Names come in the order of
their fingerprints, so that a map is the same in whatever order its names stand.
Shape: N cells -> `MapKeys` (N, max_tokens) int64 fingerprints of names, 0 = none; `MapValues` (N, max_tokens) float64.

>>> item = Read("bids", "map_keys", max_tokens=2)
>>> cells = MapKeys().of_text(pa.array(['{"a": 1}', "no"]).dictionary_encode(), item, Field("bids", ()), How())
>>> cells.values.to_pylist(), cells.bad["not_a_map"]
([[('a', 1.0)], None], array([False,  True]))
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.ingest.cells import Cells, How, Mask, blanked, by_word, is_number, is_text, listed, present, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import arrow_fingerprints, scripted_fingerprints
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import filled, members_of, ragged
from mlp_torch.ingest.kinds.string import frequent
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.ingest.records import is_torn

MAPS = pa.map_(pa.large_string(), pa.float64())
UNREADABLE = ("not_a_map", "invalid_unicode")
SHOWN = 2  # names of an example


class MapKeys(Kind):
    """The names of a map."""

    nested = True
    forms = ("map",)
    takes = "names with numbers, or text that is an object of JSON"
    faults = {  # noqa: RUF012
        "not_a_map": "a map must be names with finite numbers, in text an object of JSON",
        "too_many_names": "a map must have at most as many names as its column's max_names={max_tokens}",
        "repeated_name": "a map must have a name once",
    }

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, MAPS)

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        known = without(text, na)
        found = [parsed(word) for word in known.dictionary.to_pylist()]
        bad = {code: by_word(np.array([pairs == code for pairs in found], bool), known) for code in UNREADABLE}
        pairs = pa.array([None if isinstance(pairs, str) else pairs for pairs in found], MAPS)
        cells = checked(pairs.take(known.indices), item, bad)
        return cells._replace(changed={"na_values read as missing": int(na.sum())})

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        kind = array.type
        if pa.types.is_struct(kind) and all(pa.types.is_null(part.type) or is_number(part.type) for part in kind):
            return checked(of_struct(array), item, {})
        if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_null(kind.value_type):
            return nameless(array)
        if not pa.types.is_map(kind) or not is_number(kind.item_type) or not is_name(kind.key_type):
            code = "nested_value" if pa.types.is_nested(kind) else "wrong_type"
            return refused(array, code, self.absent(item, len(array)))
        return checked(array.cast(MAPS, safe=False), item, {})  # large whole numbers are rounded, as all amounts are

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        return rows_in_order(array, item)[0]

    def members(self, array: Any) -> Any:
        return pa.chunked_array([pairs.field(0) for pairs in members_of(array)], pa.large_string())

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        found = frequent(inputs[item.key], words(item), most=min(SHOWN, item.max_tokens))
        return {word: 1.0 for word, count in found if count > 1}

    def troubles(self, example: object) -> list[object]:
        return [{}, {"": -1.5}, {"日本": 1e300}]

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        pairs = [list(value.items()) if isinstance(value, Mapping) else [] for value in values]
        names: list[str | None] = []
        numbers = torch.zeros(len(values), item.max_tokens, dtype=torch.float64)
        for row, found in enumerate(pairs):
            numbers[row] = 0.0 if values[row] is not None else float("nan")
            names += [name for name, _ in found] + [None] * (item.max_tokens - len(found))
            numbers[row, : len(found)] = torch.tensor([number for _, number in found], dtype=torch.float64)
        return numbers, names

    def reader(self, policy: Field, item: Read) -> Reader:
        return MapReader(policy, item)


class MapValues(MapKeys):
    """The numbers of a map, in the order of its names."""

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        return rows_in_order(array, item)[1]

    def members(self, array: Any) -> None:
        return None

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        return super().example(item._replace(kind="map_keys"), inputs, words)


def parsed(text: str) -> list[tuple[str, float]] | str:
    """The pairs of an object of JSON, with names that are there twice; else the reason code."""
    try:
        found = json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return "not_a_map"
    if found == []:  # see `nameless`
        return []
    if not isinstance(found, Pairs) or not all(is_amount(number) for _, number in found):
        return "not_a_map"
    return "invalid_unicode" if any(is_torn(name) for name, _ in found) else list(found)  # escaped lone surrogates


class Pairs(list[tuple[str, Any]]):
    """An object of JSON as it stands, which a list of JSON is not."""


def is_amount(number: object) -> bool:
    """Whether a value is a number that float64 has."""
    if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def is_name(kind: pa.DataType) -> bool:
    """Whether names of a type are those that JSON would have: text, or whole numbers, which are their decimal text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    kinds = (is_text, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_integer)
    return any(is_kind(kind) for is_kind in kinds)


def nameless(lists: Any) -> Cells:
    """Lists of nothing: [] is a map without names, as pandas makes of Arrow's and PHP writes in JSON."""
    bad = ragged(lists)[0] > 0
    names = np.zeros(len(lists), np.int64)
    maps = pa.array([[]], MAPS).take(pa.array(names, mask=bad | ~present(lists)))
    return Cells(maps, {"not_a_map": bad}, {})


def of_struct(array: pa.StructArray) -> pa.MapArray:
    """A struct's fields as names."""
    columns = [part.cast(pa.float64(), safe=False) for part in array.flatten()]  # null where the struct is
    there = np.zeros((len(array), len(columns)), bool)
    numbers = np.zeros(there.shape)
    for i, column in enumerate(columns):
        there[:, i], numbers[:, i] = present(column), column.to_numpy(zero_copy_only=False)
    names = pa.array([part.name for part in array.type], pa.large_string()).take(pa.array(np.nonzero(there)[1]))
    offsets = pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), pa.int32())
    maps = pa.MapArray.from_arrays(offsets, names, pa.array(numbers[there]))
    return blanked(maps, ~present(array))


def rows_in_order(maps: Any, item: Read) -> tuple[Tensor, Tensor]:
    """(N, max_tokens) names and numbers of N maps."""
    lengths, pairs = ragged(maps)
    names = arrow_fingerprints(pairs.field(0), field=item.field)
    numbers = torch.from_numpy(np.array(pairs.field(1).to_numpy(zero_copy_only=False), np.float64))
    rows = torch.from_numpy(lengths)
    return in_order(filled(names, rows, item.max_tokens), filled(numbers, rows, item.max_tokens))


def in_order(names: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """(B, M) names and numbers by fingerprint, what is none last. Must script."""
    order = names.masked_fill(names == 0, 9223372036854775807).argsort(dim=1)  # 2^63 - 1, behind all fingerprints
    return names.gather(1, order), numbers.gather(1, order)


def checked(maps: Any, item: Read, bad: dict[str, Mask]) -> Cells:
    """Maps that are neither too large nor ambiguous, whose numbers are finite."""
    lengths, pairs = ragged(maps)
    row = np.repeat(np.arange(len(maps)), lengths)
    numbers = pairs.field(1).to_numpy(zero_copy_only=False)
    names = pairs.field(0).dictionary_encode().indices.to_numpy()
    strange = np.zeros(len(maps), bool)
    strange[row[~np.isfinite(numbers)]] = True
    order = np.lexsort((names, row))
    again = np.zeros(len(maps), bool)
    same = (np.diff(row[order]) == 0) & (np.diff(names[order]) == 0)
    again[row[order][1:][same]] = True
    found = {
        **bad,
        "not_a_map": bad.get("not_a_map", strange) | strange,
        "too_many_names": lengths > item.max_tokens,
        "repeated_name": again,
    }
    return Cells(blanked(maps, np.logical_or.reduce(list(found.values()))), found, {})


class MapReader(Reader):
    """Names and numbers: in `tensors` the numbers, (B, M); in `strings` B · M names, row after row, None = none.

    A row without names is missing if its numbers are NaN, else it is a map without names.
    """

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        self.most, self.is_names = read.max_tokens, read.kind == "map_keys"

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        if self.field not in tensors or self.field not in strings:
            raise RuntimeError(
                f'field "{self.field}" must be given in `tensors`: numbers of shape (B, {self.most}); and in '
                "`strings`: as many names, row after row, None where there is none"
            )
        numbers = tensors[self.field].to(self.float64)
        names = scripted_fingerprints(strings[self.field]).to(self.int64)
        if numbers.dim() != 2 or numbers.shape[1] != self.most or names.shape[0] != numbers.numel():
            raise RuntimeError(f'field "{self.field}" must have {self.most} numbers and names a row')
        names, numbers = in_order(names.reshape(numbers.shape), numbers)
        again = (names[:, 1:] == names[:, :-1]) & (names[:, 1:] != 0)
        bad = self.refuse((~numbers.isfinite() & (names != 0)).any(dim=1), "be finite")
        bad = bad | self.refuse(again.any(dim=1), "have a name once")
        missing = ((names == 0) & numbers.isnan()).all(dim=1)
        return names if self.is_names else numbers.masked_fill(names == 0, 0.0), bad, missing
