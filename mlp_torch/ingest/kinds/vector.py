"""Vectors that another model made: Arrow lists of numbers, or lists of JSON in text. All of a field have one length.

Shape: N cells -> (N, d) float32, all NaN = missing.

>>> item = Read("v", "vector", size=(2,))
>>> cells = Vector().of_text(pa.array(["[1, 2.5]", "[1]"]).dictionary_encode(), item, Field("v", ()), How())
>>> cells.values.to_pylist(), cells.bad["wrong_size"]
([[1.0, 2.5], None], array([False,  True]))
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.ingest.cells import Cells, How, by_word, is_number, listed, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.maps import is_amount
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import lists_of, ragged
from mlp_torch.ingest.reads import Inputs, Read, Words

LISTS = pa.large_list(pa.float64())
LARGEST = float(np.finfo(np.float32).max)


class Vector(Kind):
    """A vector of d numbers."""

    nested = True
    forms = ("vector",)
    takes = "a list of numbers, or text that is a list of JSON"
    faults = {  # noqa: RUF012
        "not_a_vector": "a vector must be a list of finite numbers that float32 has, in text a list of JSON",
        "wrong_size": "a vector must have as many numbers as its column's size={size[0]}",
    }

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, pa.list_(pa.float32(), item.size[0]))

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        known = without(text, na)
        found = [None if word is None else parsed(word) for word in known.dictionary.to_pylist()]
        wrong = by_word(np.array([numbers is None for numbers in found], bool), known)
        cells = checked(pa.array(found, LISTS).take(known.indices), item)
        bad = {**cells.bad, "not_a_vector": cells.bad["not_a_vector"] | wrong}
        return Cells(cells.values, bad, {"na_values read as missing": int(na.sum())})

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        kind = array.type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not is_list or not (is_number(kind.value_type) or pa.types.is_null(kind.value_type)):
            code = "nested_value" if pa.types.is_nested(kind) and not is_list else "wrong_type"
            return refused(array, code, self.absent(item, len(array)))
        return checked(lists_of(array, pa.float64()), item)

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        (d,) = item.size
        found = np.full((len(array), d), np.nan, np.float32)
        found[array.is_valid().to_numpy(zero_copy_only=False)] = array.flatten().to_numpy().reshape(-1, d)
        return torch.from_numpy(found)

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        return [0.0] * item.size[0]

    def troubles(self, example: object) -> list[object]:
        size = len(example) if isinstance(example, list) else 0
        return [[1e30] * size, [-1.5] * size]

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        rows = [[float("nan")] * item.size[0] if value is None else value for value in values]
        return torch.tensor(rows, dtype=torch.float64), None

    def reader(self, policy: Field, item: Read) -> Reader:
        return VectorReader(policy, item)


def parsed(text: str) -> list[float] | None:
    """A list of JSON's numbers; None for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(is_amount(number) for number in found):
        return None
    return [float(number) for number in found]


def checked(lists: Any, item: Read) -> Cells:
    """Lists of the wanted length, whose numbers float32 has."""
    (d,) = item.size
    lengths, numbers = ragged(lists)
    row = np.repeat(np.arange(len(lists)), lengths)
    amounts = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    strange = np.zeros(len(lists), bool)
    strange[row[~(np.abs(amounts) <= LARGEST)]] = True
    wrong = lists.is_valid().to_numpy(zero_copy_only=False) & (lengths != d)
    good = lists.is_valid().to_numpy(zero_copy_only=False) & ~strange & ~wrong
    flat = np.zeros((len(lists), d), np.float32)
    flat[good] = amounts[good[row]].reshape(-1, d)
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), d, mask=pa.array(~good))
    return Cells(values, {"not_a_vector": strange, "wrong_size": wrong}, {})


class VectorReader(Reader):
    """A vector: a tensor (B, d), a row of NaN = missing."""

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        self.size, self.largest = read.size[0], LARGEST

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        if self.field not in tensors:
            raise RuntimeError(f'field "{self.field}" must be given in `tensors`: vectors of shape (B, {self.size})')
        values = tensors[self.field].to(self.float64)
        if values.dim() != 2 or values.shape[1] != self.size:
            raise RuntimeError(f'field "{self.field}" must have shape (B, {self.size}), however: {values.shape}')
        missing = values.isnan().all(dim=1)
        bad = self.refuse(~(values.abs() <= self.largest).all(dim=1) & ~missing, "be finite numbers of float32")
        return values.float().masked_fill((bad | missing).unsqueeze(1), float("nan")), bad, missing
