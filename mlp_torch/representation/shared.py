"""Shared embeddings (ch. 2): one table of vectors for fields of the same things, such as origin and destination.

A category has one vector in whichever field it stands, learned from the rows of all of them. The vocabulary is the
fields' union. Vectors lie side by side, field by field; a backbone gets a width for each.

Shape: (B,) int64 fingerprints a field, 0 = missing -> (B, k) int64 codes -> (B, k · dim) float32.

>>> airport = SharedEmbedding(["origin", "dest"], dim=2)
>>> rows = {"origin:string": torch.tensor([7, 9]), "dest:string": torch.tensor([9, 0])}
>>> airport.fit(Sample(rows, torch.zeros(2), lambda read: [])); airport.resize()
>>> airport.encode(rows), airport.widths()
(tensor([[2, 3],
        [3, 1]]), {'origin': 2, 'dest': 2})
"""

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.pretrained import Pretrained


class SharedEmbedding(Column):
    """A learned vector for each category that training rows show in one of several fields.

    Args:
        fields: two or more raw fields, in the order of their vectors.
        dim: width of a vector, by default as in `Embedding`; hide, most, min_count, vectors, l1 and l2 too are its.
        hide: share of cells whose category is hidden in a step.
        most: categories of all fields together.
        min_count: cells of training rows, of all fields together, that a category must be in.
        vectors: where categories begin.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.

    Raises:
        ValueError: in `fit`, as Embedding.
    """

    def __init__(
        self,
        fields: list[str],
        *,
        dim: int | None = None,
        hide: float = 0.01,
        most: int = 100_000,
        min_count: int = 1,
        vectors: Pretrained | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        if len(set(fields)) < 2 or len(set(fields)) < len(fields):
            raise ValueError(f"fields must be at least 2 different ones, however: {fields=}")
        super().__init__({field: Read(field, "string") for field in fields}, l1=l1, l2=l2)
        self.words = Embedding(fields[0], dim=dim, hide=hide, most=most, min_count=min_count, vectors=vectors)
        self.keys = [read.key for read in self.reads.values()]
        self.unknown = self.words.unknown

    def fit(self, sample: Sample) -> None:
        cells = torch.cat([sample.inputs[key] for key in self.keys])  # (k · N,)
        words = [pair for read in self.reads.values() for pair in sample.words(read)]
        self.words.learn(cells, words, self.name)

    def grow(self, sample: Sample) -> None:
        cells = torch.cat([sample.inputs[key] for key in self.keys])  # (k · N,)
        words = [pair for read in self.reads.values() for pair in sample.words(read)]
        self.words.learn_more(cells, words, self.name)

    @property
    def name(self) -> str:
        """Of all fields, for messages."""
        return ", ".join(self.keys)

    __jit_unused_properties__ = ("name",)

    def resize(self) -> None:
        self.words.resize()
        self.codes, self.dim = self.words.codes, len(self.keys) * self.words.dim

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        codes: list[Tensor] = []
        for key in self.keys:
            codes.append(self.words.lookup(inputs[key]))
        return torch.stack(codes, dim=1)  # (B, k)

    def widths(self) -> dict[str, int]:
        return dict.fromkeys(self.reads, self.words.dim)

    def notes(self) -> list[str]:
        return self.words.notes()

    def meanings(self) -> list[str]:
        return self.words.meanings()

    def layer(self) -> nn.Module:
        self.words.seen = self.seen
        return SideBySide(self.words.layer())


class SideBySide(nn.Module):
    """The vectors of several codes of a row as one.

    Args:
        rows: a vector for each code.

    Shape: (B, k) int64 -> (B, k · dim) float32.
    """

    def __init__(self, rows: nn.Module):
        super().__init__()
        self.rows = rows

    def forward(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self.rows(codes)  # (B, k, dim)
        return vectors.flatten(1)  # (B, k · dim)
