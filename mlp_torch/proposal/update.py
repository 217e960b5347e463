"""An experiment beside a newer table: which fields are new, vanished or of another type, and the lines that follow.

Lines are added for new fields; columns and policies of vanished ones become comments. Nothing else is touched, and what
was written is loaded again and compared before it counts.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mlp_torch.errors import DataError, Problem, near, quote
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.schema import Schema
from mlp_torch.profile.facts import Facts, counted, look
from mlp_torch.profile.source import columns_of
from mlp_torch.profile.suspicions import suspicions
from mlp_torch.proposal.amend import amended, entries_of
from mlp_torch.proposal.columns import Decision, decide
from mlp_torch.proposal.experiment import Experiment
from mlp_torch.proposal.plan import distinguishable
from mlp_torch.proposal.recipe import recipe
from mlp_torch.proposal.seen import Seen

BY_HAND = "by hand"
MANY_MORE, MANY = 2, 20  # times as many words as before, and at least so many, are worth a line


class Change(NamedTuple):
    """What is other than before.

    Args:
        what: new, vanished, retyped, range, words, classes, refused or source.
        text: a sentence.
    """

    what: str
    text: str


@dataclass(frozen=True)
class Update:
    """What a newer table asks of an experiment.

    Attributes:
        changes: in words.
        text: of the file as it should be.
        source: `data.source.path=…` of the table, "" where the experiment reads it, None where it cannot.
        by_hand: what is left to do before it trains.
    """

    changes: list[Change]
    text: str
    source: str | None
    by_hand: list[str]


def update(experiment: Experiment, block: Block, name: str) -> Update:
    """What a table asks of an experiment.

    Args:
        experiment: as it stands.
        block: the table.
        name: of the table, for comments.

    Raises:
        DataError: `missing_column` for a target that is not there, `no_rows`, `duplicate_column`.
        ConfigError: where the experiment's file has no place for a line.
    """
    table = columns_of(block.table)
    if not len(block.table):
        raise DataError(Problem("no_rows", f"{name} has {len(table)} fields and 0 rows"))
    if experiment.target not in table:
        text = f"the target is not in {name}; {near(experiment.target, table)}"
        raise DataError(Problem("missing_column", text, (experiment.target,)))
    policies = experiment.policies
    known = {
        field: look(field, array, decimal=block.decimal, na_values=(policies.get(field) or {}).get("na_values", ()))
        for field, array in table.items()
    }
    train, folder = experiment.training_rows(block), block.folder or Path()
    by_recipe = partial(decide, numbers=recipe(int(train.sum())).numbers, train=train, folder=folder)
    new, others = decided(experiment, known, by_recipe), replaced(experiment, known, by_recipe)
    lost = list(dict.fromkeys(read.field for read in experiment.reads if read.field not in known))
    stopping = [
        *(Change("vanished", told(experiment, field)) for field in lost),
        *refused(experiment, block, without={d.facts.name for d in others}),
    ]
    changes = [
        *(Change("new", f"{quote(d.facts.name)}: {what(d.facts)}: {d.becomes}") for d in new),
        *(change for change in stopping if change.what == "vanished"),
        *retyped(experiment, known, {d.facts.name: d for d in others}),
        *grown(experiment, known),
        *(change for change in stopping if change.what == "refused"),
        *elsewhere(experiment, name),
    ]
    reasons = {field: f"{quote(field)} is not in {quote(name)}" for field in lost}
    reasons |= {d.facts.name: f"{quote(d.facts.name)} is {d.facts.kind} in {quote(name)}" for d in others}
    by_hand = [change.text for change in stopping if change.what == "refused" or BY_HAND in change.text]
    return Update(changes, amended(experiment, [*new, *others], reasons), source_of(experiment, name), by_hand)


def what(facts: Facts) -> str:
    """Kind and range of a field."""
    return f"{facts.called}, {facts.span}" if facts.span else facts.called


def decided(experiment: Experiment, known: Mapping[str, Facts], decide: Callable[..., Decision]) -> list[Decision]:
    """What becomes of the fields that are new."""
    fresh = [facts for field, facts in known.items() if not experiment.knows(field)]
    if not fresh:
        return []
    found = suspicions(known, target=experiment.target)
    own = {facts.name: [finding for finding in found if finding.fields[:1] == (facts.name,)] for facts in fresh}
    taken = {read.key for read in experiment.reads}
    return distinguishable([decide(facts, own[facts.name]) for facts in fresh], taken)


def replaced(experiment: Experiment, known: Mapping[str, Facts], decide: Callable[..., Decision]) -> list[Decision]:
    """What becomes of fields that can no longer be read as their columns, all of this file, read them."""
    found = []
    for field, facts in known.items():
        mine = entries_of(experiment, field)
        whole = all(("data", "columns", key) in mine for key in experiment.users(field))
        if misread(experiment, facts) and whole and not experiment.needs(field):
            own = [one for one in suspicions({field: facts}) if one.fields[:1] == (field,)]
            found.append(decide(facts, own))
    return found


def misread(experiment: Experiment, facts: Facts) -> set[str]:
    """As what else a field is read: number, time."""
    wanted = {str(read.kind) for read in experiment.reads if read.field == facts.name} & {"number", "time"}
    return set() if facts.kind in (*wanted, "empty") else wanted


def told(experiment: Experiment, field: str) -> str:
    """A sentence on a vanished field."""
    mine = entries_of(experiment, field)
    elsewhere = [key for key in experiment.users(field) if ("data", "columns", key) not in mine]
    parts = [f"{'.'.join(path)} becomes a comment" for path in mine]
    parts += [f"data.columns.{key} must be set to null {BY_HAND}" for key in elsewhere]
    if field in experiment.policies and not experiment.needs(field) and ("data", "fields", field) not in mine:
        parts.append(f"data.fields.{field} must be taken out {BY_HAND}")
    parts += [f"{where} must be changed {BY_HAND}" for where in experiment.needs(field)]
    return f"{quote(field)}: {'; '.join(parts)}"


def retyped(experiment: Experiment, known: Mapping[str, Facts], others: Mapping[str, Decision]) -> Iterator[Change]:
    """Fields that are no longer what they are read as, or what they were."""
    for field, facts in known.items():
        wanted = misread(experiment, facts)
        before = experiment.seen.get(field)
        some = f" ({facts.span})" if facts.span else ""
        if wanted:
            does = f"its entries become comments, {others[field].becomes} is added" if field in others else ""
            does = does or "mend the table, or change what reads it"
            was = " and ".join(sorted(wanted))
            yield Change("retyped", f"{quote(field)}: is read as {was}, is {facts.kind}{some}; {does}")
        elif before is not None and before.kind != facts.kind:
            yield Change("retyped", f"{quote(field)}: was {before.kind}, is {facts.kind}{some}")


def grown(experiment: Experiment, known: Mapping[str, Facts]) -> Iterator[Change]:
    """Ranges, words and classes beyond those that were seen."""
    for field, before in experiment.seen.items():
        facts = known.get(field)
        if facts is None or facts.kind != before.kind:
            continue
        now = Seen.of(facts, is_target=field == experiment.target)
        if before.exceeded_by(now):
            was = " … ".join(facts.shown(end) for end in before.range)
            yield Change("range", f"{quote(field)}: was {was}, is {facts.span}")
        if fresh := sorted(set(now.classes) - set(before.classes)) if before.classes else []:
            counts = counted(facts.values)
            yield Change("classes", f"{quote(field)}: new " + ", ".join(f"{quote(w)} {counts[w]:,}" for w in fresh))
        elif facts.kind == "text" and now.distinct > max(MANY, MANY_MORE * before.distinct):
            yield Change("words", f"{quote(field)}: were {before.distinct:,}, are {now.distinct:,}")


def refused(experiment: Experiment, block: Block, *, without: Collection[str]) -> Iterator[Change]:
    """What training would refuse, by its own validator; vanished columns, and `without`, are told elsewhere."""
    reads = [read for read in experiment.reads if read.field not in without]
    policies = {field: policy for field, policy in experiment.policies.items() if field not in without}
    try:
        Schema.of(reads, policies).check(block, training=True)
    except DataError as error:
        for problem in error.problems:
            if problem.code != "missing_column":
                yield Change("refused", str(problem))


def elsewhere(experiment: Experiment, name: str) -> Iterator[Change]:
    """That training reads another file."""
    path, there = experiment.cfg.data.source.get("path"), source_of(experiment, name)
    if there is None:
        yield Change(
            "source", f"the experiment reads no files of this kind; to train on {name}, let init write another"
        )
    elif there:
        yield Change("source", f"the experiment reads {path}; to train on the other table: {there}")


def source_of(experiment: Experiment, name: str) -> str | None:
    """The override that makes the experiment read a table; "" where it reads it, None for files of another kind."""
    path = experiment.cfg.data.source.get("path")
    if path is None or not experiment.reads_files_like(name):
        return None
    return "" if Path(path).resolve() == Path(name).resolve() else f"data.source.path={name}"
