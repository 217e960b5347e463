"""What can go wrong with what a user brings: data, configuration, a model's files.

A `DataError` lists every problem found, not only the first. Each `Problem` has one grammar: a reason code, the
columns, how many of how many rows, where they are, what they hold, and the key that changes the policy.

>>> print(Problem("not_a_number", "text in a number field", ("age",), bad=1, total=3, rows=(2,), examples=("old",)))
not_a_number: column "age": text in a number field; 1 of 3 rows, row 2; e.g. "old"
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from textwrap import TextWrapper

MAX_PROBLEMS = 50
MAX_COLUMNS = 20
MAX_ROWS = 5
MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 100


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with some rows of some columns.

    Args:
        code: a stable snake_case reason, e.g. `missing_column`.
        text: one clause in words.
        columns: the raw fields concerned.
        bad: number of bad rows, of `total`; 0 where the problem is not about rows.
        rows: the first bad rows, counted as `unit` counts them; `file:number` in a source of several files.
        examples: up to three of the values found, as text.
        key: the configuration key that changes the policy.
        unit: "row" (from 0) or "line" (of the file, from 1).
    """

    code: str
    text: str
    columns: tuple[str, ...] = ()
    bad: int = 0
    total: int = 0
    rows: tuple[int | str, ...] = ()
    examples: tuple[str, ...] = ()
    key: str | None = None
    unit: str = "row"

    def __str__(self) -> str:
        return f"{self.code}: " + "; ".join(self.clauses())

    def clauses(self) -> list[str]:
        """What it says, in parts that fit on one line of a terminal or are cut to."""
        named = ", ".join(map(quote, self.columns[:MAX_COLUMNS]))
        more = len(self.columns) - MAX_COLUMNS
        named += f", … and {more:,} more" if more > 0 else ""
        words = "columns" if len(self.columns) > 1 else "column"
        text = printable(self.text)
        parts = [f"{words} {named}: {text}" if named else text]
        if self.total:
            rows = ", ".join(printable(str(row)) for row in self.rows[:MAX_ROWS]) + (
                ", …" if self.bad > min(len(self.rows), MAX_ROWS) else ""
            )
            units = self.unit + ("s" if len(self.rows) > 1 else "")
            parts.append(f"{self.bad:,} of {self.total:,} rows" + (f", {units} {rows}" if self.rows else ""))
        if self.examples:
            parts.append("e.g. " + ", ".join(quote(example) for example in self.examples[:MAX_EXAMPLES]))
        if self.key:
            parts.append(f"policy: {printable(self.key)}")
        return parts


def printable(text: str) -> str:
    """Text whose control characters, and others that a terminal would obey, are escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def quote(value: str) -> str:
    """A value as it may stand in a message: cut at 100 characters, control characters escaped."""
    cut = value[:MAX_EXAMPLE_LENGTH] + ("…" if len(value) > MAX_EXAMPLE_LENGTH else "")
    return printable(json.dumps(cut, ensure_ascii=False))


def how_many(count: int, one: str, many: str = "") -> str:
    """A number of things.

    >>> how_many(1, "row"), how_many(1200, "row"), how_many(2, "row holds", "rows hold")
    ('1 row', '1,200 rows', '2 rows hold')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that names the nearest known words; "" where none is near.

    >>> nearest("churn", ["hour", "hours"]), nearest("mni", ["max", "min"])
    ('', 'did you mean min?')
    """
    cutoff = 0.66 if len(word) < 5 else 0.7  # of a short word two letters that changed places are much
    close = get_close_matches(word, sorted(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(map(printable, close))}?" if close else ""


def near(word: str, known: Iterable[str]) -> str:
    """A clause that names the nearest known words, or all of them where they are few.

    >>> near("max_epoch", ["max_epochs", "seed"])
    'did you mean max_epochs?'
    """
    choices = sorted(known)
    listed = ", ".join(map(printable, choices[:20])) + (", …" if len(choices) > 20 else "")
    return nearest(word, choices) or f"known: {listed or 'none'}"


class UserError(Exception):
    """What the user can mend; the command line prints it without a traceback and exits with 2."""

    def told(self) -> str:
        """For a terminal."""
        return f"{type(self).__name__}: {self}"


class DataError(UserError, ValueError):
    """Data that cannot be used as they are, with every problem found (up to 50)."""

    def __init__(self, problems: "Problem | list[Problem]"):
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__(self.problems)  # what pickle calls it with again, in another process

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > MAX_PROBLEMS:
            lines.append(f"… and {len(self.problems) - MAX_PROBLEMS} more")
        return "\n".join(lines)

    def told(self) -> str:
        """For a terminal: several problems apart from each other."""
        return f"DataError: {listed(self.problems)}" if len(self.problems) > 1 else super().told()

    def to_json(self) -> list[dict[str, object]]:
        """The first 50 problems as plain values, for machines."""
        return [asdict(problem) for problem in self.problems[:MAX_PROBLEMS]]


def listed(problems: Sequence[Problem], width: int = 100) -> str:
    """Problems for a terminal: the first 50, a line a clause, wrapped, with a blank line between, and the total.

    >>> print(listed([Problem("not_a_number", "text in a number field", ("age",), 1, 3, (2,), ("old",))]))
    1 problem
    <BLANKLINE>
    not_a_number
      column "age": text in a number field
      1 of 3 rows, row 2
      e.g. "old"
    """
    total = f"{len(problems):,} problem" + ("s" if len(problems) != 1 else "")
    if len(problems) > MAX_PROBLEMS:
        total += f", of which the first {MAX_PROBLEMS} are told"
    wrap = TextWrapper(width, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    told = (
        "\n".join([problem.code, *(line for clause in problem.clauses() for line in wrap.wrap(clause))])
        for problem in problems[:MAX_PROBLEMS]
    )
    return "\n\n".join([total, *told])


class ConfigError(UserError, ValueError):
    """A configuration that cannot be built: an unknown key, a mistyped argument, values that contradict each other."""


class MissingExtra(ConfigError):
    """A package of an extra that is not installed; the text says how to get it."""


class WriteError(UserError, OSError):
    """A file that cannot be written, with the system's reason: a full disk, a folder that is read-only."""

    def __init__(self, path: object, reason: str):
        super().__init__(f"{path} must be writable, however: {reason}; what was there before is as it was")
        self.strerror = reason


class ModelError(UserError, RuntimeError):
    """A model's or run's files that are missing, damaged, of another format, or that disagree with what was trained."""
