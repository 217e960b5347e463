"""The labels of a target whose cells list several: seen as a set by the same signs as a feature, and which are classes.

>>> from mlp_torch.profile.facts import look
>>> cells = ["Crime", "Drama", "War", "Crime, Drama", "Drama, War", "Crime, War"]
>>> labels_of(look("genres", pa.array(cells * 50))).node()
{'_target_': 'mlp_torch.target.Labels', 'field': 'genres', 'min_count': 20, 'others': 'ignore'}
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.errors import how_many, quote
from mlp_torch.ingest.cells import Mask, mask
from mlp_torch.profile.facts import Facts, counted
from mlp_torch.profile.shapes import column_for
from mlp_torch.profile.words import members_of
from mlp_torch.proposal.several import limit
from mlp_torch.target import MAX_CLASSES

PER_LABEL = 20  # training rows that a label is in, or lacks in, to be learned
USUAL = 16  # what Labels reads of a cell where nothing is said
NO_LABEL = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "?", "")  # but "none" may well be a class


@dataclass(frozen=True)
class SetOfLabels:
    """What a target's cells list.

    Attributes:
        facts: of the field.
        separator: between the labels of a cell that is text; "" for lists.
        rows: that hold each label.
        most: labels of a cell.
        used: (N,) the rows that have a label, or that list none.
        blanks: words that mean that there is no label, with their cells.
        listless: cells that are a list without a label.
    """

    facts: Facts
    separator: str
    rows: Mapping[str, int]
    most: int
    used: Mask = field(repr=False)
    blanks: Mapping[str, int]
    listless: int = 0

    @cached_property
    def least(self) -> int:
        """Rows that a label must be in (a run counts those of training): fewer than `PER_LABEL` where one were left."""
        counts = sorted(self.rows.values(), reverse=True)
        beyond = counts[MAX_CLASSES] + 1 if len(counts) > MAX_CLASSES else 0
        return max(1, min(PER_LABEL, counts[1] // 2), beyond)

    @cached_property
    def constant(self) -> list[str]:
        """Labels that hardly a row lacks, which no head can learn."""
        most = int(self.used.sum()) - self.least
        return sorted(label for label, rows in self.rows.items() if rows > most)

    @cached_property
    def classes(self) -> list[str]:
        """Labels to be predicted."""
        gone = {*self.constant}
        return sorted(label for label, rows in self.rows.items() if rows >= self.least and label not in gone)

    def node(self) -> dict[str, Any]:
        """The `_target_` and arguments of `data.target`."""
        options: dict[str, Any] = {"separator": self.separator} if self.separator not in ("", ", ") else {}
        options |= limit("max_labels", self.most, USUAL)
        options |= {"classes": self.classes} if self.constant else {"min_count": self.least}
        options |= {"others": "ignore"} | ({"empty": "none"} if self.listless else {})
        return {"_target_": "mlp_torch.target.Labels", "field": self.facts.name, **options}

    def policy(self) -> dict[str, Any]:
        """Of the field's cells."""
        na = list(dict.fromkeys([*self.facts.na, *self.blanks]))
        return ({"na_values": na} if na else {}) | ({} if self.used.all() else {"missing": "drop"})

    def notes(self) -> list[str]:
        """Sentences on the decisions."""
        between = f", with {quote(self.separator)} between them" if self.separator else ""
        found = [
            f"several labels a row{between}: multilabel, a probability for each of {len(self.classes):,} labels, with "
            f"their rows: {shown(self.classes, self.rows)}"
        ]
        if rare := [label for label, rows in self.rows.items() if rows < self.least]:
            few = f"labels of fewer than {how_many(self.least, 'row')}"
            found.append(f"{few} (in the run: training rows) are no class and are ignored: {shown(rare, self.rows)}")
        if self.constant:
            found.append(f"labels that hardly a row lacks are no class: {shown(self.constant, self.rows)}")
        if self.listless:
            found.append(f"{self.listless:,} of {self.facts.rows:,} rows list nothing: they have none of the labels")
        if self.separator:
            found.append(
                "For one class a row, the text of its cell: override /head: multiclass above, and "
                "mlp_torch.target.Category with field alone here"
            )
        return found

    def without_label(self) -> list[str]:
        """What else rows without a label may mean."""
        if self.used.all():
            return []
        return ["If a cell without a label means none of them: empty: none here, and no missing: drop"]


def labels_of(facts: Facts) -> SetOfLabels | None:
    """The labels of a field that would be a set among the features; None for others, and where fewer than two vary."""
    found = of_lists(facts) if facts.kind == "several" else of_text(facts)
    return found if found is not None and len(found.rows) > 1 and len(found.classes) > 1 else None


def of_text(facts: Facts) -> SetOfLabels | None:
    """The labels of cells such as "Action, Drama"."""
    words = counted(facts.values) if facts.kind == "text" else {}
    blanks = {word: words[word] for word in NO_LABEL if word in words}
    found = members_of(facts, {word: rows for word, rows in words.items() if word not in blanks})
    if found is None:
        return None
    rows: Counter[str] = Counter()
    for word, count in words.items():
        rows.update({} if word in blanks else dict.fromkeys(word.split(found.separator), count))
    none = pc.is_in(facts.values, value_set=pa.array(list(blanks), pa.large_string()))
    return SetOfLabels(facts, found.separator, rows, found.most, facts.present & ~mask(none), blanks)


def of_lists(facts: Facts) -> SetOfLabels | None:
    """The labels of cells that are lists of text."""
    if column_for(facts.array.type) != "sets.Set":
        return None
    cells = [cell for cell in facts.array.to_pylist() if cell is not None]
    if any(label is None for cell in cells for label in cell):
        return None
    rows = Counter(label for cell in cells for label in set(cell))
    most = max(map(len, cells), default=0)
    return SetOfLabels(facts, "", rows, most, facts.present, {}, sum(not cell for cell in cells))


def shown(labels: Sequence[str], rows: Mapping[str, int]) -> str:
    """The first labels with their rows."""
    return ", ".join(f"{quote(label)} {rows[label]:,}" for label in labels[:20]) + (", …" if len(labels) > 20 else "")
