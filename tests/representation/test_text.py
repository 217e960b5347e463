"""Text: what its columns read, and figures about it."""

import torch

from mlp_torch.column import Sample
from mlp_torch.representation.text import HashedText, Text, TextStatistics


def test_text_is_read_as_tokens_of_a_given_number() -> None:
    for column in (Text("review", max_tokens=5), HashedText("review", 9, max_tokens=5)):
        assert list(column.reads.values()) == [("review", "tokens", 5, (), "")]


def test_by_default_a_word_of_one_text_alone_is_unknown() -> None:
    text = Text("review", max_tokens=2)
    rows = {text.key: torch.tensor([[7, 9], [7, 0]])}
    text.fit(Sample(rows, torch.zeros(2), lambda read: []))
    text.resize()
    assert text.encode(rows).tolist() == [[2, 0], [2, -1]]


def test_statistics_are_standardized_and_a_missing_text_is_told() -> None:
    column = TextStatistics("review")
    x = torch.tensor([[1.0], [3.0], [torch.nan]], dtype=torch.float64).repeat(1, 8)
    column.fit(Sample({column.key: x}, torch.zeros(3), lambda read: []))
    column.resize()
    assert column.encode({column.key: x}).tolist() == [[-1.0] * 8 + [0], [1.0] * 8 + [0], [0.0] * 8 + [1]]
