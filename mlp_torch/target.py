"""The interface of a Target: which raw fields are predicted, and how they become `y`. A Target is never served.

>>> target = Number("price")
>>> target.encode({"price": torch.tensor([2.0, float("nan")], dtype=torch.float64)})
tensor([2., nan], dtype=torch.float64)
"""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem, quote
from mlp_torch.ingest.kinds.rows import rows_with
from mlp_torch.ingest.reads import Inputs, Read, Words, members


class Target(nn.Module):
    """Raw fields to `y`.

    Attributes:
        reads: what it needs of the raw fields.
        classes: names of the classes in the order of their index; empty where y is a number.
    """

    reads: dict[str, Read]
    classes: list[str]

    def __init__(self, reads: dict[str, Read]):
        super().__init__()
        self.reads = reads
        self.classes = []

    def fit(self, inputs: Inputs, words: Words) -> None:
        """Learns from training rows; by default there is nothing to learn."""

    def encode(self, inputs: Inputs) -> Tensor:
        """(N,) float64: the number or the class index; of several labels (N, k) 0 or 1 each. NaN = no label.

        Raises:
            DataError: where a value is none that this target knows.
        """
        raise NotImplementedError

    def notes(self) -> list[str]:
        """What is worth knowing of the labels once it is fitted; as a rule nothing."""
        return []

    def get_extra_state(self) -> dict[str, list[str]]:
        return {"classes": self.classes}

    def set_extra_state(self, state: dict[str, list[str]]) -> None:
        self.classes = state["classes"]


class Number(Target):
    """A number as it is, in its own unit.

    Args:
        field: the raw field.
    """

    def __init__(self, field: str):
        super().__init__({"y": Read(field)})

    def encode(self, inputs: Inputs) -> Tensor:
        return inputs[self.reads["y"].key]


class Unlabelled(Target):
    """No label: pretraining (ch. 4) learns from columns alone, so that a row without a label is one like others."""

    def __init__(self) -> None:
        super().__init__({})

    def encode(self, inputs: Inputs) -> Tensor:
        return torch.zeros(len(next(iter(inputs.values()))), dtype=torch.float64)


class AtLeast(Target):
    """Two classes by a rule: whether a number reaches a threshold.

    Args:
        field: the raw field.
        threshold: rows with `field >= threshold` are class 1.
        classes: the names of class 0 and class 1.
    """

    def __init__(self, field: str, threshold: float, *, classes: tuple[str, str] = ("no", "yes")):
        super().__init__({"y": Read(field)})
        if not math.isfinite(threshold):
            raise ValueError(f"threshold must be finite, however: {threshold=}")
        self.threshold = threshold
        self.classes = list(classes)
        if len(self.classes) != 2:
            raise ValueError(f"classes must name class 0 and class 1, however: classes={self.classes}")

    def encode(self, inputs: Inputs) -> Tensor:
        x = inputs[self.reads["y"].key]
        return torch.where(x.isnan(), x, (x >= self.threshold).to(x.dtype))


MAX_CLASSES = 1000


class Category(Target):
    """One of several classes, named by the text of a field; numbers must be whole.

    Args:
        field: the raw field.
        classes: the names in the order wanted; by default those of the training rows, sorted.

    Raises:
        DataError: in `fit`, `unknown_label`, `one_class`, `continuous_target`, `class_without_rows`.
    """

    fingerprints: Tensor

    def __init__(self, field: str, *, classes: list[str] | None = None):
        super().__init__({"y": Read(field, "string")})
        self.given = list(classes) if classes else []
        if len(set(self.given)) < len(self.given):
            raise ValueError(f"classes must be distinct, however: {classes=}")
        self.register_buffer("fingerprints", torch.zeros(0, dtype=torch.int64))

    def fit(self, inputs: Inputs, words: Words) -> None:
        read = self.reads["y"]
        found = {word: fingerprint for fingerprint, word in words(read)}
        if unknown := sorted(set(found) - set(self.given)) if self.given else []:
            bad = torch.isin(inputs[read.key], torch.tensor([found[word] for word in unknown]))
            raise DataError(unknown_label(read, bad, self.given, examples=tuple(unknown[:MAX_EXAMPLES])))
        check_number(read, found, inputs)
        self.classes = self.given or sorted(found)
        if absent := [name for name in self.classes if name not in found]:
            raise DataError(without_rows(read, absent))
        self.fingerprints = torch.tensor([found[name] for name in self.classes], dtype=torch.int64)

    def encode(self, inputs: Inputs) -> Tensor:
        x = inputs[self.reads["y"].key].contiguous()  # (N,)
        order = self.fingerprints.argsort()
        at = torch.searchsorted(self.fingerprints[order], x).clamp(max=len(order) - 1)  # (N,)
        index = order[at]  # (N,)
        known = self.fingerprints[index] == x
        bad = ~known & (x != 0)
        if bad.any():
            rows = tuple(bad.nonzero().squeeze(1)[:MAX_ROWS].tolist())
            raise DataError(unknown_label(self.reads["y"], bad, self.classes, rows=rows))
        return torch.where(known, index.double(), torch.nan)


