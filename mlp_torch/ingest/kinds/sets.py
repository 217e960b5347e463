"""Sets: the members of a cell, from text with a separator ("Action, Drama") or from a list.

Members are taken as they stand, byte by byte, "" among them; a cell that is "" as a whole has none.
Shape: N cells -> (N, max_tokens) int64 fingerprints, 0 = none; all 0 = missing, or without members.

>>> item = Read("genre", "set", max_tokens=2, separator=", ")
>>> cells = Set().of_text(pa.array(["Action, Drama", "", None]).dictionary_encode(), item, Field("genre", ()), How())
>>> cells.values.to_pylist()
[['Action', 'Drama'], [], None]
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch.ingest.cells import Cells, How, Mask, blanked, listed, present, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import LISTS, beyond, lists_of, members_of, ragged, rows_of
from mlp_torch.ingest.kinds.string import TROUBLES, UNNAMED, frequent
from mlp_torch.ingest.kinds.tokens import scripted_rows
from mlp_torch.ingest.reads import Inputs, Read, Words

SHOWN = 2  # members of an example


class Set(Kind):
    """The first `max_tokens` members of a cell; that a cell has more is counted."""

    nested = True
    takes = "a list of texts or of whole numbers, or text with the separator"
    faults = {"null_member": "a list must hold no null; a missing list is null itself"}  # noqa: RUF012

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, LISTS)

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        known = without(text, na)
        lists = split(known.dictionary, item.separator).take(known.indices)
        return members(lists, item, {"na_values read as missing": int(na.sum())})

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        kind = array.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            code = "nested_value" if pa.types.is_nested(kind) else "wrong_type"
            return refused(array, code, self.absent(item, len(array)))
        inner = kind.value_type.value_type if pa.types.is_dictionary(kind.value_type) else kind.value_type
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer)
        if not (pa.types.is_null(inner) or any(is_one(inner) for is_one in texts)):
            return refused(array, "wrong_type", self.absent(item, len(array)))
        return members(lists_of(array, pa.large_string()), item, {})

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        return rows_of(array, item.max_tokens, item.field)

    def members(self, array: Any) -> Any:
        return pa.chunked_array(members_of(array), pa.large_string())

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        found = frequent(inputs[item.key], words(item), most=SHOWN)
        return item.separator.join(word for word, count in found if count > 1) or UNNAMED

    def troubles(self, example: object) -> list[object]:
        return list(TROUBLES)

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        return None, values

    def reader(self, policy: Field, item: Read) -> Reader:
        return SetReader(policy, item)


def split(texts: pa.Array, separator: str) -> Any:
    """The parts of each text; of "" there are none."""
    parts = pc.split_pattern(texts.cast(pa.large_string()), separator).cast(LISTS)
    return pc.if_else(pc.equal(texts, ""), pa.scalar([], LISTS), parts)


def members(lists: Any, item: Read, changed: dict[str, int]) -> Cells:
    """Lists of words, checked."""
    bad = holds_null(lists)
    more = f"more than {item.max_tokens} members, of which the first are read"
    changed = {**changed, more: int(beyond(lists, item.max_tokens).sum())}
    return Cells(blanked(lists, bad), {"null_member": bad} if bad.any() else {}, changed)


def holds_null(lists: Any) -> Mask:
    """(N,) which lists hold a null."""
    lengths, words = ragged(lists)
    found = np.zeros(len(lists), bool)
    if words.null_count:
        found[np.repeat(np.arange(len(lists)), lengths)[~present(words)]] = True
    return found


class SetReader(Reader):
    """The members of a cell: text with the separator."""

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        self.most, self.separator = read.max_tokens, read.separator

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        texts = self.texts(strings)
        members: list[str] = []
        lengths: list[int] = []
        for text in texts:
            before = len(members)
            if text is not None and len(text) > 0:
                members.extend(text.split(self.separator))
            lengths.append(len(members) - before)
        missing = self.absent(texts)
        return scripted_rows(members, lengths, self.most).to(self.int64), torch.zeros_like(missing), missing
