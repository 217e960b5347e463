"""Records whose cells are plain, straight to tensors: a request's one row takes longer through Arrow than by the model.

A cell is plain if its field takes it as it is: a number inside the range, text that is no `na_value`, an ISO time, or
nothing where that may be missing. If one cell is not, or a row has a field too many or too few, no row is read here:
the verdict on all of them is the one validator's, and so are its words. Where there are Inputs, they are the same bits.

Shape: N records -> Inputs, (N',) each; N' is the next multiple of `multiple`, filled up with zeros.

>>> from mlp_torch.ingest.reads import Read
>>> plain = Plain(Schema.of([Read("hour"), Read("origin", "string")]))
>>> plain([{"hour": 5, "origin": None}])
{'hour': tensor([5.], dtype=torch.float64), 'origin:string': tensor([0])}
>>> plain([{"hour": "5", "origin": None}]) is None
True
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import MAX_CELL_BYTES
from mlp_torch.ingest.cells import LARGEST
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import integers
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.times import wall_seconds

LONGEST = MAX_CELL_BYTES // 4  # characters, of four bytes at most
NUMBERS = (int, float)  # neither bool nor numbers of numpy's

Readers = list[tuple[str, Callable[[Any], Any]]]  # by field


class NotPlain(Exception):
    """A cell that the validator must see."""


class Rule(NamedTuple):
    """Which cells of a field are plain.

    Args:
        lowest: least number.
        highest: greatest number.
        na_numbers: numbers that mean missing.
        na_values: texts that mean missing.
        keeps: whether a cell may be missing.
        is_number: whether the field is read as a number, beside other kinds.
    """

    lowest: float
    highest: float
    na_numbers: frozenset[float]
    na_values: frozenset[str]
    keeps: bool
    is_number: bool

    @classmethod
    def of(cls, policy: Field, *, known: bool) -> "Rule":
        """The rule of a field; `known` takes numbers of the training range only."""
        lowest, highest = max(policy.lowest, -LARGEST), min(policy.highest, LARGEST)
        if known and policy.low is not None and policy.high is not None:
            lowest, highest = max(lowest, policy.low), min(highest, policy.high)
        na_numbers, na_values = frozenset(policy.na_numbers), frozenset(policy.na_values)
        return cls(lowest, highest, na_numbers, na_values, policy.missing == "keep", "number" in policy.kinds)

    def number(self, cell: Any) -> float:
        """A number as it is, missing as NaN."""
        if type(cell) in NUMBERS and self.lowest <= cell <= self.highest and cell not in self.na_numbers:
            return cell  # type: ignore[no-any-return]
        self.require_missing(cell)
        return math.nan

    def time(self, cell: Any) -> float:
        """An ISO text as seconds, missing as NaN."""
        if type(cell) is str and cell not in self.na_values and (seconds := wall_seconds(cell)) is not None:
            return seconds
        self.require_missing(cell)
        return math.nan

    def word(self, cell: Any) -> str | None:
        """Text as it is, missing as None; where `number` took a whole one, its decimal text."""
        if type(cell) is str and len(cell) <= LONGEST and cell not in self.na_values:
            return cell
        if self.is_number and type(cell) is int:
            return str(cell)
        self.require_missing(cell)
        return None

    def require_missing(self, cell: Any) -> None:
        """Raises NotPlain for a cell that holds something, or that must."""
        if not (self.keeps and (cell is None or (type(cell) is float and math.isnan(cell)))):
            raise NotPlain


class Plain:
    """The reader of plain records.

    Args:
        schema: the fields.
        multiple: rows are filled up to a multiple of so many.
    """

    def __init__(self, schema: Schema, *, multiple: int = 1):
        self.names, self.multiple = dict.fromkeys(schema.fields).keys(), multiple
        self.simple = all(item.kind in ("number", "time", "string") for item in schema.reads.values())
        self.numbers = [item for item in schema.reads.values() if item.kind != "string"]
        self.words = [item for item in schema.reads.values() if item.kind == "string"]
        self.keys = [item.key for item in (*self.numbers, *self.words)]
        self.readers = {known: self.readers_of(schema.fields, known=known) for known in (False, True)}

    def readers_of(self, fields: Mapping[str, Field], *, known: bool) -> tuple[Readers, Readers]:
        """What reads each number and time, and each word."""
        rules = {name: Rule.of(policy, known=known) for name, policy in fields.items()}
        return (
            [(name, rules[name].number if kind == "number" else rules[name].time) for name, kind, *_ in self.numbers],
            [(name, rules[name].word) for name, *_ in self.words],
        )

    def __call__(self, records: Sequence[Any], *, known: bool = False) -> Inputs | None:
        """Inputs, or None where the validator must see the rows.

        Args:
            records: dicts.
            known: whether a number outside of the training range is not plain, since the validator warns of it.
        """
        if not self.simple or not records:
            return None
        if not all(type(record) is dict and record.keys() == self.names for record in records):
            return None
        numbers, words = self.readers[known]
        try:
            amounts = [[read(record[name]) for name, read in numbers] for record in records]  # refuse what str() would
            found = integers([read(record[name]) for record in records for name, read in words])
        except (NotPlain, DataError):  # the latter for a lone surrogate
            return None
        rows, split = len(records), len(numbers)
        block = np.zeros((len(self.keys), rows + -rows % self.multiple))  # 64 bits each
        floats, hashes = block[:split], block[split:].view(np.int64)
        floats.T[:rows] = amounts
        hashes.T[:rows] = found.reshape(rows, -1)
        tensors = (*torch.from_numpy(floats).unbind(), *torch.from_numpy(hashes).unbind())
        return dict(zip(self.keys, tensors, strict=True))
