"""Text (ch. 2, Multimodal Input): a cell's words by vocabulary or by hash, and figures about the text itself.

Words are runs of ASCII letters, digits and bytes from 128 on, letters in lower case: a rule on bytes, so that it is the
same in every process and language that serves the model. One field may have all three representations side by side.

Shape: (B, L) int64 tokens, 0 = none -> (B, dim) float32; `TextStatistics` (B, 8) float64 -> (B, 8 or 9) float32.

>>> import torch
>>> text = HashedText("review", buckets=1000, max_tokens=4, ngrams=2, dim=8)
>>> text.encode({text.key: torch.tensor([[5, 3, 0, 0]])}).shape  # 4 words, then 3 pairs of neighbours
torch.Size([1, 7])
"""

from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read, members
from mlp_torch.representation.bags import Bag, HashedBag, Pool
from mlp_torch.representation.pretrained import Pretrained
from mlp_torch.representation.vectors import Standardized


class Text(Bag):
    """A learned vector for each word that is in enough training texts, pooled over those of a text.

    Args:
        field: the raw field.
        max_tokens: words of a text that are read, the first ones.
        dim: width of a vector; by default about 1.6 · √words.
        pool: `mean`, `sum`, `sqrtn` or `attention`.
        min_count: training texts that a word must be in; rarer words count as unknown, whose vector is learned too.
        most: words; of more, the most frequent ones are kept.
        hide: share of words hidden in a step where no word of the training rows is unknown.
        vectors: where words begin, if others have learned them: see `Pretrained`; `dim` is theirs.

    Raises:
        ValueError: in `fit`, if no word is frequent enough.
    """

    def __init__(
        self,
        field: str,
        *,
        max_tokens: int = 64,
        dim: int | None = None,
        pool: Pool = "mean",
        min_count: int = 2,
        most: int = 50_000,
        hide: float = 0.01,
        vectors: Pretrained | None = None,
    ):
        read = members(field, "tokens", max_tokens)
        super().__init__(read, dim=dim, pool=pool, min_count=min_count, most=most, hide=hide, vectors=vectors)


class HashedText(HashedBag):
    """A learned vector for each bucket that words and runs of neighbouring words fall in, pooled over a text.

    Args:
        field: the raw field.
        buckets: how many.
        max_tokens: words of a text that are read, the first ones.
        ngrams: longest run of neighbouring words that has a bucket of its own, beside all shorter ones.
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
        max_tokens: int = 64,
        ngrams: int = 1,
        dim: int | None = None,
        pool: Pool = "mean",
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        read = members(field, "tokens", max_tokens)
        super().__init__(read, buckets, ngrams=ngrams, dim=dim, pool=pool, l1=l1, l2=l2)


class TextStatistics(Column):
    """How long a text is and how it is written: `mlp_torch.ingest.kinds.statistics.STATISTICS`, each standardized.

    Args:
        field: the raw field.

    Raises:
        ValueError: in `fit`, if every text is missing.
    """

    def __init__(self, field: str):
        super().__init__({"x": Read(field, "statistics")})
        self.key = self.reads["x"].key
        self.standard = Standardized()

    def fit(self, sample: Sample) -> None:
        self.standard.fit(sample.inputs[self.key], self.key)

    def resize(self) -> None:
        self.dim = self.standard.resize()

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        features: Tensor = self.standard(inputs[self.key])
        return features  # (B, 8 or 9)

    def layer(self) -> nn.Module:
        return nn.Identity()
