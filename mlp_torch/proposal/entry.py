"""One column of a proposal: what stands in the YAML, and why."""

from typing import Any, NamedTuple

REPRESENTATION = "mlp_torch.representation"


class Entry(NamedTuple):
    """One column.

    Args:
        suffix: of its key, where a field has several columns.
        node: its `_target_` and arguments.
        why: sentences.
        active: whether it is used, or offered as a comment.
    """

    suffix: str
    node: dict[str, Any]
    why: str
    active: bool = True


def node_of(target: str, field: str, **options: Any) -> dict[str, Any]:
    """A column below `mlp_torch.representation` that reads a field.

    >>> node_of("sets.Set", "tags", max_tokens=4)
    {'_target_': 'mlp_torch.representation.sets.Set', 'field': 'tags', 'max_tokens': 4}
    """
    return {"_target_": f"{REPRESENTATION}.{target}", "field": field, **options}
