"""The whole proposal for a table: what each field becomes, what is predicted, the split, and the sizes of training.

>>> import pyarrow as pa
>>> from mlp_torch.profile.source import Opened
>>> cells = {"x": pa.array([f"{i}.5" for i in range(400)]), "y": pa.array(["a", "b"] * 200)}
>>> plan = propose(Opened(cells, 400, {}, [], "."), "y")
>>> plan.goal.head, [decision.becomes for decision in plan.decisions], plan.recipe.batch_size
('binary', ['Scaled'], 32)
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import DataError, Problem, near, quote
from mlp_torch.ingest.reads import Read
from mlp_torch.profile.copies import of_rows
from mlp_torch.profile.facts import Facts, counted, look
from mlp_torch.profile.finding import Finding, loudest_first
from mlp_torch.profile.forms import ISO, time_forms
from mlp_torch.profile.key import identity, near_identity, not_a_key
from mlp_torch.profile.source import Opened
from mlp_torch.profile.suspicions import IDS, suspicions
from mlp_torch.proposal.columns import RESERVED, Decision, decide, policy_of
from mlp_torch.proposal.place import with_places
from mlp_torch.proposal.recipe import BEND, Recipe, recipe
from mlp_torch.proposal.several import PICTURES
from mlp_torch.proposal.split import Choice, absent, choose
from mlp_torch.proposal.target import Goal, aim

USELESS = ("constant", "few_values", "copy_of_target")  # findings on fields that no row need be split by


@dataclass(frozen=True)
class Plan:
    """A proposal.

    Attributes:
        table: as it was read.
        goal: what is predicted.
        decisions: on every other field, in the file's order.
        choice: the split.
        key: the field that names a row, or None.
        findings: what is suspicious about the table, those that must not be overlooked first.
        near_key: what stands in the way of a key, or None.
        total: rows of the file, about, where the table holds only some of them.
    """

    table: Opened
    goal: Goal
    decisions: list[Decision]
    choice: Choice
    key: Facts | None
    findings: list[Finding]
    near_key: Finding | None = None
    total: int | None = None

    @property
    def training_rows(self) -> int:
        """Of the file."""
        return training_rows(self.choice, self.table, self.total)

    @property
    def reading(self) -> str:
        """The option of the group `data`."""
        kind = str(self.table.node["_target_"]).rpartition(".")[2].lower()
        return kind if self.total is not None else f"{kind}_in_memory"

    @property
    def recipe(self) -> Recipe:
        """For so many rows."""
        numbers = any(not decision.left_out and decision.facts.kind == "number" for decision in self.decisions)
        return recipe(self.training_rows, has_numbers=numbers)


def training_rows(choice: Choice, table: Opened, total: int | None) -> int:
    """Of the whole file, of which the table may hold only some rows."""
    found = int((choice.index == 0).sum())
    return found if total is None else round(found * total / table.rows)


def propose(table: Opened, target: str, *, total: int | None = None) -> Plan:
    """The proposal for a table.

    Args:
        table: its rows, or some of them.
        target: the field to predict.
        total: rows of the file, about, where the table holds only some of them.

    Raises:
        DataError: `missing_column` for a target that is not there, `no_columns`, and what `aim` and `choose` raise.
    """
    if target not in table.columns:
        policy = "data.source.delimiter" if len(table.columns) == 1 else None
        text = f"not in the table; {near(target, table.columns)}"
        raise DataError(Problem("missing_column", text, (target,), key=policy))
    known = {name: look(name, array, decimal=table.decimal) for name, array in table.columns.items()}
    goal = aim(known[target])
    fields = [facts for name, facts in known.items() if name != target]
    choice = choose(fields, goal, table.places)
    if goal.classes and len(lost := absent(goal, choice.index)):
        goal, choice = learnable(goal, choice, lost=lost)
    if goal.policy and target in RESERVED:
        raise DataError(Problem("reserved_name", "Hydra takes this name for its own; rename the column", (target,)))
    findings = found_in(table, known, goal)
    choice = replace(choice, findings=(*choice.findings, *unread_times(fields, findings, choice.time)))
    rows = training_rows(choice, table, total)
    train, numbers = choice.index == 0, recipe(rows).numbers
    by_recipe = partial(decide, numbers=numbers, train=train, whole=total is None, folder=table.folder)
    decisions = decided(fields, findings, goal, by_recipe)
    findings = in_light(findings, decisions)
    decisions = usable([in_training(decision, choice) for decision in decisions])
    decisions = with_places(decisions, active=rows >= BEND)
    named = [decision.facts for decision in decisions if decision.policy == policy_of(decision.facts)]  # of all rows
    key = identity(named) if total is None else None  # some rows do not tell whether a key is there once
    almost = near_identity(named) if key is None and total is None else None
    near_key = not_a_key(almost, table.places) if almost else None
    return Plan(table, goal, decisions, choice, key, findings, near_key, total)


def found_in(table: Opened, known: Mapping[str, Facts], goal: Goal) -> list[Finding]:
    """What is suspicious about the table, those that must not be overlooked first."""
    found = suspicions(known, target=goal.facts.name, used=goal.used)
    ids = {finding.fields[0] for finding in found if finding.code in IDS}
    return loudest_first(found + of_rows(table.columns, ids=ids, target=goal.facts.name))


def unread_times(fields: Sequence[Facts], findings: Sequence[Finding], taken: str | None) -> list[Finding]:
    """The findings of times that no row can be split by, since nothing reads them.

    Args:
        fields: without the target.
        findings: on them.
        taken: the time that the rows are split by.
    """
    spelled = {
        finding.fields[0]: finding.text for finding in findings if finding.code in ("mixed_dates", "other_times")
    }
    useless = {finding.fields[0] for finding in findings if finding.code in USELESS}
    split = "rows are not split by time" if taken is None else f"rows are split by {quote(taken)}, not by this"
    advice = f"if it says when a row happened, write it as {ISO}, wall clock without a zone, and run init again"
    return [
        Finding("not_by_time", (facts.name,), f"{split}: {why}", advice=advice, loud=True)
        for facts in fields
        if facts.kind in ("text", "unreadable")
        and facts.name not in useless
        and (why := spelled.get(facts.name) or unread(facts))
    ]


def unread(facts: Facts) -> str:
    """Why a field is no time, though most of it is; "" for others."""
    if pa.types.is_temporal(facts.array.type):
        return facts.why
    if facts.kind != "text" or not facts.distinct:
        return ""
    words = counted(facts.values)
    cells, total = sum(time_forms(pa.array(words), np.array([*words.values()])).values()), sum(words.values())
    return f"{total - cells:,} of {total:,} cells are no times" if cells > total / 2 else ""


def decided(
    fields: Sequence[Facts], findings: Sequence[Finding], goal: Goal, decide: Callable[..., Decision]
) -> list[Decision]:
    """What becomes of each field."""
    own = {facts.name: [finding for finding in findings if finding.fields[:1] == (facts.name,)] for facts in fields}
    name = goal.facts.name
    taken = {Read(name).key, Read(name, "string").key}
    return distinguishable([decide(facts, own[facts.name]) for facts in fields], taken)


def in_light(findings: Sequence[Finding], decisions: Iterable[Decision]) -> list[Finding]:
    """The findings, those on fields as the decisions have settled them."""
    settled = {(one.code, one.fields, one.text): one for decision in decisions for one in decision.findings}
    return [settled.get((one.code, one.fields, one.text), one) for one in findings]


def learnable(goal: Goal, choice: Choice, *, lost: NDArray[np.int64]) -> tuple[Goal, Choice]:
    """The goal and the split without the classes that no training row has."""
    texts = goal.facts.texts
    assert texts is not None  # a target with classes is read as text
    first = [int(np.flatnonzero(goal.index == label)[0]) for label in lost]
    goal = goal.without(sorted(texts[row].as_py() for row in first))
    return goal, replace(choice, index=np.where(goal.used, choice.index, -1))


def usable(decisions: list[Decision]) -> list[Decision]:
    """The decisions, of which one at least takes a field.

    Raises:
        DataError: `no_columns`.
    """
    if all(decision.left_out for decision in decisions):
        decisions = [with_pictures(decision) for decision in decisions]
    if all(decision.left_out for decision in decisions):
        reasons = tuple(f"{decision.facts.name}: {decision.left_out}" for decision in decisions)
        raise DataError(Problem("no_columns", "no field is left to learn from", examples=reasons))
    return decisions


def with_pictures(decision: Decision) -> Decision:
    """A decision where nothing else is left to learn from: pictures are used, however long they take."""
    if decision.left_out != PICTURES:
        return decision
    entries = tuple(entry._replace(active=True) for entry in decision.entries)
    return replace(decision, entries=entries, left_out="")


def in_training(decision: Decision, choice: Choice) -> Decision:
    """A decision in the light of the split."""
    if not decision.left_out and not decision.facts.present[choice.index == 0].any():
        return decision.without("no training row has a value")
    return decision


def distinguishable(decisions: Sequence[Decision], taken: Collection[str]) -> list[Decision]:
    """Leaves out a field whose key among the inputs another one has: number "a:string" beside the text "a".

    Args:
        decisions: on fields.
        taken: keys of others.
    """
    taken = set(taken)
    found = []
    for decision in decisions:
        name = decision.facts.name
        kinds = {Read(name).key, Read(name, "string").key, Read(name, "time").key}
        if not decision.left_out and kinds & taken:
            decision = decision.without("its name is another field's with a kind behind it; rename the column")
        taken |= kinds if not decision.left_out else set()
        found.append(decision)
    return found
