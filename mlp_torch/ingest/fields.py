"""The policy of one raw field: which values are valid, and what happens to the others.

>>> Field.of("age", ("number",), {"min": 0, "invalid": "missing"}).range
'[0, ∞)'
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from mlp_torch.errors import ConfigError, near
from mlp_torch.ingest.policies import path
from mlp_torch.ingest.reads import Kind

Invalid = Literal["error", "missing", "drop"]
Missing = Literal["keep", "error", "drop", "drop_together"]
POLICIES = ("min", "max", "invalid", "missing", "na_values")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # the whole cell: no blanks, signs of plus, NaN, hex


@dataclass(frozen=True)
class Field:
    """One raw field of a model's input.

    Args:
        name: the column's name.
        kinds: how it is read.
        min: least valid number.
        max: greatest valid number; an outlier inside the range is valid and stays.
        invalid: a value that cannot be read, is infinite or outside the range: `error`, `missing` or `drop` (the row).
        missing: a missing value: `keep` (the column knows what to do), `error`, `drop` (the row), or `drop_together` (a
            row in which all fields that say so have none: of a target of several fields).
        na_values: texts that mean missing; one that spells a number means that number too.
        low: least number of the training rows.
        high: greatest number of the training rows.
        blanked: share of the training's rows whose cell held something and was read as missing; None = not known.
    """

    name: str
    kinds: tuple[Kind, ...]
    min: float | None = None
    max: float | None = None
    invalid: Invalid = "error"
    missing: Missing = "keep"
    na_values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    blanked: float | None = None

    @classmethod
    def of(cls, name: str, kinds: tuple[Kind, ...], policies: Mapping[str, object] | None = None) -> "Field":
        """A field with the policies of a configuration.

        Raises:
            ConfigError: for an unknown key or value, an empty range, or a range where no number is read.
        """
        given = dict(policies or {})
        for key in given:
            if key not in POLICIES:
                raise ConfigError(f"a field's policy must be known, however: {path(name, key)}; {near(key, POLICIES)}")
        field = cls(name, kinds, **{key: checked(name, key, value) for key, value in given.items()})
        if field.bounded and "number" not in kinds:
            raise ConfigError(f"min and max need a field read as number, however: data.fields.{name} is {kinds}")
        if field.lowest > field.highest:
            raise ConfigError(f"min must be at most max, however: data.fields.{name} has {field.range}")
        return field

    @property
    def bounded(self) -> bool:
        """Whether there is a range."""
        return self.min is not None or self.max is not None

    @property
    def lowest(self) -> float:
        """`min`, or minus infinity."""
        return -math.inf if self.min is None else self.min

    @property
    def highest(self) -> float:
        """`max`, or infinity."""
        return math.inf if self.max is None else self.max

    @property
    def range(self) -> str:
        """The valid range for messages."""
        left = "(-∞" if self.min is None else f"[{self.min:g}"
        return f"{left}, " + ("∞)" if self.max is None else f"{self.max:g}]")

    @property
    def na_numbers(self) -> tuple[float, ...]:
        """The numbers among `na_values`: -999 is missing whether it comes as text or as a number."""
        return tuple(float(text) for text in self.na_values if NUMBER.fullmatch(text))

    def read_as(self, kinds: tuple[Kind, ...]) -> "Field":
        """The same field, read in other ways."""
        return replace(self, kinds=kinds)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Field":
        """What `to_json` gave. Raises ConfigError where it is none, ready for a clearer error of the file."""
        if unknown := sorted(set(value) - {field.name for field in fields(cls)}):
            raise ConfigError(f"a field's entry must be known, however: {unknown}")
        policies = {key: value[key] for key in POLICIES if value.get(key) is not None}
        # not by `of`: a served part of a schema may read as string alone what was trained as number too
        full = cls(
            value["name"],
            tuple(value["kinds"]),
            **{key: checked(value["name"], key, item) for key, item in policies.items()},
        )
        low, high, blanked = (bound(f"{value['name']}.{key}", value.get(key)) for key in ("low", "high", "blanked"))
        return replace(full, low=low, high=high, blanked=blanked)


def checked(name: str, key: str, value: object) -> Any:
    """A policy's value in its type.

    Raises:
        ConfigError: for a value that the policy does not know.
    """
    if key in ("min", "max"):
        return bound(path(name, key), value)
    if key == "na_values":
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ConfigError(f"{path(name, key)} must be a list of texts (quote numbers), however: {value!r}")
        return tuple(texts)
    choices: tuple[str, ...] = get_args(Invalid if key == "invalid" else Missing)
    if value not in choices:
        raise ConfigError(
            f"{path(name, key)} must be one of its values, however: {value!r}; {near(str(value), choices)}"
        )
    return value


def bound(key: str, value: object) -> float | None:
    """A finite bound, or none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{key} must be a finite number, however: {value!r}")
    return float(value)
