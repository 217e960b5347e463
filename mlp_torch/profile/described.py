"""One field of a report: what its cells are, of some rows, and what must be counted over all of them.

One cell in a million that is no number stops a training run: such cells are sought in every row.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> cells = pa.array([*map(str, range(400)), "old", None])
>>> field = described(look("age", cells[:400]), cells, Field("age", ("number",)), found=[])
>>> field.missing, field.invalid, field.findings[0].code
(1, 1, 'invalid')
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mlp_torch.ingest.cells import How, is_text
from mlp_torch.ingest.checks import no_value
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.read import read
from mlp_torch.ingest.policies import path, setting
from mlp_torch.ingest.reads import Kind, Read
from mlp_torch.profile.chains import FAR, Chains, after, chains_of
from mlp_torch.profile.content import few_values
from mlp_torch.profile.facts import NA_WORDS, Facts, strange
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.numbers import CLIP
from mlp_torch.profile.numbers import invalid as finding_of
from mlp_torch.representation.normality import PLAIN

INVALID = ("invalid", "mixed_dates")  # codes of what is sought in all rows


@dataclass(frozen=True)
class Described:
    """One field of a report.

    Attributes:
        facts: of the rows that were looked at.
        missing: cells without a value, of all rows.
        invalid: cells that are not what the field is, or lie outside the range that its policy allows; of all rows.
        findings: on this field.
        chains: which steps bring it near to normal; None where nothing is to be ranked.
    """

    facts: Facts
    missing: int
    invalid: int
    findings: tuple[Finding, ...]
    chains: Chains | None = None


def described(facts: Facts, whole: pa.Array, policy: Field, *, found: Sequence[Finding]) -> Described:
    """A field, with the findings on it in the light of its policy.

    Args:
        facts: of the rows that were looked at.
        whole: the cells of all rows.
        policy: of the field.
        found: the findings on all fields.
    """
    own = [finding for finding in found if finding.fields[:1] == (facts.name,)]
    if facts.kind in ("several", "unreadable"):
        invalid = len(whole) - whole.null_count if facts.kind == "unreadable" else 0
        return Described(facts, whole.null_count, invalid, tuple(own))
    values, stray = whole_values(facts, whole, policy)
    invalid = sum(stray.values())
    missing = int(no_value(values).sum()) - invalid
    if facts.kind == "empty" and missing < len(whole):  # the few values are in rows that were not looked at
        own = [few_values(facts.name, len(whole) - missing, len(whole))]
    if stray:
        own = [finding for finding in own if finding.code not in INVALID]
        own.append(finding_of(replace(facts, stray=stray), len(whole)))
    if facts.kind == "number" and policy.bounded:
        outside = out_of_range(policy, values)
        own += [outside] if outside.count else []
        invalid += outside.count
    chains = chains_of(facts, findings=own)
    if chains is not None and chains.advised != PLAIN and np.abs(after(facts, chains)).max() <= FAR:
        near = f"{chains.advised} brings them within {FAR} standard deviations; or "
        own = [replace(finding, advice=finding.advice.replace(CLIP, near)) for finding in own]
    return Described(facts, missing, invalid, tuple(unsettled(policy, own)), chains)


def whole_values(facts: Facts, whole: pa.Array, policy: Field) -> tuple[pa.Array, Mapping[str, int]]:
    """All cells read as what the field is, and the words of those that are not."""
    if facts.kind == "empty":
        words = replace(policy, na_values=(*policy.na_values, *NA_WORDS))
        return (read(whole, Read(facts.name, "string"), words).values if is_text(whole.type) else whole), {}
    if len(whole) == facts.rows:
        return pa.array(facts.values), facts.stray
    kind: Kind = "number" if facts.kind == "number" else "time" if facts.kind == "time" else "string"
    cells = read(whole, Read(facts.name, kind), replace(policy, na_values=tuple(facts.na)), How(facts.decimal))
    return pa.array(cells.values), {} if kind == "string" else strange(whole, cells)


def out_of_range(policy: Field, values: pa.Array) -> Finding:
    """The finding of numbers outside the range that a policy allows."""
    known = values.to_numpy(zero_copy_only=False)
    outside = int(((known < policy.lowest) | (known > policy.highest)).sum())
    text, advice = f"outside the valid range {policy.range}", f"{path(policy.name, 'invalid')} says what they become"
    return Finding("out_of_range", (policy.name,), text, outside, len(known), "cells", (), advice, loud=True)


def unsettled(policy: Field, findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings on a field, without what its policy has settled."""
    for finding in findings:
        if finding.code == "na_words" and set(finding.examples) <= set(policy.na_values):
            continue
        if finding.code in (*INVALID, "out_of_range") and policy.invalid != "error":
            yield replace(finding, advice=setting(policy.name, {"invalid": policy.invalid}, mark=": "), loud=False)
        else:
            yield finding
