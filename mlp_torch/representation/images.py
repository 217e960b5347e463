"""Images (ch. 2, Multimodal Input): read by a small network that learns with the rest, or by a frozen trunk.

A missing image is all 0 behind ingestion; its vector is learned.

Shape: (B, C, H, W) uint8 -> `Image` the same, `ImageFeatures` (B, d) float32 -> (B, dim) float32.

>>> image = Image("photo", size=(1, 8, 8), dim=3)
>>> image.layer()(image.encode({image.key: torch.zeros(2, 1, 8, 8, dtype=torch.uint8)})).shape
torch.Size([2, 3])
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]  # public, but not in torch.jit.__all__

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim
from mlp_torch.representation.vectors import Standardized


def checked_size(size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Channels, height and width that an image can have."""
    if len(size) != 3 or size[0] not in (1, 3) or min(size[1:]) < 8:
        text = "size must be channels (1 or 3), height and width (at least 8), however:"
        raise ValueError(f"{text} size={tuple(size)}")
    return (size[0], size[1], size[2])


class Image(Column):
    """An image as it is; the layer is a small convolutional network.

    Args:
        field: the raw field.
        size: channels, height and width to which images are brought.
        dim: width of the vector.
        channels: of the network's first convolution; the second has twice as many.
        dropout: share of the last features that is dropped in training.
    """

    def __init__(
        self, field: str, *, size: tuple[int, int, int], dim: int = 64, channels: int = 32, dropout: float = 0.2
    ):
        self.size = checked_size(size)
        super().__init__({"x": Read(field, "image", size=self.size)})
        if channels < 8 or channels % 8:
            raise ValueError(f"channels must be a multiple of 8, however: {channels=}")
        checked_dim(dim)
        self.key, self.dim, self.channels, self.dropout = self.reads["x"].key, dim, channels, dropout

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs[self.key]  # (B, C, H, W)

    def layer(self) -> nn.Module:
        return Convolutions(self.size, dim=self.dim, channels=self.channels, dropout=self.dropout)


class Convolutions(nn.Module):
    """Two convolutions, each halving height and width, then one linear layer.

    Normalised by groups of channels, not by batch, so that a row's vector does not depend on the rows beside it.

    Args:
        size: channels, height and width of an image.
        dim: width of the vector.
        channels: of the first convolution.
        dropout: share of the last features that is dropped in training.

    Shape: (B, C, H, W) uint8 -> (B, dim) float32.
    """

    def __init__(self, size: tuple[int, int, int], *, dim: int, channels: int, dropout: float):
        super().__init__()
        c, h, w = size
        self.layers = nn.Sequential(
            nn.Conv2d(c, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.GroupNorm(8, 2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(float(dropout)),
            nn.Linear(2 * channels * (h // 4) * (w // 4), dim),
        )
        self.missing = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        empty = (x == 0).flatten(1).all(dim=1, keepdim=True)  # (B, 1)
        vectors = self.layers(x.float() / 127.5 - 1)  # (B, dim)
        return torch.where(empty, self.missing, vectors)


class ImageFeatures(Column):
    """What a frozen trunk makes of an image. It runs once, when the table is encoded, and is part of the export.

    Args:
        field: the raw field.
        size: channels, height and width to which images are brought.
        trunk: (B, C, H, W) float32 -> (B, d) float32; it must script, keeps evaluation mode, and is never trained.
        mean: subtracted from the pixels' 0 to 255.
        scale: by which the difference is divided.

    Raises:
        ValueError: in `fit`, if every image is missing.
    """

    def __init__(
        self, field: str, *, size: tuple[int, int, int], trunk: nn.Module, mean: float = 127.5, scale: float = 127.5
    ):
        super().__init__({"x": Read(field, "image", size=checked_size(size))})
        self.key, self.trunk = self.reads["x"].key, Frozen(trunk, mean=mean, scale=scale)
        self.standard = Standardized()

    def fit(self, sample: Sample) -> None:
        with torch.no_grad():
            features = self.read_out(sample.inputs[self.key])
        self.standard.fit(features, self.key)

    def resize(self) -> None:
        self.dim = self.standard.resize()

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        features: Tensor = self.standard(self.read_out(inputs[self.key]))
        return features  # (B, d or d + 1)

    def read_out(self, x: Tensor) -> Tensor:
        """The trunk's features, NaN where there is no image: (B, C, H, W) uint8 -> (B, d) float32."""
        empty = (x == 0).flatten(1).all(dim=1, keepdim=True)  # (B, 1)
        features: Tensor = self.trunk(x)
        return features.masked_fill(empty, float("nan"))

    def layer(self) -> nn.Module:
        return nn.Identity()


class Frozen(nn.Module):
    """A trunk that is never trained and keeps evaluation mode.

    Args:
        network: (B, C, H, W) float32 -> (B, …) float32; it must script.
        mean: subtracted from the pixels' 0 to 255.
        scale: by which the difference is divided.

    Shape: (B, C, H, W) uint8 -> (B, …) float32.
    """

    def __init__(self, network: nn.Module, *, mean: float, scale: float):
        super().__init__()
        self.network, self.middle, self.unit = network.eval(), mean, scale
        for weight in network.parameters():  # one by one, which modules of TorchScript take too
            weight.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        # to a multiple of 32 rows, since a row's last bits may depend on how many there are: `mlp_torch.model.padded`
        filled = nn.functional.pad(
            x, [0, 0, 0, 0, 0, 0, 0, (32 - x.shape[0] % 32) % 32]
        )  # torch.export takes no `cat` here
        features: Tensor = self.whole(filled) if self.exporting() else self.parts(filled)
        return features[: x.shape[0]]

    def parts(self, x: Tensor) -> Tensor:
        """A few rows at a time: a table's would not fit into memory beside what a network makes of them inside."""
        return torch.cat([self.whole(part) for part in torch.split(x, 32)])

    def whole(self, x: Tensor) -> Tensor:
        """Pixels as the network takes them, and what it gives."""
        features: Tensor = self.network((x.float() - self.middle) / self.unit)
        return features

    def exporting(self) -> bool:
        """Whether torch.export looks, which knows no number of rows and so no loop over them."""
        if is_scripting():
            return False
        return torch.compiler.is_exporting()
