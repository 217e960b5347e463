"""Places: a latitude beside a longitude, which get an embedding of their own together.

What lies where is seen in two numbers at once and within a mile. On California's houses it is worth .04 of RMSE.

>>> axis("pickup_lat"), axis("pickupLongitude"), axis("latency")
((('pickup',), 'latitude'), (('pickup',), 'longitude'), None)
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlp_torch.errors import quote
from mlp_torch.profile.facts import FEW, Facts
from mlp_torch.proposal.columns import Decision
from mlp_torch.proposal.entry import REPRESENTATION, Entry

AXES = dict.fromkeys(("lat", "latitude"), "latitude") | dict.fromkeys(("lon", "lng", "longitude"), "longitude")
DEGREES = {"latitude": 90, "longitude": 180}
WAVES = {"sigma": 8.0, "n_frequencies": 64, "dim": 32, "lite": False}  # as experiment=numerical_embedding has them


def axis(name: str) -> tuple[tuple[str, ...], str] | None:
    """What a name says beside latitude or longitude, and which of the two; None for other names."""
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+|[0-9]+", name)]
    found = [word for word in words if word in AXES]
    return (tuple(word for word in words if word not in AXES), AXES[found[0]]) if len(found) == 1 else None


def is_angle(facts: Facts, which: str) -> bool:
    """Whether a field holds degrees, more than a few."""
    if facts.kind != "number" or facts.distinct <= FEW:
        return False
    return bool(np.abs(facts.values[facts.present]).max() <= DEGREES[which])


def with_places(decisions: Sequence[Decision], *, active: bool) -> list[Decision]:
    """The decisions, with a column for each pair of latitude and longitude at the latter of the two.

    Args:
        decisions: on fields.
        active: whether there are rows enough for it; else it is offered as a comment.
    """
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    found = []
    for decision in decisions:
        name = decision.facts.name
        if not decision.left_out and (which := axis(name)) and is_angle(decision.facts, which[1]):
            other, beside = first.setdefault(which[0], (which[1], name))
            if other != which[1]:
                entry = Entry("_place", place(beside, name), why(beside), active)
                decision = replace(decision, entries=(*decision.entries, entry))
        found.append(decision)
    return found


def place(one: str, other: str) -> dict[str, Any]:
    """The column of a pair."""
    return {"_target_": f"{REPRESENTATION}.numerical_embeddings.Periodic", "fields": [one, other], **WAVES}


def why(beside: str) -> str:
    """The reason."""
    return f"with {quote(beside)} a place: waves over both, long and short ones; a lower sigma keeps to long ones"
