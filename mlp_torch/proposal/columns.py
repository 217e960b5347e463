"""Which columns a field becomes, and why some fields are left out.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> facts = look("town", pa.array(["Rome", "Oslo"] * 50))
>>> [(entry.suffix, entry.node) for entry in decide(facts).entries]
[('', {'_target_': 'mlp_torch.representation.embeddings.Embedding', 'field': 'town'})]
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlp_torch.errors import quote
from mlp_torch.ingest.cells import Mask
from mlp_torch.ingest.notice import ID_ROWS, ID_SHARE
from mlp_torch.profile.chains import FAR, Chains, after, chains_of
from mlp_torch.profile.facts import DAY, FEW, NA_WORDS, Facts, counted
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.numbers import CLIP
from mlp_torch.profile.words import FORMS
from mlp_torch.proposal.entry import REPRESENTATION, Entry, node_of
from mlp_torch.proposal.extremes import unlearnable
from mlp_torch.proposal.several import Several, of_files, of_json, of_members, of_prose, of_type
from mlp_torch.proposal.yaml import quoted
from mlp_torch.representation.embeddings import default_dim
from mlp_torch.representation.normality import PLAIN, RANKS

Numbers = Literal["chains", "piecewise-linear"]
BENT = 12  # width of a piecewise-linear number's vector
PER_VALUE = 20  # rows; with fewer a whole number is no category
MANY, MANY_SHARE = 1000, 0.05  # distinct words from which on they are hashed
RARE = 3  # training rows of a word, below which it counts as unknown
RESERVED = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")  # Hydra takes these keys for its own
# findings for which a field is left out
LEFT_OUT = ("unreadable", "empty", "constant", "few_values", "row_number", "id_like", "near_unique", "copy_of_target")


@dataclass(frozen=True)
class Decision:
    """What becomes of a field.

    Attributes:
        facts: of the field.
        entries: its columns.
        left_out: the reason, or "" for a field that is used.
        policy: of its cells.
        loud: whether the reason must not be overlooked.
        findings: what is suspicious about it.
        chains: the ranking of a number's chains on training rows.
    """

    facts: Facts
    entries: tuple[Entry, ...]
    left_out: str = ""
    policy: Any = None
    loud: bool = False
    findings: tuple[Finding, ...] = ()
    chains: Chains | None = None

    def without(self, reason: str, *, loud: bool = False) -> "Decision":
        """The same field left out."""
        entries = tuple(entry._replace(active=False) for entry in self.entries)
        return replace(self, entries=entries, left_out=reason, loud=loud)

    @property
    def becomes(self) -> str:
        """What is printed."""
        if self.left_out:
            return ("LEFT OUT: " if self.loud else "left out: ") + self.left_out
        return ", ".join(dict.fromkeys(shown(entry.node) for entry in self.entries if entry.active))


def shown(node: Mapping[str, Any]) -> str:
    """A column's class, and its first step where it has a chain."""
    first, *steps = [item["_target_"].rpartition(".")[2] for item in (node, *node.get("steps", ()))]
    return f"{first} ({steps[0]})" if steps else first


def decide(
    facts: Facts,
    findings: Sequence[Finding] = (),
    *,
    numbers: Numbers = "chains",
    train: Mask | None = None,
    whole: bool = True,
    folder: Path = Path(),
) -> Decision:
    """The columns of a field, or the reason why it has none.

    Args:
        facts: of the field.
        findings: what is suspicious about it.
        numbers: what the recipe makes of numbers.
        train: (N,) the training rows, on which chains of steps are ranked; by default all rows.
        whole: whether these are all rows of the file.
        folder: where the paths of files begin that cells name.
    """
    chains = chains_of(facts, train, findings=findings, whole=whole)
    codes = {finding.code for finding in findings}
    several = of_several(facts, codes, folder)
    if several.entries or several.reason:
        entries = several.entries
    elif facts.kind == "number":
        entries = of_number(facts, numbers=numbers, chains=chains, train=train)
    else:
        entries = of_time(facts) if facts.kind == "time" else of_text(facts)
    policy = policy_of(facts) | dict(several.policy)
    findings = [settled(finding, entries) for finding in findings]
    decision = Decision(facts, entries, policy=policy, findings=tuple(findings), chains=chains)
    if reason := several.reason or (unusable_name(facts.name) if policy else "") or unlearnable(facts, entries, train):
        return decision.without(reason)
    for finding in findings:
        if finding.code in LEFT_OUT or (finding.code in FORMS and not several.entries):
            return decision.without(finding.text, loud=finding.code == "copy_of_target")
    if not any(entry.active for entry in entries):
        return decision.without("always the same weekday and time of day")
    return decision