def unknown_label(
    read: Read, bad: Tensor, classes: list[str], *, rows: tuple[int, ...] = (), examples: tuple[str, ...] = ()
) -> Problem:
    """The problem of the rows, (N,) bool, whose labels are not among the classes."""
    text = f"labels that are none of the classes; known: {', '.join(classes[:20])}"
    return Problem(
        "unknown_label", text, (read.field,), int(bad.sum()), len(bad), rows, examples, key="data.target.classes"
    )


def without_rows(read: Read, absent: list[str]) -> Problem:
    """The problem of classes that are given and that no training row has."""
    named = ", ".join(map(quote, absent[:20])) + (", …" if len(absent) > 20 else "")
    text = f"no training row of {'class' if len(absent) == 1 else 'the classes'} {named}"
    return Problem("class_without_rows", text, (read.field,), key="data.target.classes")


def check_number(read: Read, found: Collection[str], inputs: Inputs) -> None:
    """Refuses words that are too few or too many to be classes.

    Raises:
        DataError: `one_class`, `continuous_target`.
    """
    if len(found) < 2:
        held = quote(next(iter(found))) if found else "none"
        text = f"the target needs two classes, however: all {len(inputs[read.key]):,} training rows hold {held}"
        raise DataError(Problem("one_class", text, (read.field,)))
    if len(found) > MAX_CLASSES:
        text = f"the target looks continuous: {len(found):,} distinct values, at most {MAX_CLASSES:,} classes"
        raise DataError(Problem("continuous_target", text, (read.field,), examples=tuple(sorted(found)[:MAX_EXAMPLES])))


