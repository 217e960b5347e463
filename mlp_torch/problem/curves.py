"""Figures over the threshold: what would the decisions be worth at another one?

Shape: probability of class 1 and labels (N,), amounts (2, 2) by true and by predicted class.

>>> amounts = torch.tensor([[0.0, -5.0], [0.0, 40.0]])
>>> thresholds, worth = worth_by_threshold(torch.tensor([0.2, 0.8]), torch.tensor([0, 1]), amounts)
>>> [round(t, 1) for t in thresholds.tolist()], worth.tolist()
([0.9, 0.5, 0.1], [0.0, 20.0, 17.5])
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchmetrics import Metric

from mlp_torch.problem.pictures import blank
from mlp_torch.problem.thresholds import cuts
from mlp_torch.problem.value import Gain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def worth_by_threshold(probability: Tensor, y: Tensor, amounts: Tensor) -> tuple[Tensor, Tensor]:
    """Every threshold that decides otherwise, falling, and the mean worth of a row at it; the first calls none 1."""
    found = cuts(probability, y, torch.ones(len(y), device=y.device))
    (tn, fp), (fn, tp) = amounts.double().tolist()
    worth = tp * found.tp + fp * found.fp + fn * found.fn + tn * found.tn
    return found.threshold, worth / len(y)


def value_curve(probability: Tensor, y: Tensor, amounts: Tensor, threshold: float) -> "Figure":
    """What a row is worth on average by the threshold of its probability, with a line at the one that is exported."""
    figure, axes = blank("Value by threshold", "threshold of the probability", "mean value of a row")
    if len(y):
        at, worth = worth_by_threshold(probability, y, amounts)
        best = int(worth.argmax())
        axes.plot(at.numpy(force=True), worth.numpy(force=True))
        axes.plot([float(at[best])], [float(worth[best])], marker="o", label=f"best here: {float(at[best]):.3g}")
        axes.axhline(float(worth[0]), color="grey", linestyle=":", label="class 1 for no row")
        axes.axvline(threshold, color="black", linestyle=":", label=f"exported: {threshold:.3g}")
        axes.legend()
    return figure


def value_curves(
    measures: Mapping[str, tuple[str, str, Metric]], predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> "dict[str, Figure]":
    """By name, the curve of each metric that is a value of two classes with a probability beside them."""
    found = {}
    for name, (prediction, label, metric) in measures.items():
        decided, probability = predictions[prediction], predictions.get("probability")
        if not isinstance(metric, Gain) or probability is None or decided.dim() > 1 or len(metric.matrix) != 2:
            continue
        known = labels[label] >= 0
        said = probability[decided == 1]
        threshold = float(said.min()) if len(said) else 1.0  # what decides now
        found[f"{name}_curve"] = value_curve(probability[known], labels[label][known], metric.matrix, threshold)
    return found
