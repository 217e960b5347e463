"""All that is suspicious about the fields of a table: each by itself, with the target, and with the others.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> cells = {"x": pa.array(list("abc") * 40), "twin": pa.array(list("abc") * 40), "y": pa.array(list("nnp") * 40)}
>>> known = {name: look(name, array) for name, array in cells.items()}
>>> [(finding.code, *finding.fields) for finding in suspicions(known, target="y")]
[('near_target', 'x'), ('near_target', 'twin'), ('copy_of_field', 'twin', 'x')]
"""

from collections.abc import Mapping
from dataclasses import replace

from mlp_torch.ingest.cells import Mask, is_text
from mlp_torch.profile.content import of_field
from mlp_torch.profile.copies import of_fields
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.leaks import leak

IDS = ("id_like", "row_number")
MOST_LEAKS = 3  # more fields that nearly tell the target speak for an easy problem


def suspicions(known: Mapping[str, Facts], *, target: str | None = None, used: Mask | None = None) -> list[Finding]:
    """The findings on fields; the first of a finding's fields is the one that it is about.

    Args:
        known: facts by field.
        target: the field to predict.
        used: (N,) the rows that have a label; by default those where the target has a value.
    """
    goal = known[target] if target is not None else None
    typed = not all(is_text(facts.array.type) for facts in known.values())
    found: list[Finding] = []
    rest = []
    for facts in known.values():
        own = of_field(facts, typed=typed and facts is not goal)
        if goal is not None and facts is not goal:
            given = leak(facts, goal, goal.present if used is None else used)
            own += [given] if given else []
        if facts is not goal and not {*IDS, "copy_of_target"} & {finding.code for finding in own}:
            rest.append(facts)
        found += own
    if sum(finding.code == "near_target" for finding in found) > MOST_LEAKS:
        found = [replace(finding, loud=finding.loud and finding.code != "near_target") for finding in found]
    return found + of_fields(rest)
