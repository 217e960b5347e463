"""EfficientNet-Lite0 (ch. 4, Transfer Learning): a trunk that knows photographs, for images of other kinds.

Of its 16 blocks the first see edges and textures, the last ImageNet's classes. Which of them is the bottleneck, whose
output other images are described by, is a choice.

Shape: (B, 1 or 3, H, W) float32, pixels as (x - 127) / 128 -> (B, d) float32, d = channels of the last block · pool².

Source: Tan & Le 2019, "EfficientNet"; the weights of `mlp_torch.datasets.efficientnet`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from mlp_torch.errors import ConfigError, MissingExtra

BLOCKS = 16


def efficientnet(weights: Mapping[str, Tensor], *, last: int = 10, pool: int = 2, side: int = 96) -> nn.Sequential:
    """The trunk up to a block, in evaluation mode: the parts `stem`, `block_0` to `block_LAST`, `pool`, `flatten`.

    Args:
        weights: all tensors of the published network by name.
        last: the block whose output is the bottleneck, from 0 to 15.
        pool: the bottleneck's height and width, by means.
        side: height and width to which images are brought, in pixels.

    Raises:
        MissingExtra: without the package of the network.
        ConfigError: for other weights, and for a block or a size that it does not have.
    """
    network = published(side)
    if strange := sorted(weights.keys() ^ network.state_dict().keys()):
        which = "unknown" if strange[0] in weights else "missing"
        raise ConfigError(f"weights must be those of EfficientNet-Lite0, however: {strange[0]} is {which}")
    if not 0 <= last < BLOCKS:
        raise ConfigError(f"last must be from 0 to {BLOCKS - 1}, however: {last=}")
    network.load_state_dict(dict(weights))
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=Stem(network, side))
    blocks = [*network.get_submodule("_blocks").children()][: last + 1]
    parts |= {f"block_{i}": Block(block) for i, block in enumerate(blocks)}
    trunk = nn.Sequential(parts).eval()
    with torch.no_grad():
        found = trunk(torch.zeros(1, 3, side, side)).shape[-1]
    if not 1 <= pool <= found:
        raise ConfigError(f"pool must be from 1 to {found}, the height of block {last}, however: {pool=}")
    # not AdaptiveAvgPool2d, whose gradient is not repeatable on GPUs
    trunk.add_module("pool", nn.AvgPool2d(found // pool))
    trunk.add_module("flatten", nn.Flatten())
    return trunk.eval()


def published(side: int) -> nn.Module:
    """The package's network for images of a size, with random weights.

    Raises:
        MissingExtra: naming the extra.
        ConfigError: for a size that is too small.
    """
    if find_spec("efficientnet_lite_pytorch") is None:
        text = "an EfficientNet needs efficientnet-lite-pytorch, however: not installed"
        raise MissingExtra(f"{text}; pip install 'mlp_torch[examples]'")
    if side < 32:
        raise ConfigError(f"side must be at least 32 pixels, however: {side=}")
    from efficientnet_lite_pytorch import EfficientNet

    with torch.random.fork_rng(devices=[]):  # what it draws is replaced
        network: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=side)
    return network


class Stem(nn.Module):
    """Brings images to three channels and the network's size, and begins it.

    Args:
        network: of the package.
        side: height and width in pixels.

    Shape: (B, 1 or 3, H, W) float32 -> (B, 32, side / 2, side / 2).
    """

    def __init__(self, network: nn.Module, side: int):
        super().__init__()
        self.side = side
        self.layers = nn.Sequential(network.get_submodule("_conv_stem"), network.get_submodule("_bn0"), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        resized = nn.functional.interpolate(x, [self.side, self.side], mode="bilinear")
        y: Tensor = self.layers(resized.expand(-1, 3, -1, -1))
        return y


class Block(nn.Module):
    """An inverted residual block: more channels, each looks around, fewer channels; what came in is added if it fits.

    Args:
        block: of the package, whose layers it takes: their own `forward` does not script.

    Shape: (B, C, H, W) float32 -> (B, C', H', W').
    """

    def __init__(self, block: nn.Module):
        super().__init__()
        parts = dict(block.named_children())
        found: OrderedDict[str, nn.Module] = OrderedDict()
        if "_expand_conv" in parts:
            found |= {"expand": parts["_expand_conv"], "expand_norm": parts["_bn0"], "expand_relu": nn.ReLU6()}
        found |= {"depthwise": parts["_depthwise_conv"], "depthwise_norm": parts["_bn1"], "depthwise_relu": nn.ReLU6()}
        found |= {"project": parts["_project_conv"], "project_norm": parts["_bn2"]}
        self.layers = nn.Sequential(found)
        convolutions = [part for part in found.values() if isinstance(part, nn.Conv2d)]
        fits = convolutions[0].in_channels == convolutions[-1].out_channels
        self.adds = fits and all(tuple(part.stride) == (1, 1) for part in convolutions)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y
