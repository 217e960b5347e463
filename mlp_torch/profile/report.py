"""The data report of a table: what each field holds and what is suspicious, of all rows or of some chosen for good.

Missing and invalid cells and rows that repeat others are counted over all rows. All else is looked at in at most
`LOOKED_AT` rows: those whose numbers have the smallest fingerprints, so that a table always gives the same report.

>>> report = report_of(pa.table({"age": [31, None, 27, 45], "town": ["Rome", "rome", "Oslo", "Oslo"]}))
>>> [(field.facts.kind, field.missing) for field in report.fields], [finding.code for finding in report.findings]
([('number', 1), ('text', 0)], ['look_alike'])
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlp_torch.errors import DataError, Problem, near
from mlp_torch.ingest.block import Places
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.profile.copies import of_rows
from mlp_torch.profile.described import Described, described
from mlp_torch.profile.facts import blank, look, torn
from mlp_torch.profile.finding import Finding, loudest_first
from mlp_torch.profile.key import identity, near_identity, not_a_key
from mlp_torch.profile.source import columns_of
from mlp_torch.profile.suspicions import IDS, suspicions

LOOKED_AT = 400_000  # rows


@dataclass(frozen=True)
class DataReport:
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
    places: Places | None = None,
) -> DataReport:
    """The report of a table.

    Args:
        table: the cells as they were read.
        target: the field to predict: others are looked at for what they give away of it.
        name: where the rows come from.
        decimal: the decimal mark of numbers in text.
        policies: of fields, as `data.fields` holds them: declared words for missing are no finding, numbers outside
            the range are invalid.
        notes: sentences on how the table was read.
        places: where all its rows lie; with them a field that would name a row, but for a few, is told.

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
        if why := torn(array):  # of all rows: one such cell stops a training run
            known[field] = blank(field, cells, kind="unreadable", why=why)
        else:
            known[field] = look(field, cells, decimal=decimal, na_values=policy[field].na_values)
    found = suspicions(known, target=target)
    ids = {finding.fields[0] for finding in found if finding.code in IDS}
    fields = [described(facts, columns[field], policy[field], found=found) for field, facts in known.items()]
    everything = [finding for one in fields for finding in one.findings]
    everything += of_rows(columns, ids=ids, target=target)
    others = [facts for field, facts in known.items() if field != target]
    if places is not None and some is None and identity(others) is None and (almost := near_identity(others)):
        everything.append(not_a_key(almost, places))
    looked_at = rows if some is None else len(some)
    return DataReport(name, rows, looked_at, fields, loudest_first(everything), target, notes)


def chosen(rows: int) -> pa.Array | None:
    """The numbers of the rows that are looked at, in order; None = all."""
    if rows <= LOOKED_AT:
        return None
    numbers = arrow_fingerprints(pa.array(np.arange(rows)).cast(pa.large_string()), field="the row's number").numpy()
    return pa.array(np.sort(np.argpartition(numbers, LOOKED_AT)[:LOOKED_AT]))
