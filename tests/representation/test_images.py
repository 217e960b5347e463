"""Images: the small network, and the frozen trunk."""

import pytest
import torch
from torch import nn

from mlp_torch.column import Sample
from mlp_torch.representation.images import Image, ImageFeatures
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script

SIZE = (1, 8, 8)


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(1, 256, (n, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def trunk() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def fitted(x: torch.Tensor, some: nn.Module | None = None) -> ImageFeatures:
    column = ImageFeatures("photo", size=SIZE, trunk=some or trunk())
    column.fit(Sample({column.key: x}, torch.zeros(len(x)), lambda read: []))
    column.resize()
    return column


def test_a_missing_image_has_a_vector_that_is_learned_and_its_own() -> None:
    layer = Image("photo", size=SIZE, dim=3, channels=8).layer().eval()
    layer.missing.data = torch.tensor([1.0, 2.0, 3.0])
    x = torch.cat([images(1), torch.zeros(1, *SIZE, dtype=torch.uint8)])
    found = layer(x)
    assert found[1].tolist() == [1, 2, 3]
    assert found[0].tolist() != [1, 2, 3]
    found.sum().backward()
    assert layer.missing.grad.tolist() == [1, 1, 1]


def test_the_small_network_tells_images_apart() -> None:
    torch.manual_seed(0)
    layer, x = Image("photo", size=SIZE, dim=2, channels=8, dropout=0).layer(), images(32)
    y = torch.arange(32) % 2
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
    for _ in range(60):
        loss = nn.functional.cross_entropy(layer(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert torch.equal(torch.jit.script(layer.eval())(x), layer(x))  # a whole number as the share of a dropout too


def test_a_trunk_that_was_traced_or_scripted_goes_into_the_graph_too() -> None:
    torch.manual_seed(0)
    plain, x = trunk().eval(), images(40)
    for made in (torch.jit.trace(plain, torch.zeros(2, *SIZE)), torch.jit.script(plain)):
        column = fitted(x, made)
        graph = script(Transform({"photo": column}))
        assert torch.equal(graph({column.key: x})["photo"], column.encode({column.key: x}))


@pytest.mark.parametrize("size", [(2, 8, 8), (1, 7, 8), (8, 8)])
def test_an_impossible_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"size must be channels \(1 or 3\), height and width \(at least 8\), however"):
        Image("photo", size=size)  # type: ignore[arg-type]


def test_channels_that_cannot_be_grouped_are_refused() -> None:
    with pytest.raises(ValueError, match="channels must be a multiple of 8, however: channels=12"):
        Image("photo", size=SIZE, channels=12)


def test_a_trunk_stays_as_it_is_whatever_mode_the_model_is_in() -> None:
    column = fitted(images(40))
    before = {name: x.clone() for name, x in column.trunk.state_dict().items()}
    column.train()
    assert not any(module.training for module in column.trunk.modules())
    x = {column.key: images(5, seed=1)}
    assert torch.equal(column.encode(x), column.encode(x))
    assert all(torch.equal(x, before[name]) for name, x in column.trunk.state_dict().items())
    assert not any(parameter.requires_grad for parameter in column.parameters())


def test_features_of_a_trunk_are_standardized_and_missing_images_are_told() -> None:
    x = torch.cat([images(200), torch.zeros(10, *SIZE, dtype=torch.uint8)])
    column = fitted(x)
    found = column.encode({column.key: x})
    assert column.dim == found.shape[1] == 5
    assert found[:200, :4].mean(dim=0).abs().max() < 1e-4
    assert found[:200, :4].std(dim=0).tolist() == pytest.approx([1] * 4, abs=0.01)
    assert found[200:].tolist() == [[0, 0, 0, 0, 1]] * 10


def test_without_any_image_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="must have a value in training rows, however: all are missing"):
        fitted(torch.zeros(3, *SIZE, dtype=torch.uint8))
