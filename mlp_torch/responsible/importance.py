"""Permutation importance: how much worse the model gets where a raw field's values change places among the rows.

Book: ch. 7, Explainable Predictions; Breiman 2001, "Random Forests"; Fisher, Rudin & Dominici 2019. All columns that
read the field move together, whatever they make of it. Where a column reads the field alone, its features move as the
raw values do, for a column encodes row by row; a column of several fields, such as a cross, is encoded anew from raw
values of which only this field's have moved. So a field that is used by crosses alone counts.

It says what the model uses, not what causes what: two copies of a field share their importance, so that either alone
may look useless, and a field that only repeats others gets little.

>>> round(worse_by(0.7, 0.6, more=True), 2), round(worse_by(0.4, 0.5, more=False), 2)
(0.1, 0.1)
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlp_torch.column import Column
from mlp_torch.head import Batch, Head
from mlp_torch.ingest.reads import Inputs
from mlp_torch.model import Model
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import directions, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLD = 10  # fields of the closing notes
DRAWN = 30  # bars of the picture
LEAST = 2000  # rows, however many fields there are


@dataclass(frozen=True)
class Importance:
    """How much worse each field's permutation makes the loss and one metric.

    Args:
        metric: beside the loss.
        rows: of how many rows.
        fields: by field, of "loss" and the metric, what each repetition found; the most important field first.
    """

    metric: str
    rows: int
    fields: dict[str, dict[str, list[float]]]

    def to_json(self) -> dict[str, Any]:
        """Mean and standard deviation of each field's repetitions, of those in which the metric was defined."""
        fields = {
            field: {name: {"mean": mean(values), "sd": spread(values)} for name, values in found.items() if values}
            for field, found in self.fields.items()
        }
        return {"rows": self.rows, "metric": self.metric, "fields": fields}

    def note(self) -> str:
        """A table of the most important fields, in lines."""
        told = list(self.fields.items())[:TOLD]
        cells = [["", "loss", self.metric], *([field, *self.cells(found)] for field, found in told)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in cells]
        rest = len(self.fields) - len(told)
        repeats = len(next(iter(self.fields.values()))["loss"])
        head = (
            f"Fields by importance: what gets worse where their values change places ({self.rows:,} validation rows, "
        )
        head += f"mean ± sd of {repeats})"
        lines = [f"  {line}" for line in lines] + ([f"  and {rest} more"] if rest else [])
        harmful = [field for field, found in self.fields.items() if mean(found["loss"]) < -2 * spread(found["loss"])]
        if harmful:
            lines.append(f"  the loss is lower where these say nothing; try without: {', '.join(harmful)}")
        return "\n".join([f"{head}:", *lines])

    def cells(self, found: Mapping[str, Sequence[float]]) -> list[str]:
        """Mean ± standard deviation of the loss and of the metric."""
        each = (found["loss"], found[self.metric])
        return [f"{number(mean(values))} ± {spread(values):.1g}" if values else "–" for values in each]

    def picture(self) -> "Figure":
        """A bar a field, of the loss, with the deviation."""
        from matplotlib.figure import Figure

        told = dict(list(self.fields.items())[:DRAWN])
        figure = Figure(figsize=(6, 1 + 0.25 * len(told)), layout="constrained")
        axes = figure.subplots()
        losses = [found["loss"] for found in told.values()]
        axes.barh(list(told), [mean(values) for values in losses], xerr=[spread(values) for values in losses])
        axes.invert_yaxis()
        axes.set(title="Importance of fields, by permutation", xlabel="loss gets worse by")
        return figure


class Permutation:
    """What finds the importance of fields.

    Args:
        rows: most validation rows, those with the smallest fingerprints. Of many fields fewer, down to 2,000, so that
            all permutations together answer no more rows than an epoch has.
        repeats: permutations of each field.
        seed: of the permutations.

    Raises:
        ValueError: for numbers that are too small.
    """

    def __init__(self, *, rows: int = 5000, repeats: int = 3, seed: int = 0):
        for name, value, least in (("rows", rows, 2), ("repeats", repeats, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, however: {name}={value}")
        self.rows, self.repeats, self.seed = rows, repeats, seed

    def __call__(
        self,
        model: Head | Model,
        columns: Mapping[str, Column],
        table: Batch,
        crossed: Inputs,
        *,
        outputs: Callable[[Batch], Tensor],
        metric: str,
        epoch: int | None = None,
    ) -> Importance:
        """The importance of each field that a column reads.

        Args:
            model: trained, or its head: whose loss and metrics judge.
            columns: fitted, by name.
            table: encoded rows, with the features of these columns.
            crossed: raw values of the same rows, by `Read.key`, that columns of several fields read.
            outputs: what the model says of a table.
            metric: which of the model's metrics is watched beside the loss; a higher one must be better, or worse.
            epoch: rows of an epoch; None: no matter how long it takes.
        """
        fields = fields_of(columns)
        most = self.rows if epoch is None else min(self.rows, max(LEAST, epoch // (len(fields) * self.repeats)))
        some = table.row.argsort(stable=True)[:most].sort().values
        table = Batch(
            {name: x[some] for name, x in table.features.items()}, table.y[some], table.weight[some], table.row[some]
        )
        crossed = {key: x[some] for key, x in crossed.items()}
        more = directions(model)[metric] is True
        whole = judge(model, outputs(table), table.y, weight=table.weight).values
        found: dict[str, dict[str, list[float]]] = {}
        for field in fields:
            found[field] = {"loss": [], metric: []}
            for repeat in range(self.repeats):
                # the same order for all fields: what differs between them is not the luck of the draw
                order = torch.randperm(len(some), generator=torch.Generator().manual_seed(self.seed * 1000 + repeat))
                moved = table._replace(features=permuted(columns, table.features, crossed, field, order))
                values = judge(model, outputs(moved), table.y, weight=table.weight).values
                found[field]["loss"].append(worse_by(whole["loss"], values["loss"], more=False))
                if metric in whole and metric in values:
                    found[field][metric].append(worse_by(whole[metric], values[metric], more=more))
        best = sorted(found, key=lambda field: -mean(found[field]["loss"]))
        return Importance(metric, len(some), {field: found[field] for field in best})


def permuted(
    columns: Mapping[str, Column], features: Mapping[str, Tensor], crossed: Inputs, field: str, order: Tensor
) -> dict[str, Tensor]:
    """Features of rows of which one field's values have changed places."""
    moved: dict[str, Tensor] = {}
    for name, column in columns.items():
        keys = [read.key for read in column.reads.values() if read.field == field]
        if not keys:
            moved[name] = features[name]
        elif len(fields_of({name: column})) == 1:
            moved[name] = features[name][order]
        else:
            inputs = {read.key: crossed[read.key] for read in column.reads.values()}
            moved[name] = column.encode(inputs | {key: crossed[key][order] for key in keys})
    return moved


def fields_of(columns: Mapping[str, Column]) -> list[str]:
    """The raw fields that columns read, in their order."""
    return list(dict.fromkeys(read.field for column in columns.values() for read in column.reads.values()))


def worse_by(before: float, after: float, *, more: bool) -> float:
    """How much worse a figure has become."""
    return before - after if more else after - before


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return statistics.fmean(values)


def spread(values: Sequence[float]) -> float:
    """The standard deviation; 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
