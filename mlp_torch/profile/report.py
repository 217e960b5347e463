"""The data report of a table: what each field holds and what is suspicious, of all rows or of some chosen for good.

Missing and invalid cells and rows that repeat others are counted over all rows. All else is looked at in at most
`LOOKED_AT` rows: those whose numbers have the smallest fingerprints, so that a table always gives the same report.

>>> report = report_of(pa.table({"age": [31, None, 27, 45], "town": ["Rome", "rome", "Oslo", "Oslo"]}))
>>> [(field.facts.kind, field.missing) for field in report.fields], [finding.code for finding in report.findings]
([('number', 1), ('text', 0)], ['look_alike'])
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from mlp_torch.errors import DataError, Problem, near
from mlp_torch.ingest.cells import read
from mlp_torch.ingest.checks import no_value
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.reads import Kind
from mlp_torch.profile.copies import of_rows
from mlp_torch.profile.facts import Facts, look
from mlp_torch.profile.finding import Finding, loudest_first
from mlp_torch.profile.source import columns_of
from mlp_torch.profile.suspicions import IDS, suspicions

LOOKED_AT = 400_000  # rows


@dataclass(frozen=True)
class Described:
    """One field of a report.

    Attributes:
        facts: of the rows that were looked at.
        missing: cells without a value, of all rows.
        invalid: cells that are not what the field is, or lie outside the range that its policy allows; of all rows.
        findings: on this field.
    """

    facts: Facts
    missing: int
    invalid: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What is known of a table.

    Attributes:
        name: where the rows come from.
        rows: that were read.
        looked_at: rows that all but the counts of missing and invalid cells come from.
        fields: in the table's order.
        findings: on fields and rows, those that must not be overlooked first.
        target: the field to predict, or None.
        notes: sentences on how the table was read.
    """

    name: str
    rows: int
    looked_at: int
    fields: list[Described]
    findings: list[Finding]
    target: str | None = None
    notes: Sequence[str] = ()


def report_of(
    table: pa.Table | Mapping[str, pa.Array],
    *,
    target: str | None = None,
    name: str = "rows in memory",
    decimal: str = ".",
    policies: Mapping[str, Mapping[str, Any] | None] | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """The report of a table.

    Args:
        table: the cells as they were read.
        target: the field to predict: others are looked at for what they give away of it.
        name: where the rows come from.
        decimal: the decimal mark of numbers in text.
        policies: of fields, as `data.fields` holds them: declared words for missing are no finding, numbers outside
            the range are invalid.
        notes: sentences on how the table was read.

    Raises:
        DataError: `no_rows`, `duplicate_column`, `missing_column` for a target that is not there.
    """
    columns = columns_of(table) if isinstance(table, pa.Table) else dict(table)
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        raise DataError(Problem("no_rows", f"{name} has {len(columns)} fields and 0 rows"))
    if target is not None and target not in columns:
        raise DataError(Problem("missing_column", f"not in the table; {near(target, columns)}", (target,)))
    given = dict(policies or {})
    policy = {field: Field.of(field, ("number", "string", "time"), given.get(field)) for field in columns}
    some = chosen(rows)
    known = {}
    for field, array in columns.items():
        cells = array if some is None else array.take(some)
        known[field] = look(field, cells, decimal=decimal, na_values=policy[field].na_values)
    found = suspicions(known, target=target)
    ids = {finding.fields[0] for finding in found if finding.code in IDS}
    fields = []
    for field, facts in known.items():
        missing, invalid, outside = counts(facts, columns[field], policy[field])
        own = [finding for finding in found if finding.fields[:1] == (field,)] + outside
        fields.append(Described(facts, missing, invalid, tuple(in_the_light_of(policy[field], own))))
    everything = [finding for described in fields for finding in described.findings]
    everything += of_rows(columns, ids=ids, target=target)
    looked_at = rows if some is None else len(some)
    return Report(name, rows, looked_at, fields, loudest_first(everything), target, notes)


def chosen(rows: int) -> pa.Array | None:
    """The numbers of the rows that are looked at, in order; None = all."""
    if rows <= LOOKED_AT:
        return None
    numbers = arrow_fingerprints(pa.array(np.arange(rows)).cast(pa.large_string()), field="the row's number").numpy()
    return pa.array(np.sort(np.argpartition(numbers, LOOKED_AT)[:LOOKED_AT]))


def counts(facts: Facts, whole: pa.Array, policy: Field) -> tuple[int, int, list[Finding]]:
    """Missing and invalid cells of all rows, and the finding of numbers outside the valid range.

    Args:
        facts: of the rows that were looked at.
        whole: the cells of all rows.
        policy: of the field.
    """
    if facts.kind == "empty":
        return len(whole), 0, []
    if facts.kind == "unreadable":
        return whole.null_count, len(whole) - whole.null_count, []
    values, invalid = facts.values, facts.invalid
    if len(whole) > facts.rows:
        kind: Kind = "string" if facts.kind == "text" else facts.kind
        cells = read(whole, kind, replace(policy, na_values=tuple(facts.na)), decimal=facts.decimal)
        values, invalid = cells.values, sum(int(bad.sum()) for bad in cells.bad.values())
    missing = int(no_value(pa.array(values)).sum()) - invalid
    if facts.kind != "number" or not policy.bounded:
        return missing, invalid, []
    outside = int(((values < policy.lowest) | (values > policy.highest)).sum())
    finding = Finding(
        "out_of_range",
        (facts.name,),
        f"outside the valid range {policy.range}",
        outside,
        len(whole),
        "cells",
        advice=f"data.fields.{facts.name}.invalid says what becomes of them",
        loud=True,
    )
    return missing, invalid + outside, [finding] * bool(outside)


def in_the_light_of(policy: Field, findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings on a field, without what its policy has settled."""
    for finding in findings:
        if finding.code == "na_words" and set(finding.examples) <= set(policy.na_values):
            continue
        if finding.code in ("invalid", "out_of_range") and policy.invalid != "error":
            yield replace(finding, advice=f"data.fields.{policy.name}.invalid: {policy.invalid}", loud=False)
        else:
            yield finding
