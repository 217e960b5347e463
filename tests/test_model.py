"""The Encoder: its penalties, and modalities that are dropped in training."""

import pytest
import torch
from test_column import Parity
from torch import Tensor

from mlp_torch.errors import ConfigError
from mlp_torch.model import Encoder, Modality, Model, Single
from mlp_torch.problem.regression import Regression
from mlp_torch.script import script
from mlp_torch.target import Number


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


def test_a_column_of_several_parts_has_a_width_for_each() -> None:
    class Pair(Parity):
        def widths(self) -> dict[str, int]:
            return {"from": 1, "to": 2}

    encoder = Encoder({"plain": Parity(), "pair": Pair()})
    assert encoder.widths == {"plain": 3, "pair.from": 1, "pair.to": 2}
    assert encoder.d_out == 6


def test_a_model_without_an_encoder_has_no_penalties() -> None:
    class Nothing(Model):
        def vectors(self, features: dict[str, Tensor]) -> Tensor:
            return features["a"]

    assert Nothing().penalties() == []


def dropping(**modalities: Modality) -> Encoder:
    encoder = Encoder({name: Parity() for name in ("title", "words", "age")}, modalities)
    for parameter in encoder.parameters():
        torch.nn.init.ones_(parameter)
    return encoder


def features(rows: int) -> dict[str, Tensor]:
    return {name: torch.zeros(rows, dtype=torch.int64) for name in ("title", "words", "age")}


def test_the_columns_of_a_modality_are_dropped_together_for_its_share_of_rows_and_others_never() -> None:
    torch.manual_seed(0)
    encoder = dropping(text=Modality(["title", "words"], 0.3))
    title, words, age = encoder(features(10_000)).unflatten(1, (3, 3))[:, :, 0].unbind(1)
    assert torch.equal(title, words)
    assert 1 - title.mean().item() == pytest.approx(0.3, abs=0.02)  # standard deviation .005
    assert age.min() == 1


def test_two_modalities_are_dropped_independently() -> None:
    torch.manual_seed(0)
    encoder = dropping(text=Modality(["title"], 0.5), people=Modality(["age"], 0.5))
    title, _, age = encoder(features(10_000)).unflatten(1, (3, 3))[:, :, 0].unbind(1)
    assert (title * age).mean().item() == pytest.approx(0.25, abs=0.02)


def test_nothing_is_dropped_in_evaluation_nor_once_scripted() -> None:
    encoder = dropping(text=Modality(["title", "words"], 0.9)).eval()
    assert encoder(features(100)).min() == 1
    assert script(encoder)(features(100)).min() == 1


@pytest.mark.parametrize(
    ("modalities", "text"),
    [
        (
            {"text": Modality(["titel"], 0.1)},
            "modality.text.columns must be columns, however: titel; did you mean title",
        ),
        (
            {"a": Modality(["title"], 0.1), "b": Modality(["title"], 0.1)},
            "part of one modality, however: title is part of b too",
        ),
        ({"a": Modality([], 0.5)}, "modality.a.columns must name columns, however: none"),
        ({"a": Modality(["title"], 1.0)}, "modality.a.drop must be at least 0 and less than 1, however: drop=1.0"),
    ],
)
def test_impossible_modalities_are_refused(modalities: dict[str, Modality], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        dropping(**modalities)


@pytest.mark.parametrize("members", [1, 3])
def test_what_is_calibrated_is_what_is_predicted_from(members: int) -> None:
    class Noting(Regression):
        def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
            self.seen = out

    head = Noting(4, Number("y"), members=members)
    model = Single(Encoder({"a": Parity()}), torch.nn.Identity(), head)
    out = torch.arange(6.0 * members).view(6, members, 1) if members > 1 else torch.arange(6.0).view(6, 1)
    model.calibrate(out, torch.zeros(6), torch.ones(6))
    assert torch.equal(head.seen, head.average(out) if members > 1 else out)
    assert torch.equal(head.predict(head.seen)["prediction"], model.predict(out)["prediction"])
