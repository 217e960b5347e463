"""The closing report: each metric of the model beside the constant's, the best look-up's and boosted trees'.

>>> report = Report({"auroc": True})
>>> report.add("model", "test", {"auroc": 0.7})
>>> report.add("trees", "test", {"auroc": 0.8})
>>> report.flat()
{'test/auroc': 0.7, 'test/auroc_trees': 0.8}
>>> report.findings()
['Boosted trees win on test by auroc (0.8 against 0.7). What may help: docs/representation.md, "When trees win".']
>>> print(report.table())
          test
metric    model  trees
auroc       0.7    0.8
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlp_torch.errors import ModelError, how_many

SUFFIX = {"model": "", "constant": "_baseline", "look-up": "_lookup"}  # of others: _ and their name
TITLES = {"val": "validation", "test": "test"}


class Report:
    """Values by contender, split and metric, and what they say.

    Args:
        higher: by metric, whether more is better; None where neither is.
    """

    def __init__(self, higher: Mapping[str, bool | None]):
        self.higher = {"loss": False, **higher}
        self.values: dict[str, dict[str, dict[str, float]]] = {}
        self.slices: dict[str, dict[str, dict[str, float]]] = {}
        self.labels: dict[str, list[dict[str, Any]]] = {}
        self.notes: list[str] = []

    def add(self, contender: str, split: str, values: Mapping[str, float]) -> None:
        """The metrics of a contender on a split."""
        self.values.setdefault(contender, {})[split] = dict(values)

    def add_slice(self, name: str, split: str, values: Mapping[str, float]) -> None:
        """The model's metrics on some rows of a split, which no contender is compared on."""
        self.slices.setdefault(name, {})[split] = dict(values)

    def add_labels(self, split: str, rows: Sequence[dict[str, Any]]) -> None:
        """The model's figures of each of several labels, the worst first, if the head has such."""
        if rows:
            self.labels[split] = list(rows)

    def of(self, contender: str, split: str) -> dict[str, float]:
        """The metrics of a contender on a split; none where it was not judged."""
        return self.values.get(contender, {}).get(split, {})

    def flat(self) -> dict[str, float]:
        """`test/auroc`, `test/auroc_baseline`, `test/auroc_unseen`, … as metrics.json holds them."""
        return {
            f"{split}/{metric}{SUFFIX.get(name, f'_{name}')}": value
            for name, splits in [*self.values.items(), *self.slices.items()]
            for split, metrics in splits.items()
            for metric, value in metrics.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values, of which `stored` makes the report again; the notes are left out."""
        return {"higher": self.higher, "values": self.values, "slices": self.slices, "labels": self.labels}

    def compared(self, one: str, other: str, split: str) -> dict[str, float]:
        """By each metric that both have and that tells better from worse, how much better `one` is than `other`.

        0 is a tie, and so is what the table shows as equal: more digits than that are noise.
        """
        ours, theirs = self.of(one, split), self.of(other, split)
        signs = {metric: 1 if self.higher[metric] else -1 for metric in ours if self.higher.get(metric) is not None}
        return {
            metric: 0.0 if number(ours[metric]) == number(theirs[metric]) else sign * (ours[metric] - theirs[metric])
            for metric, sign in signs.items()
            if metric in theirs
        }

    def wins(self, one: str, other: str, split: str) -> list[str]:
        """The metrics by which one contender is better than another, as text. The loss is not named: it is no aim."""
        ours, theirs = self.of(one, split), self.of(other, split)
        return [
            f"{metric} ({number(ours[metric])} against {number(theirs[metric])})"
            for metric, better in self.compared(one, other, split).items()
            if better > 0 and metric != "loss"
        ]

    def findings(self) -> list[str]:
        """What the figures say, in sentences; trees that win are named first."""
        said = []
        if won := self.wins("trees", "model", "test"):
            rest = self.wins("model", "trees", "test")
            beside = f"; the model by {', '.join(rest)}" if rest else ""
            advice = ' What may help: docs/representation.md, "When trees win".' if len(won) > len(rest) else ""
            said.append(f"Boosted trees win on test by {', '.join(won)}{beside}.{advice}")
        elif self.compared("trees", "model", "test").keys() - {"loss"}:
            but = ", though not by the loss" if self.compared("trees", "model", "test").get("loss", 0) > 0 else ""
            said.append(f"The model is at least as good as boosted trees on test by every metric{but}.")
        for contender in self.values:
            for split, title in TITLES.items():
                if contender not in ("model", "trees") and self.beats(contender, split):
                    won = self.wins(contender, "model", split)
                    said.append(f"WARNING: the {contender} beats the model on {title} by {', '.join(won)}.")
        return [*said, *self.worst_labels("test")]

    def worst_labels(self, split: str, shown: int = 3) -> list[str]:
        """The labels that the model ranks worst, in a sentence; report.json has all."""
        worst = [
            f"{row['label']} ({row['auroc']:.3g}; F1 {row['f1']:.3g}, {how_many(row['positives'], 'row')})"
            for row in self.labels.get(split, [])[:shown]
            if row["auroc"] is not None
        ]
        return [f"Worst labels on {split} by AUROC: {', '.join(worst)}; all are in report.json."] if worst else []

    def beats(self, contender: str, split: str) -> bool:
        """Whether a simple contender puts the model to shame: by half of the metrics, or by one and the loss.

        One metric alone proves nothing: a constant is always well calibrated.
        """
        compared = self.compared(contender, "model", split)
        loss = compared.pop("loss", -1.0)
        won = sum(better > 0 for better in compared.values())
        return won > 0 and (loss >= 0 or 2 * won >= len(compared))

    def table(self) -> str:
        """Rows are metrics, columns contenders, validation beside test."""
        contenders = [name for name in SUFFIX if name in self.values]
        contenders += [name for name in self.values if name not in SUFFIX]
        splits = [split for split in TITLES if any(split in self.values[name] for name in contenders)]
        found = [self.of(name, split) for split in splits for name in contenders]
        metrics = list(dict.fromkeys(metric for values in found for metric in values))
        names = ["", "metric", *metrics]
        blocks = [[name.ljust(max(map(len, names))) for name in names]]
        blocks += [self.block(split, contenders, metrics) for split in splits]
        return "\n".join("    ".join(parts).rstrip() for parts in zip(*blocks, strict=True))

    def block(self, split: str, contenders: list[str], metrics: list[str]) -> list[str]:
        """The lines of one split, all of the same width: its title, the contenders, a line a metric."""
        columns = [[name, *(number(self.of(name, split).get(metric)) for metric in metrics)] for name in contenders]
        widths = [max(map(len, column)) for column in columns]
        cells = zip(*columns, strict=True)
        rows = ["  ".join(map(str.rjust, row, widths)) for row in cells]
        return [TITLES[split].ljust(len(rows[0])), *rows]


def stored(found: Mapping[str, Any], path: str | Path = "report.json") -> Report:
    """The report of which `to_json` made this.

    Raises:
        ModelError: if it is none, naming the file that it comes from.
    """
    for name, depth in {"higher": 1, "values": 3, "slices": 3}.items():
        if not is_nested(found.get(name), depth):
            raise ModelError(f"{path} is damaged: it must have figures by name under {name}")
    report = Report(found["higher"])
    report.values, report.slices, report.labels = found["values"], found["slices"], found.get("labels", {})
    return report


def is_nested(value: object, depth: int) -> bool:
    """Whether a value is a number or nothing, below so many tables of names."""
    if depth == 0:
        return value is None or isinstance(value, int | float)
    return isinstance(value, dict) and all(is_nested(item, depth - 1) for item in value.values())


def number(value: float | None) -> str:
    """Four significant digits; a dash where the metric is not defined."""
    return "–" if value is None else f"{value:.4g}"
