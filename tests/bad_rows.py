"""Cells that neither training nor serving may take, by their row in the list of bad inputs, in the tiny table's fields.

The same cells go through training (rows in memory, a CSV file), the library call and the server.
"""

import json
import math
from typing import Any, NamedTuple

import tiny

POLICIES: dict[str, dict[str, Any]] = {"age": {"min": -50, "max": 120}, "tail": {"missing": "error"}}


class Bad(NamedTuple):
    """A cell and what it gets.

    Args:
        number: row of the list of bad inputs.
        field: where it stands.
        value: what it holds.
        code: of the problem.
        says: a part of the message.
    """

    number: int
    field: str
    value: object
    code: str
    says: str = ""

    @property
    def in_csv(self) -> str | None:
        """The cell's text, quoted; None where a CSV file has no such cell: there, "1.5" and "inf" are words."""
        is_text = isinstance(self.value, str) and self.number != 28
        is_number = self.field == "age" and isinstance(self.value, int | float) and math.isfinite(self.value)
        if self.value is None:
            return ""
        return f'"{self.value}"' if is_text or is_number else None

    @property
    def in_json(self) -> bool:
        """Whether strict JSON holds it: no NaN, no infinity, only its own types."""
        try:
            return bool(json.dumps(self.value, allow_nan=False))
        except (TypeError, ValueError):
            return False

    def __str__(self) -> str:
        return f"row {self.number}: {self.field} {ascii(self.value)[:20]}"


BAD = [
    Bad(6, "age", "old", "not_a_number", "data.fields.age.invalid"),
    Bad(6, "age", "12 ", "not_a_number", '"12 "'),
    Bad(6, "age", "", "not_a_number"),
    Bad(6, "age", "0x10", "not_a_number"),
    Bad(9, "city", 1.5, "not_whole", "continuous"),
    Bad(10, "age", 2**53 + 1, "too_large_integer", "read such ids as string"),
    Bad(64, "age", 10**30, "too_large_integer"),
    Bad(13, "age", math.inf, "not_finite"),
    Bad(13, "age", -math.inf, "not_finite"),
    Bad(14, "age", "1e999", "not_finite"),
    Bad(23, "city", "x" * 1_000_000, "cell_too_large", "at most 65,536 bytes, however: 1,000,000"),
    Bad(23, "tail", "x" * 65_537, "cell_too_large", "data.source.max_cell_bytes"),
    Bad(24, "age", "1\x1b[31m", "not_a_number", r"\u001b"),
    Bad(28, "city", "\ud800", "invalid_unicode"),
    Bad(37, "age", "1,5", "not_a_number", "data.source.decimal"),
    Bad(37, "age", "1,234,567.0", "not_a_number"),
    Bad(53, "at", "2026-02-30", "not_a_time", '"2026-02-30"'),
    Bad(53, "at", "02/26/2026", "not_a_time", "YYYY-MM-DD"),
    Bad(53, "at", "2026-01-01T00:00:00Z", "not_a_time"),
    Bad(53, "at", "2026-01-01T00:00+02:00", "not_a_time"),
    Bad(53, "at", "0000-12-31", "not_a_time"),
    Bad(53, "at", "10000-01-01", "not_a_time"),
    Bad(69, "age", [1], "nested_value"),
    Bad(69, "city", {"a": 1}, "nested_value"),
    Bad(69, "age", 1 + 2j, "wrong_type"),
    Bad(71, "age", -51, "out_of_range", "[-50, 120]"),
    Bad(71, "age", 1048.0, "out_of_range", "data.fields.age.invalid"),
    Bad(72, "tail", None, "missing_value", "data.fields.tail.missing"),
]


def records(rows: int = 400) -> list[dict[str, Any]]:
    """The tiny table as a caller would send it: times as text."""
    return [{**row, "at": row["at"].isoformat()} for row in tiny.table(rows).to_pylist()]
