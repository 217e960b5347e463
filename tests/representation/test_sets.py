"""Sets: what their columns read, and the marks of the multi-hot code."""

from collections.abc import Callable

import pytest
import torch

from mlp_torch.column import Sample
from mlp_torch.representation.maps import HashedMap
from mlp_torch.representation.sets import HashedSet, Marks, MultiHot, Set
from mlp_torch.representation.text import HashedText, Text
from mlp_torch.target import Labels


def test_a_set_is_read_with_its_separator_and_length() -> None:
    for column in (Set("genre", separator="|", max_tokens=5), HashedSet("genre", 9, separator="|", max_tokens=5)):
        assert list(column.reads.values()) == [("genre", "set", 5, (), "|")]


def test_missing_empty_and_unknown_members_have_no_mark() -> None:
    column = MultiHot("genre", max_tokens=2)
    rows = {column.key: torch.tensor([[7, 9], [9, 0], [0, 0]])}
    column.fit(Sample(rows, torch.zeros(3), lambda read: []))
    column.resize()
    marks = column.layer()
    asked = {column.key: torch.tensor([[9, 7], [5, 7], [5, 0], [0, 0]])}
    assert marks(column.encode(asked)).tolist() == [[1, 1], [1, 0], [0, 0], [0, 0]]


def test_members_too_rare_or_too_many_have_no_input() -> None:
    rows = torch.tensor([[7, 9], [9, 5], [9, 7]])
    for options, dim in (({"min_count": 2}, 2), ({"min_count": 3}, 1), ({"most": 1}, 1), ({}, 3)):
        column = MultiHot("genre", max_tokens=2, **options)
        column.fit(Sample({column.key: rows}, torch.zeros(3), lambda read: []))
        column.resize()
        assert column.dim == dim


def test_a_member_that_a_cell_holds_twice_has_one_mark() -> None:
    assert Marks(2)(torch.tensor([[2, 2, 3]])).tolist() == [[1, 1]]


@pytest.mark.parametrize("of", [Set, MultiHot, lambda field, **options: HashedSet(field, 9, **options), Labels])
@pytest.mark.parametrize("separator", ["", 1])
def test_nothing_between_members_is_refused(of: Callable[..., object], separator: object) -> None:
    with pytest.raises(ValueError, match=f"separator must be text, and not empty, however: {separator=}"):
        of("genre", separator=separator)


@pytest.mark.parametrize(
    ("of", "option"),
    [
        (Set, "max_tokens"),
        (MultiHot, "max_tokens"),
        (lambda field, **options: HashedSet(field, 9, **options), "max_tokens"),
        (Text, "max_tokens"),
        (lambda field, **options: HashedText(field, 9, **options), "max_tokens"),
        (lambda field, **options: HashedMap(field, 9, **options), "max_names"),
        (Labels, "max_labels"),
    ],
)
@pytest.mark.parametrize("most", [0, -1])
def test_cells_of_which_nothing_is_read_are_refused(of: Callable[..., object], option: str, most: int) -> None:
    with pytest.raises(ValueError, match=f"{option} must be at least 1, however: {option}={most}"):
        of("words", **{option: most})
