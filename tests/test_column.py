"""What a Column gives by default, and Rows, the table that learns."""

import pytest
import torch
from torch import Tensor

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.reads import Read


class Parity(Column):
    """The shortest column: codes from a number, everything else by default."""

    def __init__(self, *, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__({"x": Read("n")}, l1=l1, l2=l2)
        self.codes, self.dim = 2, 3

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs["n"].long() % 2


def test_a_column_of_two_methods_learns_a_row_for_each_code() -> None:
    column, rows = Parity(), {"n": torch.tensor([4.0, 7.0, 0.0], dtype=torch.float64)}
    column.fit(Sample(rows, torch.zeros(3), lambda read: []))
    column.resize()
    layer = column.layer()
    vectors = layer(column.encode(rows))
    assert torch.equal(vectors, layer.table.weight[torch.tensor([0, 1, 0])])
    assert vectors.shape == (3, 3)
    assert column.unknown == -1


def test_a_column_must_say_how_it_encodes_and_need_not_be_a_part() -> None:
    with pytest.raises(NotImplementedError):
        Column({"x": Read("n")}).encode({})
    with pytest.raises(NotImplementedError, match="Parity cannot be a part of a cross"):
        Parity().part({"n": torch.zeros(1)})


def test_rows_have_about_unit_length_at_the_start() -> None:
    torch.manual_seed(0)
    for dim in (1, 8, 64):
        assert Rows(5000, dim).table.weight.square().sum(dim=1).mean().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("hide", [-0.01, 1.0, float("nan")])
def test_an_impossible_share_is_refused(hide: float) -> None:
    with pytest.raises(ValueError, match="hide must be at least 0 and less than 1, however: hide="):
        Rows(2, 2, hide=hide)


def taken(layer: Rows, codes: Tensor, seed: int = 0) -> Tensor:
    """How often the table was asked for each row."""
    layer.table.weight.data = torch.eye(*layer.table.weight.shape)
    torch.manual_seed(seed)
    return layer(codes).sum(dim=0)


def test_the_hidden_share_goes_to_the_spare_rows_alike_and_only_in_training() -> None:
    codes = torch.full((100_000,), 3)
    layer = Rows(5, 5, seen=torch.tensor([False, False, True, True, True]), hide=0.1)
    asked = taken(layer.train(), codes)
    assert asked.sum() == 100_000
    assert asked[2] == asked[4] == 0
    # 5,000 expected of each, standard deviation 69
    assert asked[:2].tolist() == pytest.approx([5000, 5000], abs=350)
    assert taken(layer.eval(), codes).tolist() == [0, 0, 0, 100_000, 0]


def test_nothing_is_hidden_where_no_row_is_spare_or_no_share_is() -> None:
    codes = torch.full((10_000,), 1)
    for layer in (Rows(3, 3), Rows(3, 3, seen=torch.ones(3).bool(), hide=0.5), Rows(3, 3, seen=codes[:3] > 1, hide=0)):
        assert taken(layer.train(), codes).tolist() == [0, 10_000, 0]


def test_what_is_hidden_depends_on_the_generator_alone() -> None:
    layer, codes = Rows(3, 3, seen=torch.tensor([False, True, True]), hide=0.3).train(), torch.ones(1000).long()
    assert torch.equal(taken(layer, codes), taken(layer, codes))
    assert not torch.equal(taken(layer, codes), taken(layer, codes, seed=1))


def test_spare_rows_start_at_zero_and_others_do_not() -> None:
    weight = Rows(4, 8, seen=torch.tensor([False, True, False, True])).table.weight
    assert [bool((row == 0).all()) for row in weight] == [True, False, True, False]


@pytest.mark.parametrize("share", [-0.1, float("inf"), float("nan")])
def test_an_impossible_penalty_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="l1 must be at least 0 and finite, however: l1="):
        Parity(l1=share)
    with pytest.raises(ValueError, match="l2 must be at least 0 and finite, however: l2="):
        Parity(l2=share)
