"""The labels of rows that come in blocks, and what the target would refuse of them once it is fitted.

Memory: at most `MOST` distinct labels with their counts and first rows; a target has no more than 1,000 classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.inputs import words_of
from mlp_torch.ingest.policies import setting
from mlp_torch.ingest.reads import Inputs
from mlp_torch.target import Target
from mlp_torch.training.table.definition import labelled
from mlp_torch.training.table.prepared import numbered

MOST = 10_000
TRIES = 100  # a target names three labels at a time that it refuses


@dataclass
class Label:
    """One value of the target.

    Attributes:
        train: training rows that hold it.
        rest: other rows that do.
        rows: where the first of them lie.
        word: its text; "" where it is missing.
    """

    train: int = 0
    rest: int = 0
    rows: tuple[int | str, ...] = ()
    word: str = ""


@dataclass
class Labels:
    """The labels seen so far.

    Args:
        target: not yet fitted; it is fitted by `problems`.

    Attributes:
        found: by fingerprint, of a target that is read as text; by y, of one of two classes by a rule.
    """

    target: Target
    found: dict[float, Label] = field(default_factory=dict)
    unit: str = "row"

    @property
    def by_word(self) -> bool:
        """Whether labels are words, which mean nothing before the target is fitted."""
        return [read.kind for read in self.target.reads.values()] == ["string"]

    def add(self, checked: Checked, inputs: Inputs, train: Tensor) -> list[Problem]:
        """The labels of a block; what is wrong with them already.

        Args:
            checked: the block.
            inputs: its kept rows.
            train: (K,) bool, which of them are training rows.
        """
        self.unit = checked.places.unit
        if any(read.kind == "set" for read in self.target.reads.values()):  # known once all of them are
            return []
        if self.by_word:
            (read,) = self.target.reads.values()
            self.tally(inputs[read.key], train, checked)
            for fingerprint, word in words_of(checked)(read):
                if fingerprint in self.found:
                    self.found[fingerprint].word = word
            return []
        try:
            with numbered(checked):
                y = labelled(self.target, inputs)
        except DataError as error:
            return error.problems
        if self.target.classes and y.dim() == 1:  # of several labels a row each is one of two, and may be unknown
            self.tally(y, train, checked)
        return []

    def tally(self, values: Tensor, train: Tensor, checked: Checked) -> None:
        """Counts values, (K,), and notes the first rows of each."""
        distinct, which = torch.unique(values, return_inverse=True)
        order = which.argsort(stable=True)
        ends = torch.bincount(which, minlength=len(distinct)).cumsum(0).tolist()
        training = torch.bincount(which[train], minlength=len(distinct)).tolist()
        for i, value in enumerate(distinct.tolist()):
            begin = ends[i - 1] if i else 0
            if len(self.found) >= MOST and value not in self.found:
                continue
            label = self.found.setdefault(value, Label())
            label.train += training[i]
            label.rest += ends[i] - begin - training[i]
            if len(label.rows) < MAX_ROWS:
                first = checked.keep[order[begin : ends[i]][:MAX_ROWS].numpy()]
                label.rows = (*label.rows, *checked.places.of(first.tolist()))[:MAX_ROWS]

    def problems(self) -> Iterator[Problem]:
        """What the target refuses once it is fitted on the training rows' labels, as far as it can be fitted."""
        if not self.by_word or not any(label.train for label in self.found.values()):
            return
        refused = self.fit()
        yield from refused
        wrong: dict[str, list[tuple[Problem, Label]]] = {}
        for value, label in self.found.items():
            for problem in self.refused(int(value)) if not (refused and value) else ():
                wrong.setdefault(problem.code, []).append((problem, label))
        for found in wrong.values():
            bad = sum(label.train + label.rest for _, label in found)
            examples = tuple(label.word for _, label in found if label.word)[:MAX_EXAMPLES]
            rows = ordered(label.rows for _, label in found)
            yield replace(found[0][0], bad=bad, rows=rows, examples=examples, unit=self.unit)

    def fit(self) -> list[Problem]:
        """Fits the target without the labels that it refuses: `refused` tells all of them, and their rows, later."""
        (read,) = self.target.reads.values()
        train = {value: label for value, label in self.found.items() if label.train}
        first: list[Problem] = []
        for _ in range(TRIES):
            try:
                words = [(int(value), label.word) for value, label in train.items() if value]
                self.target.fit({read.key: expanded(train)}, lambda _, words=words: words)  # type: ignore[misc]
            except DataError as error:
                first = first or error.problems
                named = {word for problem in error.problems if problem.bad for word in problem.examples}
                if not named:
                    return first if first == error.problems else [*first, *error.problems]
                train = {value: label for value, label in train.items() if label.word not in named or not value}
            else:
                return []
        return first

    def refused(self, value: int) -> list[Problem]:
        """What is wrong with one label."""
        (read,) = self.target.reads.values()
        if not value:
            key = setting(read.field, {"missing": "drop"})
            return [Problem("missing_label", "rows without a label", (read.field,), 1, 1, key=key)]
        try:
            labelled(self.target, {read.key: torch.tensor([value])})
        except DataError as error:
            return error.problems
        return []

    def y(self) -> Tensor:
        """(n,) float64: the target of the training rows, in any order; of a target with classes, once it is fitted."""
        train = {value: label for value, label in self.found.items() if label.train and (value or not self.by_word)}
        if not self.by_word:
            return expanded(train, dtype=torch.float64)
        (read,) = self.target.reads.values()
        return self.target.encode({read.key: expanded(train)})


def expanded(labels: dict[float, Label], *, dtype: torch.dtype = torch.int64) -> Tensor:
    """Each label as often as training rows hold it."""
    counts = torch.tensor([label.train for label in labels.values()], dtype=torch.int64)
    return torch.tensor(list(labels), dtype=dtype).repeat_interleave(counts)


def ordered(rows: Iterable[tuple[int | str, ...]]) -> tuple[int | str, ...]:
    """The first of several labels' rows; those of several files stay in the order of their labels."""
    found = [row for some in rows for row in some]
    numbers = sorted(row for row in found if isinstance(row, int))
    return tuple(numbers or found)[:MAX_ROWS]
