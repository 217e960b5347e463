"""An evaluation by slices of a field, worst first, and the rows whose answers are worst.

What is judged is what the exported graph says, so a row's score is one of the served answer, calibrated as it is: the
first metric of the head that is a mean of scores (log-loss, CRPS), else the absolute error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
from torch import Tensor
from torchmetrics import Metric

from mlp_torch.errors import ConfigError, how_many, near, quote
from mlp_torch.head import Head
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.layouts import decoded, joined
from mlp_torch.ingest.schema import Schema
from mlp_torch.problem.scores import AUROC
from mlp_torch.reproducibility.intervals import Interval, auroc_interval, interval, mean_interval
from mlp_torch.reproducibility.slices import FEW, MOST, Slices, cut
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import (
    Verdict,
    directions,
    is_mean,
    judge_predictions,
    metrics_of,
    row_scores,
    scored,
)

SHOWN = 20  # slices and rows that are printed
WIDTH = 110  # of a printed line
ANEW = 100  # draws of a metric that is computed anew of each; of an AUROC over many labels one takes 10 ms
Measure = tuple[str, str, Metric]


class Slice(NamedTuple):
    """Some rows, judged.

    Attributes:
        name: what their field holds.
        rows: how many.
        model: all metrics.
        constant: those of the constant.
        interval: 95 %, of the metric that slices are ordered by; None where it is not defined.
    """

    name: str
    rows: int
    model: Verdict
    constant: Verdict
    interval: Interval | None


@dataclass(frozen=True)
class Breakdown:
    """All slices of a field, the worst first; those where the metric is not defined come last.

    Args:
        field: that is cut.
        metric: that orders the slices.
        more: whether more of it is better.
        whole: its value on all rows.
        slices: in order.
        joined: values that were joined.
        further: metrics in the order in which they are shown, as many as a line holds.
    """

    field: str
    metric: str
    more: bool
    whole: float | None
    slices: list[Slice]
    joined: int
    further: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = [
            {
                "slice": item.name,
                "rows": item.rows,
                "interval": item.interval and item.interval.to_json(),
                "metrics": item.model.values,
                "undefined": item.model.undefined,
                "constant": item.constant.values.get(self.metric),
            }
            for item in self.slices
        ]
        return {"field": self.field, "metric": self.metric, "all_rows": self.whole, "slices": found}

    def lines(self) -> list[str]:
        """A table, as many further metrics as a line holds, and what it says."""
        others = [name for name in self.further if name != self.metric]
        shown = self.slices[:SHOWN]
        columns = [
            [self.field, *(item.name for item in shown)],
            ["rows", *(f"{item.rows:,}" for item in shown)],
            [self.metric, *(number(item.model.values.get(self.metric)) for item in shown)],
            ["95 %", *(between(item.interval) for item in shown)],
            ["constant", *(number(item.constant.values.get(self.metric)) for item in shown)],
        ]
        columns += [[name, *(number(item.model.values.get(name)) for item in shown)] for name in others]
        lines = aligned(columns)
        if more := len(self.slices) - SHOWN:
            lines += [f"… and {how_many(more, 'slice')} more; --json has all"] if more > 0 else []
        return lines + self.findings()

    def findings(self) -> list[str]:
        """Which slices are worse beyond chance, where nothing can be said, and what was joined."""
        said = []
        if self.whole is not None and (bad := [item.name for item in self.slices if self.is_worse(item, self.whole)]):
            named = listed(bad[:SHOWN]) + (", …" if len(bad) > SHOWN else "")
            said.append(f"worse than all rows ({number(self.whole)}) by the whole interval: {named}")
        lacking: dict[str, list[str]] = {}
        for item in self.slices:
            if why := item.model.undefined.get(self.metric):
                lacking.setdefault(why, []).append(item.name)
        said += [f"{self.metric} is not defined ({why}) for {listed(names[:10])}" for why, names in lacking.items()]
        if self.joined:
            said.append(f"other: values of fewer than {FEW} rows, and those beyond the {MOST} most frequent ones")
        return said

    def is_worse(self, item: Slice, whole: float) -> bool:
        """Whether all of a slice's interval lies on the worse side of a value."""
        if item.interval is None or not math.isfinite(item.interval.low):
            return False
        return item.interval.high < whole if self.more else item.interval.low > whole


