"""One judge for all: the metrics of a head over what a model, a baseline or an exported graph says.

>>> from mlp_torch.problem.classification import Binary
>>> from mlp_torch.target import AtLeast
>>> verdict = judge(Binary(1, AtLeast("delay", 15)), torch.zeros(2, 1), torch.tensor([1.0, 1.0]).double())
>>> round(verdict.values["loss"], 4), verdict.undefined["auroc"]
(0.6931, 'one class only: 1')
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryCohenKappa,
    BinaryMatthewsCorrCoef,
    BinaryPrecisionRecallCurve,
    BinaryRecall,
    BinarySpecificity,
    BinaryStatScores,
    MulticlassCohenKappa,
    MulticlassMatthewsCorrCoef,
    MulticlassPrecisionRecallCurve,
)

from mlp_torch.head import Batch, Head
from mlp_torch.model import Model, predicted
from mlp_torch.problem.scores import Loss

CHUNK = 65_536  # rows judged at once, so that predictions of wide heads need little memory
RANKING = (BinaryPrecisionRecallCurve, MulticlassPrecisionRecallCurve)  # what AUROC and average precision derive from
AGREEMENT = (BinaryCohenKappa, BinaryMatthewsCorrCoef, MulticlassCohenKappa, MulticlassMatthewsCorrCoef)
CORRELATION = (BinaryMatthewsCorrCoef, MulticlassMatthewsCorrCoef)
NEEDED = ((BinaryRecall, 1), (BinarySpecificity, 0))  # shares of the rows of one class
Part = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Predictions and labels of the same rows, by name."""


class Verdict(NamedTuple):
    """What `judge` found: finite values by metric, and why each of the others has none."""

    values: dict[str, float]
    undefined: dict[str, str]


@torch.no_grad()
def judge(by: Head | Model, out: Tensor, y: Tensor, *, weight: Tensor | None = None) -> Verdict:
    """Mean loss, as "loss", and all metrics of a head or model; rows without a label are left out of each.

    A metric that says nothing on these rows (of one class, without labels, not finite) is never a number: torchmetrics
    gives an AUROC of 0 where there is only one class.

    Args:
        by: whose loss and metrics.
        out: (N, …) what is judged.
        y: (N,) raw targets.
        weight: (N,) of the mean loss; 1 where none is given. Metrics are unweighted.
    """
    metrics = metrics_of(by)
    for _, _, metric in metrics.values():
        metric.to(out.device)
    verdict = judge_predictions(metrics, ((predicted(by, out[rows]), by.labels(y[rows])) for rows in chunks(len(y))))
    weight = torch.ones(len(y), device=out.device) if weight is None else weight
    return with_value(verdict, "loss", *finite(mean_loss(by, out, y, weight)))


def judge_predictions(metrics: dict[str, tuple[str, str, Metric]], parts: Iterable[Part]) -> Verdict:
    """All metrics over parts of the rows; rows without a label are left out of each."""
    classes: dict[str, set[int]] = {label: set() for _, label, _ in metrics.values()}
    for predictions, truth in parts:
        known = {label: labelled(truth[label]) for label in classes}
        for label in classes:
            classes[label] |= extremes(truth[label][known[label]])
        for prediction, label, metric in metrics.values():
            if known[label].any():
                metric.update(predictions[prediction][known[label]], truth[label][known[label]])
    found = {name: settle(metric, classes[label]) for name, (_, label, metric) in metrics.items()}
    values = {name: value for name, (value, why) in found.items() if not why}
    return Verdict(values, {name: why for name, (_, why) in found.items() if why})


def directions(by: Head | Model) -> dict[str, bool | None]:
    """By metric, whether more is better; None where neither is."""
    return {name: metric.higher_is_better for name, (_, _, metric) in metrics_of(by).items()}


def metrics_of(by: Head | Model) -> dict[str, tuple[str, str, Metric]]:
    """The head's own metrics and the user's perspectives: name -> (prediction, label, metric), new ones each time."""
    head = by.head if isinstance(by, Model) else by
    further = {
        name: (prediction, label, metric.clone()) for name, (prediction, label, metric) in head.perspectives.items()
    }
    return by.metrics() | further


