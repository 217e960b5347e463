"""A trunk whose last parts learn: what is refused, and what its parameters are called."""

import pytest
import torch
from torch import nn

from mlp_torch.column import Sample
from mlp_torch.model import Encoder
from mlp_torch.representation.finetuned import FinetunedImage
from mlp_torch.training.freezing import planned

SIZE = (1, 8, 8)


def trunk() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3), nn.Flatten())


def images(n: int) -> torch.Tensor:
    return torch.randint(1, 256, (n, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def fitted(x: torch.Tensor, cut: str = "1") -> FinetunedImage:
    column = FinetunedImage("photo", size=SIZE, trunk=trunk(), cut=cut)
    column.fit(Sample({column.key: x}, torch.zeros(len(x)), lambda read: []))
    column.resize()
    return column


@pytest.mark.parametrize("cut", ["0", "4", "block_9"])
def test_a_cut_that_leaves_nothing_frozen_or_is_nowhere_is_refused(cut: str) -> None:
    with pytest.raises(ValueError, match=f"cut must be a part of the trunk behind its first, however: {cut}; known: "):
        FinetunedImage("photo", size=SIZE, trunk=trunk(), cut=cut)


def test_without_any_image_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="must have a value in training rows, however: all are missing"):
        fitted(torch.zeros(3, *SIZE, dtype=torch.uint8))


def test_vectors_are_standardized_and_missing_images_are_told() -> None:
    x = torch.cat([images(200), torch.zeros(10, *SIZE, dtype=torch.uint8)])
    column = fitted(x)
    found = column.layer().eval()(column.encode({column.key: x}))
    assert column.dim == found.shape[1] == 2 * 4 * 4 + 1
    assert found[:200, :-1].mean(dim=0).abs().max() < 1e-4
    assert found[:200, :-1].std(dim=0).tolist() == pytest.approx([1] * 32, abs=0.01)
    assert found[200:].tolist() == [[0.0] * 32 + [1.0]] * 10


def test_a_missing_image_takes_part_in_learning_without_harm() -> None:
    x = torch.cat([images(20), torch.zeros(2, *SIZE, dtype=torch.uint8)])
    column = fitted(x)
    layer = column.layer()
    layer(column.encode({column.key: x})).square().sum().backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in layer.parameters())


def test_parts_freeze_and_thaw_by_the_names_that_the_trunk_gives_them() -> None:
    column = fitted(images(20))
    encoder = Encoder({"photo": column})
    plan = planned(encoder, freeze=["layers.photo.trunk.1.*"], unfreeze={2: ["layers.photo.trunk.1.weight"]})
    state = {name: x.clone() for name, x in encoder.state_dict().items()}
    plan.begin(encoder.train(), epoch=1)
    encoder({"photo": column.encode({column.key: images(20)})})  # a thawed normalization would move its statistics
    assert all(torch.equal(x, state[name]) for name, x in encoder.state_dict().items())
    assert [name for name, x in encoder.named_parameters() if x.requires_grad] == [
        "layers.photo.trunk.2.weight",
        "layers.photo.trunk.2.bias",
    ]
    plan.begin(encoder, epoch=2)
    assert "layers.photo.trunk.1.weight" in [name for name, x in encoder.named_parameters() if x.requires_grad]
