"""FarmHash Fingerprint64: the one number that stands for a string behind ingestion, and what is derived from it.

Hashed buckets, vocabularies, crosses, repeatable splits and feature-store keys all use it, so each of them agrees with
BigQuery's `FARM_FINGERPRINT`, TensorFlow's `to_hash_bucket_fast` and Guava's `farmHashFingerprint64`, and each is a
tensor operation. Book: ch. 2, Hashed Feature; ch. 6, Repeatable Splitting. Sources: `farmhashna::Hash64` in
github.com/google/farmhash; `FingerprintCat64` in TensorFlow's platform/fingerprint.h.

Shape: N strings -> (N,) int64, the bits of the uint64. 0 = missing; "" is a value of its own. A string is its UTF-8
bytes, never normalised, NUL included. Not cryptographic: whoever tries can find two strings with one fingerprint.

>>> pvd = fingerprints(["PVD", None])
>>> bigquery_bucket(pvd, 1000), tensorflow_bucket(pvd, 1000)
(tensor([667,   0]), tensor([949,   0]))
>>> torch.equal(scripted_fingerprints(["PVD", None]), pvd)
True
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.jit import is_scripting  # type: ignore[attr-defined]  # public, but not in torch.jit.__all__

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.farmhash import fingerprint_flat, mix

SMALL = 512  # strings: calls up to this size go through the memo
MEMO_WORDS = 2**16  # the memo starts anew when it is full
MEMO_LENGTH = 128  # characters: longer words are not remembered

_memo: dict[str | None, int] = {}


def fingerprints(strings: Sequence[str | None], *, field: str = "") -> Tensor:
    """Fingerprints of Python strings. Each distinct one is hashed once; small calls remember their words.

    Args:
        strings: N strings; None = missing.
        field: the raw field, for messages.

    Returns:
        (N,) int64; 0 = missing.

    Raises:
        DataError: `invalid_unicode` for a lone surrogate, `zero_fingerprint` for a string that would count as missing.
    """
    return torch.from_numpy(integers(strings, field=field))


def integers(strings: Sequence[str | None], *, field: str = "") -> NDArray[np.int64]:
    """`fingerprints` in NumPy: to make a tensor takes longer than to remember a row's few words."""
    try:
        if len(strings) <= SMALL:
            return _remembered(strings, field)
        return arrow_fingerprints(pa.array(strings, pa.large_string()), field=field).numpy()
    except UnicodeEncodeError:
        raise DataError(_lone_surrogates(strings, field)) from None


def _remembered(strings: Sequence[str | None], field: str) -> NDArray[np.int64]:
    """Through the memo: the strings of one row take 5 µs, as tensor operations half a millisecond."""
    found = {word: _memo.get(word) for word in strings}
    found[None] = 0
    new = [word for word, fingerprint in found.items() if word is not None and fingerprint is None]
    if new:
        fresh = dict(zip(new, _hash(_as_arrow(new), field).tolist(), strict=True))
        found.update(fresh)
        if len(_memo) >= MEMO_WORDS:
            _memo.clear()
        _memo.update({word: fresh[word] for word in new if len(word) <= MEMO_LENGTH})
    return np.array([found[word] for word in strings], np.int64)


def _as_arrow(words: Sequence[str]) -> pa.LargeStringArray:
    """Words as `pa.array` gives them, which would import pandas wherever it is installed."""
    content = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, content)], dtype=np.int64)
    return pa.LargeStringArray.from_buffers(len(words), pa.py_buffer(offsets), pa.py_buffer(b"".join(content)))


def _lone_surrogates(strings: Sequence[str | None], field: str) -> Problem:
    rows = [row for row, word in enumerate(strings) if word is not None and not _encodes(word)]
    examples = tuple(str(strings[row]) for row in rows[:3])
    text = "text with a lone surrogate has no UTF-8 form"
    columns = (field,) if field else ()
    return Problem("invalid_unicode", text, columns, len(rows), len(strings), tuple(rows[:5]), examples)