def policy_of(facts: Facts) -> dict[str, Any]:
    """Which words mean missing, and that what cannot be read does too."""
    policy: dict[str, Any] = {"na_values": list(facts.na)} if facts.na else {}
    return policy | ({"invalid": "missing"} if facts.stray else {})


def of_several(facts: Facts, codes: Collection[str], folder: Path) -> Several:
    """The columns of cells that hold several values, and the reason why the field is left out if it is.

    Args:
        facts: of the field.
        codes: of the findings on it.
        folder: where the paths of files begin.
    """
    if facts.kind == "several":
        return of_type(facts)
    if "image_files" in codes:
        return of_files(facts, folder)
    if "json" in codes:
        return of_json(facts)
    if "members" in codes:
        return of_members(facts)
    return of_prose(facts) if "prose" in codes else Several()


def settled(finding: Finding, entries: Sequence[Entry]) -> Finding:
    """A finding in the light of the columns: what they clip is said, and what they need not clip is not advised."""
    if CLIP not in finding.advice:
        return finding
    clips = any(entry.active and "clip" in entry.node for entry in entries)
    return replace(finding, advice=finding.advice.replace(CLIP, f"written: {CLIP}" if clips else ""))


def unusable_name(name: str) -> str:
    """Names of which the configuration cannot hold a policy."""
    if name in RESERVED:
        return f"Hydra takes the name {name} for its own; rename the column"
    if len(quoted(name)) > 1000:
        return "YAML keys end at 1,024 characters; give the column a shorter name"
    return ""


def of_number(
    facts: Facts, *, numbers: Numbers = "chains", chains: Chains | None = None, train: Mask | None = None
) -> tuple[Entry, ...]:
    """A number by the recipe, or each value a category.

    Args:
        facts: of the field.
        numbers: what the recipe makes of numbers; the chain of steps that it does not take is offered.
        chains: the ranking on training rows.
        train: (N,) the training rows.
    """
    why = f"number, {facts.span}, {facts.distinct:,} distinct{gaps(facts)}"
    chain, told = scaled(facts, chains, train)
    bent = {"_target_": f"{REPRESENTATION}.numerical_embeddings.PiecewiseLinear", "fields": facts.name, "dim": BENT}
    node = chain if numbers == "chains" else bent
    if not facts.whole or not 2 < facts.distinct <= FEW or facts.texts is None:
        if facts.whole and facts.distinct >= ID_SHARE * facts.rows and facts.rows >= ID_ROWS:
            why += "; nearly all rows differ: leave it out if it is an id"
        if node is chain:
            return (Entry("", node, why + told),)
        offered = Entry("", chain, f"the same after a chain of steps{told}", active=False)
        return (Entry("", node, why), offered) if "steps" in chain else (Entry("", node, why),)
    embedded = node_of("embeddings.Embedding", facts.name)
    years = np.nanmin(facts.values) >= 1900 and np.nanmax(facts.values) <= 2100
    if years or facts.rows - facts.missing < PER_VALUE * facts.distinct:
        reason = "it looks like years" if years else f"there are fewer than {PER_VALUE} rows a value"
        return (Entry("", node, f"{why}; whole, but a number and no category, since {reason}"),)
    why += "; whole and few: each value a category with a vector of its own. For amounts take the next line instead"
    return Entry("", embedded, why), Entry("", node, "the same as a number", active=False)


