"""Sets: what their columns read, and the marks of the multi-hot code."""

import torch

from mlp_torch.column import Sample
from mlp_torch.representation.sets import HashedSet, Marks, MultiHot, Set


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
