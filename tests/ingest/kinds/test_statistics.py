"""Figures about a text, by Python's own methods of str, and alike in Arrow, Python and TorchScript."""

import re

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ways_in import assert_alike_in_graph, assert_same_bits, by_csv, by_parquet, checked, inputs, layouts, tensor

from mlp_torch.ingest.kinds.statistics import STATISTICS
from mlp_torch.ingest.reads import Read

READ = Read("title", "statistics")
LIKELY = st.text(st.sampled_from("aZ09 .!?-\0\n\x7f\x80Éßé日😀٣\u0301"))
CELLS = st.lists(st.text(st.characters(codec="utf-8")) | LIKELY | st.none(), max_size=8)


def expected(text: str | None) -> list[float]:
    """By methods of str."""
    if text is None:
        return [np.nan] * 8
    found = re.findall("[a-zA-Z0-9\u0080-\U0010ffff]+", text)
    return [
        len(text),
        len(found),
        len("".join(found)) / max(len(found), 1),
        sum(c.isascii() and c.isupper() for c in text),
        sum(c.isascii() and c.isdigit() for c in text),
        text.count("!"),
        text.count("?"),
        text.endswith("?"),
    ]


def wanted(texts: list[str | None]) -> dict[str, torch.Tensor]:
    rows = [expected(text) for text in texts]
    return {READ.key: torch.tensor(rows, dtype=torch.float64).reshape(-1, len(STATISTICS))}


@settings(max_examples=200, deadline=None)
@given(CELLS)
def test_any_text_has_the_statistics_that_python_counts(texts: list[str | None]) -> None:
    assert_same_bits(inputs(pa.array(texts, pa.string()), READ), wanted(texts))


@settings(max_examples=100, deadline=None)
@given(CELLS.filter(any))
def test_any_text_is_the_same_in_records_eager_and_in_torchscript(texts: list[str | None]) -> None:
    assert_same_bits(assert_alike_in_graph(texts, READ), wanted(texts))


def test_a_text_by_hand() -> None:
    found = dict(zip(STATISTICS, tensor(["Is it 5°, or 6? No!?"], READ)[0].tolist(), strict=True))
    assert found == {
        "characters": 20,
        "words": 6,
        "characters_a_word": pytest.approx(11 / 6),
        "capitals": 2,
        "digits": 2,
        "exclamations": 1,
        "questions": 2,
        "ends_with_question": 1,
    }


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_text_gives_the_same_figures(kind: pa.DataType, layout: str) -> None:
    texts = ["The good film!", None, "", "naïve 日本?", "The good film!"]
    assert_same_bits(inputs(layouts(pa.array(texts, kind))[layout], READ), wanted(texts))


def test_files_give_the_same_figures() -> None:
    texts = ["Is it?", None, "", 'a "b", c\n']
    assert_same_bits(by_csv(texts, READ), wanted(texts))
    assert_same_bits(by_parquet(texts, READ), wanted(texts))


def test_a_missing_text_has_none_and_an_empty_one_has_zeros() -> None:
    found = tensor([None, ""], READ)
    assert found[0].isnan().all()
    assert found[1].tolist() == [0] * 8
    assert tensor(pa.array([], pa.string()), READ).shape == (0, 8)
    assert checked([None, "", "NA"], READ, na_values=["NA"]).counts["missing"] == {"title": 2}
