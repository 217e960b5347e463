"""What a sweep was begun with: sweep.json, which names its runs, folders beside it."""

from pathlib import Path
from typing import Any, NamedTuple

from mlp_torch import files
from mlp_torch.errors import ModelError
from mlp_torch.verbs.folders import is_finished

PLAN = "sweep.json"


class Member(NamedTuple):
    """A run of a sweep, begun or not."""

    name: str
    setting: str
    folder: Path


def members_of(folder: Path) -> list[Member]:
    """The runs of a sweep.

    Raises:
        ModelError: if the plan is damaged, or names a folder that is not in the sweep's.
    """
    found = []
    for member in entries(folder, "members"):
        values = [member.get(key) for key in Member._fields] if isinstance(member, dict) else []
        if not values or not all(isinstance(value, str) for value in values):
            raise ModelError(f"{folder / PLAN} is damaged: a member must have name, setting and folder")
        name, setting, place = map(str, values)
        if Path(place).parts != (place,) or place == "..":
            raise ModelError(f"{folder / PLAN}: a member must be a folder beside it, however: {place}")
        found.append(Member(name, setting, folder / place))
    return found


def begun(folder: Path) -> list[str]:
    """The arguments that a sweep was begun with."""
    return [str(text) for text in entries(folder, "arguments")]


def unfinished(parent: Path, arguments: list[str]) -> Path | None:
    """The newest sweep that was begun with these arguments, if some of its runs are not finished; else a word of it."""
    for plan in sorted(parent.glob(f"[0-9]*/{PLAN}"), reverse=True):
        if sorted(begun(plan.parent)) == sorted(arguments):
            if not all(is_finished(member.folder) for member in members_of(plan.parent)):
                return plan.parent
            break
    print(f"resume=auto: {parent} has no unfinished runs of these arguments; new ones begin", flush=True)
    return None


def entries(folder: Path, key: str) -> list[Any]:
    """A list of the plan. Raises ModelError if it is damaged."""
    found = files.read_json(folder / PLAN).get(key)
    if not isinstance(found, list):
        raise ModelError(f"{folder / PLAN} is damaged: it must have a list of {key}")
    return found
