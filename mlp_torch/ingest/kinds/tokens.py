"""Tokens: the words of a text. ASCII letters, in lower case, digits and bytes from 128 on make words; all else parts.

A rule on bytes, so that Arrow, Python and TorchScript cut alike. Shape: N cells -> (N, max_tokens) int64, 0 = none.

>>> tokens_of("It's 5°, naïve!")
['it', 's', '5°', 'naïve']
>>> word_lists(pa.array(["It's 5°, naïve!", ""])).to_pylist()
[['it', 's', '5°', 'naïve'], []]
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch.ingest.cells import CODED, Cells, How, by_word, is_coded, listed, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import scripted_fingerprints
from mlp_torch.ingest.kinds.kind import Kind
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import LISTS, beyond, filled, ragged, rows_of
from mlp_torch.ingest.kinds.string import TROUBLES, UNNAMED, frequent
from mlp_torch.ingest.reads import Inputs, Read, Words

PARTS = r"[^a-z0-9\x{80}-\x{10ffff}]+"  # what stands between words, once letters are small
SHOWN = 3  # words of an example


class Tokens(Kind):
    """The first `max_tokens` words of a text; that a text has more is counted."""

    takes = "text"

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, CODED)

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        text = without(text, na)
        cut = by_word(beyond(word_lists(text.dictionary), item.max_tokens), text)
        more = f"more than {item.max_tokens} words, of which the first are read"
        return Cells(text, {}, {"na_values read as missing": int(na.sum()), more: int(cut.sum())})

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        array = array if is_coded(array.type) else array.dictionary_encode()  # it was decoded on disk
        rows = rows_of(word_lists(array.dictionary), item.max_tokens, item.field)
        return of_cells(rows, array, torch.zeros((), dtype=torch.int64))

    def members(self, array: Any) -> Any:
        return ragged(word_lists(texts_in(array)))[1]

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        found = frequent(inputs[item.key], words(item), most=SHOWN)
        return " ".join(word for word, count in found if count > 1) or UNNAMED

    def troubles(self, example: object) -> list[object]:
        return [*TROUBLES, " ".join(["again and AGAIN 5°!"] * 100)]

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        return None, values

    def reader(self, policy: Field, item: Read) -> Reader:
        return TokensReader(policy, item)


def word_lists(texts: Any) -> Any:
    """The words of each of N texts, (N,) lists; null has none."""
    parts = pc.split_pattern_regex(pc.ascii_lower(pa.array(texts).cast(pa.large_string())), PARTS).cast(LISTS)
    lengths = np.diff(parts.offsets.to_numpy())
    words = parts.values.slice(parts.offsets[0].as_py(), int(lengths.sum()))
    there = pc.not_equal(words, "").to_numpy(zero_copy_only=False)  # a text that begins or ends with no word
    ends = np.concatenate([[0], np.cumsum(there)])[np.concatenate([[0], np.cumsum(lengths)])]
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), words.filter(pa.array(there)))


def texts_in(array: Any) -> Any:
    """The distinct texts of coded cells, in one piece or in several."""
    return pc.unique(array.cast(pa.large_string()))


def of_cells(rows: Tensor, coded: pa.DictionaryArray, missing: Tensor) -> Tensor:
    """What was found of each distinct text, (W, …), as (N, …) of the cells that hold it."""
    rows = torch.cat([rows, missing.expand(1, *rows.shape[1:])])
    places = coded.indices.cast(pa.int64()).fill_null(len(coded.dictionary)).to_numpy()
    return rows.index_select(0, torch.tensor(places))


def tokens_of(text: str) -> list[str]:
    """The words of a text."""
    words: list[str] = []
    add_tokens(text, words, [])
    return words


def add_tokens(text: str, words: list[str], letters: list[str]) -> None:
    """Appends a text's words; `letters` is for its own use. Must script, where a character is a byte.

    The lists are arguments, since TorchScript takes a literal [] within a loop for the same list each time.
    """
    letters.clear()
    for character in list(text):  # indexing a str copies it
        code = ord(character)
        if code >= 65 and code <= 90:
            letters.append(chr(code + 32))
        elif (code >= 97 and code <= 122) or (code >= 48 and code <= 57) or code >= 128:
            letters.append(character)
        elif len(letters) > 0:
            words.append("".join(letters))
            letters.clear()
    if len(letters) > 0:
        words.append("".join(letters))


class TokensReader(Reader):
    """The words of a text."""

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        self.most = read.max_tokens

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        texts = self.texts(strings)
        words: list[str] = []
        letters: list[str] = []
        lengths: list[int] = []
        for text in texts:
            before = len(words)
            if text is not None:
                add_tokens(text, words, letters)
            lengths.append(len(words) - before)
        missing = self.absent(texts)
        return scripted_rows(words, lengths, self.most).to(self.int64), torch.zeros_like(missing), missing


def scripted_rows(words: list[str], lengths: list[int], width: int) -> Tensor:
    """`rows_of` for TorchScript: the first fingerprints of lists of words, (N, width)."""
    named: list[str | None] = []
    for word in words:
        named.append(word)
    return filled(scripted_fingerprints(named), torch.tensor(lengths, dtype=torch.int64), width)
