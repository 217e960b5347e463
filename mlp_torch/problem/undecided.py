"""Targets with two classes and a neutral one between them: by a rule, or by raters who disagree.

Book: ch. 3, Neutral Class. Where a label is arbitrary, a row is taught as neutral and not as one of the two.

Shape: raw fields (N,) -> y (N,) float64: 0, 1 = neutral, 2; NaN = no label.

>>> x = torch.tensor([1.0, 3.0, 5.0]).double()
>>> Band("rating", 3, 4).encode({"rating": x}).tolist()
[0.0, 1.0, 2.0]
"""

import math

import torch
from torch import Tensor

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.target import Target, unknown_label


class Band(Target):
    """Two classes by a rule, and a band between them that is neither.

    Args:
        field: the raw field, a number.
        low: rows with `field < low` are the first class.
        high: rows with `field >= high` are the last class; those between are neutral.
        classes: the names of the first, the neutral and the last class.
    """

    def __init__(
        self, field: str, low: float, high: float, *, classes: tuple[str, str, str] = ("no", "neutral", "yes")
    ):
        super().__init__({"y": Read(field)})
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"low must be less than high, and both finite, however: {low=}, {high=}")
        self.low, self.high, self.classes = low, high, three(classes)

    def encode(self, inputs: Inputs) -> Tensor:
        x = inputs[self.reads["y"].key]
        index = (x >= self.low).to(x.dtype) + (x >= self.high).to(x.dtype)
        return torch.where(x.isnan(), x, index)


class Agreed(Target):
    """What several raters say in common; where they disagree, neutral.

    A rater who says nothing of a row is left out there; a row of which nobody says anything has no label.

    Args:
        fields: a raw field for each rater, which names a class.
        classes: the names of the first, the neutral and the last class; a rater may say the neutral one himself.
        share: of a row's raters that must agree, more than 1/2 and at most 1. Two of three are less than 0.67.

    Raises:
        DataError: `unknown_label`.
    """

    def __init__(
        self, fields: list[str], *, classes: tuple[str, str, str] = ("no", "neutral", "yes"), share: float = 1.0
    ):
        super().__init__({field: Read(field, "string") for field in fields})
        if len(self.reads) < 2 or len(self.reads) < len(fields):
            raise ValueError(f"fields must be two or more, and distinct, however: {fields=}")
        if not 0.5 < share <= 1:
            raise ValueError(f"share must be more than 0.5 and at most 1, however: {share=}")
        self.classes, self.share = three(classes), share

    def fit(self, inputs: Inputs, words: Words) -> None:
        """Learns nothing; refuses unknown labels of training rows while their words are known."""
        problems = []
        for read in self.reads.values():
            if unknown := {word: at for at, word in words(read) if word not in self.classes}:
                bad = torch.isin(inputs[read.key], torch.tensor(list(unknown.values())))
                problems.append(unknown_label(read, bad, self.classes, examples=tuple(sorted(unknown)[:MAX_EXAMPLES])))
        if problems:
            raise DataError(problems)

    def encode(self, inputs: Inputs) -> Tensor:
        known = fingerprints(self.classes)  # (3,)
        self.check(inputs, known)
        said = torch.stack([inputs[read.key] for read in self.reads.values()], dim=1)  # (N, r)
        votes = (said.unsqueeze(2) == known).sum(dim=1).double()  # (N, 3)
        raters = votes.sum(dim=1)  # (N,)
        most, index = votes.max(dim=1)
        y = torch.where(most / raters >= self.share, index.double(), 1.0)
        return y.masked_fill(raters == 0, torch.nan)

    def check(self, inputs: Inputs, known: Tensor) -> None:
        """Refuses what is none of the classes, of all raters together."""
        problems: list[Problem] = []
        for read in self.reads.values():
            bad = (inputs[read.key] != 0) & ~torch.isin(inputs[read.key], known)
            if bad.any():
                rows = tuple(bad.nonzero().squeeze(1)[:MAX_ROWS].tolist())
                problems.append(unknown_label(read, bad, self.classes, rows=rows))
        if problems:
            raise DataError(problems)


def three(classes: tuple[str, str, str]) -> list[str]:
    """The names of the first, the neutral and the last class."""
    if len(classes) != 3 or len(set(classes)) < 3:
        raise ValueError(f"classes must name the first, the neutral and the last class, however: {classes=}")
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(
            f"classes must be text (YAML reads a bare yes as a truth value: quote it), however: {classes=}"
        )
    return list(classes)
