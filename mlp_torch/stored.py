"""YAML that a run has stored, as text of plain values alone: what a run never writes is refused before it is built.

>>> check_events(yaml.parse("a: !!python/name:os.system", Loader=yaml.SafeLoader), Path("config.yaml"))
Traceback (most recent call last):
mlp_torch.errors.ModelError: config.yaml, line 1: a stored configuration has no tags, however: \
tag:yaml.org,2002:python/name:os.system
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no types

from mlp_torch import files
from mlp_torch.errors import ModelError

LARGEST = 4 * 2**20  # bytes
NODES = 100_000  # values, lists and tables
DEPTH = 50
LONGEST = 2**16  # characters of a value


def text_of(path: Path) -> str:
    """The text of a YAML file that holds plain values alone. Raises ModelError where it holds more."""
    try:
        text = files.read_text(path, LARGEST)
        check_events(yaml.parse(text, Loader=yaml.SafeLoader), path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} is damaged: it must be a run's configuration, however: {error}") from None
    return text


def check_events(events: Iterator[Any], path: Path) -> None:
    """Refuses what no run writes into its configuration, before a value is made of it."""
    depth = 0
    for count, event in enumerate(events):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise ModelError(f"{where}: a stored configuration has no anchors, however: *{event.anchor}")
        if not isinstance(event, yaml.NodeEvent):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            continue
        depth += isinstance(event, yaml.CollectionStartEvent)
        if event.tag and event.tag != "!":
            raise ModelError(f"{where}: a stored configuration has no tags, however: {event.tag[:100]}")
        if depth > DEPTH or count > NODES:
            raise ModelError(f"{where}: there must be at most {NODES:,} values, {DEPTH} deep, however: there are more")
        if isinstance(event, yaml.ScalarEvent):
            check_value(event.value, where)


def check_value(value: str, where: str) -> None:
    """Refuses an interpolation, which a run has resolved when it stores its configuration, and an endless text."""
    if len(value) > LONGEST:
        raise ModelError(f"{where}: a text must have at most {LONGEST:,} characters, however: {len(value):,}")
    if "${" in value:
        raise ModelError(f"{where}: a stored configuration is resolved, however: {value[:100]}")