def _encodes(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def arrow_fingerprints(array: pa.Array | pa.ChunkedArray, *, field: str = "") -> Tensor:
    """Fingerprints of an Arrow array of strings, straight from its buffers; a word that comes often is hashed once.

    Args:
        array: N strings, plain or dictionary-encoded, in one chunk or many; null = missing.
        field: the raw field, for messages.

    Returns:
        (N,) int64; 0 = missing.

    Raises:
        DataError: as `fingerprints`; `invalid_unicode` for bytes that are no UTF-8.
        TypeError: if the array holds no strings.
    """
    if not pa.types.is_dictionary(array.type):
        array = _large(array)
        if len(array) > SMALL and not _repeats(array):
            return torch.cat([_hash(part, field) for part in pa.chunked_array(array).chunks])
        array = array.dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()  # one dictionary for all chunks
    words = _valid(_large(array.dictionary), field)
    # a row's few words go through the memo: as tensor operations they would take longer than the whole model
    found = fingerprints(words.to_pylist(), field=field) if len(words) <= SMALL else _hash(words, field)
    places = array.indices.cast(pa.int32())
    if places.null_count:
        places = places.fill_null(len(words))
    return torch.cat([found, found.new_zeros(1)]).index_select(0, torch.tensor(places.to_numpy()))


def _repeats(array: pa.Array | pa.ChunkedArray) -> bool:
    """Whether so many of the first words were there before that there must be few: some 60,000 if they come evenly.

    To find a word among few takes half as long as to hash it again, among 160,000 (beyond the cache) twice as long.
    """
    first = array[:10000]
    return len(pc.unique(first)) <= 0.92 * len(first)


def distinct(array: pa.Array | pa.ChunkedArray, *, field: str = "") -> tuple[Tensor, pa.LargeStringArray]:
    """The distinct words of an Arrow array with their fingerprints, without nulls; see `words_in`.

    Args:
        array: strings as in `arrow_fingerprints`.
        field: the raw field, for messages.

    Returns:
        (W,) int64 and W words.

    Raises:
        DataError, TypeError: as `arrow_fingerprints`.
    """
    words = words_in(array)
    return _hash(words, field), words


def words_in(array: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The distinct words of an Arrow array of strings, without nulls; of a dictionary only those that rows hold.

    Raises:
        TypeError: if the array holds no strings.
    """
    if not pa.types.is_dictionary(array.type):
        return pc.unique(_large(array)).drop_null()
    coded = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    held = np.zeros(len(coded.dictionary), bool)
    held[coded.indices.drop_null().to_numpy()] = True
    return pc.unique(_large(coded.dictionary).filter(pa.array(held))).drop_null()  # it may hold one word twice


def _large(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """As large_string: 64-bit offsets, and none of string_view's kernels, whose `unique` takes null for ""."""
    if array.type not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        raise TypeError(f"fingerprints are of strings, however: type={array.type}")
    return array.cast(pa.large_string())


def _valid(words: pa.LargeStringArray, field: str) -> pa.LargeStringArray:
    """The same strings, if all are UTF-8."""
    try:
        words.validate(full=True)
    except pa.ArrowInvalid:
        raise DataError(Problem("invalid_unicode", "bytes that are no UTF-8", (field,) if field else ())) from None
    return words


def _hash(words: pa.LargeStringArray, field: str) -> Tensor:
    """(W,) fingerprints of Arrow strings as they stand in the buffers; null -> 0."""
    if len(_valid(words, field)) == 0:
        return torch.zeros(0, dtype=torch.int64)
    _, offsets, data = words.buffers()
    ends = torch.tensor(np.frombuffer(offsets, np.int64)[words.offset : words.offset + len(words) + 1])
    first, last = int(ends[0]), int(ends[-1])  # a slice shares the bytes of the whole array
    found = fingerprint_flat(torch.tensor(np.frombuffer(data, np.uint8)[first:last]), ends[:-1] - first, ends.diff())
    zero = found == 0
    if zero.any() and (examples := words.filter(pa.array(zero.numpy())).drop_null()[:3].to_pylist()):
        text = "a string has fingerprint 0, which stands for missing"
        raise DataError(Problem("zero_fingerprint", text, (field,) if field else (), examples=tuple(examples)))
    if words.null_count:
        found[torch.tensor(words.is_null().to_numpy(zero_copy_only=False))] = 0
    return found


def scripted_fingerprints(strings: list[str | None]) -> Tensor:
    """`fingerprints` for TorchScript, where a str is its bytes: whatever a C++ host passes is hashed as it is.

    Args:
        strings: N strings; None = missing. Time grows with the bytes: about 0.2 µs each.

    Returns:
        (N,) int64; 0 = missing.

    Raises:
        torch.jit.Error: if a string has fingerprint 0.
    """
    if not is_scripting():
        return fingerprints(strings)
    codes: list[int] = []
    lengths: list[int] = []
    missing: list[bool] = []
    for string in strings:
        missing.append(string is None)
        characters = list("" if string is None else string)  # indexing a str copies it: quadratic in its length
        lengths.append(len(characters))
        for character in characters:
            codes.append(ord(character))
    length = torch.tensor(lengths, dtype=torch.int64)
    null = torch.tensor(missing, dtype=torch.bool)
    found = fingerprint_flat(torch.tensor(codes, dtype=torch.uint8), length.cumsum(0) - length, length)
    if bool(((found == 0) & ~null).any()):
        raise ValueError("a string has fingerprint 0, which stands for missing")
    return found.masked_fill(null, 0)


def bigquery_bucket(fingerprint: Tensor, buckets: int) -> Tensor:
    """`ABS(MOD(FARM_FINGERPRINT(x), buckets))`, the book's convention. Bucket 0 is half as likely as any other.

    Raises:
        ValueError: unless 1 ≤ buckets < 2**63.
    """
    if buckets < 1:
        raise ValueError(f"buckets must be at least 1, however: buckets={buckets}")
    return torch.fmod(fingerprint, buckets).abs()  # `%` takes the sign of the divisor and gives other buckets


def tensorflow_bucket(fingerprint: Tensor, buckets: int) -> Tensor:
    """`to_hash_bucket_fast(x, buckets)`, the remainder of the uint64.

    Exact up to 2**62 buckets: 2 · (buckets - 1) + 1 must be an int64.

    Raises:
        ValueError: unless 1 ≤ buckets ≤ 2**62.
    """
    if buckets < 1 or buckets > 4611686018427387904:
        raise ValueError(f"buckets must be from 1 to 2**62, however: buckets={buckets}")
    half = (fingerprint >> 1) & 0x7FFFFFFFFFFFFFFF  # unsigned
    return (half % buckets * 2 + (fingerprint & 1)) % buckets


def cat(a: Tensor, b: Tensor) -> Tensor:
    """TensorFlow's `FingerprintCat64`: the fingerprint of a pair, in this order.

    Shape: (N,), (N,) int64 -> (N,) int64.
    """
    k = -4132994306676758123  # 0xc6a4a7935bd1e995
    joined = (a ^ k) ^ (mix(b * k) * k)
    return mix(mix(joined * k) * k)


def cross(parts: list[Tensor]) -> Tensor:
    """The fingerprint of a tuple of values, in this order: with `tensorflow_bucket`, Keras' `HashedCrossing`.

    Args:
        parts: (N,) int64 each: fingerprints, or integers as they are.

    Returns:
        (N,) int64, before the modulo.

    Raises:
        ValueError: if there are no parts.
    """
    if len(parts) == 0:
        raise ValueError("parts must hold at least 1 tensor, however: parts=[]")
    crossed = torch.full_like(parts[0], 0xDECAFCAFFE)  # TensorFlow's default hash_key
    for part in parts:
        crossed = cat(crossed, part)
    return crossed
