"""The verdict on a source: every problem of every block in one list, and what would become of its rows.

>>> from mlp_torch.ingest.block import Block
>>> from mlp_torch.ingest.reads import Read
>>> import pyarrow as pa
>>> blocks = [Block(pa.table({"age": ["1", "old"]})), Block(pa.table({"age": [None, "9"]}))]
>>> found = validated(blocks, Schema.of([Read("age")]))
>>> found.counts["read"], found.counts["used"], [problem.code for problem in found.problems]
(4, 3, ['not_a_number'])
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlp_torch.errors import DataError, Problem, how_many, listed, printable
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.notice import blanked, changes
from mlp_torch.ingest.schema import Schema

if TYPE_CHECKING:
    from mlp_torch.validation.rehearsal import Rehearsal

MOST_NAMES = 20  # of ignored columns that are told
TORN = "wrong_field_count"  # of rows, whose cells are no column's


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes:
        problems: all of them; none = the source can be used.
        counts: as the validator's; `used` and `dropped` as if rows were dropped: those that training would drop, and
            those with problems too.
        splits: rows of each split; of an experiment only.
        warnings: sentences on fields of which far more cells were read as missing than in training, or all of them.
    """

    problems: list[Problem]
    counts: dict[str, Any]
    splits: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values; problems up to 50, and how many there are."""
        return {
            "usable": not self.problems,
            "problems": DataError(self.problems).to_json(),
            "n_problems": len(self.problems),
            "rows": self.counts,
            "splits": self.splits,
            "warnings": self.warnings,
        }

    def text(self, *, width: int = 100) -> str:
        """For a terminal: what would become of the rows, and the problems below."""
        counts = self.counts
        good = "good" if self.problems else "used"
        bad = {f"{name}: {problem.code}" for problem in self.problems for name in problem.columns} | {TORN}
        lines = [f"{how_many(counts['read'], 'row')} read, {counts['used']:,} {good}"]
        dropped = counts["dropped"].items()
        found = [("bad" if why in bad else "would drop", f"{how_many(n, 'row')}: {why}") for why, n in dropped]
        found += changes(counts["changed"])
        found += [("missing", f"{how_many(count, 'cell')}: {name}") for name, count in counts["missing"].items()]
        beyond = counts["beyond_training"].items()
        found += [("beyond", f"{how_many(count, 'cell')} outside the training range: {name}") for name, count in beyond]
        if ignored := counts["ignored_columns"]:
            more = f", … and {len(ignored) - MOST_NAMES} more" if len(ignored) > MOST_NAMES else ""
            found.append(("ignored", f"{how_many(len(ignored), 'column')}: {', '.join(ignored[:MOST_NAMES])}{more}"))
        if self.splits:
            found.append(("splits", ", ".join(f"{name} {count:,}" for name, count in self.splits.items())))
        lines += [f"{what:<12}{text}" for what, text in found]
        fine = "no problems, but a WARNING" if self.warnings else "no problems"
        fine += "" if counts["read"] else ", and no rows"
        told = listed(self.problems, width) if self.problems else fine
        return "\n".join([*map(printable, lines), *self.warnings, "", told])


def validated(blocks: Iterable[Block], schema: Schema, rehearsal: "Rehearsal | None" = None) -> Validation:
    """All blocks of a source, judged; rows with problems are left out of what is judged later.

    Args:
        blocks: as the source gives them; where it stops by an error, so does the verdict.
        schema: what the rows must be.
        rehearsal: what training wants beyond single cells.
    """
    inspection, good = Inspection(schema), Inspection(schema, skip=True)
    broken: list[Problem] = []
    try:
        for block in blocks:
            inspection.schema = good.schema = replace(schema, strict=schema.strict or block.strict)
            checked = inspection.check(block)
            if checked:
                good.count(checked.counts)
            else:
                checked = good.check(block)
            for problem in rehearsal.add(checked) if checked and rehearsal else ():
                inspection.add(problem)
    except DataError as error:
        broken = error.problems
    if rehearsal:
        close(inspection, good, rehearsal, whole=not broken)
    read = inspection.counts["read"]
    problems = [replace(problem, total=read if problem.total else 0) for problem in inspection.problems.values()]
    counts = {**good.counts, "read": read}
    splits = rehearsal.sizes if rehearsal and not broken else {}
    return Validation([*problems, *broken], counts, splits, blanked(counts["changed"], schema.fields, read))


def close(inspection: Inspection, good: Inspection, rehearsal: "Rehearsal", *, whole: bool) -> None:
    """Adds what is wrong with all rows together; of a source that broke off only what more rows would not mend."""
    unsplit = any(problem.key == "data.split" for problem in inspection.problems.values())
    headless = any(code in ("missing_column", "duplicate_column") for code, *_ in inspection.problems)
    refused = {name for problem in inspection.problems.values() for name in problem.columns}
    if headless or not whole:
        return
    empty = [problem for problem in good.emptiness() if not refused & set(problem.columns)]
    if good.counts["used"] or not inspection.problems:
        for problem in empty:
            inspection.add(problem)
    if good.counts["used"]:
        for problem in rehearsal.close(sound=not unsplit):
            inspection.add(problem)