@dataclass(frozen=True)
class Answers:
    """What was said of labelled rows.

    Args:
        head: whose metrics judge.
        predictions: the model's, by name, (N, …).
        constant: the constant's.
        y: (N,) or (N, k) raw targets.
    """

    head: Head
    predictions: Mapping[str, Tensor]
    constant: Mapping[str, Tensor]
    y: Tensor

    def by(self, field: str, slices: Slices, metric: str) -> Breakdown:
        """Each slice judged, the worst first."""
        more = bool(directions(self.head)[metric])
        found = []
        for i, name in enumerate(slices.names):
            rows = (slices.of_row == i).nonzero()[:, 0]
            found.append(self.judged(name, rows, metric))
        found.sort(key=lambda item: order(item.model.values.get(metric), more))
        whole = self.verdict(self.predictions, slice(None), {metric: metrics_of(self.head)[metric]})
        return Breakdown(field, metric, more, whole.values.get(metric), found, slices.joined, self.order())

    def order(self) -> list[str]:
        """Metrics in the order of interest: those that a user has named come first."""
        return list(dict.fromkeys([*self.head.perspectives, *self.head.metrics()]))

    def judged(self, name: str, rows: Tensor, metric: str) -> Slice:
        """One slice."""
        model = self.verdict(self.predictions, rows, metrics_of(self.head))
        constant = self.verdict(self.constant, rows, metrics_of(self.head))
        return Slice(name, len(rows), model, constant, self.interval(rows, metric) if metric in model.values else None)

    def verdict(self, predictions: Mapping[str, Tensor], rows: Tensor | slice, by: dict[str, Measure]) -> Verdict:
        """Metrics over some rows."""
        part = {name: x[rows] for name, x in predictions.items()}, self.head.labels(self.y[rows])
        return judge_predictions(by, [part])

    def interval(self, rows: Tensor, metric: str) -> Interval:
        """Where a metric lies on other rows such as these."""
        prediction, label, found = metrics_of(self.head)[metric]
        said, truth = self.predictions[prediction][rows], self.head.labels(self.y[rows])[label]
        if is_mean(found):
            return mean_interval(scores(found, said, truth))
        if type(found) is AUROC:
            return auroc_interval(said[truth >= 0], truth[truth >= 0])

        def figure(drawn: Tensor | slice) -> float:
            found.reset()
            part = {prediction: said[drawn]}, {label: truth[drawn]}
            return judge_predictions({metric: (prediction, label, found)}, [part]).values.get(metric, math.nan)

        return interval(figure, len(rows), times=ANEW)

    def row_scores(self) -> tuple[str, Tensor]:
        """What rows are ordered by, and (N,) float64, the more the worse."""
        found = row_scores(self.head, self.predictions, self.y)
        return found or ("absolute error", (self.predictions[self.head.point].double() - self.y).abs())

    def worst(self) -> tuple[str, Tensor, Tensor]:
        """By what, which rows, the worst first, and their scores."""
        name, found = self.row_scores()
        rows = found.nan_to_num(nan=-math.inf).argsort(descending=True, stable=True)[: min(SHOWN, len(found))]
        return name, rows, found[rows]


def check_fields(by: Sequence[str], block: Block) -> None:
    """Refuses a field that the rows lack."""
    for name in by:
        if name not in block.table.column_names:
            hint = near(name, block.table.column_names)
            raise ConfigError(f"--by must be a field of {block.name}, however: {name}; {hint}")


def chosen_metric(head: Head, metric: str | None) -> str:
    """The metric that orders slices: by default the first that tells better from worse.

    Raises:
        ConfigError: for one that there is not, or that does not tell.
    """
    telling = [name for name, more in directions(head).items() if more is not None]
    name = telling[0] if metric is None else metric
    if name not in telling:
        hint = near(name, telling)
        raise ConfigError(f"--metric must be a metric that tells better from worse, however: {name}; {hint}")
    return name


def slices_of(field: str, block: Block, checked: Checked, schema: Schema) -> Slices:
    """The kept rows by what a field holds: as the schema reads it, else as it stands in the file."""
    for key, read in schema.reads.items():
        if read.field == field and read.kind in ("number", "time", "string"):
            return cut(checked.arrays[key], read.kind)
    raw = block.table.column(field).take(pa.array(checked.keep))
    return cut(decoded(joined(raw.chunks or [pa.array([], raw.type)])))


def order(value: float | None, more: bool) -> float:
    """The worst first, what is not defined last."""
    return math.inf if value is None else value if more else -value


def scores(metric: Metric, prediction: Tensor, label: Tensor) -> Tensor:
    """The scores of the labelled rows."""
    found = scored(metric, prediction, label)
    return found[~found.isnan()]


def listed(names: Sequence[str]) -> str:
    """Names side by side; one that holds a comma is quoted.

    >>> print(listed(["Action", "Action, Drama", "Drama"]))
    Action, "Action, Drama", Drama
    """
    return ", ".join(quote(name) if "," in name else name for name in names)


def between(found: Interval | None) -> str:
    """An interval in a cell."""
    return f"{number(found.low)} to {number(found.high)}" if found and math.isfinite(found.low) else "–"


def aligned(columns: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left, as many as a line holds."""
    lines = [cell.ljust(max(map(len, columns[0]))) for cell in columns[0]]
    for column in columns[1:]:
        width = max(map(len, column))
        if len(lines[0]) + 2 + width > WIDTH:
            break
        lines = [f"{line}  {cell.rjust(width)}" for line, cell in zip(lines, column, strict=True)]
    return lines
