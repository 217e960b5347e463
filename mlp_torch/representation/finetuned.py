"""Images read by a pretrained trunk whose last parts learn (ch. 4, Transfer Learning).

The parts below stay as they are and run once, when the table is encoded: an epoch costs what its learned parts cost.
Before these have learned anything, vectors are those of `ImageFeatures`.

Shape: (B, C, H, W) uint8 -> (B, C', H', W') float32 -> (B, d or d + 1) float32.

>>> trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3), nn.Flatten())
>>> image = FinetunedImage("photo", size=(1, 8, 8), trunk=trunk, cut="1")
>>> rows = {image.key: torch.ones(5, 1, 8, 8, dtype=torch.uint8)}
>>> image.fit(Sample(rows, torch.zeros(5), lambda read: [])); image.resize()
>>> image.encode(rows).shape, image.layer()(image.encode(rows)).shape
(torch.Size([5, 4, 6, 6]), torch.Size([5, 32]))
"""

import copy

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.errors import near
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.images import Frozen, checked_size
from mlp_torch.representation.vectors import Standardized


class FinetunedImage(Column):
    """An image in a pretrained trunk: what lies below the cut is frozen, what lies above it is the layer, and learns.

    Args:
        field: the raw field.
        size: channels, height and width to which images are brought.
        trunk: (B, C, H, W) float32 -> (B, d) float32, one part after the other; they must script.
        cut: the name of the first part that learns; what goes into it is kept for each row, so it should be small.
        mean: subtracted from the pixels' 0 to 255.
        scale: by which the difference is divided.

    Raises:
        ValueError: for a part that the trunk does not have, for the first one, and in `fit`, if every image is missing.
    """

    def __init__(
        self,
        field: str,
        *,
        size: tuple[int, int, int],
        trunk: nn.Sequential,
        cut: str,
        mean: float = 127.5,
        scale: float = 127.5,
    ):
        super().__init__({"x": Read(field, "image", size=checked_size(size))})
        names = [name for name, _ in trunk.named_children()]
        if cut not in names[1:]:
            text = f"cut must be a part of the trunk behind its first, however: {cut}"
            raise ValueError(f"{text}; {near(cut, names[1:])}")
        self.key, place = self.reads["x"].key, names.index(cut)
        self.trunk = Frozen(trunk[:place], mean=mean, scale=scale)
        self.above = (trunk[place:].eval().requires_grad_(False),)  # in a tuple: no part of what this column exports
        self.standard = Standardized()

    @torch.no_grad()
    def fit(self, sample: Sample) -> None:
        layer = Above(self.above[0], self.standard)
        maps = torch.split(self.encode(sample.inputs), 32)
        self.standard.fit(torch.cat([layer.vectors(part) for part in maps]), self.key)

    def resize(self) -> None:
        self.dim = self.standard.resize()

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]
        empty = (x == 0).flatten(1).all(dim=1)[:, None, None, None]  # (B, 1, 1, 1)
        maps: Tensor = self.trunk(x)
        return maps.masked_fill(empty, 0.0)  # (B, C', H', W')

    def layer(self) -> nn.Module:
        return Above(copy.deepcopy(self.above[0]).requires_grad_(True), copy.deepcopy(self.standard))


class Above(nn.Module):
    """The learned parts of a trunk; what they give is standardized as it was before they learned.

    Args:
        trunk: its last parts.
        standard: fitted on what they give.

    Shape: (B, C, H, W) float32, all 0 where there is no image -> (B, d or d + 1) float32.
    """

    def __init__(self, trunk: nn.Module, standard: Standardized):
        super().__init__()
        self.trunk, self.standard = trunk, standard

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.standard(self.vectors(x))
        return features

    def vectors(self, x: Tensor) -> Tensor:
        """NaN where there is no image: (B, C, H, W) -> (B, d)."""
        empty = (x == 0).flatten(1).all(dim=1, keepdim=True)  # (B, 1)
        vectors: Tensor = self.trunk(x)
        return vectors.masked_fill(empty, float("nan"))
