"""What is predicted: from the facts of the target's field to a head, a target and the policy of its cells.

>>> from mlp_torch.profile.facts import look
>>> goal = aim(look("late", pa.array(["no", "yes", "no", None] * 9)))
>>> goal.head, goal.node["classes"], goal.policy
('binary', ['no', 'yes'], {'missing': 'drop'})
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.errors import DataError, Problem, how_many, quote
from mlp_torch.ingest.cells import Mask, mask
from mlp_torch.profile.facts import FEW, Facts, counted
from mlp_torch.profile.leaks import PER_CLASS, is_class_number
from mlp_torch.proposal.labels import NO_LABEL, SetOfLabels, labels_of
from mlp_torch.target import MAX_CLASSES

YES = ("1", "yes", "y", "true", "t", "positive", "pos", "ja", "oui", "sí", "sim")


@dataclass(frozen=True)
class Goal:
    """What is predicted.

    Attributes:
        facts: of the target's field.
        head: the option of the group `head`.
        node: the `_target_` and arguments of `data.target`.
        notes: sentences on the decisions.
        used: (N,) the rows that have a label.
        policy: of the target's field.
        classes: rows of each class; empty where the target is a number.
    """

    facts: Facts = field(repr=False)
    head: str
    node: dict[str, Any]
    notes: list[str]
    used: Mask = field(repr=False)
    policy: dict[str, Any]
    classes: Mapping[str, int] = field(default_factory=dict)

    @property
    def index(self) -> NDArray[np.int64]:
        """(N,) a number for each distinct label; -1 = no label."""
        return np.where(self.used, self.facts.codes, -1)

    def without(self, labels: list[str]) -> "Goal":
        """The same without the rows of some classes."""
        gone = mask(pc.is_in(self.facts.texts, value_set=pa.array(labels, pa.large_string())))
        count, used = int((gone & self.used).sum()), self.used & ~gone
        some = ", ".join(quote(label) for label in labels[:5]) + (", …" if len(labels) > 5 else "")
        note = (
            f"{how_many(count, 'row')} of {how_many(len(labels), 'class', 'classes')} ({some}) dropped by na_values: "
            "no training row has such a class, which must be learned before it is tested"
        )
        policy = {**self.policy, "na_values": [*self.policy.get("na_values", []), *labels], "missing": "drop"}
        classes = {name: rows for name, rows in self.classes.items() if name not in labels}
        head, node, notes = among(self.facts, classes)
        notes += [*lost(self.facts, self.used), note]
        return replace(self, head=head, node=node, policy=policy, used=used, classes=classes, notes=notes)


def aim(facts: Facts) -> Goal:
    """The goal that a target's field suggests.

    Raises:
        DataError: `all_missing`, `unreadable_target`, `time_target`, `one_class`, `continuous_target`.
    """
    if (labels := labels_of(facts)) is not None:
        return multilabel(labels)
    refuse(facts)
    if facts.kind == "number" and facts.distinct > 2 and not is_class_number(facts):
        return number(facts)
    if facts.kind == "number" and (facts.texts is None or len(counted(facts.texts)) != facts.distinct):
        return number(facts) if facts.distinct > 2 else threshold(facts)
    return category(facts)


def refuse(facts: Facts) -> None:
    """Refuses fields that cannot be predicted."""
    name, rows = (facts.name,), facts.rows
    if facts.kind not in ("several", "unreadable") and not facts.distinct:
        raise DataError(Problem("all_missing", "no row has a label", name, rows, rows))
    if facts.kind in ("several", "unreadable"):
        raise DataError(Problem("unreadable_target", facts.why, name))
    if facts.kind == "time":
        raise DataError(Problem("time_target", "a target must be a number or a category, however: a time", name))
    if facts.distinct == 1:
        text = "the target must have two classes or values, however: all rows have the same one"
        raise DataError(Problem("one_class", text, name, examples=(facts.span,)))


def number(facts: Facts) -> Goal:
    """Regression."""
    notes = [f"a number with {facts.distinct:,} distinct values, {facts.span}: regression"]
    if facts.distinct <= FEW:
        notes.append(f"(for classes it is not whole, or has fewer than {PER_CLASS} rows a value)")
    policy: dict[str, Any] = {"na_values": list(facts.na)} if facts.na else {}
    policy |= {"invalid": "drop"} if facts.stray else {}
    policy |= {"missing": "drop"} if facts.missing else {}
    node = {"_target_": "mlp_torch.target.Number", "field": facts.name}
    return Goal(facts, "regression", node, notes + lost(facts, facts.present), facts.present, policy)


def lost(facts: Facts, used: Mask) -> list[str]:
    """A sentence on the rows without a label."""
    if used.all():
        return []
    words = ", ".join(f"{quote(word)} {how_many(count, 'time')}" for word, count in {**facts.na, **facts.stray}.items())
    return [f"{int((~used).sum()):,} of {facts.rows:,} rows without a label: dropped" + f" ({words})" * bool(words)]


def multilabel(labels: SetOfLabels) -> Goal:
    """Several labels a row."""
    gone = replace(labels.facts, na={**labels.facts.na, **labels.blanks})
    notes = [*labels.notes(), *lost(gone, labels.used), *labels.without_label()]
    return Goal(gone, "multilabel", labels.node(), notes, labels.used, labels.policy())


def threshold(facts: Facts) -> Goal:
    """Two numbers that have no single spelling as text."""
    high = float(np.nanmax(facts.values))
    node = {"_target_": "mlp_torch.target.AtLeast", "field": facts.name, "threshold": high}
    base = number(facts)
    notes = [f"two values, {facts.span}: class 1 is {high:g}", *lost(facts, facts.present)]
    return replace(base, head="binary", node=node, notes=notes)


def category(facts: Facts) -> Goal:
    """Two classes, or several."""
    texts = facts.texts
    words = counted(texts) if texts is not None else {}
    blanks = [word for word in words if word in NO_LABEL]
    classes = {word: count for word, count in words.items() if word not in blanks}
    check_classes(facts, classes)
    used = mask(pc.is_in(texts, value_set=pa.array(list(classes), pa.large_string())))
    na = list(dict.fromkeys([*facts.na, *blanks]))
    policy: dict[str, Any] = {"na_values": na} if na else {}
    policy |= {"missing": "drop"} if not used.all() else {}
    gone = replace(facts, na={**facts.na, **{word: words[word] for word in blanks}})
    head, node, notes = among(facts, classes)
    return Goal(gone, head, node, notes + lost(gone, used), used, policy, classes)


def among(facts: Facts, classes: Mapping[str, int]) -> tuple[str, dict[str, Any], list[str]]:
    """Head, target and notes for the classes with their rows: two, or several."""
    node: dict[str, Any] = {"_target_": "mlp_torch.target.Category", "field": facts.name}
    if len(classes) != 2:
        return "multiclass", node, listed(sorted(classes), classes, facts=facts)
    order = ordered(classes)
    return "binary", {**node, "classes": order}, named(order, classes, rows=sum(classes.values()))


def check_classes(facts: Facts, classes: Mapping[str, int]) -> None:
    """Refuses too few classes, and text that is no category."""
    name, rows = (facts.name,), sum(classes.values())
    if len(classes) < 2:
        text = f"the target must have two classes, however: {len(classes)}"
        raise DataError(Problem("one_class", text, name, examples=tuple(classes)))
    if len(classes) > MAX_CLASSES or (len(classes) > FEW and len(classes) > rows / 2):
        text = (
            f"the target must be a number, or text of at most {MAX_CLASSES:,} classes with two rows each, however: "
            f"{len(classes):,} distinct texts in {rows:,} rows; a number is spelled -?digits[{facts.decimal}digits]"
        )
        raise DataError(Problem("continuous_target", text, name, examples=tuple(classes)[:3]))


def ordered(classes: Mapping[str, int]) -> list[str]:
    """Class 0 and class 1: class 1 is the one that says yes, else the rarer one, else the later one."""
    low, high = sorted(classes)
    says = [word for word in classes if word.lower() in YES]
    one = says[0] if len(says) == 1 else (low if classes[low] < classes[high] else high)
    return [high if one == low else low, one]


def named(order: list[str], classes: Mapping[str, int], *, rows: int) -> list[str]:
    """Which class is class 1."""
    share = classes[order[1]] / rows
    return [
        f"class 1, whose probability is predicted, is {quote(order[1])}: {classes[order[1]]:,} of {rows:,} rows "
        f"({share:.1%}); class 0 is {quote(order[0])}. To change it, turn the list round"
    ]


def listed(order: list[str], classes: Mapping[str, int], *, facts: Facts) -> list[str]:
    """The classes with their rows."""
    some = ", ".join(f"{quote(word)} {classes[word]:,}" for word in order[:20]) + (", …" if len(order) > 20 else "")
    notes = [f"{len(order)} classes, in the order of their index: {some}"]
    if facts.kind == "number":
        ranked = sorted(order, key=float)  # as text "10" stands before "2"
        here = "" if ranked == order else f", and classes: [{', '.join(map(quote, ranked))}] here"
        notes += [
            "whole numbers, few distinct ones: classes",
            f"If their order counts (a rating): override /head: ordinal above{here}",
            "If they are amounts: override /head: regression above, and mlp_torch.target.Number here",
        ]
    return notes
