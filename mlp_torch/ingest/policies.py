"""How a field's policy is written: by its key, or as a table where Hydra's keys cannot hold the field's name.

A key is made of words with points between them: no name with a blank or a point of its own. A table on the command line
holds more, and a quoted name in YAML all. Needs no torch: the command line asks before anything is loaded.

>>> path("age", "missing")
'data.fields.age.missing'
>>> print(path("sample weight", "missing"))
'data.fields={sample weight: {missing: …}}'
>>> print(setting("sample weight", {"missing": "drop"}))
'data.fields={sample weight: {missing: drop}}'
>>> print(setting("größe", {"missing": "drop"}))
data.fields: {"größe": {missing: drop}} in the experiment
"""

import re
from collections.abc import Mapping
from typing import Literal

from mlp_torch.errors import quote

WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*|0|[1-9][0-9]*")  # what Hydra takes between two points of a key
TYPED = re.compile(r"(?! )[A-Za-z0-9_+.$%*@?|/ ()\[\]{}:=,-]+(?<! )")  # what it takes as a key of a table
NUMBER = re.compile(r"[+-]?((\d|\.\d)[\d_]*\.?[\d_]*(e[+-]?\d+)?|inf|nan)", re.IGNORECASE)  # a key that is no text
MARKS = re.compile(r"[()\[\]{}:=,]")


def path(name: str, *keys: str) -> str:
    """Policies of a field, without their values."""
    if WORD.fullmatch(name):
        return f"data.fields.{name}.{keys[0]}" if len(keys) == 1 else f"data.fields.{name}.{{{','.join(keys)}}}"
    return table(name, dict.fromkeys(keys, "…"))


def setting(name: str, values: Mapping[str, str], *, mark: Literal["=", ": "] = "=") -> str:
    """Policies of a field with their values.

    Args:
        name: of the field.
        values: by policy.
        mark: between a key and its value: as on the command line, or as in YAML.
    """
    if not WORD.fullmatch(name):
        return table(name, values)
    return f"data.fields.{name}." + " and .".join(f"{key}{mark}{value}" for key, value in values.items())


def table(name: str, values: Mapping[str, str]) -> str:
    """Policies of a field whose name no key holds."""
    told = ", ".join(f"{key}: {value}" for key, value in values.items())
    if TYPED.fullmatch(name) and not NUMBER.fullmatch(name) and "${" not in name:
        return f"'data.fields={{{MARKS.sub(lambda mark: chr(92) + mark[0], name)}: {{{told}}}}}'"
    return f"data.fields: {{{quote(name)}: {{{told}}}}} in the experiment"


def is_policy(key: str) -> bool:
    """Whether this is what `path` or `setting` gives."""
    return key.removeprefix("'").startswith("data.fields")
