"""Which rows are for what: proposed as one of the split rules, tried on the rows, and taken only if no part is empty.

One time field: by time, since that is how the model will be used. Else by fingerprint of what tells rows apart: an id,
or several fields together. Book: ch. 6, Repeatable Splitting.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> from mlp_torch.proposal.target import aim
>>> day = look("day", pa.array([f"2024-01-{d:02}" for d in range(1, 31)] * 10))
>>> choose([day], aim(look("y", pa.array([str(i) for i in range(300)]))), Places()).node["val"]
'2024-01-22'
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, DataError, Problem, quote
from mlp_torch.ingest.block import Places
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.times import iso
from mlp_torch.profile.copies import mixed
from mlp_torch.profile.facts import DAY, FEW, Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.forms import ISO, no_days
from mlp_torch.profile.key import identity, near_identity, readable
from mlp_torch.proposal.columns import unusable_name
from mlp_torch.proposal.target import Goal
from mlp_torch.reproducibility.split import SPLITS, ByFingerprint, ByTime, Split

PLACE = "mlp_torch.reproducibility.split"
LOSS = 0.02  # share of the rows that may be lost, since no training row has their class
LEAST_ROWS = 30  # of a table, with a label
UNDATED = 0.02  # share of the rows that may lack the time they are split by
DAYS = 10  # a time field with fewer distinct days is no order of events
TELLING = 0.95  # share of the distinct rows that the fields of a split must tell apart
MOST_FIELDS = 8
CALIBRATION = (0.05, 0.1, 0.2, 0.3)  # shares of training days
# shares of calibration, val and test: small tables need larger ones, so that no part is empty
SHARES = {2000: (0.05, 0.1, 0.2), 500: (0.1, 0.15, 0.2), 0: (0.15, 0.2, 0.2), -1: (0.2, 0.2, 0.25)}


@dataclass(frozen=True)
class Choice:
    """A split.

    Attributes:
        node: the `_target_` and arguments of `data.split`.
        notes: sentences on it.
        index: (N,) what it makes of each row, an index into SPLITS; -1 = not used.
        findings: what stands in the way of a better one.
    """

    node: dict[str, Any]
    notes: list[str]
    index: NDArray[np.int64] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    @property
    def time(self) -> str | None:
        """The field that orders the rows, where it is one."""
        return str(self.node["field"]) if "field" in self.node else None

    @property
    def sizes(self) -> str:
        """Rows of each part."""
        return ", ".join(f"{name} {int((self.index == i).sum()):,}" for i, name in enumerate(SPLITS))

    def trouble(self, goal: Goal) -> float:
        """0 where nothing is wrong; more than 1 where a part is too small."""
        counts = np.bincount(self.index[self.index >= 0], minlength=4)
        used = max(int(counts.sum()), 1)
        least = min(max(2, used // 100), 10)
        small = float((counts < least).sum()) + float(counts[0] < 0.4 * used) + 2 * float((counts == 0).any())
        if not goal.classes:
            return small
        lost = np.isin(goal.index, absent(goal, self.index)) & (self.index >= 0)
        poor = sum(len(np.unique(goal.index[self.index == i])) < 2 for i in (2, 3))
        share = float(lost.sum()) / used
        return small + poor / 4 + min(share, 0.4) * (share > LOSS)


def absent(goal: Goal, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels that no training row has."""
    labels = np.unique(goal.index[goal.used])
    return np.setdiff1d(labels, goal.index[(index == 0) & goal.used])


def choose(fields: list[Facts], goal: Goal, places: Places) -> Choice:
    """The split of a table.

    Args:
        fields: without the target.
        goal: what is predicted.
        places: where the rows lie in their file.

    Raises:
        DataError: `too_few_rows`, `nothing_to_split_by`.
    """
    rows = int(goal.used.sum())
    if rows < LEAST_ROWS:
        text = f"a table must have at least {LEAST_ROWS} rows with a label, however: {rows}"
        raise DataError(Problem("too_few_rows", text, (goal.facts.name,)))
    times = [facts for facts in fields if facts.kind == "time" and facts.distinct > 1]
    times = [facts for facts in times if not ((facts.na or facts.stray) and unusable_name(facts.name))]
    best: Choice | None = None
    for choice in chain(by_time(times, goal), by_fingerprint(fields, goal)):  # the first one mostly does
        if best is None or choice.trouble(goal) < best.trouble(goal):
            best = choice
        if not best.trouble(goal):
            break
    if best is None or best.trouble(goal) > 1:
        raise DataError(unsplit(fields, best))
    found = undated(times, goal, places) if len(times) == 1 else []
    if best.time is None and times:
        found = [not_by_time(times, goal, found)]
    return replace(best, findings=tuple(found))


