"""Strings: text as it is, byte by byte; whole numbers and booleans as decimal text ("5", never "5.0").

Shape: N cells -> (N,) int64 fingerprints, 0 = missing.

>>> cells = String().of_values(pa.array([5.0, 5.5]), Read("hour", "string"), Field("hour", ("string",)), How())
>>> cells.values.to_pylist(), cells.bad["not_whole"]
(['5', None], array([False,  True]))
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch.ingest.cells import CODED, LARGEST, Cells, Floats, How, Mask, is_coded, listed, matches, present, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import arrow_fingerprints, scripted_fingerprints
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.kinds.rows import rows_with
from mlp_torch.ingest.reads import Inputs, Read, Words

UNNAMED = "example"  # stands for a word that one row alone holds, which would give that row away
TROUBLES = [
    "",
    " ",
    "日本",
    "naïve",
    "a word that no training row has, longer than sixty-four bytes, so that each length of hash runs",
]


class String(Kind):
    """A category."""

    forms = ("scalar", "text")

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, CODED)

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        return strings(text, field)

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        return strings(array, field)

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        return arrow_fingerprints(array, field=item.field)

    def members(self, array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        return array

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        (found,) = frequent(inputs[item.key], words(item), most=1) or [(UNNAMED, 0)]
        return found[0] if found[1] > 1 or len(words(item)) == 1 else UNNAMED if words(item) else None

    def troubles(self, example: object) -> list[object]:
        return list(TROUBLES)

    def reader(self, policy: Field, item: Read) -> Reader:
        return StringReader(policy, item)


def frequent(x: Tensor, words: list[tuple[int, str]], *, most: int) -> list[tuple[str, int]]:
    """The most frequent words of (N,) or (N, L) fingerprints and the rows that hold them, by alphabet where equal."""
    found, counts = rows_with(x)
    known = dict(zip(found.tolist(), counts.tolist(), strict=True))
    named = [(word, known.get(fingerprint, 0)) for fingerprint, word in words]
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))[:most]


class StringReader(Reader):
    """A category: text, or a tensor of whole numbers as decimal text ("5")."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        texts: list[str | None] = []
        wrong = torch.zeros(0, dtype=torch.int64)
        if self.field in strings:
            texts = strings[self.field]
            wrong = torch.zeros(len(texts), dtype=torch.int64)
        elif self.field in tensors:
            texts, wrong = self.written(tensors[self.field])
        else:
            raise RuntimeError(
                f'field "{self.field}" must be given in `strings`: texts or None; or in `tensors`: whole numbers'
            )
        found = scripted_fingerprints(self.named(texts)).to(self.int64)
        return found, wrong.to(self.int64) > 0, found == 0

    def written(self, x: Tensor) -> tuple[list[str | None], Tensor]:
        """Whole numbers as decimal text, and which are infinite."""
        if x.dim() != 1 or x.is_complex():
            raise RuntimeError(f'field "{self.field}" must be a real tensor of shape (B,), however: shape={x.shape}')
        x = x.cpu()
        size, infinite = x.double().abs(), x.double().isinf()
        self.refuse(infinite, "be finite")
        if x.is_floating_point():
            self.forbid(size.isfinite() & (size != size.floor()), "be text or whole; a category is not continuous")
            self.forbid(size.isfinite() & (size > 2.0**53), "be within ±2^53")
            codes = x.double().nan_to_num(0.0, 0.0, 0.0).long()
        else:
            codes = x.long()
            self.forbid(codes.double() != x.double(), "fit int64")
        absent: list[bool] = (x.double().isnan() | infinite).tolist()
        whole: list[int] = codes.tolist()
        texts: list[str | None] = []
        for i in range(len(whole)):
            if absent[i]:
                texts.append(None)
            else:
                texts.append(str(whole[i]))
        return texts, infinite.long()


def strings(array: pa.Array, field: Field) -> Cells:
    """Text as it is, byte by byte; whole numbers and booleans as decimal text ("5", never "5.0")."""
    bad: dict[str, Mask] = {}
    changed = {"number read as text": 0 if is_coded(array.type) else int(present(array).sum())}
    if is_coded(array.type):
        text = array
    elif pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        text = spelled_out((array.cast(pa.uint8()) if pa.types.is_boolean(array.type) else array).dictionary_encode())
    elif pa.types.is_floating(array.type):
        text, bad = whole_text(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    elif pa.types.is_decimal(array.type):
        words = pc.replace_substring_regex(array.cast(pa.large_string()), r"^(0)E-[0-9]+$|\.0+$", r"\1")  # 0E-7, 5.00
        bad = {"not_whole": present(words) & ~matches(words, "^-?[0-9]+$")}
        text = words.dictionary_encode()
    else:
        return refused(array, "wrong_type", pa.nulls(len(array), CODED))
    na = listed(text, field)
    changed["na_values read as missing"] = int(na.sum())
    return Cells(without(text, np.logical_or.reduce([na, *bad.values()])), bad, changed)


def spelled_out(coded: pa.DictionaryArray) -> pa.DictionaryArray:
    """Dictionary-encoded whole numbers as decimal text."""
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(pa.large_string()))


def whole_text(values: Floats) -> tuple[pa.Array, dict[str, Mask]]:
    """Whole floats as decimal text, and what is none."""
    with np.errstate(invalid="ignore"):
        infinite, large = np.isinf(values), np.isfinite(values) & (np.abs(values) > LARGEST)
        torn = np.isfinite(values) & (values != np.floor(values))
    readable = np.isfinite(values) & ~large & ~torn
    text = pa.array(np.where(readable, values, 0).astype(np.int64), mask=~readable).dictionary_encode()
    return spelled_out(text), {"not_finite": infinite, "too_large_integer": large & ~torn, "not_whole": torn}
