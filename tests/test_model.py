"""The Encoder's penalties, and how a step of training takes them."""

import pytest
import torch
from test_column import Parity
from torch import Tensor

from mlp_torch.model import Encoder, Model
from mlp_torch.script import script


def test_a_penalty_is_that_of_the_columns_that_ask_for_one() -> None:
    encoder = Encoder({"plain": Parity(), "absolute": Parity(l1=0.5), "both": Parity(l1=0.25, l2=2)})
    weights = {name: layer.table.weight for name, layer in encoder.layers.items()}
    expected = [
        0.5 * weights["absolute"].abs().sum(),
        0.25 * weights["both"].abs().sum() + 2 * (weights["both"] ** 2).sum(),
    ]
    assert torch.stack(encoder.penalties()).tolist() == pytest.approx([x.item() for x in expected])
    sum(encoder.penalties(), torch.zeros(())).backward()
    assert weights["plain"].grad is None
    assert torch.allclose(weights["absolute"].grad, 0.5 * weights["absolute"].sign())


def test_what_is_frozen_is_not_penalised() -> None:
    encoder = Encoder({"a": Parity(l2=1)})
    encoder.requires_grad_(False)
    assert encoder.penalties() == []


def test_an_encoder_scripts_with_and_without_penalties() -> None:
    for column in (Parity(), Parity(l1=1)):
        assert script(Encoder({"a": column}).eval())({"a": torch.zeros(2, dtype=torch.int64)}).shape == (2, 3)


def test_a_model_without_an_encoder_has_no_penalties() -> None:
    class Nothing(Model):
        def vectors(self, features: dict[str, Tensor]) -> Tensor:
            return features["a"]

    assert Nothing().penalties() == []
