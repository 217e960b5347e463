"""Perspectives (ch. 7): metrics of a user's choice beside the head's own, each a way to look at the same answers.

The data scientist's log-loss, the product owner's missed cases, the business's money: all of them stand in the closing
table, and one of them may be what training watches.

>>> from torchmetrics.classification import BinaryRecall
>>> from mlp_torch.problem.classification import Binary
>>> from mlp_torch.target import AtLeast
>>> head = Binary(1, AtLeast("delay", 15))
>>> named({"found": BinaryRecall()}, head, torch.zeros(1))
{'found': ('class', 'class', BinaryRecall())}
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryConfusionMatrix,
    BinaryStatScores,
    MulticlassConfusionMatrix,
    MulticlassExactMatch,
    MulticlassStatScores,
    MultilabelConfusionMatrix,
    MultilabelExactMatch,
    MultilabelStatScores,
)

from mlp_torch.errors import ConfigError, near
from mlp_torch.head import Head

# Metrics that count decisions, and all that derive from them: accuracy, recall, F1, kappa, … Given a probability they
# would cut it at one half, whatever threshold is exported.
DECISIONS = (
    *(BinaryStatScores, MulticlassStatScores, MultilabelStatScores),
    *(BinaryConfusionMatrix, MulticlassConfusionMatrix, MultilabelConfusionMatrix),
    *(MulticlassExactMatch, MultilabelExactMatch),
)
TAKEN = {"loss", "loss_without_dropout", "gradient_norm", "learning_rate", "rows_per_second", "epoch", "seconds"}
SUFFIXES = ("_baseline", "_lookup", "_trees", "_unseen")  # of contenders, in metrics.json
TRIED = 4096  # rows on which a metric is tried before training, so that they hold the classes that there are
Measure = tuple[str, str, Metric]
"""Prediction, label and the metric that compares them."""


class Perspective:
    """A metric and what it compares.

    Args:
        metric: of torchmetrics, one number.
        prediction: of the head; by default the class where the metric counts decisions, else the head's point
            prediction (a probability, a mean).
        label: of the head; by default the one that is called as the prediction is, else the one that the head's own
            metrics compare it with, else the head's first.

    Raises:
        ValueError: for what is no metric.
    """

    def __init__(self, metric: Metric, *, prediction: str | None = None, label: str | None = None):
        if not isinstance(metric, Metric):
            raise ValueError(f"metric must be one of torchmetrics, however: {metric!r}")
        self.metric, self.prediction, self.label = metric, prediction, label

    def decides(self) -> bool:
        """Whether the metric looks at decisions."""
        return isinstance(self.metric, DECISIONS)

    def measure(self, prediction: Tensor, classes: list[str]) -> Metric:
        """The metric for a prediction, given for one row, that is an index of these classes (or of none)."""
        return self.metric

    def pair(self, predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor], head: Head) -> tuple[str, str]:
        """The names of prediction and label.

        Raises:
            ConfigError: for one that the head does not give.
        """
        first = next(iter(labels))
        usual = first if self.decides() and first in predictions else head.point
        asked = self.label if self.label in predictions else None
        prediction = self.prediction or asked or usual
        beside = {said: true for said, true, _ in reversed(head.metrics().values())}
        label = self.label or (prediction if prediction in labels else beside.get(prediction, first))
        for kind, name, known in (("prediction", prediction, predictions), ("label", label, labels)):
            if name not in known:
                raise ConfigError(f"{kind} must be one of the head's, however: {name}; {near(name, known)}")
        return prediction, label


@torch.no_grad()
def named(entries: Mapping[str, Perspective | Metric], head: Head, best: Tensor) -> dict[str, Measure]:
    """By name, what each perspective compares by which metric.

    Args:
        entries: by name.
        head: whose predictions and labels are compared.
        best: (n,) an `out` of a row.

    Raises:
        ConfigError: for a name that is taken or that no file and no option could hold, for what is no metric, and for a
            prediction or label that the head does not give.
    """
    predictions = head.predict(best.expand(1, *best.shape))
    labels = head.labels(torch.full((1,), torch.nan, dtype=torch.float64))
    own, found = head.metrics(), {}
    for name, entry in entries.items():
        check_name(name, own)
        try:
            perspective = entry if isinstance(entry, Perspective) else Perspective(entry)
            prediction, label = perspective.pair(predictions, labels, head)
            metric = perspective.measure(predictions[prediction], head.names.get(prediction, []))
        except ValueError as error:
            raise ConfigError(f"metric.{name}: {error}") from None
        found[name] = (prediction, label, metric)
    return found


def check_name(name: str, own: Mapping[str, Measure]) -> None:
    """Refuses a name of something else, and one that is none of a metric."""
    if name in own or name in TAKEN:
        raise ConfigError(f"metric.{name} must have a name of its own, however: {name} is there already")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ConfigError(f"metric.{name} must be named by letters, digits and _, however: {name!r}")
    if name.endswith(SUFFIXES):
        text = f"metric.{name} must not end as metrics of contenders do"
        raise ConfigError(f"{text} ({', '.join(SUFFIXES)}), however: {name}")


@torch.no_grad()
def try_out(found: Mapping[str, Measure], head: Head, y: Tensor, best: Tensor) -> None:
    """Each metric on a few training rows, before training: a shape that does not fit costs a second and no run.

    Args:
        found: by name.
        head: that predicts.
        y: (N,) raw targets.
        best: (n,) an `out` of a row.

    Raises:
        ConfigError: for a metric that does not take these predictions and labels, or gives more than one number.
    """
    known = y[~y.isnan().reshape(len(y), -1).all(dim=1)][:TRIED]
    predictions, labels = head.predict(best.expand(len(known), *best.shape)), head.labels(known)
    for name, (prediction, label, metric) in found.items():
        x, truth, tried = predictions[prediction], labels[label], metric.clone()
        told = f"prediction {prediction} {shown(x)} and label {label} {shown(truth)}"
        if is_binary(metric) and bool((truth > 1).any()):
            raise ConfigError(f"metric.{name} must have a label of two classes, however: {label} has more")
        try:
            tried.update(x, truth)
            value = tried.compute()
        except (ValueError, RuntimeError, TypeError, IndexError) as error:  # each in use by torchmetrics
            reason = " ".join(str(error).split())
            raise ConfigError(f"metric.{name} must take {told}, however: {reason}") from None
        if not isinstance(value, Tensor) or value.numel() != 1:
            size = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ConfigError(f"metric.{name} must give one number, however: {size}; see its option average")


def is_binary(metric: Metric) -> bool:
    """Whether it is of those of torchmetrics for two classes, some of which take more without a word."""
    return any(kind.__name__.startswith("Binary") for kind in type(metric).__mro__)


def shown(x: Tensor) -> str:
    """Shape and type of a tensor of rows."""
    sizes = ", ".join(["N", *map(str, x.shape[1:])])
    return f"({sizes}{',' * (x.dim() == 1)}) {str(x.dtype).removeprefix('torch.')}"