def unsplit(fields: list[Facts], best: Choice | None) -> Problem:
    """The problem of rows that no rule parts: they are too few, or only fractions tell them apart.

    Args:
        fields: without the target.
        best: of the splits that were tried.
    """
    sizes = best.sizes if best else "nothing tells rows apart"
    text = "no rule makes four parts that all have rows"
    numbers = [facts for facts in fields if facts.kind == "number" and facts.distinct > FEW]
    fractions = tuple(facts.name for facts in numbers if facts.texts is None)
    if not fractions:
        return Problem("too_few_rows", f"{text}: the table has too few rows, or too few that differ; {sizes}")
    why = "only numbers with fractions tell rows apart, which a split by fingerprint cannot read"
    advice = "add a field with an id of each row, text or a whole number, such as the row's number"
    return Problem("nothing_to_split_by", f"{text}: {why}; {advice}", fractions)


def undated(times: list[Facts], goal: Goal, places: Places) -> list[Finding]:
    """The finding of rows that a split by time cannot place, and what it does with them."""
    facts = times[0]
    rows = np.flatnonzero(goal.used & ~facts.present)
    if not len(rows):
        return []
    text = f"rows without a time that can be read, {places.listed(rows)}{no_days(facts.stray)}"
    words = (*facts.stray, *facts.na)[:MAX_EXAMPLES]
    advice = (
        "the split is by time all the same: they are training rows (data.split.missing: train), which nobody tests, "
        f"and their cells count as missing; or mend them in the file as {ISO}"
    )
    return [Finding("undated", (facts.name,), text, len(rows), int(goal.used.sum()), "rows", words, advice, loud=True)]


