"""One suspicious thing about a table: a code, the fields, how many, examples, and what to do about it.

A finding is no error: training may go on with it. What training refuses, the validator refuses (`DataError`).

>>> print(Finding("constant", ("town",), "the same value in all rows", 3, 3, examples=("Ulm",), advice="leave it out"))
constant: "town": the same value in all rows; 3 of 3 rows; e.g. "Ulm"; leave it out
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mlp_torch.errors import MAX_EXAMPLES, quote


@dataclass(frozen=True)
class Finding:
    """What is suspicious.

    Attributes:
        code: a stable snake_case name, e.g. `look_alike`.
        fields: concerned.
        text: one clause in words.
        count: how many, of `total`; 0 where it is not about a number of things.
        total: see `count`.
        unit: what is counted: rows, cells or words.
        examples: up to three of the values found, as text.
        advice: what to do.
        loud: whether it must not be overlooked: it spoils a model, or stops its training.
    """

    code: str
    fields: tuple[str, ...]
    text: str
    count: int = 0
    total: int = 0
    unit: str = "rows"
    examples: tuple[str, ...] = ()
    advice: str = ""
    loud: bool = False

    @property
    def clause(self) -> str:
        """What was found, without code, fields and advice."""
        parts = [self.text]
        if self.total:
            parts.append(f"{self.count:,} of {self.total:,} {self.unit}")
        if self.examples:
            parts.append("e.g. " + ", ".join(quote(example) for example in self.examples[:MAX_EXAMPLES]))
        return "; ".join(parts)

    def __str__(self) -> str:
        named = ", ".join(quote(name) for name in self.fields)
        told = f"{self.clause}; {self.advice}" if self.advice else self.clause
        return f"{self.code}: {named}: {told}" if named else f"{self.code}: {told}"


def loudest_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, those that must not be overlooked first, else in their order."""
    return sorted(findings, key=lambda finding: not finding.loud)