class Labels(Target):
    """Any number of labels a row, from a field that lists them, such as "Action, Drama" (multilabel, ch. 3).

    Args:
        field: the raw field: text with a separator, or lists.
        separator: between the labels of a cell that is text, exactly as it stands there.
        max_labels: that a cell may list.
        classes: the names in the order wanted; by default those of the training rows, sorted.
        min_count: training rows that a label must be in to be a class.
        others: labels that are no class: an `error`, or `ignore`; a row may have others beside them, or none.
        empty: a cell that lists nothing: a `missing` label, or `none` of the classes.

    Raises:
        DataError: in `fit`, `no_classes`, `class_without_rows`; in `encode`, `unknown_label`, `too_many_labels`.
    """

    fingerprints: Tensor

    def __init__(
        self,
        field: str,
        *,
        separator: str = ", ",
        max_labels: int = 16,
        classes: list[str] | None = None,
        min_count: int = 1,
        others: Literal["error", "ignore"] = "error",
        empty: Literal["missing", "none"] = "missing",
    ):
        for name, least in (("min_count", min_count), ("max_labels", max_labels)):
            if least < 1:
                raise ValueError(f"{name} must be at least 1, however: {name}={least}")
        # one more than may be, so that a cell with too many is known
        super().__init__({"y": members(field, "set", max_labels + 1, separator=separator)})
        self.given = list(classes) if classes else []
        if len(set(self.given)) < len(self.given):
            raise ValueError(f"classes must be distinct, however: {classes=}")
        if others not in ("error", "ignore") or empty not in ("missing", "none"):
            raise ValueError(f"others must be error or ignore, empty missing or none, however: {others=}, {empty=}")
        self.min_count, self.others, self.empty = min_count, others, empty
        self.left_out: list[str] = []
        self.register_buffer("fingerprints", torch.zeros(0, dtype=torch.int64))

    def fit(self, inputs: Inputs, words: Words) -> None:
        read = self.reads["y"]
        found = {word: fingerprint for fingerprint, word in words(read)}
        counts = dict(zip(*(x.tolist() for x in rows_with(inputs[read.key])), strict=True))
        rows = {word: counts.get(fingerprint, 0) for word, fingerprint in found.items()}
        self.classes = self.given or sorted(word for word, count in rows.items() if count >= self.min_count)
        if absent := [name for name in self.classes if not rows.get(name)]:
            raise DataError(without_rows(read, absent))
        if len(self.classes) < 2 or len(self.classes) > MAX_CLASSES:
            text = f"there must be 2 to {MAX_CLASSES:,} labels in {self.min_count:,} training rows or more, however: "
            raise DataError(Problem("no_classes", f"{text}{len(self.classes):,} of {len(found):,}", (read.field,)))
        self.fingerprints = torch.tensor([found[name] for name in self.classes], dtype=torch.int64)
        self.left_out = sorted(set(found) - set(self.classes))

    def encode(self, inputs: Inputs) -> Tensor:
        read = self.reads["y"]
        x = inputs[read.key]  # (N, L)
        if (many := x[:, -1] != 0).any():
            rows = tuple(many.nonzero().squeeze(1)[:MAX_ROWS].tolist())
            text, key = f"a cell must list at most {x.shape[1] - 1} labels", "data.target.max_labels"
            raise DataError(Problem("too_many_labels", text, (read.field,), int(many.sum()), len(x), rows, key=key))
        strange = (x != 0) & ~torch.isin(x, self.fingerprints)
        if self.others == "error" and strange.any():
            bad = strange.any(dim=1)
            rows = tuple(bad.nonzero().squeeze(1)[:MAX_ROWS].tolist())
            problem = unknown_label(read, bad, self.classes, rows=rows, examples=tuple(self.left_out[:MAX_EXAMPLES]))
            raise DataError(replace(problem, text=f"{problem.text}; data.target.others=ignore leaves others out"))
        y = torch.stack([(x == label).any(dim=1) for label in self.fingerprints], dim=1).double()  # (N, k)
        return y if self.empty == "none" else y.masked_fill((x == 0).all(dim=1, keepdim=True), torch.nan)

    def notes(self) -> list[str]:
        if not self.left_out:
            return []
        named = ", ".join(self.left_out[:20]) + (", …" if len(self.left_out) > 20 else "")
        return [f"{len(self.left_out):,} labels of {self.reads['y'].field} are no class and are ignored: {named}"]


class Flags(Target):
    """Several labels a row, each a field of its own that holds 1, 0 or nothing (multilabel, ch. 3).

    Args:
        fields: the raw fields, two or more; their names are those of the labels.
    """

    def __init__(self, fields: list[str]):
        super().__init__({field: Read(field) for field in fields})
        if len(self.reads) < 2 or len(self.reads) < len(fields):
            raise ValueError(f"fields must be two or more, and distinct, however: {fields=}")
        self.classes = list(fields)

    def encode(self, inputs: Inputs) -> Tensor:
        y = torch.stack([inputs[read.key] for read in self.reads.values()], dim=1)  # (N, k)
        problems = [not_a_flag(field, x) for field, x in zip(self.classes, y.unbind(1), strict=True)]
        if found := [problem for problem in problems if problem.bad]:
            raise DataError(found)
        return y


def not_a_flag(field: str, x: Tensor) -> Problem:
    """The problem of the rows, of (N,), whose label is neither 1 nor 0 nor missing."""
    bad = ~x.isnan() & (x != 0) & (x != 1)
    rows = tuple(bad.nonzero().squeeze(1)[:MAX_ROWS].tolist())
    examples = tuple(f"{value:g}" for value in torch.unique(x[bad])[:MAX_EXAMPLES].tolist())
    text = "a label must be 1, 0 or missing"
    return Problem("unknown_label", text, (field,), int(bad.sum()), len(bad), rows, examples)
