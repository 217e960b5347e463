"""Scaled numbers side by side: the bits of each by itself, and only where they are of one form."""

import copy

import pytest
import torch
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script
from mlp_torch.serving.stacked import Stacked

NAN = float("nan")


class Doubled(Scaled):
    """Twice as much as its parent."""

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return 2 * super().encode(inputs)


def table(rows: int) -> dict[str, Tensor]:
    """Numbers of any size, missing ones in some; a constant; times; fingerprints, 0 among them."""
    generator = torch.Generator().manual_seed(0)
    made = {name: torch.randn(rows, generator=generator).double() * 10.0**i for i, name in enumerate("abcdef")}
    for name in "bdf":
        made[name][::7] = NAN
    made["constant"] = torch.full((rows,), 0.1, dtype=torch.float64)
    made["at:time"] = torch.rand(rows, generator=generator).double() * 1e9
    for name in ("word:string", "place:string"):
        made[name] = torch.randint(-(2**63), 2**63 - 1, (rows,), generator=generator)
        made[name][::5] = 0
    return made


def fitted(**others: Column) -> Transform:
    columns = {name: Scaled(name) for name in ("a", "b", "c", "constant")}
    columns |= {"d": Scaled("d", missing="median"), "e": Scaled("e", clip=1.0), "f": Scaled("f", clip=1.0)}
    columns |= {"at": Scaled("at", kind="time"), "word": Hashed("word", 10)}
    columns["pair"] = Crossed(["word", "place"], 50)
    return Transform({**columns, **others}).fit(Sample(table(500), torch.zeros(500), lambda read: []))


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("rows", [0, 1, 17, 500])
def test_features_are_those_of_each_column_by_itself_bit_for_bit(rows):
    transform, inputs = fitted(), {name: x[:rows] for name, x in table(500).items()}
    expected = transform(inputs)
    assert same(Stacked(transform)(inputs), expected)
    assert same(script(Stacked(transform))(inputs), expected)


def test_numbers_of_one_form_stand_together():
    stacked = Stacked(fitted())
    assert [x.names for x in stacked.stacks] == [["a", "c", "constant", "at"], ["b", "d"]]
    assert list(stacked.columns) == ["e", "f", "word", "pair"]  # one with an indicator, one without


def test_a_column_that_encodes_otherwise_stands_alone():
    transform = fitted(more=Doubled("a"))
    assert "more" in Stacked(transform).columns
    assert same(Stacked(transform)(table(40)), transform(table(40)))


def test_a_parameter_that_differs_is_seen():
    transform = fitted()
    other = copy.deepcopy(transform)
    other.columns["c"].fill += 1.0
    assert not same(Stacked(other)(table(40)), transform(table(40)))


def test_the_transform_stays_as_it_is():
    transform = fitted()
    before = copy.deepcopy(transform.state_dict())
    Stacked(transform)
    assert same(transform.state_dict(), before)
    assert transform.named_columns()["a"].key == "a"
