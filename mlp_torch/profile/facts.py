"""What the fields of a table hold, judged by the schema's own grammar, so that report and training cannot disagree.

Shape: N cells of a field -> `Facts`, with N values and N codes.

>>> facts = look("age", pa.array(["31", "?", None, "27"]))
>>> facts.kind, facts.missing, facts.na, facts.span
('number', 2, {'?': 1}, '27 … 31')
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.errors import quote
from mlp_torch.ingest.cells import Cells, How, Mask, is_number, is_text, mask, matches, not_unicode
from mlp_torch.ingest.fields import NUMBER, Field
from mlp_torch.ingest.kinds.read import read
from mlp_torch.ingest.reads import Kind, Read
from mlp_torch.ingest.times import iso
from mlp_torch.profile.shapes import SHAPES, column_for

FactKind = Literal["number", "time", "text", "several", "empty", "unreadable"]
NA_WORDS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "Null", "None", "none", "nil", "?", "-", "--")
STRAY = 0.05  # share of cells in a number field that may be no number
FEW = 20  # a number with no more distinct values could as well be a category
DAY = 86_400  # seconds
MANY_DIGITS = 1e15  # whole numbers beyond are shown as powers of ten
HUGE = "whole numbers beyond 2^53 are ids: float64 would round them"
STRANGE = {
    "not_finite": "infinity",
    "not_a_time": "outside the years 1 to 9999",
    "too_large_integer": "whole numbers beyond 2^53",
}
ZEROS = "leading zeros: codes, not amounts"


@dataclass(frozen=True)
class Facts:
    """What a field holds.

    Attributes:
        name: of the field.
        kind: what its cells are.
        array: the cells.
        values: (N,) float64 with NaN = missing for numbers and times, else Arrow text with null = missing.
        na: words that stand for missing in a number or time field, with their counts.
        stray: other words in a number or time field, with their counts.
        why: what speaks for the kind where it is no matter of course.
        decimal: the decimal mark of numbers in text; of text, that of the file's numbers.
    """

    name: str
    kind: FactKind
    array: pa.Array = field(repr=False)
    values: Any = field(repr=False)
    na: Mapping[str, int] = field(default_factory=dict)
    stray: Mapping[str, int] = field(default_factory=dict)
    why: str = ""
    decimal: str = "."

    @property
    def rows(self) -> int:
        return len(self.array)

    @cached_property
    def present(self) -> Mask:
        """(N,) which cells have a value."""
        is_array = self.kind in ("number", "time")
        cells = self.array if self.kind == "several" else self.values
        found: Mask = ~np.isnan(self.values) if is_array else mask(cells.is_valid())
        return found

    @cached_property
    def missing(self) -> int:
        return int((~self.present).sum())

    @property
    def called(self) -> str:
        """The kind for people: where cells hold several values, what they hold."""
        return SHAPES[column_for(self.array.type)] if self.kind == "several" else self.kind

    @property
    def is_opaque(self) -> bool:
        """Whether cells are not looked into, so that nobody knows how many differ."""
        return self.kind in ("several", "unreadable")

    @property
    def invalid(self) -> int:
        """How many cells cannot be read as what the field is; they count as missing."""
        return sum(self.stray.values())

    @cached_property
    def levels(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Distinct numbers or times in order, the place of each value that is there among them, and their cells."""
        return np.unique(self.values[self.present], return_inverse=True, return_counts=True)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """(N,) a number for each distinct value, from 0; -1 = missing."""
        codes: NDArray[np.int64]
        if self.kind not in ("number", "time"):
            codes = self.values.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
            return codes
        codes = np.full(self.rows, -1)
        codes[self.present] = self.levels[1]
        return codes

    @cached_property
    def distinct(self) -> int:
        """How many values there are, missing not among them."""
        return int(self.codes.max(initial=-1)) + 1

    @property
    def unique(self) -> bool:
        """Whether each row has a value of its own."""
        return self.distinct == self.rows

    @cached_property
    def whole(self) -> bool:
        """Whether it is a number without fractions, spelled without them too: "5", not "5.0"."""
        if self.kind != "number":
            return False
        if is_text(self.array.type):
            return bool((matches(self.array, "^-?[0-9]+$") | ~self.present).all())
        return bool((np.floor(self.values) == self.values)[self.present].all())

    @cached_property
    def texts(self) -> pa.Array | None:
        """(N,) the cells as training reads them as text, or None where it could not."""
        cells = read(self.array, Read(self.name, "string"), Field(self.name, ("string",), na_values=tuple(self.na)))
        if any(bad.any() for bad in cells.bad.values()):
            return None
        return cells.values if self.kind == "text" else pc.if_else(self.present, cells.values, None)

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """(n,) days since 1970-01-01 of the times that are there."""
        found: NDArray[np.int64] = (self.values[self.present] // DAY).astype(np.int64)
        return found

    @cached_property
    def seconds(self) -> NDArray[np.int64]:
        """(n,) seconds since midnight of the times that are there."""
        found: NDArray[np.int64] = (self.values[self.present] % DAY).astype(np.int64)
        return found

    def shown(self, value: float) -> str:
        """A number or time for people."""
        if self.kind == "time":
            return iso(float(value))[: 19 if self.seconds.any() else 10]
        return f"{value:.0f}" if value == np.floor(value) and abs(value) < MANY_DIGITS else f"{value:.6g}"

    @property
    def span(self) -> str:
        """The range, or the most frequent words."""
        if not self.present.any():
            return ""
        if self.kind in ("number", "time"):
            low, high = self.levels[0][[0, -1]]
            return f"{self.shown(low)} … {self.shown(high)}"
        return ", ".join(quote(word[:20]) for word, _ in self.frequent(3))

    def frequent(self, most: int) -> list[tuple[str, int]]:
        """The most frequent words with their counts, in alphabetical order where equal."""
        return sorted(counted(self.values).items(), key=lambda item: (-item[1], item[0]))[:most]


def look(name: str, array: pa.Array, *, decimal: str = ".", na_values: Sequence[str] = ()) -> Facts:
    """The facts of one field.

    Args:
        name: of the field.
        array: its cells, in one piece.
        decimal: the decimal mark of numbers in text.
        na_values: texts that are known to mean missing.
    """
    kind = array.type
    if is_text(kind):
        return look_at_words(name, array.cast(pa.large_string()), decimal=decimal, na_values=na_values)
    if pa.types.is_null(kind) or array.null_count == len(array):
        return blank(name, array, kind="empty")
    if pa.types.is_boolean(kind):
        return reading(name, array, kind="text", why="true and false are read as 1 and 0")
    if is_number(kind) or pa.types.is_decimal(kind):
        cells = read(array, Read(name), Field(name, ("number",)))
        if cells.bad.get("too_large_integer", np.zeros(1)).any():
            return reading(name, array, kind="text", why=HUGE)
        numbers = {word: float(word) for word in na_values if NUMBER.fullmatch(word)}
        na = {word: int((cells.values == number).sum()) for word, number in numbers.items()}
        return reading(name, array, kind="number", na={word: count for word, count in na.items() if count})
    if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        return reading(name, array, kind="time")
    zone = " with a time zone" if pa.types.is_timestamp(kind) else ""
    if column := column_for(kind):
        return blank(
            name, array, kind="several", why=f"cells of type {kind}: mlp_torch.representation.{column} takes them"
        )
    return blank(name, array, kind="unreadable", why=f"cells of type {kind}{zone} cannot be read")


def look_at_words(name: str, array: pa.Array, *, decimal: str, na_values: Sequence[str]) -> Facts:
    """The facts of a field of text, which may spell numbers or times."""
    if why := torn(array):
        return blank(name, array, kind="unreadable", why=why)
    words = counted(array)
    declared = {word: count for word, count in words.items() if word in na_values}
    na = declared | {word: count for word, count in words.items() if word in NA_WORDS}
    rest = pa.array([word for word in words if word not in na], pa.large_string())
    if not len(rest):
        has_words = len(na) - len(declared) > 1
        return reading(name, array, kind="text", na=declared) if has_words else blank(name, array, kind="empty")
    for kind in ("number", "time"):
        stray = unread(rest, kind, decimal=decimal)
        if stray is None:
            return reading(name, array, kind="text", na=declared, why=HUGE)
        known = len(rest) - len(stray)  # few numbers may well be codes, few dates are dates
        few = sum(words[word] for word in stray) <= STRAY * sum(words.values()) and known > (FEW, 1)[kind == "time"]
        if not stray or few:
            if kind == "number" and matches(rest, "^-?0[0-9]").any():
                return reading(name, array, kind="text", na=declared, why=ZEROS)
            return reading(name, array, kind=kind, na=na, decimal=decimal)
    return reading(name, array, kind="text", na=declared, decimal=decimal)


def torn(array: pa.Array) -> str:
    """Why text cannot be read: the cells that are no UTF-8, which training refuses; "" where there are none."""
    if not is_text(array.type) or not (bad := not_unicode(text := array.cast(pa.large_string()))).any():
        return ""
    first = int(bad.argmax())
    start = text.cast(pa.large_binary())[first].as_py()[:20]
    some = f"{bad.sum():,} of {len(bad):,} cells are not"
    return f"text must be UTF-8, however: {some}, the first in row {first}: {start}"


def counted(array: pa.Array) -> dict[str, int]:
    """The distinct words with their counts, in the order of first appearance, without nulls."""
    counts = pc.value_counts(array.drop_null())
    return dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))


