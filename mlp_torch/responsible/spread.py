"""Repeated runs in one report: mean ± standard deviation of each metric, of the model and of what stands beside it.

Book: ch. 7, Heuristic Benchmark. One run's figure holds the luck of its seed and of its test rows; what a change gains
counts where it exceeds that. The deviation is that of the runs (of n - 1), not of their mean; the runs of several folds
share training rows, so theirs is no confidence interval.

>>> runs = {name: Report({"auroc": True}) for name in ("seed=1", "seed=2")}
>>> for run, ours, theirs in zip(runs.values(), (0.70, 0.72), (0.69, 0.73)):
...     run.add("model", "test", {"auroc": ours})
...     run.add("trees", "test", {"auroc": theirs})
>>> spread = Spread(runs)
>>> print(spread.table())
test           model         trees
auroc   0.71 ± 0.014  0.71 ± 0.028
>>> spread.findings()
['The model is at least as good as boosted trees on test by every metric.', 'Run by run, the model is better than \
boosted trees on test by auroc in 1 of 2 (by 0 ± 0.014).']
"""

import statistics
from collections.abc import Mapping

from mlp_torch.responsible.report import SUFFIX, TITLES, Report, number


class Spread:
    """What the reports of several runs have in common.

    Args:
        reports: of at least one run, by its name.
    """

    def __init__(self, reports: Mapping[str, Report]):
        self.reports = dict(reports)
        each = list(self.reports.values())
        self.mean, self.deviation = Report(each[0].higher), Report(each[0].higher)
        for contender in dict.fromkeys(name for report in each for name in report.values):
            for split in TITLES:
                metrics = dict.fromkeys(metric for report in each for metric in report.of(contender, split))
                found = {metric: self.values(contender, split, metric) for metric in metrics}
                self.mean.add(contender, split, {name: statistics.fmean(values) for name, values in found.items()})
                several = {name: statistics.stdev(values) for name, values in found.items() if len(values) > 1}
                self.deviation.add(contender, split, several)
        for name in dict.fromkeys(name for report in each for name in report.slices):
            self.add_slice(name)

    def add_slice(self, name: str) -> None:
        """Mean and deviation of each metric on some rows, over the runs that have it."""
        for split in TITLES:
            each = [report.slices.get(name, {}).get(split, {}) for report in self.reports.values()]
            found = {metric: [run[metric] for run in each if metric in run] for run in each for metric in run}
            if found:
                self.mean.add_slice(name, split, {metric: statistics.fmean(values) for metric, values in found.items()})
                several = {metric: statistics.stdev(values) for metric, values in found.items() if len(values) > 1}
                self.deviation.add_slice(name, split, several)

    def values(self, contender: str, split: str, metric: str) -> list[float]:
        """A metric of each run in which it is defined."""
        found = (report.of(contender, split).get(metric) for report in self.reports.values())
        return [value for value in found if value is not None]

    def table(self) -> str:
        """A block a split: rows are metrics, columns contenders."""
        order = [name for name in SUFFIX if name in self.mean.values]
        order += [name for name in self.mean.values if name not in SUFFIX]
        return "\n\n".join(self.block(split, order) for split in TITLES if self.mean.of("model", split))

    def block(self, split: str, contenders: list[str]) -> str:
        """The lines of one split."""
        metrics = list(dict.fromkeys(metric for name in contenders for metric in self.mean.of(name, split)))
        columns = [[TITLES[split], *metrics]]
        columns += [[name, *(self.cell(name, split, metric) for metric in metrics)] for name in contenders]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        return "\n".join(
            "  ".join([name.ljust(widths[0] + 1), *map(str.rjust, cells, widths[1:])]) for name, *cells in rows
        )

    def cell(self, contender: str, split: str, metric: str) -> str:
        """Mean ± deviation, and of how many runs where it is not defined in all."""
        mean = self.mean.of(contender, split).get(metric)
        deviation = self.deviation.of(contender, split).get(metric)
        runs = len(self.values(contender, split, metric))
        few = f" (of {runs})" if 0 < runs < len(self.reports) else ""
        return number(mean) + ("" if deviation is None else f" ± {deviation:.2g}") + few

    def findings(self) -> list[str]:
        """What the means say, in sentences, and how often the model is better than trees."""
        return self.mean.findings() + self.paired("trees", "boosted trees")

    def paired(self, contender: str, title: str) -> list[str]:
        """In how many runs the model is better than a contender, by metric, with the differences' mean ± deviation.

        Both were judged on the same rows of a run, so their difference varies less than either.
        """
        each = [report.compared("model", contender, "test") for report in self.reports.values()]
        metrics = [metric for metric in each[0] if metric != "loss" and all(metric in found for found in each)]
        if len(each) < 2 or not metrics:
            return []
        told = []
        for metric in metrics:
            gains = [found[metric] for found in each]
            spread = f"{statistics.fmean(gains):.2g} ± {statistics.stdev(gains):.2g}"
            told.append(f"{metric} in {sum(gain > 0 for gain in gains)} of {len(gains)} (by {spread})")
        return [f"Run by run, the model is better than {title} on test by {', '.join(told)}."]
