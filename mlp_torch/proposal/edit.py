"""Lines put into a YAML file that somebody wrote: nothing of it is changed or taken away, byte for byte.

A place is found by parsing; what is put in is text. Commenting out puts `# ` before a line, and deletes nothing.

>>> text = "columns: # mine\\n  a: {x: 1}\\n  b:\\n    x: 2\\n  # the end\\nseed: 1\\n"
>>> edits = [*added(text, ("columns",), ["c: {x: 3}"]), *commented(text, ("columns", "b"), "gone")]
>>> print(applied(text, edits), end="")
columns: # mine
  a: {x: 1}
  # gone
  # b:
  #   x: 2
  # the end
  c: {x: 3}
seed: 1
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import yaml  # type: ignore[import-untyped]  # omegaconf's; it ships no types

from mlp_torch.errors import ConfigError

Path = tuple[str, ...]


class Edit(NamedTuple):
    """Text that is put in.

    Args:
        at: before which character.
        text: what.
    """

    at: int
    text: str


class Entry(NamedTuple):
    """An entry of a mapping, as PyYAML's nodes with their marks."""

    key: yaml.Node
    value: yaml.Node
    parent: yaml.MappingNode


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits; those at one place in their order."""
    parts, last = [], 0
    for edit in sorted(edits, key=lambda edit: edit.at):
        parts += [text[last : edit.at], edit.text]
        last = edit.at
    return "".join([*parts, text[last:]])


def entry(text: str, path: Path) -> Entry | None:
    """What a path of keys leads to, None where one of them is not there."""
    node, found = yaml.compose(text, Loader=yaml.SafeLoader), None
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((Entry(key, value, node) for key, value in pairs if key.value == name), None)
        if found is None:
            return None
        node = found.value
    return found


def added(text: str, path: Path, lines: Sequence[str]) -> list[Edit]:
    """Lines at the end of a mapping, as far in as its own.

    Args:
        text: of the file.
        path: to the mapping.
        lines: entries and comments; in a mapping of one line, `{…}`, comments find no place and are left out.

    Raises:
        ConfigError: where there is no such mapping.
    """
    found = entry(text, path)
    is_empty = found is not None and isinstance(found.value, yaml.ScalarNode) and found.value.value == ""
    if found is None or not (isinstance(found.value, yaml.MappingNode) or is_empty):
        raise ConfigError(f"{'.'.join(path)} must be a table of keys in this file, to which lines can be added")
    if not is_empty and found.value.flow_style:
        entries = [line for line in lines if not line.startswith("#")]
        told = ", ".join(entries) + (", " if found.value.value else "")
        return [Edit(found.value.start_mark.index + 1, told)] if entries else []
    first = found.value.value[0][0].start_mark.column if not is_empty else found.key.start_mark.column + 2
    at = offset(text, after(text, last_line(text, found), first))
    end = end_of(text)
    start = end if at == len(text) and not text.endswith("\n") else ""
    return [Edit(at, start + "".join(f"{' ' * first}{line}{end}" for line in lines))]


def commented(text: str, path: Path, reason: str) -> list[Edit]:
    """An entry as a comment, under the reason; empty where it does not have lines of its own.

    Args:
        text: of the file.
        path: to the entry.
        reason: one line.
    """
    found = entry(text, path)
    if found is None or found.parent.flow_style:
        return []
    first, column = line_of(text, found.key.start_mark), found.key.start_mark.column
    rows = text.split("\n")[first : last_line(text, found) + 1]
    depths = [min(column, len(row) - len(row.lstrip())) for row in rows]
    places = [offset(text, first + i) + depths[i] for i, row in enumerate(rows) if row.strip()]
    start = Edit(offset(text, first), f"{' ' * column}# {reason}{end_of(text)}")
    return [start, *(Edit(place, "# ") for place in places)]


def end_of(text: str) -> str:
    """What ends the lines of a text."""
    return "\r\n" if "\r\n" in text else "\n"


def line_of(text: str, mark: yaml.Mark) -> int:
    """The number of a mark's line, from 0; PyYAML's own counts signs that end no line elsewhere."""
    return text.count("\n", 0, mark.index)


def last_line(text: str, found: Entry) -> int:
    """The number of the last line of an entry, from 0."""
    node, line = found.value, line_of(text, found.key.end_mark)
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, node = last if isinstance(last, tuple) else (last, last)
        line = max(line, line_of(text, key.start_mark))
    # a block text ends before the next line; an alias bears the marks of what it stands for
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return max(line, line_of(text, node.end_mark) - is_block)


def after(text: str, line: int, column: int) -> int:
    """The number of the line behind a mapping and the comments that belong to it.

    Args:
        text: of the file.
        line: the mapping's last.
        column: in which its entries begin.
    """
    rows, end = text.split("\n"), line + 1
    for number in range(end, len(rows)):
        content = rows[number].strip()
        if content and (not content.startswith("#") or len(rows[number]) - len(rows[number].lstrip()) < column):
            break
        if content:
            end = number + 1
    return end


def offset(text: str, line: int) -> int:
    """Where a line begins, from 0; the text's end where there are fewer."""
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
        if not at:
            return len(text)
    return at
