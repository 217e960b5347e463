"""Fingerprints against Google's C++ (pyfarmhash), published values of BigQuery, TensorFlow and Keras."""

import doctest
import random
from concurrent.futures import ThreadPoolExecutor

import farmhash as google
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mlp_torch.errors import DataError
from mlp_torch.ingest import fingerprint
from mlp_torch.ingest.fingerprint import (
    arrow_fingerprints,
    bigquery_bucket,
    cat,
    cross,
    distinct,
    fingerprints,
    scripted_fingerprints,
    tensorflow_bucket,
)
from mlp_torch.script import script

ODD = ["", "\0", "a\0b", "\0" * 9, " ", "naïve", "nai\u0308ve", "日本", "😀", "\U0010ffff", "x" * 1000, "NaN", "None"]
ZERO = 'VmBgVSnmWeihCcqA#V`<zj;p=psd"uAs'  # found by inverting the hash of 32 bytes
K = 0xC6A4A7935BD1E995


class Strings(nn.Module):
    def forward(self, strings: list[str | None]) -> Tensor:
        return scripted_fingerprints(strings)


class BigQuery(nn.Module):
    def __init__(self, buckets: int):
        super().__init__()
        self.buckets = buckets

    def forward(self, x: Tensor) -> Tensor:
        return bigquery_bucket(x, self.buckets)


class TensorFlow(nn.Module):
    def __init__(self, buckets: int):
        super().__init__()
        self.buckets = buckets

    def forward(self, x: Tensor) -> Tensor:
        return tensorflow_bucket(x, self.buckets)


class Cross(nn.Module):
    def forward(self, parts: list[Tensor]) -> Tensor:
        return cross(parts)


