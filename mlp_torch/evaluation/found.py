"""What an evaluation found, as text and as plain values."""

from dataclasses import dataclass, field
from typing import Any

from mlp_torch.errors import how_many
from mlp_torch.evaluation.breakdown import Breakdown
from mlp_torch.evaluation.worst import Worst
from mlp_torch.ingest.notice import changes
from mlp_torch.responsible.report import Report, number
from mlp_torch.responsible.verdict import Verdict


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        model: name and version.
        input: where the rows come from.
        rows: `read`, `used`, `dropped` by reason, `changed` and `missing` cells, `ignored_columns`, and `unseen`
            categories by column.
        higher: by metric, whether more is better; None where neither is.
        verdicts: of "model" and of "constant".
        warnings: sentences on the rows.
        breakdowns: by each field that was asked for.
        worst: the worst rows, where there are breakdowns.
    """

    model: tuple[str, str]
    input: str
    rows: dict[str, Any]
    higher: dict[str, bool | None]
    verdicts: dict[str, Verdict]
    warnings: list[str]
    breakdowns: list[Breakdown] = field(default_factory=list)
    worst: Worst | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; metrics as metrics.json has them, the constant's with the suffix `_baseline`."""
        model, constant = self.verdicts["model"], self.verdicts["constant"]
        baseline = {f"{name}_baseline": value for name, value in constant.values.items()}
        return {
            "name": self.model[0],
            "version": self.model[1],
            "input": self.input,
            "rows": self.rows,
            "metrics": {**model.values, **baseline},
            "undefined": model.undefined,
            "warnings": self.warnings,
            **({"by": [each.to_json() for each in self.breakdowns]} if self.breakdowns else {}),
            **({"worst_rows": self.worst.rows} if self.worst else {}),
        }

    def text(self) -> str:
        """Rows, a table of metrics, and what it says."""
        rows = self.rows
        lines = [
            f"{' '.join(self.model)} on {self.input}",
            f"{how_many(rows['read'], 'row')} read, {rows['used']:,} used",
        ]
        lines += [f"dropped {how_many(count, 'row')}: {reason}" for reason, count in rows["dropped"].items()]
        lines += [f"{verb} {what}" for verb, what in changes(rows["changed"])]
        lines += [
            f"{how_many(count, 'row holds', 'rows hold')} a category of {name} that training never showed"
            for name, count in rows["unseen"].items()
        ]
        if rows["ignored_columns"]:
            lines.append(f"ignored columns: {', '.join(rows['ignored_columns'])}")
        parts = [[*lines, *self.warnings], self.table(), self.findings(), *(each.lines() for each in self.breakdowns)]
        parts += [self.worst.lines()] if self.worst else []
        return "\n\n".join("\n".join(part) for part in parts if part)

    def table(self) -> list[str]:
        """A line a metric; a dash where it is not defined."""
        body = [
            (name, *(number(verdict.values.get(name)) for verdict in self.verdicts.values())) for name in self.higher
        ]
        head = ("metric", *self.verdicts)
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        return [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in [head, *body]
        ]

    def findings(self) -> list[str]:
        """Where the constant wins, and why a metric has no value."""
        report = Report(self.higher)
        for contender, verdict in self.verdicts.items():
            report.add(contender, "test", verdict.values)
        won = report.wins("constant", "model", "test")
        loud = "WARNING: " if report.beats("constant", "test") else ""  # a constant is always well calibrated
        said = [f"{loud}the constant beats the model by {', '.join(won)}."] if won else []
        return said + [f"{name} is not defined: {why}" for name, why in self.verdicts["model"].undefined.items()]
