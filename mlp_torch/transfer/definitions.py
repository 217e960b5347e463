"""Whether a part of a configuration is defined as in another run, so that what that one fitted means the same.

>>> old = {"_target_": "mlp_torch.representation.hashed.Hashed", "field": "tail", "buckets": 50, "dim": 4}
>>> difference(old, {**old, "dim": 8, "convention": "bigquery"}), difference(old, {**old, "buckets": 60})
(None, 'buckets is 60, there 50')
"""

import inspect
from typing import Any

from mlp_torch.errors import printable
from mlp_torch.signatures import imported

# of a column: what its layer is like, and which words a vocabulary takes up, but not what its features mean
LEARNED = {"dim", "pool", "hide", "l1", "l2", "min_count", "most"}
LEARNED |= {"version", "activation", "n_frequencies", "sigma", "lite", "channels", "dropout"}


def difference(old: dict[str, Any] | None, new: dict[str, Any]) -> str | None:
    """Why features of a column do not mean what they do in another run; None if they do.

    Args:
        old: the other run's node of the configuration; None where it has no such column.
        new: this one's.
    """
    if old is None:
        return "no such column there"
    there, here = options(old), options(new)
    for name in sorted({*there, *here} - LEARNED, key=lambda name: (name != "_target_", name)):
        if there.get(name) != here.get(name):
            called = "class" if name == "_target_" else name
            return printable(f"{called} is {told(here.get(name))}, there {told(there.get(name))}")
    return None


def options(node: dict[str, Any]) -> dict[str, Any]:
    """What a node says, with the defaults of what it leaves out, and so of the nodes in it."""
    takes = inspect.signature(imported("_target_", str(node["_target_"]))).parameters
    defaults = {name: p.default for name, p in takes.items() if p.default is not p.empty}
    return {key: plain(value) for key, value in {**defaults, **node}.items()}


def plain(value: Any) -> Any:
    """A value in which all nodes have their defaults, and tuples are lists, as YAML has them."""
    if isinstance(value, dict):
        known = options(value) if "_target_" in value else value
        return {key: plain(item) for key, item in known.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def told(value: Any) -> str:
    """A value in a few words."""
    text = str(value["_target_"]).rpartition(".")[2] if isinstance(value, dict) and "_target_" in value else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
