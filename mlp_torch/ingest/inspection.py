"""The verdict on a source's blocks, one after the other, as if they were one table: all problems in one error.

>>> import pyarrow as pa
>>> from mlp_torch.ingest.block import Places
>>> from mlp_torch.ingest.reads import Read
>>> schema = Schema.of([Read("age")])
>>> inspection = Inspection(schema)
>>> for first, ages in enumerate([["1"], ["old"], ["very old"]]):
...     checked = inspection.check(Block(pa.table({"age": ages}), Places("row", first)))
>>> inspection.close()
Traceback (most recent call last):
mlp_torch.errors.DataError: not_a_number: column "age": a number field holds text that is no number; 2 of 3 rows, \
rows 1, 2; e.g. "old", "very old"; policy: data.fields.age.invalid
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked, emptiness
from mlp_torch.ingest.schema import Schema

SUMMED = ("dropped", "changed", "missing", "beyond_training")


class Inspection:
    """Checks blocks and adds up what it finds.

    Args:
        schema: what the rows must be.
        skip: whether rows with bad cells are dropped and counted, instead of refused.

    Attributes:
        counts: as those of `Checked`, over all blocks.
    """

    def __init__(self, schema: Schema, *, skip: bool = False):
        self.schema, self.skip = schema, skip
        self.problems: dict[tuple[object, ...], Problem] = {}
        self.counts: dict[str, Any] = {"read": 0, "used": 0, **{name: {} for name in SUMMED}, "ignored_columns": []}

    def check(self, block: Block) -> Checked | None:
        """A block's rows; None where it has problems, which `close` will tell."""
        try:
            checked = self.schema.check(block, skip=self.skip)
        except DataError as error:
            self.refuse(error.problems, block.total)
            return None
        self.count(checked.counts)
        return checked

    def count(self, counts: Mapping[str, Any]) -> None:
        """Adds the counts of a block that has no problems, wherever it was checked."""
        self.counts["read"] += counts["read"]
        self.counts["used"] += counts["used"]
        self.counts["ignored_columns"] = counts["ignored_columns"]
        for name in SUMMED:
            total = self.counts[name]
            for what, count in counts[name].items():
                total[what] = total.get(what, 0) + count

    def refuse(self, problems: Iterable[Problem], total: int) -> None:
        """Adds the problems of a block of so many rows."""
        self.counts["read"] += total
        for problem in problems:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """One more problem, or the same one again in further rows."""
        key = (problem.code, problem.columns, problem.key)
        known = self.problems.get(key, replace(problem, bad=0, rows=(), examples=()))
        examples = tuple(dict.fromkeys([*known.examples, *problem.examples]))[:MAX_EXAMPLES]
        rows = (*known.rows, *problem.rows)[:MAX_ROWS]
        self.problems[key] = replace(known, bad=known.bad + problem.bad, rows=rows, examples=examples)

    def close(self, *, training: bool = False) -> dict[str, Any]:
        """The counts of all blocks.

        Args:
            training: whether to refuse what no training set may be: empty, or without any value of a field.

        Raises:
            DataError: with every problem of every block.
        """
        problems = [replace(p, total=self.counts["read"] if p.total else 0) for p in self.problems.values()]
        if training and not problems:
            problems += self.emptiness()
        if problems:
            raise DataError(problems)
        return self.counts

    def emptiness(self) -> list[Problem]:
        """What no training set may be: without rows, or without any value of a field."""
        missing, used = self.counts["missing"], self.counts["used"]
        return emptiness(self.counts, [name for name in missing if missing[name] == used])
