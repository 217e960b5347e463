"""A report as one HTML file: no scripts, nothing from elsewhere, whatever names and values hold.

>>> from mlp_torch.profile.report import report_of
>>> import pyarrow as pa
>>> text = html(report_of(pa.table({"<b>": ["<script>", "x"]})))
>>> "&lt;b&gt;" in text, "<script>" in text
(True, False)
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlp_torch import files
from mlp_torch.errors import quote
from mlp_torch.profile.described import Described
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.plots import histogram, histogram_after
from mlp_torch.profile.report import DataReport
from mlp_torch.profile.table import distinct, printable, quantiles, sampled, short, summary

GENERATOR = "mlp_torch profile"
SHARES = {"0 %": 0, "1 %": 0.01, "5 %": 0.05, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95, "99 %": 0.99}
SHARES |= {"100 %": 1}
WORDS = 10  # of a field that are shown
WIDE = 120  # pixels of the longest bar


def write(path: Path, report: DataReport) -> None:
    """Writes the page; a file that is there is written over."""
    files.write_text(path, html(report))


def html(report: DataReport) -> str:
    """The page's text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        generator=GENERATOR,
        title=printable(report.name),
        report=report,
        target=None if report.target is None else short(report.target),
        notes=[printable(note) for note in [*report.notes, *sampled(report)]],
        findings=[told(finding, report) for finding in report.findings],
        fields=[shape(field, report) for field in report.fields],
    )


def told(finding: Finding, report: DataReport) -> dict[str, Any]:
    """A finding with the places of its fields in the page."""
    places = {field.facts.name: place for place, field in enumerate(report.fields)}
    return {
        "code": finding.code,
        "fields": [(short(name), places[name]) for name in finding.fields],
        "clause": printable(finding.clause),
        "advice": printable(finding.advice),
        "loud": finding.loud,
    }


def shape(field: Described, report: DataReport) -> dict[str, Any]:
    """What the page shows of a field."""
    facts = field.facts
    is_measured = facts.kind in ("number", "time")
    found = quantiles(facts, tuple(SHARES.values())) if is_measured else []
    return {
        "name": short(facts.name),
        "kind": facts.called,
        "why": facts.why,
        "missing": field.missing,
        "missing_width": round(WIDE / 2 * field.missing / report.rows, 1),
        "invalid": field.invalid,
        "distinct": distinct(facts),
        "summary": printable(summary(facts)),
        "picture": histogram(facts) if is_measured else "",
        "after": histogram_after(facts, field.chains),
        "chains": field.chains,
        "quantiles": [(share, facts.shown(value)) for share, value in zip(SHARES, found, strict=False)],
        "words": words(facts) if facts.kind == "text" else [],
        "findings": [told(finding, report) for finding in field.findings],
    }


def words(facts: Facts) -> list[tuple[str, int, float]]:
    """The most frequent words with their counts and the widths of their bars, then the others together."""
    most = facts.frequent(WORDS)
    rest = facts.rows - facts.missing - sum(count for _, count in most)
    longest = max((count for _, count in most), default=1)
    bars = [(quote(word), count, round(WIDE * count / longest, 1)) for word, count in most]
    others = [(f"{facts.distinct - len(most):,} others", rest, 0.0)] if rest else []
    return bars + others
