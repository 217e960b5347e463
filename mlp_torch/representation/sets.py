"""Sets (ch. 2, Multimodal Input): cells of several categories, "Action, Drama", as multi-hot code or pooled vectors.

Shape: (B, L) int64 fingerprints, 0 = none -> (B, L) int64 codes, -1 = none -> (B, dim) float32.

>>> from mlp_torch.column import Sample
>>> genre = MultiHot("genre", max_tokens=3)
>>> rows = {genre.key: torch.tensor([[7, -5, 0], [7, 0, 0]])}
>>> genre.fit(Sample(rows, torch.zeros(2), lambda read: [])); genre.resize()
>>> genre.layer()(genre.encode({genre.key: torch.tensor([[7, -5, 0], [9, 7, 0], [0, 0, 0]])}))
tensor([[1., 1.],
        [0., 1.],
        [0., 0.]])
"""

import torch
from torch import Tensor, nn

from mlp_torch.ingest.reads import members
from mlp_torch.representation.bags import Bag, HashedBag, Pool, Vocabulary
from mlp_torch.representation.pretrained import Pretrained


class Set(Bag):
    """A learned vector for each member that training rows show, pooled over those of a cell.

    Args:
        field: the raw field: text with a separator, or lists.
        separator: between the members of a cell that is text, exactly as it stands there.
        max_tokens: members of a cell that are read, the first ones.
        dim: width of a vector; by default about 1.6 · √members.
        pool: `mean`, `sum`, `sqrtn` or `attention`.
        min_count: training rows that a member must be in; rarer ones count as unknown, whose vector is learned too.
        hide: share of members hidden in a step where none of the training rows' is unknown.
        vectors: where members begin, if others have learned them: see `Pretrained`; `dim` is theirs.

    Raises:
        ValueError: in `fit`, if no member is frequent enough.
    """

    def __init__(
        self,
        field: str,
        *,
        separator: str = ", ",
        max_tokens: int = 8,
        dim: int | None = None,
        pool: Pool = "mean",
        min_count: int = 1,
        hide: float = 0.01,
        vectors: Pretrained | None = None,
    ):
        read = members(field, "set", max_tokens, separator=separator)
        super().__init__(read, dim=dim, pool=pool, min_count=min_count, hide=hide, vectors=vectors)


class HashedSet(HashedBag):
    """A learned vector for each bucket that members fall in, pooled over a cell: no vocabulary, so no cold start.

    Args:
        field: the raw field: text with a separator, or lists.
        buckets: how many.
        separator: between the members of a cell that is text, exactly as it stands there.
        max_tokens: members of a cell that are read, the first ones.
        dim: width of a vector; by default about 1.6 · √buckets.
        pool: `mean`, `sum`, `sqrtn` or `attention`.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.
    """

    def __init__(
        self,
        field: str,
        buckets: int,
        *,
        separator: str = ", ",
        max_tokens: int = 8,
        dim: int | None = None,
        pool: Pool = "mean",
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        read = members(field, "set", max_tokens, separator=separator)
        super().__init__(read, buckets, dim=dim, pool=pool, l1=l1, l2=l2)


class MultiHot(Vocabulary):
    """One input for each member that training rows show, 1 where a cell has it; missing and unknown ones are all 0.

    Args:
        field: the raw field: text with a separator, or lists.
        separator: between the members of a cell that is text, exactly as it stands there.
        max_tokens: members of a cell that are read, the first ones.
        min_count: training rows that a member must be in to have an input.
        most: inputs; of more members, the most frequent ones have one.

    Raises:
        ValueError: in `fit`, if no member is frequent enough.
    """

    def __init__(self, field: str, *, separator: str = ", ", max_tokens: int = 8, min_count: int = 1, most: int = 1000):
        read = members(field, "set", max_tokens, separator=separator)
        super().__init__(read, min_count=min_count, most=most)

    def resize(self) -> None:
        super().resize()
        self.dim = self.codes - 2

    def layer(self) -> nn.Module:
        return Marks(self.dim)


class Marks(nn.Module):
    """1 at each code from 2 on that a row holds.

    Args:
        n: codes from 2 on.

    Shape: (B, L) int64 from -1 to n + 1 -> (B, n) float32.
    """

    def __init__(self, n: int):
        super().__init__()
        self.n = n

    def forward(self, codes: Tensor) -> Tensor:
        marks = torch.zeros((codes.shape[0], self.n + 3), device=codes.device)  # (B, n + 3): -1, 0 and 1 come first
        return marks.scatter(1, codes + 1, 1.0)[:, 3:]  # (B, n)
