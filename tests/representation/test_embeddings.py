"""Embeddings: a vocabulary of fingerprints, and the rows for what it does not hold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Encoder
from mlp_torch.representation.embeddings import Embedding, Lookup, default_dim
from mlp_torch.script import script
from tests.representation.fitted import fitted


def inputs(words: list[str | None]) -> dict[str, Tensor]:
    return {"x:string": fingerprints(words)}


def raw(*values: int) -> dict[str, Tensor]:
    return {"x:string": torch.tensor(values, dtype=torch.int64)}


def fit(column: Embedding, rows: dict[str, Tensor]) -> Embedding:
    return fitted(column, rows)


def test_an_unseen_category_gets_code_zero_and_a_missing_one_code_one() -> None:
    column = fit(Embedding("x"), inputs(["Oslo", "日本", "", "Oslo"]))
    assert column.encode(inputs(["unseen", None, "oslo", "Oslo "])).tolist() == [0, 1, 0, 0]
    assert sorted(column.encode(inputs(["Oslo", "日本", ""])).tolist()) == [2, 3, 4]
    assert column.unknown == 0


def test_a_category_has_one_code_wherever_it_stands() -> None:
    column = fit(Embedding("x"), inputs(["a", "b", "c"]))
    first, second, _, third = column.encode(inputs(["a", "b", "unseen", "a"])).tolist()
    assert first == third != second


def test_a_vocabulary_of_one_word_works() -> None:
    column = fit(Embedding("x"), inputs(["only", None]))
    assert column.encode(inputs(["only", "other", None])).tolist() == [2, 0, 1]
    assert column.codes == 3


@pytest.mark.parametrize("known", [(-5, 7, 90), (-(2**63), -1, 2**63 - 1), (7,)])
def test_fingerprints_beyond_both_ends_of_the_vocabulary_are_unseen(known: tuple[int, ...]) -> None:
    column = fit(Embedding("x"), raw(*known))
    assert column.encode(raw(*known)).tolist() == [2 + i for i in range(len(known))]
    beyond = {known[0] - 1, known[0] + 1, known[-1] - 1, known[-1] + 1, -(2**63), 2**63 - 1} - set(known)
    inside = [x for x in beyond if -(2**63) <= x < 2**63 and x != 0]
    assert column.encode(raw(*inside)).tolist() == [0] * len(inside)


any_integer = st.integers(-(2**63), 2**63 - 1)
crowded = st.one_of(
    any_integer, st.integers(-20, 20), st.integers(2**63 - 20, 2**63 - 1), st.integers(-(2**63), 20 - 2**63)
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(crowded, st.integers(1, 1000), min_size=1, max_size=50), st.lists(crowded, max_size=20))
def test_a_look_up_agrees_with_a_dict_on_any_integers(table: dict[int, int], others: list[int]) -> None:
    lookup = Lookup(torch.tensor(list(table)), torch.tensor(list(table.values())))  # in any order
    beside = [x for known in table for x in (known - 1, known + 1) if -(2**63) <= x < 2**63]
    asked = [*table, *others, *beside]
    assert lookup(torch.tensor(asked)).tolist() == [table.get(x, 0) for x in asked]


@pytest.mark.parametrize("n", [1, 2, 300, 5000, 100_000])
def test_a_large_vocabulary_is_searched_in_few_steps_and_a_crowded_one_in_more(n: int) -> None:
    draw = torch.Generator().manual_seed(n)
    uniform = torch.randint(-(2**63), 2**63 - 1, (n,), generator=draw)
    for known, most in ((uniform, 3), (torch.arange(n) - 7, n.bit_length())):
        lookup = Lookup(known, torch.arange(n) + 1)
        asked = torch.cat([known, uniform ^ 1, torch.tensor([-(2**63), 2**63 - 1])])
        table = {x: i + 1 for i, x in enumerate(known.tolist())}
        assert lookup(asked).tolist() == [table.get(x, 0) for x in asked.tolist()]
        assert torch.equal(script(lookup)(asked), lookup(asked))
        assert len(lookup.steps) <= most
        assert len(lookup.known) <= 8 * n + 5000
        assert not lookup.state_dict()  # it follows from what is stored


def test_canonically_equal_words_of_other_bytes_differ() -> None:
    column = fit(Embedding("x"), inputs(["na\u00efve"]))
    assert column.encode(inputs(["na\u00efve", "nai\u0308ve"])).tolist() == [2, 0]


def test_the_table_has_a_row_for_each_word_and_two_more() -> None:
    column = fit(Embedding("x", dim=5), inputs(["a", "b", "c", None]))
    assert column.codes == 5
    assert column.layer().table.weight.shape == (5, 5)


@pytest.mark.parametrize(("codes", "dim"), [(1, 2), (4, 3), (100, 16), (10_000, 160)])
def test_the_width_is_the_books_rule_of_thumb(codes: int, dim: int) -> None:
    assert default_dim(codes) == dim  # 1.6 · √codes, by hand


def test_a_width_that_is_asked_for_is_given() -> None:
    words = [f"w{i}" for i in range(98)]
    assert fit(Embedding("x"), inputs(words)).dim == 16
    assert fit(Embedding("x", dim=3), inputs(words)).dim == 3


def test_where_every_cell_is_missing_nothing_can_be_learned() -> None:
    with pytest.raises(ValueError, match="x:string must have a value in training rows, however: all are missing"):
        fit(Embedding("x"), inputs([None, None]))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="dim must be at least 1, however: dim=0"):
        Embedding("x", dim=0)
    with pytest.raises(ValueError, match="min_count must be at least 1, however: min_count=0"):
        Embedding("x", min_count=0)
    for hide in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"hide must be at least 0 and less than 1, however: {hide=}"):
            Embedding("x", hide=hide)


@pytest.mark.parametrize(("words", "spare"), [(["a", "b"], [0, 1]), (["a", "b", None], [0])])
def test_only_rows_that_training_never_shows_are_spare(words: list[str | None], spare: list[int]) -> None:
    assert fit(Embedding("x"), inputs(words)).layer().spare.tolist() == spare


def learned(hide: float) -> Tensor:
    """The table after steps towards one value for every row of data, by rows."""
    column = fit(Embedding("x", dim=2, hide=hide), inputs(["a", "b"] * 50))
    torch.manual_seed(0)
    layer = column.layer().train()
    codes = column.encode(inputs(["a", "b"] * 50))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(400):
        optimizer.zero_grad()
        ((layer(codes) - 7.0) ** 2).mean().backward()
        optimizer.step()
    return layer.table.weight.detach()


def test_both_spare_rows_are_trained_and_without_hiding_they_are_not() -> None:
    assert torch.allclose(learned(hide=0.2), torch.tensor(7.0), atol=0.01)
    assert torch.equal(learned(hide=0.0)[:2], torch.zeros(2, 2))


def test_both_spare_rows_receive_a_gradient() -> None:
    column = fit(Embedding("x", dim=2, hide=0.2), inputs(["a", "b"] * 50))
    layer = column.layer().train()
    torch.manual_seed(0)
    layer(column.encode(inputs(["a", "b"] * 50))).sum().backward()
    assert bool((layer.table.weight.grad[:2] > 0).all())


FREQUENT: list[str | None] = ["a"] * 5 + ["b"] * 3 + ["c", "d", None]


def test_rarer_categories_than_min_count_are_unknown_and_counted() -> None:
    column = fit(Embedding("x", min_count=3), inputs(FREQUENT))
    assert column.codes == 4
    assert (column.encode(inputs(["c", "d", "unseen", None])) == torch.tensor([0, 0, 0, 1])).all()
    told = "2 of 4 categories are in fewer than 3 training rows and count as ones that training never showed"
    assert column.notes() == [told]
    assert fit(Embedding("x"), inputs(FREQUENT)).notes() == []


def test_rare_categories_train_the_row_for_unknown_ones_so_that_it_need_not_be_hidden() -> None:
    assert fit(Embedding("x", min_count=3), inputs(FREQUENT)).layer().spare.tolist() == []
    assert fit(Embedding("x"), inputs(FREQUENT)).layer().spare.tolist() == [0]
    layer = fit(Embedding("x", min_count=3), inputs(FREQUENT)).layer().train()
    layer(torch.tensor([0])).sum().backward()
    assert bool((layer.table.weight.grad[0] == 1).all())


def test_most_counts_the_categories_that_are_frequent_enough() -> None:
    assert fit(Embedding("x", min_count=3, most=2), inputs(FREQUENT)).codes == 4
    with pytest.raises(ValueError, match="x:string must have at most 1 categories, however: 2; use Hashed"):
        fit(Embedding("x", min_count=3, most=1), inputs(FREQUENT))


def test_where_no_category_is_frequent_enough_the_largest_count_is_told() -> None:
    text = (
        "a category of x:string must be in 6 training rows, however: the most frequent is in 5; a lower min_count takes"
    )
    with pytest.raises(ValueError, match=text):
        fit(Embedding("x", min_count=6), inputs(FREQUENT))


def test_codes_are_called_by_their_words_whatever_these_hold() -> None:
    words = ["Oslo", "日本", "", 'a "quoted", one', "tab\tand\nline", "nul\0"]
    rows = inputs([*words, None])
    column = Embedding("x")
    column.fit(Sample(rows, torch.zeros(7), lambda read: list(zip(fingerprints(words).tolist(), words, strict=True))))
    column.resize()
    found = column.meanings()
    assert found[:2] == ["(unknown)", "(missing)"]
    assert [found[code] for code in column.encode(inputs(words)).tolist()] == words
    assert len(found) == column.codes


def test_without_words_codes_are_called_by_their_fingerprints() -> None:
    assert fit(Embedding("x"), raw(-5, 7, 0)).meanings() == ["(unknown)", "(missing)", "-5", "7"]


def test_penalties_are_those_of_the_table() -> None:
    encoder = Encoder({"x": fit(Embedding("x", dim=2, l1=0.5, l2=0.25), inputs(["a", "b"]))})
    weight = encoder.layers["x"].table.weight
    wanted = 0.5 * weight.abs().sum() + 0.25 * weight.square().sum()
    assert torch.allclose(encoder.penalties()[0], wanted)
