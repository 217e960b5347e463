"""Words of a text: by Python's own `re`, by pyfarmhash, and alike in Arrow, Python and TorchScript."""

import re

import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ways_in import (
    assert_alike_in_graph,
    assert_same_bits,
    by_csv,
    by_parquet,
    checked,
    graph,
    in_graph,
    inputs,
    layouts,
    padded,
    refused,
    tensor,
    words,
)

from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.kinds.tokens import tokens_of, word_lists
from mlp_torch.ingest.reads import Read

READ = Read("title", "tokens", max_tokens=5)
TEXT = st.text(st.characters(codec="utf-8"))
LIKELY = st.text(st.sampled_from("aZ09 .'-_\0\n\t\x7f\x80\u0130ßé日😀\ufeff\u2028"))  # what rules of words differ on
CELLS = st.lists(TEXT | LIKELY | st.none(), max_size=8)


def expected(text: str) -> list[str]:
    """By a rule on characters that is written down otherwise."""
    lower = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
    return re.findall("[a-z0-9\u0080-\U0010ffff]+", lower)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" .,-", []),
        ("It's 5°, naïve!", ["it", "s", "5°", "naïve"]),
        ("snake_case-word", ["snake", "case", "word"]),
        ("ÄÖ İstanbul STRASSE", ["ÄÖ", "İstanbul", "strasse"]),  # only ASCII gets small
        ("日本語 text", ["日本語", "text"]),
        ("a\u2028b c", ["a\u2028b", "c"]),  # what is beyond ASCII parts nothing
        ("a\0b\nc\td", ["a", "b", "c", "d"]),
        ("1,234.5e-3", ["1", "234", "5e", "3"]),
    ],
)
def test_words_are_runs_of_ascii_letters_digits_and_all_beyond_ascii(text: str, wanted: list[str]) -> None:
    assert tokens_of(text) == wanted
    assert word_lists(pa.array([text])).to_pylist() == [wanted]
    assert torch.equal(tensor([text], READ), padded([wanted], 5))


@settings(max_examples=200, deadline=None)
@given(CELLS)
def test_any_text_has_the_words_that_python_finds(texts: list[str | None]) -> None:
    wanted = [[] if text is None else expected(text) for text in texts]
    assert [tokens_of(text or "") for text in texts] == wanted
    array = pa.array(texts, pa.string())
    assert word_lists(array).to_pylist() == wanted
    assert torch.equal(tensor(array, READ), padded(wanted, 5))


@settings(max_examples=100, deadline=None)
@given(CELLS.filter(any))
def test_any_text_is_the_same_in_records_eager_and_in_torchscript(texts: list[str | None]) -> None:
    assert_alike_in_graph(texts, READ)


def test_the_lists_of_one_text_are_not_those_of_the_next() -> None:
    """In TorchScript a literal [] within a loop is one list, to which every round adds."""
    found = in_graph(["a b", "c", "", None, "d e f"], READ)[READ.key]
    assert torch.equal(found, padded([["a", "b"], ["c"], [], [], ["d", "e", "f"]], 5))


TEXTS = ["The good film", None, "", "naïve 日本 a b c d", "The good film"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_text_gives_the_same_words(kind: pa.DataType, layout: str) -> None:
    cells = layouts(pa.array(TEXTS, kind))[layout]
    assert torch.equal(tensor(cells, READ), padded([expected(text or "") for text in TEXTS], 5))
    assert sorted(words(cells, READ).values()) == sorted({word for text in TEXTS for word in expected(text or "")})


def test_files_frames_and_records_give_the_same_words() -> None:
    wanted = inputs(TEXTS, READ)
    assert_same_bits(by_csv(TEXTS, READ), wanted)
    assert_same_bits(by_parquet(TEXTS, READ), wanted)
    assert_same_bits(inputs(table_of(pd.DataFrame({"title": TEXTS}))["title"], READ), wanted)


def test_without_rows_there_are_no_words() -> None:
    for kind in (pa.string(), pa.string_view(), pa.null()):
        assert tensor(pa.array([], kind), READ).shape == (0, 5)
        assert words(pa.array([], kind), READ) == {}
    assert in_graph([None], READ)[READ.key].tolist() == [[0] * 5]


def test_words_beyond_the_first_are_left_out_and_counted() -> None:
    found = checked(["a b c d e f", "a b c d e", "g " * 9], READ)
    assert found.counts["changed"] == {"title: more than 5 words, of which the first are read": 2}


def test_a_text_of_64_kb_is_read_and_one_of_a_byte_more_is_refused() -> None:
    longest = "ab " * 21845 + "c"  # 65,536 bytes
    assert torch.equal(tensor([longest], READ), padded([["ab"] * 5], 5))
    assert_alike_in_graph([longest], READ)
    problem = refused([longest, longest + "d"], READ)
    assert (problem.code, problem.bad, problem.total, problem.rows) == ("cell_too_large", 1, 2, (1,))
    assert "at most 65,536 bytes, however: 65,537" in str(problem)
    assert problem.key == "data.source.max_cell_bytes"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ([5], "wrong_type"),
        ([True], "wrong_type"),
        ([b"text"], "wrong_type"),
        ([["text"]], "nested_value"),
        ([{"a": 1}], "nested_value"),
        (["\ud800"], "invalid_unicode"),
    ],
)
def test_what_is_no_text_is_refused_with_what_a_cell_must_be(cells: list[object], code: str) -> None:
    problem = refused([*cells, "good"], READ)
    assert (problem.code, problem.bad, problem.total, problem.rows) == (code, 1, 2, (0,))
    assert "text must be UTF-8" in str(problem) if code == "invalid_unicode" else "must be text" in str(problem)


def test_bytes_that_are_no_utf8_are_refused_beside_good_text() -> None:
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 3)))
    torn = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffok")])
    problem = refused(torn, READ)
    assert (problem.code, problem.bad, problem.rows) == ("invalid_unicode", 1, (0,))


def test_policies_say_what_becomes_of_missing_texts() -> None:
    cells = ["a", None, "NA"]
    assert checked(cells, READ, na_values=["NA"]).counts["missing"] == {"title": 2}
    assert checked(cells, READ, na_values=["NA"], missing="drop").counts["dropped"] == {"title: missing_value": 2}
    problem = refused(cells, READ, na_values=["NA"], missing="error")
    assert (problem.code, problem.bad, problem.key) == ("missing_value", 2, "data.fields.title.missing")
    assert in_graph(["NA", "b"], READ, na_values=("NA",))[READ.key].count_nonzero() == 1
    with pytest.raises(Exception, match='field "title" must not be missing, however: 1 of 2 rows'):
        in_graph(["NA", "b"], READ, na_values=("NA",), missing="error")


def test_an_empty_text_is_not_missing() -> None:
    assert checked(["", " "], READ, missing="error").counts["missing"] == {}
    assert in_graph(["", " "], READ, missing="error")[READ.key].count_nonzero() == 0


def test_a_column_without_any_text_is_no_training_column() -> None:
    problem = refused([None, None], READ, training=True)
    assert (problem.code, problem.bad, problem.total) == ("all_missing", 2, 2)


def test_strings_that_a_host_forgets_are_asked_for_by_name() -> None:
    with pytest.raises(Exception, match='field "title" must be given in `strings`'):
        graph(READ)({}, {})