def scaled(facts: Facts, chains: Chains | None, train: Mask | None) -> tuple[dict[str, Any], str]:
    """The z-score of a number, after a chain of steps where one is advised, and what is to be said of it.

    Args:
        facts: of the field.
        chains: the ranking on training rows.
        train: (N,) the training rows.
    """
    node = node_of("numbers.Scaled", facts.name)
    told = f"; {chains.why}" if chains is not None else ""
    if chains is not None and chains.advised != PLAIN:
        node["steps"] = steps_of(chains)
        far = float(np.abs(after(facts, chains, train)).max())
    else:
        far = farthest(facts.values[facts.present])
    if facts.distinct > FEW and far > FAR:
        node["clip"] = FAR
        told += f"; the farthest value lies {far:.0f} standard deviations off: what is beyond {FAR} counts as {FAR}"
    return node, told


def steps_of(chains: Chains) -> list[dict[str, Any]]:
    """The nodes of the chain that is taken, and of the z-score behind it."""
    options = {"output": "normal"} if chains.advised == RANKS else {}
    return [
        {"_target_": f"{REPRESENTATION}.curves.{chains.advised}", **options},
        {"_target_": f"{REPRESENTATION}.steps.ZScore"},
    ]


def farthest(known: NDArray[np.float64]) -> float:
    """How many standard deviations the farthest value lies off the mean; 0 where float64 cannot tell."""
    if not len(known):
        return 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        far = float(np.abs(known - known.mean()).max() / known.std())
    return far if np.isfinite(far) else 0.0


def gaps(facts: Facts) -> str:
    """A clause on missing and stray cells."""
    clauses = []
    if facts.missing:
        clauses.append(f"; {facts.missing:,} of {facts.rows:,} missing")
    if facts.na:
        clauses.append(", of which " + ", ".join(f"{quote(word)} {count:,}" for word, count in facts.na.items()))
    if facts.stray:
        some = ", ".join(f"{quote(word)} {count:,}" for word, count in list(facts.stray.items())[:3])
        more = ", …" if len(facts.stray) > 3 else ""
        clauses.append(f"; read as missing, since no {facts.kind}: {some}{more}")
    return "".join(clauses)


def of_text(facts: Facts) -> tuple[Entry, ...]:
    """A vector for each word, or for each bucket where there are many."""
    n = facts.distinct
    why = f"text, {n:,} distinct{gaps(facts)}" + (f"; {facts.why}" if facts.why else "")
    words = counted(facts.values)
    if odd := [f"{quote(word)} {words[word]:,}" for word in NA_WORDS if word in words]:
        why += f"; {', '.join(odd)} count as words; list them in data.fields…na_values to make them missing"
    if n > MANY or n > max(100, MANY_SHARE * facts.rows):
        buckets = max(20, -(-n // 50) * 10)
        node = node_of("hashed.Hashed", facts.name, buckets=buckets)
        node["dim"] = min(32, default_dim(buckets))
        rare = node_of("embeddings.Embedding", facts.name, min_count=RARE)
        told = f"the same with a vector for each word that {RARE} training rows and more hold"
        hashed = Entry("", node, f"{why}; many, hence hashed, a bucket for every five words")
        return hashed, Entry("", rare, told, active=False)
    return (Entry("", node_of("embeddings.Embedding", facts.name), why),)


def of_time(facts: Facts) -> tuple[Entry, ...]:
    """The parts of a time that come round."""
    here = f"time, {facts.span}{gaps(facts)}"
    field = facts.name
    entries = []
    if len(np.unique(facts.days % 7)) > 1:
        node = node_of("calendar.Calendar", field, part="weekday")
        entries.append(Entry("_weekday", node, here))
    if len(np.unique(facts.seconds // 3600)) > 1:
        node = node_of("calendar.Calendar", field, part="hour")
        entries.append(Entry("_hour", node, "the hour as a category"))
    if len(np.unique(facts.seconds // 60)) > 1:
        around = node_of("calendar.Cyclical", field, period=DAY, kind="time")
        entries.append(Entry("_time_of_day", around, "the clock as a circle: 23:59 is near 00:00"))
    node = node_of("calendar.Calendar", field, part="month")
    why = "a network learns single months by heart, and a split by time shows it; use it with several years of rows"
    return (*entries, Entry("_month", node, why, active=False))
