"""Bags: several words of a cell, in no order, as one vector. Text and sets are bags; see `text` and `sets`.

A cell's words are looked up or hashed one by one, and the vectors of those that are there are pooled: what fills a row
up to `max_tokens` takes no part. A cell without words, missing or empty, has a row of its own. Vectors begin at 0, as
the weights of a linear model do: of most words, which are in few cells, a random start would remain as noise.

Shape: (B, L) int64 fingerprints, 0 = none -> (B, L) int64 codes, -1 = none -> (B, dim) float32.

>>> bag = HashedBag(Read("tags", "set", max_tokens=3), buckets=10)
>>> bag.encode({bag.key: torch.tensor([[7, 12, 0], [0, 0, 0]])})
tensor([[ 7,  2, -1],
        [10, -1, -1]])
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.fingerprint import bigquery_bucket, cat, cross
from mlp_torch.ingest.kinds.rows import rows_with
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import Lookup, checked_dim, default_dim, grown, meanings_of, spelled
from mlp_torch.representation.pretrained import Pretrained, width_of

Pool = Literal["mean", "sum", "sqrtn", "attention"]


class Pooled(nn.Module):
    """The vectors of a cell's words as one.

    Args:
        rows: a vector for each code.
        dim: its width.
        pool: `mean`, `sum`, `sqrtn`, the sum over √words, or `attention`, a mean by weights that a learned query gives.

    Shape: (B, L) int64, -1 = none, at least one other in each row -> (B, dim) float32.
    """

    def __init__(self, rows: nn.Module, dim: int, pool: Pool = "mean"):
        super().__init__()
        self.rows, self.pool = rows, pool
        self.query = nn.Linear(dim, 1, bias=False) if pool == "attention" else nn.Identity()

    def forward(self, codes: Tensor) -> Tensor:
        held = codes >= 0  # (B, L)
        vectors = self.rows(codes.clamp(min=0))  # (B, L, dim)
        share = held.to(vectors.dtype)  # (B, L)
        if self.pool == "attention":
            score: Tensor = self.query(torch.tanh(vectors)).squeeze(-1)  # (B, L)
            share = score.masked_fill(~held, float("-inf")).softmax(dim=1)
        elif self.pool == "mean":
            share = share / share.sum(dim=1, keepdim=True)
        elif self.pool == "sqrtn":
            share = share / share.sum(dim=1, keepdim=True).sqrt()
        return torch.bmm(share.unsqueeze(1), vectors).squeeze(1)  # (B, dim)


def without_gaps(codes: Tensor, held: Tensor, nothing: int) -> Tensor:
    """Codes where words are, -1 elsewhere; a row without any has the code `nothing` at its first place: (B, L)."""
    codes = codes.masked_fill(~held, -1)
    first = torch.where(held.any(dim=1), codes[:, 0], torch.full_like(codes[:, 0], nothing))  # (B,)
    return torch.cat([first.unsqueeze(1), codes[:, 1:]], dim=1)


def checked_pool(pool: str) -> None:
    """Refuses an unknown way of pooling."""
    if pool not in ("mean", "sum", "sqrtn", "attention"):
        raise ValueError(f"pool must be mean, sum, sqrtn or attention, however: {pool=}")


def start_of(pool: Pool) -> float:
    """The spread of vectors at the start: none, but for attention, whose query learns nothing from vectors of 0."""
    return 0.01 if pool == "attention" else 0.0


class Vocabulary(Column):
    """The words that training rows show, each with a code from 2 on. What is made of codes is for others to say.

    Code 0 is a word that has none, code 1 a cell without words.

    Args:
        read: tokens or a set.
        min_count: cells of training rows that a word must be in; rarer ones count as unknown.
        most: words; of more, the most frequent ones are kept, and the others count as unknown.

    Raises:
        ValueError: in `fit`, if no word is frequent enough.
    """

    vocabulary: Tensor
    code: Tensor
    spelled: Tensor

    def __init__(self, read: Read, *, min_count: int, most: int):
        super().__init__({"x": read})
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, however: {min_count=}")
        if most < 1:
            raise ValueError(f"most must be at least 1, however: {most=}")
        self.key, self.min_count, self.most = read.key, min_count, most
        self.unknown, self.lenient = 0, True
        self.register_buffer("vocabulary", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("code", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("spelled", torch.zeros(0, dtype=torch.uint8))
        self.lookup = Lookup(self.vocabulary, self.code)

    def fit(self, sample: Sample) -> None:
        words, cells = rows_with(sample.inputs[self.key])
        if not len(words):
            raise ValueError(f"{self.key} must have a word in training rows, however: all cells are missing or empty")
        if (most := int(cells.max())) < self.min_count:
            text = f"a word of {self.key} must be in {self.min_count:,} training rows, however: the most frequent is in"
            raise ValueError(f"{text} {most:,}; a lower min_count takes it")
        self.vocabulary = self.frequent(words, cells, self.most)
        self.code = torch.arange(len(self.vocabulary)) + 2
        self.spelled = spelled(self.vocabulary, sample.words(self.reads["x"]))

    def frequent(self, words: NDArray[np.int64], cells: NDArray[np.int64], most: int) -> Tensor:
        """Of (n,) words in so many cells each those that have a code, (m,) ascending, m ≤ most."""
        often = np.flatnonzero(cells >= self.min_count)
        kept = often[np.argsort(-cells[often], kind="stable")[:most]]
        return torch.from_numpy(np.sort(words[kept]))

    def meanings(self) -> list[str]:
        return meanings_of(self.code, self.vocabulary, self.spelled)

    def resize(self) -> None:
        self.codes = int(self.code.max()) + 1
        self.lookup = Lookup(self.vocabulary, self.code)

    def see(self, codes: Tensor) -> None:
        super().see(codes[codes >= 0])

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B, L)
        codes: Tensor = self.lookup(x.reshape(-1))  # (B · L,)
        return without_gaps(codes.reshape(x.shape), x != 0, 1)  # (B, L)


class Bag(Vocabulary):
    """A learned vector for each word of the vocabulary, pooled over those of a cell.

    Args:
        read: tokens or a set.
        dim: width of a vector; by default about 1.6 · √codes.
        pool: `mean`, `sum`, `sqrtn` or `attention`.
        min_count: cells of training rows that a word must be in; rarer ones count as unknown.
        most: words; of more, the most frequent ones are kept, and the others count as unknown.
        hide: share of words hidden in a step where none of the training rows' is unknown, so that its row is learned.
        vectors: where words begin, if others have learned them: see `Pretrained`; `dim` is theirs.

    Raises:
        ValueError: in `fit`, if no word is frequent enough.
    """

    fitted: Tensor

    def __init__(
        self,
        read: Read,
        *,
        dim: int | None = None,
        pool: Pool = "mean",
        min_count: int = 1,
        most: int = 100_000,
        hide: float = 0.01,
        vectors: Pretrained | None = None,
    ):
        super().__init__(read, min_count=min_count, most=most)
        checked_pool(pool)
        if not 0 <= hide < 1:
            raise ValueError(f"hide must be at least 0 and less than 1, however: {hide=}")
        self.width, self.pool, self.hide, self.vectors = checked_dim(dim), pool, hide, vectors
        self.register_buffer("fitted", torch.zeros((), dtype=torch.int64))  # codes before it grew, which say how wide

    def fit(self, sample: Sample) -> None:
        super().fit(sample)
        if self.vectors is not None:
            self.vectors.fit(self.vocabulary, self.code, name=self.key, dim=self.width)
        self.fitted = self.code.max() + 1

    def grow(self, sample: Sample) -> None:
        words, cells = rows_with(sample.inputs[self.key])
        is_new = ~np.isin(words, self.vocabulary.numpy())
        more = self.frequent(words[is_new], cells[is_new], max(0, self.most - len(self.vocabulary)))
        if self.vectors is not None:
            self.vectors.grow(more, int(self.code.max()) + 1 + torch.arange(len(more)), name=self.key)
        known = sample.words(self.reads["x"])
        self.vocabulary, self.code, self.spelled = grown(self.vocabulary, self.code, self.spelled, more, known)

    def resize(self) -> None:
        super().resize()
        self.dim = self.width or width_of(self.vectors) or default_dim(int(self.fitted))

    def notes(self) -> list[str]:
        return [] if self.vectors is None else [self.vectors.note(len(self.vocabulary))]

    def layer(self) -> nn.Module:
        rows = Rows(self.codes, self.dim, seen=self.seen, hide=self.hide, std=start_of(self.pool))
        return Pooled(rows if self.vectors is None else self.vectors.into(rows), self.dim, self.pool)


class HashedBag(Column):
    """A learned vector for each bucket that a cell's words, and runs of neighbouring ones, fall in; then pooled.

    Args:
        read: tokens or a set.
        buckets: how many.
        ngrams: longest run of neighbouring words that has a bucket of its own, beside all shorter ones.
        dim: width of a vector; by default about 1.6 · √buckets.
        pool: `mean`, `sum`, `sqrtn` or `attention`.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.
    """

    def __init__(
        self,
        read: Read,
        buckets: int,
        *,
        ngrams: int = 1,
        dim: int | None = None,
        pool: Pool = "mean",
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        super().__init__({"x": read}, l1=l1, l2=l2)
        checked_pool(pool)
        if buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        if not 1 <= ngrams <= read.max_tokens:
            raise ValueError(f"ngrams must be from 1 to max_tokens={read.max_tokens}, however: {ngrams=}")
        self.key, self.buckets, self.ngrams, self.pool = read.key, buckets, ngrams, pool
        self.codes, self.dim = buckets + 1, checked_dim(dim) or default_dim(buckets)

    def see(self, codes: Tensor) -> None:
        super().see(codes[codes >= 0])

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B, L)
        run, count = cross([x]), x.shape[1]
        buckets, held = [bigquery_bucket(x, self.buckets)], [x != 0]
        for n in range(1, self.ngrams):  # runs of n + 1 words; the last ones begin n places before the end
            run = cat(run[:, : count - n], x[:, n:])
            buckets.append(bigquery_bucket(run, self.buckets))
            held.append(x[:, n:] != 0)
        return without_gaps(torch.cat(buckets, dim=1), torch.cat(held, dim=1), self.buckets)  # (B, L')

    def layer(self) -> nn.Module:
        return Pooled(Rows(self.codes, self.dim, seen=self.seen, std=start_of(self.pool)), self.dim, self.pool)
