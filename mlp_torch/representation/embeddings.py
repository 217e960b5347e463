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

import json
import math
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.pretrained import Pretrained, width_of

UNKNOWN, MISSING = "(unknown)", "(missing)"  # how codes 0 and 1 are called


def default_dim(codes: int) -> int:
    """The rule of thumb for the width of an embedding: about 1.6 · √codes, at least 2.

    Source: Machine Learning Design Patterns, ch. 2, "Choosing the embedding size".
    """
    return max(2, round(1.6 * math.sqrt(codes)))


def checked_dim(dim: int | None) -> int | None:
    """A width that a user gave; None = the rule of thumb.

    Raises:
        ValueError: unless it is at least 1.
    """
    if dim is not None and dim < 1:
        raise ValueError(f"dim must be at least 1, however: {dim=}")
    return dim


class Lookup(nn.Module):
    """The code of each fingerprint in a vocabulary, 0 for any other, in a few steps however large the vocabulary.

    A sorted table with gaps, in which the top bits of a fingerprint say where to begin. Fingerprints are uniform, so
    each lies there or a few places on. A gap repeats the entry before it, so the table stays sorted, and a binary
    search over those few places finds the last entry that is not larger. Integers that crowd take more steps.

    Args:
        known: (n,) int64, n ≥ 1, distinct, in any order.
        codes: (n,) int64.

    Shape: (B,) int64 -> (B,) int64.
    """

    known: Tensor
    codes: Tensor
    steps: list[int]

    def __init__(self, known: Tensor, codes: Tensor):
        super().__init__()
        known, order = known.sort()
        bits = max(12, len(known).bit_length() + 1)  # 2 to 4 places an entry; of a few hundred hardly two meet
        self.shift, self.middle = 64 - bits, 2 ** (bits - 1)
        begin = (known >> self.shift) + self.middle  # (n,) ascending, 0 ≤ begin < 2**bits
        row = torch.arange(len(known), device=known.device)
        place = (begin - row).cummax(0).values + row  # (n,) where it begins, or next after the entry before
        halvings = int((place - begin).max()).bit_length()
        self.steps = [2**i for i in reversed(range(halvings))]
        places = torch.arange(2**bits + 2**halvings - 1, device=known.device)
        entry = (torch.searchsorted(place, places, right=True) - 1).clamp(min=0)  # the last one up to each place
        # Not part of the state: both follow from it.
        self.register_buffer("known", known[entry], persistent=False)
        self.register_buffer("codes", codes[order][entry], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        at = (x >> self.shift) + self.middle  # (B,)
        for step in self.steps:
            at = at.add(self.known.index_select(0, at + step) <= x, alpha=step)
        return self.codes.index_select(0, at) * (self.known.index_select(0, at) == x)  # (B,)


class Embedding(Column):
    """A learned vector for each category that training rows show.

    Args:
        field: the raw field; whole numbers are read as their decimal text.
        dim: width of a vector; by default that of `vectors`, or about 1.6 · √codes.
        hide: share of training rows whose category is hidden in a step where none is unknown, so that the row for
            unknown ones is learned.
        most: categories of training rows; with more, memory and rows to learn each from run short: see `Hashed`.
        min_count: training rows that a category must be in; rarer ones count as unknown, whose row learns from them.
        vectors: where categories begin, if others have learned them: see `Pretrained`.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.

    Raises:
        ValueError: in `fit`, if every cell is missing, or if there are too many categories or none frequent enough.
    """

    vocabulary: Tensor
    code: Tensor
    spelled: Tensor
    rare: Tensor
    fitted: Tensor

    def __init__(
        self,
        field: str,
        *,
        dim: int | None = None,
        hide: float = 0.01,
        most: int = 100_000,
        min_count: int = 1,
        vectors: Pretrained | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        super().__init__({"x": Read(field, "string")}, l1=l1, l2=l2)
        if not 0 <= hide < 1:
            raise ValueError(f"hide must be at least 0 and less than 1, however: {hide=}")
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, however: {min_count=}")
        self.key, self.width, self.hide = self.reads["x"].key, checked_dim(dim), hide
        self.unknown, self.most, self.min_count, self.vectors = 0, most, min_count, vectors
        self.register_buffer("vocabulary", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("code", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("spelled", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("rare", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.int64))  # codes before it grew, which say how wide
        self.lookup = Lookup(self.vocabulary, self.code)

    def fit(self, sample: Sample) -> None:
        self.learn(sample.inputs[self.key], sample.words(self.reads["x"]), self.key)

    def learn(self, x: Tensor, words: Iterable[tuple[int, str]], name: str) -> None:
        """The vocabulary of cells (N,), which may be of several fields.

        Args:
            x: fingerprints.
            words: what they stand for.
            name: of the fields, for messages.
        """
        found, rows = counted(x)
        if not len(found):
            raise ValueError(f"{name} must have a value in training rows, however: all are missing")
        if (largest := int(rows.max())) < self.min_count:
            text = f"a category of {name} must be in {self.min_count:,} training rows, however: the most frequent is in"
            raise ValueError(f"{text} {largest:,}; a lower min_count takes it")
        self.vocabulary = found[rows >= self.min_count].sort().values
        if (count := len(self.vocabulary)) > self.most:
            raise ValueError(f"{name} must have at most {self.most:,} categories, however: {count:,}; use Hashed")
        self.code = torch.arange(count) + 2
        self.fitted = torch.tensor(count + 2)
        self.rare = torch.tensor(len(found) - count)
        self.spelled = spelled(self.vocabulary, words)
        if self.vectors is not None:
            self.vectors.fit(self.vocabulary, self.code, name=name, dim=self.width)

    def grow(self, sample: Sample) -> None:
        self.learn_more(sample.inputs[self.key], sample.words(self.reads["x"]), self.key)

    def learn_more(self, x: Tensor, words: Iterable[tuple[int, str]], name: str) -> None:
        """Adds the categories of cells (N,) that the vocabulary lacks; arguments as those of `learn`."""
        found, rows = counted(x)
        is_new = ~torch.isin(found, self.vocabulary)
        more = found[is_new & (rows >= self.min_count)].sort().values
        self.rare = is_new.sum() - len(more)
        if (count := len(self.vocabulary) + len(more)) > self.most:
            raise ValueError(f"{name} must have at most {self.most:,} categories, however: {count:,}; use Hashed")
        if self.vectors is not None:
            self.vectors.grow(more, int(self.code.max()) + 1 + torch.arange(len(more)), name=name)
        self.vocabulary, self.code, self.spelled = grown(self.vocabulary, self.code, self.spelled, more, words)

    def resize(self) -> None:
        self.codes = int(self.code.max()) + 1
        self.dim = self.width or width_of(self.vectors) or default_dim(int(self.fitted))
        missing = self.vocabulary.new_zeros(1)
        self.lookup = Lookup(torch.cat([self.vocabulary, missing]), torch.cat([self.code, missing + 1]))

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        codes: Tensor = self.lookup(inputs[self.key])
        return codes  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs[self.key]

    def notes(self) -> list[str]:
        count, told = len(self.vocabulary), []
        if self.rare:
            text = f"{int(self.rare):,} of {count + int(self.rare):,} categories are in fewer than"
            told.append(f"{text} {self.min_count:,} training rows and count as ones that training never showed")
        return told if self.vectors is None else [*told, self.vectors.note(count)]

    def meanings(self) -> list[str]:
        return meanings_of(self.code, self.vocabulary, self.spelled)

    def layer(self) -> nn.Module:
        rows = Rows(self.codes, self.dim, seen=self.seen, hide=self.hide)
        return rows if self.vectors is None else self.vectors.into(rows)


def counted(x: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct categories of (N,) cells, and how many rows hold each; 0 = missing is none."""
    found, rows = distinct(x)
    return found[found != 0], rows[found != 0]


def grown(
    vocabulary: Tensor, code: Tensor, known: Tensor, more: Tensor, words: Iterable[tuple[int, str]]
) -> tuple[Tensor, Tensor, Tensor]:
    """A vocabulary, (n,) ascending, its codes and words, with m more fingerprints, whose codes follow the last.

    >>> grown(torch.tensor([3, 9]), torch.tensor([2, 3]), spelled(torch.tensor([3, 9]), []), torch.tensor([5]), [])[:2]
    (tensor([3, 5, 9]), tensor([2, 4, 3]))
    """
    pairs = dict(words)
    if len(known):
        pairs |= dict(zip(vocabulary.tolist(), json.loads(known.numpy().tobytes()), strict=True))
    together, order = torch.cat([vocabulary, more]).sort()
    codes = torch.cat([code, int(code.max()) + 1 + torch.arange(len(more))])[order]
    return together, codes, spelled(together, pairs.items())


def distinct(x: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct values of (N,) int64, and how many rows hold each; in a quarter of torch's time."""
    counted = pa.array(x.numpy()).value_counts()
    return torch.tensor(counted.field(0).to_numpy()), torch.tensor(counted.field(1).to_numpy())


def spelled(vocabulary: Tensor, words: Iterable[tuple[int, str]]) -> Tensor:
    """The words behind fingerprints (n,) as bytes of JSON, so that they are state like all else; none if none is known.

    A list of texts would not be: a module's state holds tensors.
    """
    known = dict(words)
    found = [known.get(fingerprint, str(fingerprint)) for fingerprint in vocabulary.tolist()]
    text = json.dumps(found).encode() if known else b""
    return torch.tensor(np.frombuffer(text, np.uint8))


def meanings_of(code: Tensor, vocabulary: Tensor, spelled: Tensor) -> list[str]:
    """By code, the words of a vocabulary, or their fingerprints; 0 is unknown, 1 missing."""
    words = json.loads(spelled.cpu().numpy().tobytes()) if len(spelled) else list(map(str, vocabulary.tolist()))
    found = {0: UNKNOWN, 1: MISSING, **dict(zip(code.tolist(), words, strict=True))}
    return [found.get(i, "") for i in range(max(found) + 1)]
