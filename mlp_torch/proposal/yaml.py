"""YAML as text, with a comment for each decision: the comments are the point, and YAML dumpers have none.

Whatever a field is called must come out of YAML, OmegaConf and Hydra as it went in: text is always quoted, and the keys
that others type (`data.columns.KEY=null`) are plain words made of the name. OmegaConf takes `${` for an interpolation
and `???` for nothing; an escape would hold for one reading only, and Hydra reads twice, a resumed run once more. So
such text is put together when it is used.

>>> keys(["n°", "Sales.2024", "class", "sales 2024", "no"])
['n', 'Sales_2024', 'class_', 'sales_2024', 'no_']
>>> print(flow({"_target_": "a.b.C", "field": "no: \\n", "dim": 8, "edges": [1.5, None, True]}))
{_target_: a.b.C, field: "no: \\n", dim: 8, edges: [1.5, null, true]}
>>> print(flow("a${b}"))
{_target_: operator.concat, _args_: ["a$", "{b}"]}
"""

import keyword
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

# YAML takes these plain words for something else, Python and TorchScript those of `keyword`, nn.ModuleDict its own
YAML_WORDS = {"yes", "no", "on", "off", "true", "false", "null", "none", "nonetype"}
CONCAT = "operator.concat"
WIDTH = 120


def keys(names: Iterable[str]) -> list[str]:
    """A plain word for each name, no two alike."""
    found: list[str] = []
    for name in names:
        word, number = slug(name), 2
        key = word
        while key in found:
            key, number = f"{word}_{number}", number + 1
        found.append(key)
    return found


def slug(name: str) -> str:
    """A word of ASCII letters, digits and `_`, that begins with a letter and means nothing to YAML or TorchScript."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    word = re.sub("[^A-Za-z0-9]+", "_", re.sub("[\u0300-\u036f]", "", plain)).strip("_")[:60]
    if not word[:1].isalpha():
        word = f"field_{word}".rstrip("_")
    taken = word.lower() in YAML_WORDS or keyword.iskeyword(word) or hasattr(nn.ModuleDict(), word)
    return f"{word}_" if taken else word


def quoted(text: str) -> str:
    """A double-quoted scalar; what does not print is escaped."""
    return '"' + "".join(escaped(char) for char in text) + '"'


def escaped(char: str) -> str:
    """One character inside double quotes."""
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(char)
    return short.get(char) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def scalar(value: Any) -> str:
    """A value; text that OmegaConf would not leave alone is made of two pieces."""
    if isinstance(value, str):
        at = value.find("${") if value != "???" else 0
        return quoted(value) if at < 0 else flow({"_target_": CONCAT, "_args_": [value[: at + 1], value[at + 1 :]]})
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def joined(node: Any) -> Any:
    """A node that was loaded, with the text of two pieces in one."""
    if isinstance(node, Mapping):
        if node.get("_target_") == CONCAT:
            return "".join(joined(piece) for piece in node["_args_"])
        return {key: joined(value) for key, value in node.items()}
    return [joined(value) for value in node] if isinstance(node, list) else node


def flow(node: Any) -> str:
    """A node in one line. Keys are plain where they are words of ours, else quoted."""
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{key_of(key)}: {value_of(key, value)}" for key, value in node.items()) + "}"
    if isinstance(node, list | tuple):
        return "[" + ", ".join(flow(value) for value in node) + "]"
    return scalar(node)


def block(node: Mapping[str, Any], indent: int) -> list[str]:
    """A node with a line for each key."""
    return [f"{' ' * indent}{key_of(key)}: {value_of(key, value)}" for key, value in node.items()]


def key_of(key: str) -> str:
    """A key; OmegaConf takes keys as they are, so nothing but the quotes is added."""
    plain = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key) and key.lower() not in YAML_WORDS
    return key if plain else quoted(key)


def value_of(key: str, value: Any) -> str:
    """A value below its key: a `_target_` and the words of our own policies need no quotes."""
    is_ours = key == "_target_" or value in ("error", "missing", "drop", "weekday", "hour", "month")
    return str(value) if isinstance(value, str) and is_ours else flow(value)


def comment(text: str, indent: int) -> list[str]:
    """A comment in lines of at most 120 characters."""
    start = " " * indent + "# "
    plain = "".join(char if char.isprintable() else " " for char in text)
    return textwrap.wrap(plain, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)
