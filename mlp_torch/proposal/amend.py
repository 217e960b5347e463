"""An experiment's text with lines for new fields, and what reads vanished ones as comments.

What was written is loaded again: everything but those entries must be as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]  # omegaconf's; it ships no types

from mlp_torch.errors import ConfigError
from mlp_torch.proposal.columns import Decision
from mlp_torch.proposal.edit import Edit, added, applied, commented, end_of, entry, offset
from mlp_torch.proposal.experiment import Experiment
from mlp_torch.proposal.seen import MARK, Seen, line_of, lines_of
from mlp_torch.proposal.text import column_keys, decision_lines, policy_lines
from mlp_torch.proposal.yaml import joined

DATA = ("data",)
INDENT = 4  # of the lines of a proposal


def amended(experiment: Experiment, new: Sequence[Decision], lost: Mapping[str, str]) -> str:
    """The text as it should be.

    Args:
        experiment: as it stands.
        new: what becomes of new fields, and of those that are of another type.
        lost: by field that is no longer there, or no longer what it was, the reason to drop its entries.

    Raises:
        ConfigError: where the file has no place for a line, or would say something else.
    """
    text = experiment.text
    gone = {path: reason for field, reason in lost.items() for path in entries_of(experiment, field)}
    keys = column_keys(new, [key for key in experiment.columns if (*DATA, "columns", key) not in gone])
    columns = [line[INDENT:] for decision, key in zip(new, keys, strict=True) for line in decision_lines(decision, key)]
    used = [decision for decision in new if not decision.left_out]
    rules = [line[INDENT:] for d in used for line in policy_lines(d.facts.name, d.policy, d.findings)]
    edits = below_data(text, "columns", columns) + below_data(text, "fields", rules)
    edits += [edit for path, reason in gone.items() for edit in commented(text, path, reason)]
    edits += remembered(text, [Seen.of(decision.facts) for decision in new])
    result = applied(text, edits)
    wanted = {
        f"{key}{item.suffix}": item.node
        for decision, key in zip(new, keys, strict=True)
        for item in decision.entries
        if item.active and not decision.left_out
    }
    check(text, result, columns=wanted, fields={d.facts.name: d.policy for d in used if d.policy}, gone=gone)
    return result


def entries_of(experiment: Experiment, field: str) -> list[tuple[str, ...]]:
    """Where this file has entries of its own that only make sense with a field as it was."""
    paths = [("data", "columns", key) for key in experiment.users(field)]
    if not experiment.needs(field):
        paths.append(("data", "fields", field))
    return [path for path in paths if commented(experiment.text, path, "")]


def below_data(text: str, name: str, lines: Sequence[str]) -> list[Edit]:
    """Lines for `data.columns` or `data.fields`, which this file may not have yet."""
    if not lines:
        return []
    if entry(text, (*DATA, name)) is None and entry(text, DATA) is not None:
        head = f"{name}: {{}}" if all(line.startswith("#") for line in lines) else f"{name}:"
        return added(text, DATA, [head, *(f"  {line}" for line in lines)])
    return added(text, (*DATA, name), lines)


def remembered(text: str, items: Sequence[Seen]) -> list[Edit]:
    """What was seen of new fields, beside what was seen of the others."""
    if not items:
        return []
    end = end_of(text)
    rows = text.split("\n")
    last = max((number for number, row in enumerate(rows) if row.startswith(MARK)), default=None)
    lines = lines_of(items) if last is None else [line_of(item) for item in items]
    at = len(text) if last is None else offset(text, last + 1)
    start = end if at == len(text) and not text.endswith("\n") else ""
    return [Edit(at, start + "".join(f"{line}{end}" for line in lines))]


def check(
    before: str,
    after: str,
    *,
    columns: Mapping[str, Any],
    fields: Mapping[str, Any],
    gone: Iterable[tuple[str, ...]],
) -> None:
    """Loads both texts: they must differ in the given entries alone."""
    wanted = loaded(before)
    for path in gone:
        del wanted["data"][path[1]][path[2]]
    for name, entries in (("columns", columns), ("fields", fields)):
        if entries:
            wanted["data"][name] = (wanted["data"].get(name) or {}) | dict(entries)
    try:
        found = loaded(after)
    except YAMLError as error:
        found = {"error": str(error)}
    if emptied(found) != emptied(wanted):
        raise ConfigError("this file cannot be changed by adding lines to it; nothing was written")


def loaded(text: str) -> dict[str, Any]:
    """The values of an experiment's text."""
    return dict(joined(OmegaConf.to_container(OmegaConf.create(text))))


def emptied(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, where an empty table and none are alike."""
    return {key: emptied(value) if isinstance(value, Mapping) else value for key, value in values.items()} | {
        key: None for key, value in values.items() if value == {}
    }