class Pair(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cat(a, b)


@pytest.fixture(scope="module")
def scripted() -> torch.jit.ScriptModule:
    return script(Strings())


@pytest.fixture(autouse=True)
def empty_memo(monkeypatch: pytest.MonkeyPatch) -> dict:
    memo: dict = {}
    monkeypatch.setattr(fingerprint, "_memo", memo)
    return memo


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and bytes of each call of the hash."""
    calls: list[tuple[int, int]] = []
    original = fingerprint.fingerprint_flat

    def recorded(data: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        calls.append((len(starts), len(data)))
        return original(data, starts, lengths)

    monkeypatch.setattr(fingerprint, "fingerprint_flat", recorded)
    return calls


def signed(values: list[int]) -> list[int]:
    return [value - 2**64 if value >= 2**63 else value for value in values]


def by_google(strings: list[str | None]) -> Tensor:
    return torch.tensor(signed([0 if s is None else google.fingerprint64(s.encode()) for s in strings]))


def texts(n: int, longest: int) -> list[str]:
    """Random strings of every length in bytes from 0 to the longest; characters of one to four bytes, all planes."""
    rng = random.Random(0)
    planes = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    pool = "".join(chr(rng.randint(*rng.choice(planes))) for _ in range(200_000)).encode()
    found = []
    for i in range(n):
        start = rng.randrange(len(pool) - longest)
        length = i % (longest + 1)
        text = pool[start : start + length].decode(errors="ignore")  # leaves out a character that is cut
        found.append(text + chr(rng.randrange(128)) * (length - len(text.encode())))
    return found


def pieces(strings: list, size: int) -> list[list]:
    return [strings[i : i + size] for i in range(0, len(strings), size)]


def test_the_data_sheet_runs():
    assert doctest.testmod(fingerprint).attempted > 0
    assert doctest.testmod(fingerprint).failed == 0


# Every way to a fingerprint


def test_a_hundred_thousand_strings_agree_with_google_by_every_way(scripted):
    strings = texts(110_000, 300)
    assert {len(s.encode()) for s in strings} == set(range(301))
    assert {len(c.encode()) for s in strings[-301:] for c in s} == {1, 2, 3, 4}
    truth = by_google(strings)
    large = fingerprints(strings)
    assert torch.equal(large, truth)
    assert torch.equal(arrow_fingerprints(pa.array(strings)), truth)
    assert torch.equal(torch.cat([scripted(piece) for piece in pieces(strings, 5000)]), truth)
    assert torch.equal(torch.cat([fingerprints(piece) for piece in pieces(strings[:20_000], 300)]), truth[:20_000])
    # the comparison can fail: one more byte changes every string
    assert not (fingerprints([s + "\0" for s in strings[:1000]]) == truth[:1000]).any()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | st.text(), max_size=20))
def test_any_text_agrees_with_google_by_every_way(strings):
    module = _scripted_once()
    truth = by_google(strings)
    assert torch.equal(fingerprints(strings), truth)
    assert torch.equal(arrow_fingerprints(pa.array(strings, pa.string())), truth)
    assert torch.equal(module(strings), truth)


def _scripted_once(cache: list = []) -> torch.jit.ScriptModule:  # noqa: B006 (one module for all examples)
    if not cache:
        cache.append(script(Strings()))
    return cache[0]


@pytest.mark.parametrize(
    ("strings", "published"),
    [
        # BigQuery, reference of FARM_FINGERPRINT
        (["1footrue", "2applefalse", "3true"], [-1541654101129638711, 2794438866806483259, -4880158226897771312]),
        # TensorFlow, fingerprint_test.cc, "IsForeverFrozen"
        (["Hello", "World"], signed([15404698994557526151, 18308117990299812472])),
        # TensorFlow, string_to_hash_bucket_op_test.py
        (["a", "b", "c"], signed([12917804110809363939, 11795596070477164822, 11430444447143000872])),
        (["d"], [4470636696479570465]),
    ],
)
def test_published_fingerprints(scripted, strings, published):
    assert fingerprints(strings).tolist() == published
    assert scripted(strings).tolist() == published
    assert fingerprints([s.lower() + " " for s in strings]).tolist() != published


def test_a_saved_and_frozen_module_gives_the_same(scripted, tmp_path):
    torch.jit.save(torch.jit.freeze(scripted), tmp_path / "strings.pt")
    loaded = torch.jit.load(tmp_path / "strings.pt")
    with torch.inference_mode():
        for strings in ([*ODD, None], [*ODD, None, "x" * 17], [None], []):
            assert torch.equal(loaded(strings), by_google(strings).long())


def test_odd_strings_agree_with_google_and_differ_from_each_other(scripted):
    for found in (fingerprints(ODD), fingerprints(ODD * 100)[: len(ODD)], scripted(ODD), scripted_fingerprints(ODD)):
        assert torch.equal(found, by_google(ODD))
        assert found.unique().numel() == len(ODD)


def test_missing_is_zero_and_the_empty_string_is_not(scripted):
    truth = [0, google.fingerprint64(b"") - 2**64, 0]
    for strings in (["", None], [None, "", None]):
        for found in (fingerprints(strings), arrow_fingerprints(pa.array(strings)), scripted(strings)):
            assert found.tolist() == [truth[0] if s is None else truth[1] for s in strings]


def test_no_strings_give_no_fingerprints(scripted):
    chunkless = pa.chunked_array([], pa.string())
    empty = [
        fingerprints([]),
        arrow_fingerprints(pa.array([], pa.string())),
        arrow_fingerprints(chunkless),
        scripted([]),
    ]
    for found in [*empty, distinct(chunkless)[0]]:
        assert found.shape == (0,)
        assert found.dtype == torch.int64


def test_all_missing_and_all_empty_columns_work(scripted):
    for column in ([None, None], ["", ""], [None] * 1000, [""] * 1000):
        truth = by_google(column)
        assert torch.equal(fingerprints(column), truth)
        assert torch.equal(arrow_fingerprints(pa.array(column, pa.string())), truth)
        assert torch.equal(scripted(column), truth)
    assert arrow_fingerprints(pa.nulls(2)).tolist() == [0, 0]


def test_a_very_long_string_agrees_with_google(scripted):
    strings = ["é" * 32_768, "x", "ab" * 32_767 + "\0", None]  # 64 KiB, the largest cell
    assert torch.equal(fingerprints(strings), by_google(strings))
    assert torch.equal(scripted(strings), by_google(strings))


# Bad strings


@pytest.mark.parametrize("n", [3, 3000])
def test_a_lone_surrogate_is_named_with_field_rows_and_count(n):
    strings = ["fine", "bad \ud800", None, "\udfff"][:3] + ["fine"] * (n - 4) + ["\udfff"] * (n > 3)
    with pytest.raises(DataError) as caught:
        fingerprints(strings, field="city")
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.total) == ("invalid_unicode", ("city",), len(strings))
    assert problem.rows == tuple(i for i, s in enumerate(strings) if s and not s.isprintable())
    assert problem.bad == len(problem.rows)
    assert str(problem).encode()  # the message itself can be written


def test_torchscript_takes_no_lone_surrogate(scripted):
    with pytest.raises(RuntimeError, match="strings"):
        scripted(["\ud800"])


def test_arrow_bytes_that_are_no_utf8_are_refused():
    for n in (1, 1000):
        ends = pa.py_buffer(np.arange(n + 1, dtype=np.int32))
        bad = pa.StringArray.from_buffers(n, ends, pa.py_buffer(bytes(n - 1) + b"\xff"))
        for attempt in (arrow_fingerprints, distinct):
            with pytest.raises(DataError, match='invalid_unicode: column "city"'):
                attempt(bad, field="city")


def test_a_string_with_fingerprint_zero_is_refused_as_it_would_count_as_missing(scripted):
    assert google.fingerprint64(ZERO) == 0
    attempts = [
        fingerprints,
        lambda s: fingerprints(s * 1000),
        lambda s: fingerprints(s + MANY),
        lambda s: arrow_fingerprints(pa.array(s)),
    ]
    for attempt in attempts:
        with pytest.raises(DataError, match="zero_fingerprint: a string has fingerprint 0") as caught:
            attempt(["fine", None, ZERO])
        assert caught.value.problems[0].examples == (ZERO,)
    with pytest.raises(torch.jit.Error, match="fingerprint 0"):
        scripted(["fine", None, ZERO])


def test_arrays_of_other_types_are_refused():
    for array in (pa.array([5, 6]), pa.array([b"a"]), pa.array([5, 5]).dictionary_encode()):
        for attempt in (arrow_fingerprints, distinct):
            with pytest.raises(TypeError, match=r"fingerprints are of strings, however: type=(int64|binary)"):
                attempt(array)


# Arrow


WORDS = ["JFK", None, "", "日本", "JFK", "x" * 70, None, "LGA", ""]
MANY = [None if i % 50 == 3 else f"{i} {'é' * (i % 50)}" for i in range(2000)]  # distinct


def nested_dictionary() -> pa.DictionaryArray:
    """A dictionary that holds a null, a word twice, and a word that no row has."""
    words = pa.array(["JFK", None, "", "JFK", "unused", "日本"])
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 5]), words)


@pytest.mark.parametrize(
    "array",
    [
        pa.array(WORDS),
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS)[2:7],
        pa.array(WORDS).dictionary_encode(),
        pa.array(WORDS).dictionary_encode()[3:],
        pa.chunked_array([WORDS[:4], [], WORDS[4:]], pa.string()),
        pa.chunked_array([pa.array(WORDS[:4]).dictionary_encode(), pa.array(WORDS[4:]).dictionary_encode()]),
        pa.array(WORDS, pa.string_view()).dictionary_encode(),
        pa.chunked_array([WORDS[:4], WORDS[4:]], pa.string_view()),
        nested_dictionary(),
        nested_dictionary()[1:4],
        pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.uint8()), pa.array(["no", "a", "b"])[1:]),
        pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["no", "a", "bc"], pa.large_string())[1:]),
    ],
    ids=lambda array: f"{type(array).__name__} {array.type} {len(array)}",
)
def test_every_form_of_an_arrow_array_gives_the_same(array):
    strings = array.to_pylist()
    assert torch.equal(arrow_fingerprints(array), by_google(strings))
    found, words = distinct(array)
    assert sorted(words.to_pylist()) == sorted({s for s in strings if s is not None})
    assert torch.equal(found, by_google(words.to_pylist()))


@pytest.mark.parametrize(
    "array",
    [
        pa.array(MANY),
        pa.array(MANY, pa.large_string()),
        pa.array(MANY, pa.string_view()),
        pa.array(MANY)[5:1990],
        pa.array(MANY).dictionary_encode(),
        pa.chunked_array([MANY[:4], [], MANY[4:1500], MANY[1500:]], pa.string()),
        pa.chunked_array([pa.array(MANY)[7:1000], pa.array(MANY)[3:5], pa.array(MANY)[1000:]]),
    ],
    ids=lambda array: f"{type(array).__name__} {array.type} {len(array)}",
)
def test_every_form_of_many_distinct_words_gives_the_same(array, hashed):
    assert torch.equal(arrow_fingerprints(array), by_google(array.to_pylist()))
    if not pa.types.is_dictionary(array.type):  # as they come, nulls included
        assert sum(rows for rows, _ in hashed) == len(array)


def test_what_lies_below_a_null_does_not_matter():
    words = MANY + [ZERO] * 5
    plain = pa.array([word or ZERO for word in words], pa.large_string())
    valid = pa.array([word is not None and word != ZERO for word in words])
    _, ends, data = plain.buffers()
    masked = pa.LargeStringArray.from_buffers(len(words), ends, data, valid.buffers()[1])
    assert masked.null_count == MANY.count(None) + 5
    assert torch.equal(arrow_fingerprints(masked), by_google(masked.to_pylist()))


def test_distinct_words_of_some_rows_tell_nothing_of_other_rows():
    table = pa.array(["train", "train", "test"]).dictionary_encode()
    assert distinct(table[:2])[1].to_pylist() == ["train"]
    assert distinct(table)[1].to_pylist() == ["train", "test"]


def test_the_array_is_left_as_it_was():
    array = pa.array(WORDS)
    arrow_fingerprints(array)
    distinct(array)
    assert array.to_pylist() == WORDS


# Costs: what is hashed, and how often


def test_words_that_repeat_are_hashed_once(hashed):
    found = fingerprints(["JFK", "LGA", None] * 10_000)
    assert sum(rows for rows, _ in hashed) <= 3  # a null may take a row
    assert torch.equal(found[:3], by_google(["JFK", "LGA", None]))


def test_words_that_hardly_repeat_are_hashed_as_they_come(hashed):
    strings = [f"{i:08d}" for i in range(40_000)] + ["00000000"] * 2
    assert torch.equal(fingerprints(strings), by_google(strings))
    assert hashed == [(40_002, 8 * 40_002)]


def test_a_slice_costs_its_own_bytes(hashed):
    array = pa.array([f"{i:08d}" for i in range(40_000)])
    assert torch.equal(arrow_fingerprints(array[300:1300]), by_google(array[300:1300].to_pylist()))
    assert hashed == [(1000, 8000)]


def test_a_long_string_among_many_agrees_with_google():
    strings = [f"{i:08d}" for i in range(40_000)]
    strings[7] = "y" * 65_536
    assert torch.equal(fingerprints(strings), by_google(strings))


def test_small_calls_go_through_the_memo_and_large_ones_past_it(empty_memo):
    empty_memo["JFK"] = 5
    assert fingerprints(["JFK", "LGA"])[0].item() == 5
    assert arrow_fingerprints(pa.array(["JFK", "LGA"]))[0].item() == 5
    many = ["JFK", *map(str, range(fingerprint.SMALL))]  # distinct words are what counts
    assert fingerprints(many)[0].item() == by_google(["JFK"]).item()


def test_the_memo_hashes_a_word_once(hashed):
    for _ in range(3):
        assert torch.equal(fingerprints(["JFK", None, "LGA", "JFK"]), by_google(["JFK", None, "LGA", "JFK"]))
    assert hashed == [(2, 6)]
    fingerprints(["LGA", "EWR"])
    assert hashed == [(2, 6), (1, 3)]


def test_the_memo_is_bounded_and_keeps_no_long_word(empty_memo, monkeypatch):
    monkeypatch.setattr(fingerprint, "MEMO_WORDS", 100)
    for i in range(0, 5000, 50):
        words = [f"word {j}" for j in range(i, i + 50)]
        assert torch.equal(fingerprints(words), by_google(words))
        assert 50 <= len(empty_memo) <= 150
    fingerprints(["y" * 129, "z" * 128])
    assert "y" * 129 not in empty_memo
    assert "z" * 128 in empty_memo


def test_a_string_that_is_refused_is_refused_again(empty_memo):
    for bad in (ZERO, "\ud800"):
        for _ in range(2):
            with pytest.raises(DataError):
                fingerprints(["fine", bad])
    assert empty_memo == {}


def test_threads_may_share_the_memo(monkeypatch):
    monkeypatch.setattr(fingerprint, "MEMO_WORDS", 20)  # emptied all the time
    calls = [[f"word {(i * 7 + j) % 60}" for j in range(10)] for i in range(400)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(fingerprints, calls))
    for words, found in zip(calls, answers, strict=True):
        assert torch.equal(found, by_google(words))


# Buckets


EDGES = [-(2**63), -(2**63) + 1, -(2**62), -1001, -1000, -1, 0, 1, 999, 1000, 2**62, 2**63 - 1]
SIZES = [1, 2, 3, 10, 1000, 2**31, 2**53 + 1, 2**61 + 3, 2**62 - 1, 2**62]


def any_fingerprints() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.cat([torch.tensor(EDGES), torch.randint(-(2**63), 2**63 - 1, (1000,), generator=generator)])


@pytest.mark.parametrize("buckets", SIZES)
def test_buckets_agree_with_python_integers(buckets):
    x = any_fingerprints()
    unsigned = [value % 2**64 % buckets for value in x.tolist()]
    truncated = [abs(value) % buckets for value in x.tolist()]
    assert tensorflow_bucket(x, buckets).tolist() == unsigned
    assert bigquery_bucket(x, buckets).tolist() == truncated
    assert script(TensorFlow(buckets))(x).tolist() == unsigned
    assert script(BigQuery(buckets))(x).tolist() == truncated
    # the two conventions differ, and so does torch's own remainder
    if buckets > 2 and buckets.bit_count() > 1:  # by a power of two all but the signed remainder agree
        assert unsigned != truncated
        assert (x % buckets).abs().tolist() not in (unsigned, truncated)


def test_bigquery_buckets_go_up_to_the_largest_integer():
    x = any_fingerprints()
    assert bigquery_bucket(x, 2**63 - 1).tolist() == [abs(value) % (2**63 - 1) for value in x.tolist()]


def test_published_buckets():
    pvd = fingerprints(["PVD"])
    assert (bigquery_bucket(pvd, 1000).item(), tensorflow_bucket(pvd, 1000).item()) == (667, 949)
    # TensorFlow, string_to_hash_bucket_op_test.py
    assert tensorflow_bucket(fingerprints(["a", "b", "c", "d"]), 10).tolist() == [9, 2, 2, 5]
    assert tensorflow_bucket(fingerprints(["a", "b", "c", "d"]), 1).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("buckets", [0, -1, 2**62 + 1, 2**63 - 1])
def test_tensorflow_buckets_beyond_the_exact_range_are_refused(buckets):
    message = rf"buckets must be from 1 to 2\*\*62, however: buckets={buckets}"
    with pytest.raises(ValueError, match=message):
        tensorflow_bucket(torch.zeros(1, dtype=torch.int64), buckets)
    with pytest.raises(torch.jit.Error, match=message):
        script(TensorFlow(buckets))(torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("buckets", [0, -1])
def test_bigquery_buckets_must_be_positive(buckets):
    message = f"buckets must be at least 1, however: buckets={buckets}"
    with pytest.raises(ValueError, match=message):
        bigquery_bucket(torch.zeros(1, dtype=torch.int64), buckets)
    with pytest.raises(torch.jit.Error, match=message):
        script(BigQuery(buckets))(torch.zeros(1, dtype=torch.int64))


# Crosses


def python_cat(a: int, b: int) -> int:
    def mix(v: int) -> int:
        return v ^ (v >> 47)

    r = a ^ K
    r ^= mix(b * K % 2**64) * K % 2**64
    r = r * K % 2**64
    r = mix(r) * K % 2**64
    return mix(r)


def python_cross(parts: tuple[int, ...]) -> int:
    key = 0xDECAFCAFFE
    for part in parts:
        key = python_cat(key, part % 2**64)
    return key


def test_cat_gives_tensorflows_frozen_values():
    hello, world = fingerprints(["Hello"]), fingerprints(["World"])
    assert cat(hello, world).tolist() == signed([16877292868973613377])  # fingerprint_test.cc, "IsForeverFrozen"
    assert cat(world, hello).tolist() == [7158413233176775252]
    assert script(Pair())(hello, world).tolist() == signed([16877292868973613377])


def test_a_cross_with_integers_gives_kerass_hashed_crossing():
    letters = fingerprints(["A", "B", "A", "B", "A"])
    numbers = torch.tensor([101, 101, 101, 102, 102])
    crossed = cross([letters, numbers])
    assert tensorflow_bucket(crossed, 5).tolist() == [1, 4, 1, 1, 3]  # keras, hashed_crossing_test.py
    assert tensorflow_bucket(crossed, 10)[0].item() == 1
    assert bigquery_bucket(crossed, 5).tolist() != [1, 4, 1, 1, 3]
    assert tensorflow_bucket(cross([numbers, letters]), 5).tolist() != [1, 4, 1, 1, 3]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_crosses_agree_with_python_integers(n):
    x = any_fingerprints()
    parts = [x.roll(17 * i) for i in range(n)]
    truth = signed([python_cross(values) for values in zip(*(part.tolist() for part in parts), strict=True)])
    assert cross(parts).tolist() == truth
    assert script(Cross())(parts).tolist() == truth
    assert cross([parts[0] ^ 1, *parts[1:]]).tolist() != truth


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4))
def test_a_cross_of_any_integers_agrees_with_python_integers(values):
    assert cross([torch.tensor([value]) for value in values]).tolist() == signed([python_cross(tuple(values))])


def test_order_and_borders_of_the_parts_matter():
    def crossed(*words: str) -> int:
        return int(cross([fingerprints([word]) for word in words]).item())

    assert crossed("ab", "c") == crossed("ab", "c")
    different = [("ab", "c"), ("c", "ab"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc",), ("ab", "c", "")]
    assert len({crossed(*words) for words in different}) == len(different)


def test_a_nested_cross_is_a_cross_of_the_value_before_the_modulo():
    a, b, c = (fingerprints([word]) for word in "abc")
    nested = cross([cross([a, b]), c])
    assert nested.item() % 2**64 == python_cross((python_cross((a.item(), b.item())), c.item()))
    assert not torch.equal(nested, cross([a, b, c]))


def test_a_cross_of_no_rows_has_no_rows_and_one_of_no_parts_is_refused():
    none = torch.zeros(0, dtype=torch.int64)
    assert cross([none, none]).shape == (0,)
    with pytest.raises(ValueError, match="parts must hold at least 1 tensor, however: parts="):
        cross([])


def test_parts_are_left_as_they_were():
    x = any_fingerprints()
    copy = x.clone()
    cross([x, x])
    tensorflow_bucket(x, 10)
    bigquery_bucket(x, 10)
    assert torch.equal(x, copy)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (BigQuery(1000), lambda x: (x,)),
        (TensorFlow(1000), lambda x: (x,)),
        (Cross(), lambda x: ([x, x.flip(0)],)),
        (Pair(), lambda x: (x, x.flip(0))),
    ],
)
def test_buckets_and_crosses_export_for_any_batch(module, inputs):
    x = any_fingerprints()
    rows = torch.export.Dim("rows")
    example = inputs(x)
    shapes = [[{0: rows}] * 2] if isinstance(module, Cross) else [{0: rows}] * len(example)
    exported = torch.export.export(module, example, dynamic_shapes=tuple(shapes)).module()
    for some in (x, x[:1], x[5:300]):
        assert torch.equal(exported(*inputs(some)), module(*inputs(some)))
    assert not torch.equal(exported(*inputs(x)), exported(*inputs(x ^ 12345)))
