"""Vectors (ch. 2, Multimodal Input): what another model made of a text, an image or a user, given ready.

Shape: (B, d) float32, NaN = missing -> (B, d or d + 1) float32.

>>> vector = Vector("embedding", 2)
>>> rows = {vector.key: torch.tensor([[1.0, 5.0], [3.0, 5.0]])}
>>> vector.fit(Sample(rows, torch.zeros(2), lambda read: [])); vector.resize()
>>> vector.encode(rows)
tensor([[-1.,  0.],
        [ 1.,  0.]])
"""

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.numbers import FARTHEST


class Standardized(nn.Module):
    """Several numbers of a row, each minus its mean over its standard deviation; missing rows are 0.

    Where training rows were missing, a last feature says so. What does not vary gives 0.

    Shape: (B, d), NaN = missing -> (B, d or d + 1) float32.
    """

    mean: Tensor
    scale: Tensor
    missing_seen: Tensor
    farthest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(1, dtype=torch.float64))
        self.register_buffer("missing_seen", torch.tensor(False))
        self.register_buffer("farthest", torch.tensor(FARTHEST, dtype=torch.float64), persistent=False)
        self.indicator = False

    def fit(self, x: Tensor, key: str) -> None:
        """Learns from (N, d); `key` is for messages.

        Raises:
            ValueError: if every row is missing.
        """
        missing = x.isnan().any(dim=1)  # (N,)
        if missing.all():
            raise ValueError(f"{key} must have a value in training rows, however: all are missing")
        known = x[~missing].double()
        mean, scale = known.mean(dim=0), known.std(dim=0, correction=0)
        self.missing_seen = missing.any()
        self.mean = mean
        self.scale = torch.where(scale > 1e-12 * known.abs().amax(dim=0), scale, torch.ones_like(scale))

    def resize(self) -> int:
        """Takes over what was fitted, and tells how many features there are."""
        self.indicator = bool(self.missing_seen)
        return len(self.mean) + int(self.indicator)

    def forward(self, x: Tensor) -> Tensor:
        missing = x.isnan().any(dim=1, keepdim=True)  # (B, 1)
        z = (x.double() - self.mean) / self.scale  # (B, d)
        z = torch.where(missing, torch.zeros_like(z), z.clamp(-self.farthest, self.farthest)).float()
        return torch.cat([z, missing.float()], dim=1) if self.indicator else z


class Vector(Column):
    """A ready vector, each of its numbers standardized.

    Args:
        field: the raw field: lists of numbers.
        size: numbers of a vector.

    Raises:
        ValueError: in `fit`, if every vector is missing.
    """

    def __init__(self, field: str, size: int):
        if size < 1:
            raise ValueError(f"size must be at least 1, however: {size=}")
        super().__init__({"x": Read(field, "vector", size=(size,))})
        self.key = self.reads["x"].key
        self.standard = Standardized()

    def fit(self, sample: Sample) -> None:
        self.standard.fit(sample.inputs[self.key], self.key)

    def resize(self) -> None:
        self.dim = self.standard.resize()

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        features: Tensor = self.standard(inputs[self.key])
        return features  # (B, d or d + 1)

    def layer(self) -> nn.Module:
        return nn.Identity()
