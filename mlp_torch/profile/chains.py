"""Which chain of steps brings a number nearest to normal: all that were tried, the one to take, and why.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> pay = look("pay", pa.array(np.exp(np.linspace(-2, 3, 300))))
>>> found = chains_of(pay)
>>> found.advised
'Log'
>>> found.why
'normality .76 as it is; Quantile .97, Log .96, Power .93, Log1p .91, SquareRoot .89: take Log, simple, near best'
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mlp_torch.errors import quote
from mlp_torch.ingest.cells import Mask
from mlp_torch.profile.facts import FEW, Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.representation.normality import ENOUGH, NEAR, PLAIN, RANKS, REACHED, advised, fitted, ranked

FAR = 10  # standard deviations, beyond which a value is clipped
LEAST = 100  # values; of fewer a score is luck
UNLIMITED = (PLAIN, "Power", RANKS)  # chains of any number


class Chains(NamedTuple):
    """The ranking of a number's chains.

    Args:
        scores: normality of each chain that the values do not rule out, best first.
        advised: the chain to take; `as it is` for the z-score alone.
        why: a clause.
    """

    scores: tuple[tuple[str, float], ...]
    advised: str
    why: str


def chains_of(
    facts: Facts, rows: Mask | None = None, *, findings: Iterable[Finding] = (), whole: bool = True
) -> Chains | None:
    """The ranking; None where there is nothing to rank: no number, few values, few that differ, or no spread to tell.

    Args:
        facts: of the field.
        rows: those to look at, such as training rows; by default all.
        findings: on the field.
        whole: whether there are no other rows; else chains that one of their values could rule out are left out.
    """
    x = known(facts, rows)
    if facts.kind != "number" or len(x) < LEAST or len(np.unique(x)) <= FEW:
        return None
    scores = tuple(score for score in ranked(torch.from_numpy(x)) if whole or score[0] in UNLIMITED)
    taken = advised(scores)
    with np.errstate(over="ignore", invalid="ignore"):
        if taken == PLAIN and not np.isfinite(x.std()):  # near the end of float64 no score says anything
            return None
    if any(finding.code == "sentinel" for finding in findings):
        return Chains(scores, PLAIN, f"{told(scores)}: take none while a value far from all others may mean missing")
    return Chains(scores, taken, f"{told(scores)}: {reason(dict(scores), taken)}")


def ranking(fields: Iterable[tuple[str, Chains | None]]) -> list[str]:
    """A line for each number that is far from normal, and one on all others."""
    ranked_ones = [(name, chains) for name, chains in fields if chains is not None]
    far = [(name, chains) for name, chains in ranked_ones if dict(chains.scores)[PLAIN] < ENOUGH]
    lines = [f"{quote(name)}: {chains.why}" for name, chains in far]
    near = len(ranked_ones) - len(far)
    return [*lines, f"near enough to normal as they are: {near:,} of {len(ranked_ones):,} numbers"] if near else lines


def known(facts: Facts, rows: Mask | None = None) -> NDArray[np.float64]:
    """(n,) the values that are there, of some rows or of all."""
    here = facts.present if rows is None else facts.present & rows
    found: NDArray[np.float64] = facts.values[here] if facts.kind == "number" else np.zeros(0)
    return found


def told(scores: Iterable[tuple[str, float]]) -> str:
    """The ranking as a clause."""
    plain = dict(scores)[PLAIN]
    others = ", ".join(f"{name} {share(score)}" for name, score in scores if name != PLAIN)
    return f"normality {share(plain)} as it is; {others}" if others else f"normality {share(plain)} as it is"


def share(score: float) -> str:
    """A score to two digits."""
    return f"{score:.2f}".removeprefix("0")


def reason(scores: dict[str, float], taken: str) -> str:
    """Why a chain is taken, or none."""
    if taken == RANKS:
        return f"take {taken}, since no curve will do"
    if taken != PLAIN:
        behind = max(scores.values()) - scores[taken]
        which = "the best" if not behind else "simple, near best" if behind <= NEAR else "since ranks forget distances"
        return f"take {taken}, {which}"
    if scores[PLAIN] >= ENOUGH:
        return "near enough"
    if max(scores.values()) < REACHED:
        return "most rows share a value, and no curve parts them"
    return "no curve is clearly better"


def after(facts: Facts, chains: Chains, rows: Mask | None = None) -> NDArray[np.float64]:
    """(n,) what the chain that is taken, and a z-score behind it, make of the distinct values, `facts.levels`.

    Args:
        facts: of the field.
        chains: of the field.
        rows: those to fit on, such as training rows; by default all.
    """
    x = torch.from_numpy(known(facts, rows))
    step = fitted(chains.advised, x)
    there, all_of_them = step(x.clone()), step(torch.from_numpy(facts.levels[0].copy()))
    found: NDArray[np.float64] = ((all_of_them - there.mean()) / there.std(correction=0)).numpy()
    return found