def unread(words: pa.Array, kind: Kind, *, decimal: str) -> list[str] | None:
    """The words that are none of this kind; None where one is a whole number too large for float64.

    Most columns are settled by the first words, hence the look at few before the look at all.
    """
    for some in (words[:200], words):
        bad = read(some, Read("", kind), Field("", (kind,)), How(decimal)).bad
        if bad.get("too_large_integer", np.zeros(1)).any():
            return None
        wrong = np.logical_or.reduce(list(bad.values()))
        if np.mean(wrong) > 0.5:
            break
    found: list[str] = some.filter(pa.array(wrong)).to_pylist()
    return found if len(some) == len(words) else words.to_pylist()


def reading(
    name: str,
    array: pa.Array,
    *,
    kind: Literal["number", "time", "text"],
    na: Mapping[str, int] | None = None,
    why: str = "",
    decimal: str = ".",
) -> Facts:
    """Facts with the values that training would read."""
    as_kind: Kind = "string" if kind == "text" else kind
    cells = read(array, Read(name, as_kind), Field(name, (as_kind,), na_values=tuple(na or {})), How(decimal))
    return Facts(name, kind, array, cells.values, na or {}, strange(array, cells), why, decimal)


def strange(array: pa.Array, cells: Cells) -> dict[str, int]:
    """The words of cells that cannot be read, with their counts; cells with a type of their own have no words."""
    if is_text(array.type):
        bad = np.logical_or.reduce([np.zeros(len(array), bool), *cells.bad.values()])
        return counted(array.filter(pa.array(bad)))
    return {STRANGE[code]: int(bad.sum()) for code, bad in cells.bad.items() if code in STRANGE and bad.any()}


def blank(name: str, array: pa.Array, *, kind: Literal["empty", "several", "unreadable"], why: str = "") -> Facts:
    """Facts of a field that has no values to speak of."""
    return Facts(name, kind, array, pa.nulls(len(array), pa.large_string()), why=why)