def not_by_time(times: list[Facts], goal: Goal, found: list[Finding]) -> Finding:
    """The finding of times that the rows are not split by, with the reason and what to do."""
    names = tuple(facts.name for facts in times)
    by_hand = f"write data.split: {{_target_: {PLACE}.ByTime, field: FIELD, val: DATE, test: DATE}}"
    if len(times) > 1:
        text, advice = "rows are not split by time: several fields are times", "if one of them says when a row happened"
        return Finding("not_by_time", names, text, advice=f"{advice}, {by_hand}")
    if found and found[0].count > UNDATED * found[0].total:
        text = f"rows are not split by time, since too many have none: {found[0].text}"
        advice = f"if it says when a row happened, write these cells as {ISO} and run init again, or {by_hand}"
        advice += ", with missing: train and data.fields.FIELD.invalid: missing"
        return replace(found[0], code="not_by_time", text=text, advice=advice)
    days = len(np.unique(times[0].values[goal.used & times[0].present] // DAY))
    why = f"{days} days are fewer than {DAYS}" if days < DAYS else "a part would have too few rows or classes"
    advice = f"if it says when a row happened, collect more days, or {by_hand}"
    return Finding("not_by_time", names, f"rows are not split by time: {why}", advice=advice, loud=days >= DAYS)


def by_time(times: list[Facts], goal: Goal) -> Iterator[Choice]:
    """The last days are for tests, where one field says when a row happened."""
    if len(times) != 1:
        return
    facts = times[0]
    dated = facts.present[goal.used]
    days = facts.values[goal.used][dated] // DAY
    if len(np.unique(days)) < DAYS or (~dated).sum() > UNDATED * len(dated):
        return
    val, test = cuts(days)
    node = {"_target_": f"{PLACE}.ByTime", "field": facts.name, "val": val, "test": test}
    node |= {} if dated.all() else {"missing": "train"}
    times_of = torch.from_numpy(facts.values[goal.used])
    for share in CALIBRATION:
        split = ByTime(facts.name, val=val, test=test, calibration=share, missing=node.get("missing", "error"))
        index = spread(split, {Read(facts.name, "time").key: times_of}, goal=goal)
        notes = [
            "by time: what is trained on the past is tested on what came later, as in use; near 70 : 10 : 20 of the "
            "rows, cut between days; calibration is a share of the training days. If the time does not order events "
            "(a birthday), split by fingerprint: {_target_: " + f"{PLACE}.ByFingerprint, fields: [FIELD, …]}}"
        ]
        yield Choice({**node, "calibration": share}, notes, index)


def cuts(days: NDArray[np.float64]) -> tuple[str, str]:
    """The first day of validation and of test rows, so that no part is without a day."""
    known, counts = np.unique(days, return_counts=True)
    before = np.cumsum(counts) - counts  # rows before each day
    val = int(np.clip(np.abs(before - 0.7 * len(days)).argmin(), 2, len(known) - 2))
    test = int(np.clip(np.abs(before - 0.8 * len(days)).argmin(), val + 1, len(known) - 1))
    first, second = (iso(float(known[i] * DAY))[:10] for i in (val, test))
    return first, second


def by_fingerprint(fields: list[Facts], goal: Goal) -> Iterator[Choice]:
    """By what tells rows apart, with growing shares until no part is empty."""
    rows = int(goal.used.sum())
    wanted = [shares for least, shares in SHARES.items() if rows >= least]
    for chosen, note in chain(by_id(fields), by_several(fields, goal)):
        names = [facts.name for facts in chosen]
        inputs = {Read(facts.name, "string").key: fingerprinted(facts, goal) for facts in chosen}
        for calibration, val, test in wanted:
            split = ByFingerprint(names, val=val, test=test, calibration=calibration)
            shares = {"calibration": calibration, "val": val, "test": test}
            node = {"_target_": f"{PLACE}.ByFingerprint", "fields": names, **shares}
            notes = [note, "a row stays where it is, also when rows are added"]
            yield Choice(node, notes, spread(split, inputs, goal=goal))


def spread(split: Split, inputs: dict[str, torch.Tensor], *, goal: Goal) -> NDArray[np.int64]:
    """The split of all rows, from that of the rows that are used."""
    index = np.full(goal.facts.rows, -1)
    index[goal.used] = split.assign(inputs).numpy()
    return index


def fingerprinted(facts: Facts, goal: Goal) -> torch.Tensor:
    """Fingerprints of a field as text, of the rows that are used."""
    assert facts.texts is not None
    return arrow_fingerprints(facts.texts.filter(pa.array(goal.used)), field=facts.name)


def by_id(fields: list[Facts]) -> Iterator[tuple[list[Facts], str]]:
    """One field that no two rows share, or nearly none."""
    whole = identity(fields)
    if (key := whole or near_identity(fields)) is not None:
        note = (
            f"by fingerprint of {quote(key.name)}, which {'no' if whole else 'nearly no'} two rows share. If several "
            "rows belong to one person, day or machine, split by the field that names those, else near copies of "
            "training rows are tested"
        )
        yield [key], note


def by_several(fields: list[Facts], goal: Goal) -> Iterator[tuple[list[Facts], str]]:
    """Few fields that together tell rows apart, those with the most values first; then with one more, and so on."""
    known = sorted(readable(fields), key=lambda facts: -facts.distinct)
    known = [facts for facts in known if facts.distinct > 1]
    whole = rows_apart([facts for facts in fields if facts.distinct > 1], goal)
    rows = int(goal.used.sum())
    for n in range(1, min(len(known), MOST_FIELDS) + 1):
        apart = rows_apart(known[:n], goal)
        if apart >= TELLING * whole or n == min(len(known), MOST_FIELDS):
            note = (
                f"by fingerprint of the fields that tell most rows apart ({apart:,} values in {rows:,} rows), since no "
                "field names a row. Better: a field that names a person, day or machine with several rows"
            )
            yield known[:n], note


def rows_apart(fields: list[Facts], goal: Goal) -> int:
    """How many distinct combinations the fields have in the rows that are used."""
    return len(np.unique(mixed(facts.codes[goal.used] for facts in fields)))
