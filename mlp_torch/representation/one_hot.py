"""One-hot and dummy coding (ch. 2): an input for each category, 1 where a row has it.

Missing cells and categories that training never showed are all 0. Features are codes; the layer spreads them out.

Shape: (B,) int64 fingerprints, 0 = missing -> (B,) int64 codes -> (B, n) float32, n categories, n - 1 if dummy coded.

>>> carrier = OneHot("carrier")
>>> rows = {"carrier:string": torch.tensor([77, -5, 77, 0])}
>>> carrier.fit(Sample(rows, torch.zeros(4), lambda read: [])); carrier.resize()
>>> carrier.layer()(carrier.encode({"carrier:string": torch.tensor([-5, 77, 0, 12])}))
tensor([[1., 0.],
        [0., 1.],
        [0., 0.],
        [0., 0.]])
"""

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.representation.embeddings import Embedding


class OneHot(Column):
    """An input for each category that training rows show. Sets have `MultiHot`.

    Args:
        field: the raw field; whole numbers are read as their decimal text.
        drop_first: dummy coding: the category with the smallest fingerprint has no input, so that the inputs do not
            add up to a constant. A missing cell then looks like that category.
        most: categories of training rows; with more, take `Embedding` or `Hashed`.
        l1: of the absolute values of the categories' weights, what is added to the loss. With l1 or l2 an input is not
            1, but a weight that is learned from 1 on.
        l2: the same of their squares.

    Raises:
        ValueError: in `fit`, if every cell is missing, if no input is left, or if there are too many categories.
    """

    def __init__(self, field: str, *, drop_first: bool = False, most: int = 1000, l1: float = 0.0, l2: float = 0.0):
        words = Embedding(field, most=most)
        super().__init__(words.reads, l1=l1, l2=l2)
        self.words, self.first, self.unknown = words, 3 if drop_first else 2, words.unknown

    def fit(self, sample: Sample) -> None:
        self.words.fit(sample)
        self.words.resize()
        if self.words.codes <= self.first:
            key = self.reads["x"].key
            raise ValueError(f"{key} must have two categories for drop_first, however: it has one")

    def resize(self) -> None:
        self.words.resize()
        self.codes, self.dim = self.words.codes, max(0, self.words.codes - self.first)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.words.encode(inputs)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.words.part(inputs)

    def layer(self) -> nn.Module:
        return Hot(self.first, self.codes, weighted=bool(self.l1 or self.l2))


class Hot(nn.Module):
    """1, or a learned weight, at the place of a code.

    Args:
        first: the code of the first input; smaller ones are all 0.
        codes: the code after the last.
        weighted: whether weights are learned.

    Shape: (B,) int64 -> (B, codes - first) float32.
    """

    places: Tensor

    def __init__(self, first: int, codes: int, *, weighted: bool = False):
        super().__init__()
        self.register_buffer("places", torch.arange(first, codes), persistent=False)
        self.weight = nn.Parameter(torch.ones(codes - first)) if weighted else None

    def forward(self, codes: Tensor) -> Tensor:
        hot = (codes.unsqueeze(-1) == self.places).float()  # (B, n)
        return hot if self.weight is None else hot * self.weight
