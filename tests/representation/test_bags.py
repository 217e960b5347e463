"""Bags of words: the vocabulary of text and sets, hashed runs of words, and pooling without what fills a row up."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.fingerprint import bigquery_bucket, cat, fingerprints
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.bags import Bag, HashedBag, Pooled
from mlp_torch.representation.pretrained import Pretrained
from mlp_torch.representation.sets import Set
from mlp_torch.representation.text import Text
from tests.representation.fitted import AnyColumn, fitted

WORDS = Read("words", "tokens", max_tokens=4)
A, B, C, D = 11, 22, 33, 44


def fit(column: AnyColumn, rows: list[list[int]]) -> AnyColumn:
    return fitted(column, {WORDS.key: torch.tensor(rows)})


def encode(column: Column, *rows: list[int]) -> list[list[int]]:
    codes: list[list[int]] = column.encode({WORDS.key: torch.tensor(rows)}).tolist()
    return codes


def one_hot(codes: int) -> nn.Module:
    rows = Rows(codes, codes)
    rows.table.weight.data = torch.eye(codes)
    return rows


def test_words_have_codes_and_places_without_words_have_none() -> None:
    bag = fit(Bag(WORDS, dim=2), [[A, B, 0, 0], [B, 0, 0, 0]])
    assert encode(bag, [B, A, B, 0], [D, 0, 0, 0]) == [[3, 2, 3, -1], [0, -1, -1, -1]]


def test_a_cell_without_words_has_a_code_of_its_own() -> None:
    assert encode(fit(Bag(WORDS, dim=2), [[A, 0, 0, 0]]), [0, 0, 0, 0]) == [[1, -1, -1, -1]]


def test_a_word_counts_once_a_cell_however_often_it_is_there() -> None:
    rows = [[A, A, A, A], [B, 0, 0, 0], [A, B, 0, 0], [B, 0, 0, 0]]
    assert encode(fit(Bag(WORDS, dim=2, min_count=3), rows), [A, B, 0, 0]) == [[0, 2, -1, -1]]


def test_of_too_many_words_the_most_frequent_are_kept() -> None:
    rows = [[A, B, 0, 0], [B, C, 0, 0], [C, B, 0, 0], [D, 0, 0, 0]]
    bag = fit(Bag(WORDS, dim=2, most=2), rows)
    assert encode(bag, [A, B, C, D]) == [[0, 2, 3, 0]]
    assert bag.codes == 4


def test_rare_words_train_the_row_for_unknown_ones_so_that_nothing_need_be_hidden() -> None:
    rows = [[A, B, 0, 0], [B, 0, 0, 0], [0, 0, 0, 0]]
    layer = fit(Bag(WORDS, dim=2, min_count=2), rows).layer()
    assert isinstance(layer, Pooled)
    assert layer.rows.hide == 0


def test_without_rare_words_the_row_for_unknown_ones_takes_the_place_of_some_others() -> None:
    layer = fit(Bag(WORDS, dim=2, hide=0.2), [[A, B, 0, 0]]).layer()
    assert isinstance(layer, Pooled)
    assert layer.rows.spare.tolist() == [0, 1]
    assert layer.rows.hide == 0.2


def test_a_vocabulary_that_would_be_empty_says_why() -> None:
    with pytest.raises(ValueError, match=r"words:tokens:4 must have a word in training rows, however: all cells are "):
        fit(Bag(WORDS), [[0, 0, 0, 0]])
    with pytest.raises(ValueError, match=r"must be in 3 training rows, however: the most frequent is in 1; a lower"):
        fit(Bag(WORDS, min_count=3), [[A, B, 0, 0]])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_count": 0}, "min_count must be at least 1, however: min_count=0"),
        ({"most": 0}, "most must be at least 1, however: most=0"),
        ({"pool": "max"}, "pool must be mean, sum, sqrtn or attention, however: pool='max'"),
        ({"hide": 1.0}, "hide must be at least 0 and less than 1, however: hide=1.0"),
        ({"dim": 0}, "dim must be at least 1, however: dim=0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Bag(WORDS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("buckets", "ngrams"), [(1, 1), (7, 0), (7, 5)])
def test_impossible_hashing_is_refused(buckets: int, ngrams: int) -> None:
    with pytest.raises(ValueError, match=r"(buckets|ngrams) must be "):
        HashedBag(WORDS, buckets, ngrams=ngrams)


def test_runs_of_words_have_the_bucket_of_their_chained_fingerprints() -> None:
    a, b, c = torch.tensor([A]), torch.tensor([B]), torch.tensor([C])

    def chained(*parts: Tensor) -> int:
        key = torch.tensor([0xDECAFCAFFE])
        for part in parts:
            key = cat(key, part)
        return int(bigquery_bucket(key, 1000))

    found = encode(HashedBag(WORDS, 1000, ngrams=3), [A, B, C, 0])
    assert found == [[A, B, C, -1, chained(a, b), chained(b, c), -1, chained(a, b, c), -1]]
    assert encode(HashedBag(WORDS, 1000, ngrams=3), [0] * 4) == [[1000, -1, -1, -1, -1, -1, -1, -1, -1]]


def test_neighbours_in_another_order_are_another_run() -> None:
    (forward,), (backward,) = (encode(HashedBag(WORDS, 10**6, ngrams=2), row) for row in ([A, B, 0, 0], [B, A, 0, 0]))
    assert sorted(forward[:2]) == sorted(backward[:2])
    assert forward[4] != backward[4]


def test_mean_sum_and_root_are_over_the_words_that_are_there() -> None:
    codes = torch.tensor([[2, 3, 2, -1], [1, -1, -1, -1]])
    mean = Pooled(one_hot(4), 4)(codes)
    assert torch.allclose(mean, torch.tensor([[0, 0, 2 / 3, 1 / 3], [0, 1, 0, 0]]))
    assert Pooled(one_hot(4), 4, "sum")(codes).tolist() == [[0, 0, 2, 1], [0, 1, 0, 0]]
    over_root = Pooled(one_hot(4), 4, "sqrtn")(codes)
    assert torch.allclose(over_root, torch.tensor([[0, 0, 2 / 3**0.5, 1 / 3**0.5], [0, 1, 0, 0]]))


def test_attention_weighs_words_by_the_query_and_those_that_are_not_there_not_at_all() -> None:
    pooled = Pooled(one_hot(4), 4, "attention")
    pooled.query.weight.data = torch.tensor([[0.0, 0.0, 1.0, 3.0]])
    found = pooled(torch.tensor([[2, 3, -1]]))
    share = torch.tensor([1.0, 3.0]).mul(torch.tensor(1.0).tanh()).softmax(dim=0)
    assert torch.allclose(found, torch.tensor([[0, 0, share[0], share[1]]]))
    assert torch.allclose(found, pooled(torch.tensor([[3, 2]])))


def test_words_begin_with_pretrained_vectors_and_are_called_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.vec").write_text("storm 1 2\ncalm 3 4\n")
    known = fingerprints(["storm", "calm", "rain"])
    bag = Bag(WORDS, vectors=Pretrained(tmp_path / "a.vec", freeze=True))
    rows = {WORDS.key: torch.stack([known[0], known[1], known[2], torch.tensor(0)]).unsqueeze(0)}
    words = list(zip(known.tolist(), ["storm", "calm", "rain"], strict=True))
    bag.fit(Sample(rows, torch.zeros(1), lambda read: words if read == WORDS else []))
    bag.resize()
    assert bag.dim == 2
    assert bag.notes() == ["2 of 3 words keep the vector of a.vec"]
    assert sorted(bag.meanings()) == ["(missing)", "(unknown)", "calm", "rain", "storm"]
    both = bag.layer().eval()(bag.encode({WORDS.key: torch.stack([known[0], known[1]]).unsqueeze(0)}))
    assert both.tolist() == [[2, 3]]  # the mean of two frozen vectors


@pytest.mark.parametrize("make", [Text, Set])
def test_texts_and_sets_take_pretrained_vectors(make: Callable[..., Bag]) -> None:
    vectors = Pretrained("a.vec")
    assert make("title", vectors=vectors).vectors is vectors
