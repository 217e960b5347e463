"""EfficientNet-Lite0 as a trunk: what the published network gives up to a block, in every form and company."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from real import needs
from torch import nn

from mlp_torch.column import Sample
from mlp_torch.configuration import built, composed
from mlp_torch.datasets.efficientnet import ORIGIN, weights
from mlp_torch.errors import ConfigError, DataError, MissingExtra
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.model import Encoder, padded
from mlp_torch.representation.efficientnet import efficientnet
from mlp_torch.representation.finetuned import FinetunedImage
from mlp_torch.representation.images import ImageFeatures
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script

PACKAGE = "efficientnet_lite_pytorch"
pytestmark = [
    needs(ORIGIN),
    pytest.mark.skipif(
        importlib.util.find_spec(PACKAGE) is None and not os.environ.get("CI"),
        reason="pip install 'mlp_torch[examples]'",
    ),
]
SIZE, KEY = (1, 28, 28), Read("photo", "image", size=(1, 28, 28)).key


@pytest.fixture(scope="module")
def trunk() -> nn.Sequential:
    """For small pictures, so that it takes no time."""
    return efficientnet(weights(), side=32)


@pytest.fixture(scope="module")
def transform(trunk: nn.Sequential) -> Transform:
    options = {"size": SIZE, "trunk": trunk, "mean": 127, "scale": 128}
    columns = {"frozen": ImageFeatures("photo", **options), "tuned": FinetunedImage("photo", cut="block_9", **options)}
    return Transform(columns).fit(Sample(pictures(40), torch.zeros(40), lambda read: []))


def pictures(n: int) -> Inputs:
    """Every seventh is missing."""
    x = torch.randint(1, 256, (n, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x[::7] = 0
    return {KEY: x}


@torch.no_grad()
def test_all_blocks_give_what_the_published_network_gives() -> None:
    network = pytest.importorskip(PACKAGE).EfficientNet.from_name("efficientnet-lite0", image_size=96).eval()
    network.load_state_dict(weights())
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    blocks = efficientnet(weights(), last=15)[:-2]
    assert torch.equal(network._swish(network._bn1(network._conv_head(blocks(x)))), network.extract_features(x))


@torch.no_grad()
def test_a_grey_picture_is_one_of_three_equal_channels_brought_to_the_networks_size(trunk: nn.Sequential) -> None:
    grey = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    large = nn.functional.interpolate(grey, size=(32, 32), mode="bilinear").expand(-1, 3, -1, -1)
    assert torch.equal(trunk(grey), trunk(large))
    assert trunk(grey).shape == (2, 112 * 2 * 2)
    assert not torch.equal(trunk(grey), trunk(-grey))


def test_building_it_draws_nothing_from_the_runs_random_numbers() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    efficientnet(weights(), last=0, side=32)
    assert torch.equal(torch.rand(3), wanted)


def test_a_row_has_the_same_bits_alone_in_any_company_and_scripted(transform: Transform) -> None:
    rows, graph = pictures(70), script(transform)
    encoder = Encoder(transform.named_columns()).eval()
    layers = script(encoder)
    together = transform(rows)
    vectors = encoder(padded(together))
    for name, x in graph(rows).items():
        assert torch.equal(x, together[name])
    for at in (slice(0, 1), slice(1, 2), slice(3, 36), slice(0, 70), slice(0, 0)):
        some = graph({KEY: rows[KEY][at]})
        assert all(torch.equal(some[name], together[name][at]) for name in some)
        assert torch.equal(layers(padded(some))[: len(some["tuned"])], vectors[:70][at])
    assert not torch.equal(vectors[1], vectors[2])


def test_the_exported_graph_takes_any_number_of_rows(transform: Transform) -> None:
    shapes = ({KEY: {0: torch.export.Dim.DYNAMIC}},)
    exported = torch.export.export(transform, (pictures(40),), dynamic_shapes=shapes).module()
    for n in (70, 1, 0):
        found, wanted = exported(pictures(n)), transform(pictures(n))
        assert all(torch.allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5) for name in wanted)


def test_before_it_learns_a_finetuned_image_is_what_the_frozen_trunk_says(transform: Transform) -> None:
    rows = padded(transform(pictures(64)))
    tuned = transform.named_columns()["tuned"].layer().eval()(rows["tuned"])
    assert torch.allclose(tuned, rows["frozen"], atol=1e-4)
    assert rows["frozen"][0].tolist() == [0.0] * 448 + [1.0]  # no image
    assert tuned[0].tolist() == rows["frozen"][0].tolist()


def test_learned_blocks_leave_frozen_ones_and_the_next_layer_as_they_were(transform: Transform) -> None:
    column = transform.named_columns()["tuned"]
    before = {name: x.clone() for name, x in transform.state_dict().items()}
    layer, maps = column.layer().train(), transform(pictures(32))["tuned"]
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(maps).square().mean().backward()
    assert all(bool((parameter.grad != 0).any()) for parameter in layer.parameters())
    optimizer.step()
    assert all(torch.equal(x, before[name]) for name, x in transform.state_dict().items())
    first = dict(column.layer().named_parameters())
    assert all(torch.equal(first[name], x) for name, x in column.layer().named_parameters())
    assert not any(torch.equal(first[name], x) for name, x in layer.named_parameters())
    assert {name.split(".")[1] for name in first} == {"block_9", "block_10"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"last": 16}, "last must be from 0 to 15, however: last=16"),
        ({"side": 31}, "side must be at least 32 pixels, however: side=31"),
        ({"side": 32, "pool": 3}, "pool must be from 1 to 2, the height of block 10, however: pool=3"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        efficientnet(weights(), **options)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be those of EfficientNet-Lite0, however: _bn0\.bias is missing"):
        efficientnet({name: x for name, x in weights().items() if name != "_bn0.bias"})
    with pytest.raises(ConfigError, match="EfficientNet-Lite0, however: another is unknown"):
        efficientnet({**weights(), "another": torch.zeros(1)})


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlp_torch.representation.efficientnet.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"efficientnet-lite-pytorch, however: .*; pip install 'mlp_torch\[examples\]'"
    ):
        built(composed(["experiment=transfer_learning"]).data)


def test_weights_that_are_not_there_are_named_with_the_command_that_fetches_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="mlp_torch data efficientnet"):
        built(composed(["experiment=transfer_learning"]).data)
