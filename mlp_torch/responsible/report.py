"""The closing report: each metric of the model beside the constant's, the best look-up's and boosted trees'.

>>> report = Report({"auroc": True})
>>> report.add("model", "test", {"auroc": 0.7})
>>> report.add("trees", "test", {"auroc": 0.8})
>>> report.flat()
{'test/auroc': 0.7, 'test/auroc_trees': 0.8}
>>> report.findings()
['Boosted trees win on test by auroc (0.8 against 0.7).']
"""

from collections.abc import Mapping

SUFFIX = {"model": "", "constant": "_baseline", "look-up": "_lookup", "trees": "_trees"}
TITLES = {"val": "validation", "test": "test"}


class Report:
    """Values by contender, split and metric, and what they say.

    Args:
        higher: by metric, whether more is better; None where neither is.
    """

    def __init__(self, higher: Mapping[str, bool | None]):
        self.higher = {"loss": False, **higher}
        self.values: dict[str, dict[str, dict[str, float]]] = {}
        self.notes: list[str] = []

    def add(self, contender: str, split: str, values: Mapping[str, float]) -> None:
        """The metrics of a contender on a split."""
        self.values.setdefault(contender, {})[split] = dict(values)

    def flat(self) -> dict[str, float]:
        """`test/auroc`, `test/auroc_baseline`, … as metrics.json holds them."""
        return {
            f"{split}/{metric}{SUFFIX[contender]}": value
            for contender, splits in self.values.items()
            for split, metrics in splits.items()
            for metric, value in metrics.items()
        }

    def wins(self, one: str, other: str, split: str) -> list[str]:
        """The metrics by which one contender is better than another, as text; a tie is no win."""
        ours, theirs = self.values.get(one, {}).get(split, {}), self.values.get(other, {}).get(split, {})
        found = []
        for metric in (metric for metric in ours if metric in theirs and metric != "loss"):
            higher = self.higher.get(metric)
            a, b = ours[metric], theirs[metric]
            if higher is not None and (a > b if higher else a < b):
                found.append(f"{metric} ({a:.4g} against {b:.4g})")
        return found

    def findings(self) -> list[str]:
        """What the figures say, in sentences; trees that win are named first."""
        said = []
        if won := self.wins("trees", "model", "test"):
            said.append(f"Boosted trees win on test by {', '.join(won)}.")
        elif "trees" in self.values:
            said.append("The model is at least as good as boosted trees on test by every metric.")
        for contender in ("constant", "look-up"):
            for split, title in TITLES.items():
                won = self.wins(contender, "model", split)
                # a constant is always well calibrated: one metric alone proves nothing, the loss or half of them do
                if won and (self.loses(contender, split) or 2 * len(won) >= len(self.values["model"][split]) - 1):
                    said.append(f"WARNING: the {contender} beats the model on {title} by {', '.join(won)}.")
        return said

    def loses(self, contender: str, split: str) -> bool:
        """Whether the model's loss is not below a contender's."""
        ours, theirs = self.values["model"][split].get("loss"), self.values[contender][split].get("loss")
        return ours is not None and theirs is not None and ours >= theirs

    def table(self) -> str:
        """Rows are metrics, columns contenders, validation beside test."""
        contenders = [name for name in SUFFIX if name in self.values]
        splits = [split for split in TITLES if any(split in self.values[name] for name in contenders)]
        metrics = list(dict.fromkeys(m for name in contenders for s in splits for m in self.values[name].get(s, {})))
        head = ["metric", *(name for _ in splits for name in contenders)]
        body = [
            [metric, *(number(self.values[name].get(split, {}).get(metric)) for split in splits for name in contenders)]
            for metric in metrics
        ]
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        group = sum(widths[1 : 1 + len(contenders)]) + 2 * len(contenders)
        lines = [" " * widths[0] + "".join(f"  {TITLES[split]:<{group}}" for split in splits)]
        for row in [head, *body]:
            cells = [row[0].ljust(widths[0])]
            for i, cell in enumerate(row[1:], start=1):
                gap = "    " if i > 1 and (i - 1) % len(contenders) == 0 else "  "
                cells.append(gap + cell.rjust(widths[i]))
            lines.append("".join(cells).rstrip())
        return "\n".join(line.rstrip() for line in lines)


def number(value: float | None) -> str:
    """Four significant digits; a dash where the metric is not defined."""
    return "–" if value is None else f"{value:.4g}"
