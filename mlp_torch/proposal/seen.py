"""What a table held when its experiment was written: comments at the end of the YAML, a line a field.

Without them nobody could tell a field that is new from one that was left out by hand, nor a range that has grown.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> line = line_of(Seen.of(look("age", pa.array([31, 27]))))
>>> line
'# seen {"field": "age", "kind": "number", "distinct": 2, "range": [27.0, 31.0]}'
>>> recorded(f"data: {{}}\\n{line}\\n")["age"].range
(27.0, 31.0)
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from mlp_torch.errors import ConfigError
from mlp_torch.profile.facts import Facts, counted

HEAD = (
    "# What the table held when this was written: `init --update` tells by it what is new, training does not read it."
)
MARK = "# seen "
MOST_CLASSES = 100


class Seen(NamedTuple):
    """What a field held.

    Args:
        field: its name.
        kind: number, time, text, empty or unreadable.
        distinct: how many values.
        range: the least and the greatest number or time, in seconds; () where there is none.
        classes: the words of a target.
    """

    field: str
    kind: str
    distinct: int = 0
    range: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: Facts, *, is_target: bool = False) -> "Seen":
        """What a field holds now."""
        if facts.kind in ("number", "time"):
            ends = tuple(facts.levels[0][[0, -1]].tolist()) if facts.distinct else ()
            return cls(facts.name, facts.kind, facts.distinct, ends)
        classes = tuple(sorted(counted(facts.values))) if is_target and facts.distinct <= MOST_CLASSES else ()
        return cls(facts.name, facts.kind, facts.distinct, classes=classes)

    def exceeded_by(self, now: "Seen") -> bool:
        """Whether there are numbers or times beyond the range."""
        return bool(self.range and now.range) and (now.range[0] < self.range[0] or now.range[-1] > self.range[-1])


def lines_of(items: Iterable[Seen]) -> list[str]:
    """The comments."""
    return [HEAD, *(line_of(item) for item in items)]


def line_of(item: Seen) -> str:
    """A comment of one line; what would end a line in YAML is escaped."""
    values = {key: value for key, value in item._asdict().items() if value != ()}
    text = json.dumps(values, ensure_ascii=False)
    return MARK + (text if text.isprintable() else json.dumps(values))


def recorded(text: str) -> dict[str, Seen]:
    """By field, what the comments of an experiment say.

    Raises:
        ConfigError: for a comment that cannot be read.
    """
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(MARK):
            try:
                read = json.loads(line.removeprefix(MARK)).items()
                values: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in read}
                item = Seen(**values)
            except (ValueError, TypeError, AttributeError) as error:
                raise ConfigError(f"line {number} must be as init wrote it, however: {line}; {error}") from None
            found[item.field] = item
    return found
