"""Embeddings (ch. 2): each category a learned vector, near for categories that act alike.

The vocabulary is a sorted tensor of fingerprints beside the code of each, so that it can grow and known words keep
their rows. Code 0 is a category never seen in training, code 1 a missing cell; both rows are trained.

Shape: (B,) int64 fingerprints, 0 = missing -> (B,) int64 codes -> (B, dim) float32.

>>> carrier = Embedding("carrier", dim=2)
>>> rows = {"carrier:string": torch.tensor([77, -5, 77, 0])}
>>> carrier.fit(Sample(rows, torch.zeros(4), lambda read: [])); carrier.resize()
>>> carrier.encode({"carrier:string": torch.tensor([-5, 77, 0, 12])})
tensor([2, 3, 1, 0])
"""

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.reads import Read


def default_dim(codes: int) -> int:
    """The rule of thumb for the width of an embedding: about 1.6 · √codes, at least 2.

    Source: Machine Learning Design Patterns, ch. 2, "Choosing the embedding size".
    """
    return max(2, round(1.6 * codes**0.5))


class Embedding(Column):
    """A learned vector for each category that training rows show.

    Args:
        field: the raw field; whole numbers are read as their decimal text.
        dim: width of a vector; by default about 1.6 · √categories.
        hide: share of training rows whose category is hidden in a step, so that the row for unknown ones is learned.
    """

    vocabulary: Tensor
    code: Tensor
    missing_seen: Tensor

    def __init__(self, field: str, *, dim: int | None = None, hide: float = 0.01):
        super().__init__({"x": Read(field, "string")})
        if dim is not None and dim < 1:
            raise ValueError(f"dim must be at least 1, however: {dim=}")
        self.key, self.width, self.hide = self.reads["x"].key, dim, hide
        self.unknown = 0
        self.register_buffer("vocabulary", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("code", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("missing_seen", torch.tensor(False))

    def fit(self, sample: Sample) -> None:
        found = sample.inputs[self.key].unique()  # sorted
        self.missing_seen = (found == 0).any()
        self.vocabulary = found[found != 0]
        if not len(self.vocabulary):
            raise ValueError(f"{self.key} must have a value in training rows, however: all are missing")
        self.code = torch.arange(len(self.vocabulary)) + 2

    def resize(self) -> None:
        self.codes = int(self.code.max()) + 1
        self.dim = self.width or default_dim(self.codes)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        at = torch.searchsorted(self.vocabulary, x).clamp(max=self.vocabulary.shape[0] - 1)
        code = torch.where(self.vocabulary[at] == x, self.code[at], torch.zeros_like(x))
        return torch.where(x == 0, torch.ones_like(x), code)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs[self.key]

    def layer(self) -> nn.Module:
        return Rows(self.codes, self.dim, spare=(0,) if self.missing_seen else (0, 1), hide=self.hide)
