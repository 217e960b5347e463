"""A report in the terminal: a line for each field, then a line for each finding.

>>> from mlp_torch.profile.report import report_of
>>> import pyarrow as pa
>>> lines = printed(report_of(pa.table({"age": [31, None, 27], "town": ["Ulm", "Ulm", "ulm"]}))).splitlines()
>>> print(*(line.rstrip() for line in lines[2:5]), sep="\\n")
field  kind    missing  invalid  distinct  0, 25, 50, 75, 100 %, or frequent words  found
age    number  1        0        2         27  27  27  31  31
town   text    0        0        2         "Ulm" 2, "ulm" 1                         look_alike
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlp_torch.errors import quote
from mlp_torch.profile.chains import ranking
from mlp_torch.profile.described import Described
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.report import DataReport

NAME, SPAN = 30, 60  # characters of a cell
LONGEST = 2000  # characters of a sentence


def printed(report: DataReport) -> str:
    """The report as text."""
    head = ("field", "kind", "missing", "invalid", "distinct", "0, 25, 50, 75, 100 %, or frequent words", "found")
    rows = [head, *(cells_of(field, report.target) for field in report.fields)]
    told = [f"{report.name}: {report.rows:,} rows, {len(report.fields)} fields", *report.notes, *sampled(report)]
    told_of = ranking((field.facts.name, field.chains) for field in report.fields)
    found = [printable("; ".join(told)), "", *aligned(rows), "", *map(printable, told_of)]
    return "\n".join([*found, *warned(report.findings)])


def sampled(report: DataReport) -> list[str]:
    """A sentence on the rows that were looked at, where they are not all."""
    if report.looked_at == report.rows:
        return []
    return [
        "missing and invalid cells and repeated rows are counted in all rows, the rest in "
        f"{report.looked_at:,} of them, chosen by fingerprint of their number"
    ]


def cells_of(field: Described, target: str | None) -> tuple[str, ...]:
    """A field as cells of the printed table."""
    facts = field.facts
    codes = ", ".join(dict.fromkeys(finding.code for finding in field.findings))
    found = ", ".join(word for word in ("TARGET" if facts.name == target else "", codes) if word)
    values = f"{field.missing:,}", f"{field.invalid:,}", distinct(facts)
    return short(facts.name), facts.called, *values, cut(summary(facts), SPAN), found


def distinct(facts: Facts) -> str:
    """How many values there are, a dash where nobody has counted them."""
    return "-" if facts.is_opaque else f"{facts.distinct:,}"


def summary(facts: Facts) -> str:
    """Five quantiles of numbers and times, or the most frequent words with their counts; a dash for other cells."""
    if facts.kind in ("number", "time"):
        return "  ".join(facts.shown(value) for value in quantiles(facts, (0, 0.25, 0.5, 0.75, 1)))
    if facts.is_opaque:
        return "-"
    return ", ".join(f"{quote(word[:20])} {count:,}" for word, count in facts.frequent(3))


def quantiles(facts: Facts, shares: Sequence[float]) -> list[float]:
    """Values below which these shares of the cells lie; each is one of the values. Empty where there are none."""
    values, _, counts = facts.levels
    return shares_of(values, counts, shares)


def shares_of(values: NDArray[np.float64], counts: NDArray[np.int64], shares: Sequence[float]) -> list[float]:
    """The same of distinct values in order, and the cells of each."""
    at = np.searchsorted(np.cumsum(counts), np.round(np.array(shares) * (counts.sum() - 1)), side="right")
    return [float(value) for value in values[at]] if len(values) else []


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with their cells one below the other; the last cell may be of any length."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def warned(findings: Iterable[Finding]) -> list[str]:
    """A line for each finding."""
    return [printable(f"{'WARNING' if finding.loud else 'note'}: {finding}") for finding in findings]


def short(name: str) -> str:
    """A field's name as it may stand in a table."""
    return quote(name)[1:-1][:NAME] or '""'


def cut(text: str, most: int = 45) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def printable(text: str) -> str:
    """A sentence without control characters, at most as long as is readable."""
    return cut("".join(char if char.isprintable() else "\ufffd" for char in text), LONGEST)