def row_scores(by: Head | Model, predictions: Mapping[str, Tensor], y: Tensor) -> tuple[str, Tensor] | None:
    """The first metric that scores single rows, such as CRPS, and (N,) float64, more is worse; None without one."""
    labels = by.labels(y)
    for name, (prediction, label, metric) in by.metrics().items():
        if is_mean(metric) and metric.higher_is_better is False:
            return name, scored(metric, predictions[prediction], labels[label])
    return None


def is_mean(metric: Metric) -> bool:
    """Whether a metric is the mean of the rows' scores, of which all draws are made at once."""
    return isinstance(metric, Loss) and type(metric).compute is Loss.compute


def scored(metric: Metric, prediction: Tensor, label: Tensor) -> Tensor:
    """(N,) each row's score; NaN without a label."""
    known = labelled(label)
    found = torch.full((len(label),), torch.nan, dtype=torch.float64)
    found[known] = metric.score(prediction[known], label[known]).double()  # type: ignore[operator]  # a Loss
    return found


def with_value(verdict: Verdict, name: str, value: float, why: str) -> Verdict:
    """The verdict and one more metric, or why it has no value."""
    if why:
        return Verdict(verdict.values, verdict.undefined | {name: why})
    return Verdict(verdict.values | {name: value}, verdict.undefined)


def chunks(n: int) -> Iterator[slice]:
    """The rows from 0 to n, some at a time."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def labelled(y: Tensor) -> Tensor:
    """(N,) or (N, k) -> (N,): whether there is a label: not NaN in numbers, not -1 in classes."""
    known = ~y.isnan() if y.is_floating_point() else y != -1
    return known.reshape(len(y), math.prod(y.shape[1:])).any(dim=1)


def extremes(labels: Tensor) -> set[int]:
    """The lowest and the highest class index, which are one where there is one class; nothing for numbers."""
    return set() if labels.is_floating_point() or not len(labels) else {int(labels.min()), int(labels.max())}


def settle(metric: Metric, classes: set[int]) -> tuple[float, str]:
    """A metric's value, and why it is none where it is none."""
    if not metric.update_called:
        return math.nan, "no row has a label"
    if len(classes) == 1 and isinstance(metric, RANKING + AGREEMENT):
        return math.nan, f"one class only: {min(classes)}"
    if absent := [needed for kind, needed in NEEDED if isinstance(metric, kind) and classes == {1 - needed}]:
        return math.nan, f"no row of class {absent[0]}"
    if isinstance(metric, CORRELATION) and min((metric.confmat.sum(dim=i) > 0).sum() for i in (0, 1)) < 2:
        return math.nan, "every row gets the same class"
    if isinstance(metric, BinaryStatScores):
        metric.zero_division = math.nan  # such as the precision where no row is said to be of class 1
    metric.sync_on_compute = False  # of several processes each judges all rows
    try:
        return finite(float(metric.compute()))
    except ValueError as error:  # so torchmetrics says that rows are too few
        return math.nan, str(error)


def finite(value: float) -> tuple[float, str]:
    """A number, and that it is none where it is none."""
    return value, "" if math.isfinite(value) else f"not finite: {value}"


@torch.no_grad()
def mean_loss(by: Head | Model, out: Tensor, y: Tensor, weight: Tensor) -> float:
    """Weighted mean of the rows' loss over the labelled rows; NaN where their weights sum to 0."""
    total, weights = 0.0, 0.0
    for rows in chunks(len(y)):
        known = labelled(y[rows])
        some = Batch(
            {}, y[rows][known], weight[rows][known].to(out.device), torch.arange(int(known.sum()), device=out.device)
        )
        loss = by.loss(out[rows][known], some)
        total += float((loss.double() * some.weight).sum())
        weights += float(some.weight.double().sum())
    return total / weights if weights else math.nan
