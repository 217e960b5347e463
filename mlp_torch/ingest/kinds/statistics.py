"""Statistics of a text: how long it is and how it is written (ch. 2, Multimodal Input), counted on bytes.

Shape: N cells -> (N, 8) float64 in the order of `STATISTICS`, all NaN = missing.

>>> dict(zip(STATISTICS, measured(pa.array(["Is it 5°?"]))[0].tolist()))
{'characters': 9.0, 'words': 3.0, 'characters_a_word': 2.0, 'capitals': 1.0, 'digits': 1.0, 'exclamations': 0.0, \
'questions': 1.0, 'ends_with_question': 1.0}
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.jit import is_scripting  # type: ignore[attr-defined]  # public, but not in torch.jit.__all__

from mlp_torch.ingest.cells import Cells, How, is_coded, listed, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import ragged
from mlp_torch.ingest.kinds.tokens import Tokens, add_tokens, of_cells, word_lists
from mlp_torch.ingest.reads import Inputs, Read, Words

STATISTICS = (
    "characters",
    "words",
    "characters_a_word",
    "capitals",
    "digits",
    "exclamations",
    "questions",
    "ends_with_question",
)
WRITTEN = r"[a-zA-Z0-9\x{80}-\x{10ffff}]"  # the characters of words
PATTERNS = (r"[A-Z]", r"[0-9]", r"!", r"\?")  # ASCII, as the rule of words


class Statistics(Tokens):
    """Figures about a text."""

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        return Cells(without(text, na), {}, {"na_values read as missing": int(na.sum())})

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        array = array if is_coded(array.type) else array.dictionary_encode()
        return of_cells(measured(array.dictionary), array, torch.tensor(torch.nan, dtype=torch.float64))

    def members(self, array: Any) -> None:
        return None

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        return "An example."

    def reader(self, policy: Field, item: Read) -> Reader:
        return StatisticsReader(policy, item)


def measured(texts: Any) -> Tensor:
    """The statistics of W texts: (W, 8) float64."""
    words, _ = ragged(word_lists(texts))
    letters = pc.count_substring_regex(texts, WRITTEN).to_numpy(zero_copy_only=False)
    length = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    found = [pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False) for pattern in PATTERNS]
    asks = pc.ends_with(texts, "?").to_numpy(zero_copy_only=False)
    columns = [length, words, letters / np.maximum(words, 1), *found, asks]
    return torch.from_numpy(np.stack([np.asarray(column, np.float64) for column in columns], axis=1))


class StatisticsReader(Reader):
    """Figures about a text."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        texts = self.texts(strings)
        words: list[str] = []
        letters: list[str] = []
        counts: list[list[int]] = []
        for text in texts:
            words.clear()
            add_tokens("" if text is None else text, words, letters)
            counts.append(counted("" if text is None else text, words))
        missing = self.absent(texts)
        found = torch.tensor(counts, dtype=torch.int64).reshape(len(counts), 8).to(self.float64)  # (B, 8)
        mean = found[:, 2:3] / found[:, 1:2].clamp(min=1.0)
        found = torch.cat([found[:, :2], mean, found[:, 3:]], dim=1)
        return found.masked_fill(missing.unsqueeze(1), float("nan")), torch.zeros_like(missing), missing


def counted(text: str, words: list[str]) -> list[int]:
    """The statistics of a text of some words, with the characters of all words in place of their mean. Must script."""
    letters, capitals, digits, exclamations, questions, asks = 0, 0, 0, 0, 0, 0
    for word in words:
        letters += length(word)
    for character in list(text):
        code = ord(character)
        capitals += int(code >= 65 and code <= 90)
        digits += int(code >= 48 and code <= 57)
        exclamations += int(code == 33)
        asks = int(code == 63)  # of the last character
        questions += asks
    return [length(text), len(words), letters, capitals, digits, exclamations, questions, asks]


def length(text: str) -> int:
    """Characters of a text. Must script, where only their first byte counts."""
    found = 0
    for character in list(text):
        code = ord(character)
        found += int(not is_scripting() or code < 128 or code >= 192)
    return found
