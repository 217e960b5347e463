"""What is suspicious about the numbers and times of a field: piles far from all others, outliers, invalid cells.

Distances are in robust standard deviations: the distance between the quartiles, as that of a normal distribution with
standard deviation 1. A few wild values do not move it.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> ages = look("age", pa.array([*range(18, 90), 9999, 9999, 9999]))
>>> print(next(of_numbers(ages)))
sentinel: "age": one value far from all others, 18 … 89; 3 of 75 cells; e.g. "9999"; if it means missing: \
data.fields.age.na_values: ["9999"]
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, quote
from mlp_torch.ingest.cells import is_text
from mlp_torch.ingest.fields import NUMBER
from mlp_torch.ingest.policies import path, setting
from mlp_torch.profile.facts import FEW, Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.forms import ISO, no_days, spells_dates, time_forms

Floats = NDArray[np.float64]
IQR = 1.349  # of a normal distribution with standard deviation 1
OUTLIER = 10.0  # robust standard deviations from the median
CLIP = f"clip: {OUTLIER:g} in its column; or "
LEAST, LEAST_DISTINCT = 20, 6  # cells and values among which something can lie far off
SENTINELS = 2  # values at one end that may be sentinels together, as 8888 and 9999


class Pile(NamedTuple):
    """A value that several cells share, far beyond the range of all others."""

    value: float
    cells: int
    low: float
    high: float


def of_numbers(facts: Facts) -> Iterator[Finding]:
    """The findings of a number or time field."""
    found = piles(facts)
    for pile in found:
        yield sentinel(facts, pile)
    if facts.kind == "number" and spells_dates(facts.levels[0]) and facts.distinct > FEW:
        text, advice = "whole numbers that spell dates, YYYYMMDD: their distances mean little", f"write them as {ISO}"
        yield Finding("other_times", (facts.name,), text, facts.rows - facts.missing, facts.rows, "cells", (), advice)
    yield from outliers(facts, without=[pile.value for pile in found])
    if facts.stray:
        yield invalid(facts, facts.rows)
    if facts.na:
        words = tuple(facts.na)
        advice = setting(facts.name, {"na_values": f"[{', '.join(map(quote, words))}]"}, mark=": ")
        count = sum(facts.na.values())
        yield Finding("na_words", (facts.name,), "words for missing", count, facts.rows, "cells", words, advice)


def invalid(facts: Facts, total: int) -> Finding:
    """The finding of cells that cannot be read, of so many; times in another form have a code of their own."""
    words = tuple(sorted(facts.stray, key=lambda word: -facts.stray[word]))
    forms = time_forms(pa.array(words), np.array([facts.stray[word] for word in words]))
    forms.pop(ISO, 0)  # days that no calendar has
    is_mixed = facts.kind == "time" and sum(forms.values()) > facts.invalid / 2
    text = f"times in another form than {ISO}, as most are" if is_mixed else f"cells that are no {facts.kind}"
    text += no_days(words) if facts.kind == "time" else ""
    policy = f"{path(facts.name, 'invalid')}: missing, or drop"
    advice = f"training refuses them unless a policy says what they are ({policy}); or mend the file"
    code = "mixed_dates" if is_mixed else "invalid"
    return Finding(code, (facts.name,), text, facts.invalid, total, "cells", words, advice, loud=True)


def spread(values: Floats, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Median and robust standard deviation; where most cells are equal, that of the distinct values.

    Args:
        values: distinct, in order.
        counts: cells of each.
    """
    low, center, high = values[np.searchsorted(np.cumsum(counts), np.array([0.25, 0.5, 0.75]) * counts.sum())]
    if high == low:
        low, high = values[len(values) // 4], values[3 * len(values) // 4]
    with np.errstate(over="ignore"):
        return float(center), float(high / IQR - low / IQR)


def piles(facts: Facts) -> list[Pile]:
    """Values that look like marks for missing; with three at one end the others are a long tail, and none is one."""
    values, _, counts = facts.levels
    found: dict[float, int] = {}
    while ends := at_an_end(values, counts):
        found |= {float(values[i]): int(counts[i]) for i in ends}
        values, counts = np.delete(values, ends), np.delete(counts, ends)
    above = sum(value > values[-1] for value in found)
    if max(above, len(found) - above) > SENTINELS:
        return []
    return [Pile(value, count, float(values[0]), float(values[-1])) for value, count in found.items()]


def at_an_end(values: Floats, counts: NDArray[np.int64]) -> list[int]:
    """Which values at the lower or upper end are piles far off: indices, empty where none are.

    Args:
        values: distinct, in order.
        counts: cells of each.
    """
    size = len(values)
    for n in range(1, min(SENTINELS, size - LEAST_DISTINCT) + 1):
        for ends, inner in ((range(n), slice(n, None)), (range(size - n, size), slice(0, -n))):
            if all(is_pile(values[i], counts[i], values=values[inner], counts=counts[inner]) for i in ends):
                return list(ends)
    return []


def is_pile(value: float, count: int, *, values: Floats, counts: NDArray[np.int64]) -> bool:
    """Whether a value is too far from the others for so many cells.

    Very far, a few cells are enough, two of 99, 999, …; less far, it must be commoner than the others are.

    Args:
        value: outside the range of the others.
        count: its cells.
        values: the others, distinct and in order.
        counts: their cells.
    """
    if count < 2 or counts.sum() < LEAST:
        return False
    center, scale = spread(values, counts)
    with np.errstate(over="ignore"):
        gap = min(abs(value - values[0]), abs(value - values[-1]))
        far = abs(value - center)
    is_nines = set(f"{abs(value):.10g}") <= {"9", "."}
    if gap >= 5 * scale and far >= 10 * scale and (is_nines or count >= 3):
        return True
    return bool(gap >= 1.5 * scale and far >= 4 * scale and count >= 5 and count > 2 * np.median(counts))


def sentinel(facts: Facts, pile: Pile) -> Finding:
    """The finding of a pile."""
    words = spelled(facts, pile.value)
    text = f"one value far from all others, {facts.shown(pile.low)} … {facts.shown(pile.high)}"
    advice = "if it means missing, make it null in the file"
    if can_be_declared(facts):
        listed = f"[{', '.join(map(quote, words))}]"
        advice = f"if it means missing: {setting(facts.name, {'na_values': listed}, mark=': ')}"
    return Finding("sentinel", (facts.name,), text, pile.cells, facts.rows, "cells", tuple(words), advice, loud=True)


def can_be_declared(facts: Facts) -> bool:
    """Whether `na_values` can name a value of the field."""
    return facts.kind == "number" or is_text(facts.array.type)


def spelled(facts: Facts, value: float) -> list[str]:
    """A value as the cells spell it; one spelling of a number stands for all."""
    if not is_text(facts.array.type):
        return [repr(value) if value % 1 else f"{value:.0f}"]
    words: list[str] = pc.unique(facts.array.filter(pa.array(facts.values == value))).to_pylist()
    return [word for word in words if NUMBER.fullmatch(word)][:1] or words[:MAX_EXAMPLES]


def outliers(facts: Facts, *, without: list[float]) -> Iterator[Finding]:
    """Values far from the median that are no piles."""
    values, _, counts = facts.levels
    inner = ~np.isin(values, without)
    values, counts = values[inner], counts[inner]
    if counts.sum() < LEAST or len(values) <= FEW:
        return
    center, scale = spread(values, counts)
    with np.errstate(over="ignore"):
        distance = np.abs(values - center)
    if (far := distance > OUTLIER * scale).any():
        farthest = np.argsort(-distance)[: min(far.sum(), MAX_EXAMPLES)]
        examples = tuple(facts.shown(value) for value in values[farthest])
        text = f"beyond {OUTLIER:g} robust standard deviations from the median {facts.shown(center)}: legal, and kept"
        advice = "look whether such times can be true"
        if facts.kind == "number":
            advice = f"{CLIP}{path(facts.name, 'min', 'max')} for what cannot be true"
        yield Finding("outliers", (facts.name,), text, int(counts[far].sum()), facts.rows, "cells", examples, advice)
