"""Times: seconds of wall clock since 1970-01-01, as given. Shape: N cells -> (N,) float64, NaN = missing.

>>> cells = Time().of_values(pa.array([0.5, 1e300]), Read("at", "time"), Field("at", ("time",)), How())
>>> cells.values, cells.bad["not_a_time"]
(array([0.5, nan]), array([False,  True]))
"""

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.ingest.cells import LARGEST, Cells, Floats, How, is_number, listed, present
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.kind import refused
from mlp_torch.ingest.kinds.number import Number, measured, median
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.ingest.times import FIRST, LAST, iso, wall_seconds


class Time(Number):
    """A time: ISO text, an Arrow date or timestamp without a zone, or seconds."""

    coded = True
    forms = ("scalar",)
    faults = {"not_a_time": "a time must be YYYY-MM-DD[(T| )HH:MM[:SS]], a date of the calendar"}  # noqa: RUF012

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        return told(text, field)

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        kind = array.type
        if pa.types.is_date(kind):
            array, kind = array.cast(pa.timestamp("ms")), pa.timestamp("ms")
        if pa.types.is_timestamp(kind) and kind.tz is None:
            return in_calendar(Cells(clock(array), {}, {}))
        if is_number(kind):
            return in_calendar(measured(array, field))
        code = "aware_time" if pa.types.is_timestamp(kind) else "wrong_type"
        return refused(array, code, self.absent(item, len(array)))

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        middle = median(inputs[item.key])
        return None if middle is None else iso(middle)

    def reader(self, policy: Field, item: Read) -> Reader:
        return TimeReader(policy, item)


class TimeReader(Reader):
    """A time: ISO text, or a tensor of seconds of wall clock since 1970-01-01."""

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        # seconds outside the calendar are milliseconds, as a rule
        self.lowest, self.highest, self.range, self.bounded = float(FIRST), float(LAST), "years 1 to 9999", True

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        if self.field in strings:
            told, wrong = self.told(strings[self.field])
            return told, wrong, told.isnan()
        if self.field not in tensors:
            raise RuntimeError(
                f'field "{self.field}" must be given in `strings`: YYYY-MM-DD[(T| )HH:MM[:SS]] or None; '
                "or in `tensors`: seconds of wall clock since 1970-01-01"
            )
        if tensors[self.field].dtype == torch.bool:
            raise RuntimeError(f'field "{self.field}" must be text or seconds, however: a tensor of bool')
        values, bad = self.numbers(tensors[self.field])
        return values, bad, values.isnan()

    def told(self, texts: list[str | None]) -> tuple[Tensor, Tensor]:
        """ISO texts as seconds."""
        values: list[int] = []  # not of floats: TorchScript takes a list of those through float32
        state: list[int] = []  # 0 a time, 1 missing, 2 invalid
        for text in texts:
            value, kind = 0, 1
            if text is not None and text not in self.na_values:
                seconds = wall_seconds(text)
                kind = 2
                if seconds is not None:
                    value, kind = seconds, 0
            values.append(value)
            state.append(kind)
        kinds = torch.tensor(state, dtype=torch.int64).to(self.int64)  # (B,)
        invalid = self.refuse(kinds == 2, "be YYYY-MM-DD[(T| )HH:MM[:SS]], a date of the calendar")
        found = torch.tensor(values, dtype=torch.int64).to(self.float64)  # (B,)
        return found.masked_fill(kinds != 0, float("nan")), invalid


def in_calendar(cells: Cells) -> Cells:
    """Seconds outside the years 1 to 9999 are no time: they are milliseconds, as a rule."""
    beyond = np.isfinite(cells.values) & ((cells.values < FIRST) | (cells.values > LAST))
    return Cells(np.where(beyond, np.nan, cells.values), {**cells.bad, "not_a_time": beyond}, cells.changed)


def clock(array: pa.Array) -> Floats:
    """Arrow timestamps as float64 seconds; beyond 2^53 ticks whole seconds apart, so that they stay exact."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy()
    whole, rest = np.divmod(ticks, per_second)
    seconds = np.where(np.abs(ticks) <= LARGEST, ticks / per_second, whole + rest / per_second)
    return np.where(present(array), seconds, np.nan)


def told(coded: pa.DictionaryArray, field: Field) -> Cells:
    """Times in ISO text."""
    na = listed(coded, field)
    parsed = [wall_seconds(word) for word in coded.dictionary.to_pylist()]
    table = np.array([np.nan if seconds is None else float(seconds) for seconds in parsed] + [np.nan])
    values: Floats = table[coded.indices.fill_null(len(parsed)).to_numpy()]
    bad = {"not_a_time": np.isnan(values) & ~na & present(coded)}
    return Cells(np.where(na, np.nan, values), bad, {"na_values read as missing": int(na.sum())})
