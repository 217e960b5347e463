"""Figures for TensorBoard: where are errors large, what do distributions look like?

Drawn on matplotlib's `Figure`, without pyplot: it keeps no global state, needs no display and is safe in threads.

Shape: predictions and labels (N,), of labelled rows; no rows give an empty picture.

>>> residuals(torch.tensor([0.2, 0.9]), torch.tensor([0.0, 1.0])).axes[0].get_title()
'Residuals'
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 12


def blank(title: str, x: str, y: str) -> "tuple[Figure, Any]":
    """A figure with one set of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def residuals(prediction: Tensor, y: Tensor) -> "Figure":
    """Errors, in the target's unit; the outermost bars hold what lies further out than 99 % of them."""
    figure, axes = blank("Residuals", "true - predicted", "rows")
    errors = y - prediction
    if len(errors):
        far = max(float(errors.abs().sort().values[int(0.99 * (len(errors) - 1))]), 1e-9)
        axes.hist(errors.clamp(-far, far).numpy(force=True), bins=60)
    axes.axvline(0, color="grey", linestyle=":")
    return figure


def predicted(prediction: Tensor, y: Tensor) -> "Figure":
    """True against predicted values; the colour is the logarithm of the number of rows."""
    figure, axes = blank("Predicted and true", "predicted", "true")
    if len(y):
        axes.hexbin(prediction.numpy(force=True), y.numpy(force=True), gridsize=50, bins="log", mincnt=1)
        low, high = float(prediction.min()), float(prediction.max())
        axes.plot([low, high], [low, high], color="grey", linestyle=":")
    return figure


def densities(probabilities: Tensor, y: Tensor, edges: Tensor) -> "Figure":
    """Predicted probabilities of a few rows from the least to the greatest y, each with a bar at its true value."""
    figure, axes = blank("Predicted distributions of single rows, bar = true", "y", "probability of a bin, scaled")
    ends = edges.tolist()
    picked = y.argsort()[torch.linspace(0, max(len(y) - 1, 0), min(len(y), SHOWN)).long().to(y.device)]
    for place, row in enumerate(picked.tolist()):
        p = probabilities[row].double()
        axes.stairs((p / p.max() * 0.9 + place).tolist(), ends, baseline=place, fill=True, alpha=0.6)
        axes.plot([float(y[row])] * 2, [place, place + 0.9], color="black")
    # Bins of a long tail are wide: beyond the middle half of the bins the scale is logarithmic.
    axes.set_xscale("symlog", linthresh=max(abs(ends[len(ends) // 4]), abs(ends[3 * len(ends) // 4]), 1e-9))
    axes.set_yticks([])
    return figure


def pit(at: Tensor, bins: int = 20) -> "Figure":
    """Where the true value lies in its predicted distribution: flat if all is right, a hill if it is too wide."""
    figure, axes = blank("PIT", "P(value ≤ the true value)", "rows")
    axes.hist(at.numpy(force=True), bins=bins, range=(0, 1))
    axes.axhline(len(at) / bins, color="grey", linestyle=":")
    return figure


def levels(said: Tensor, reached: Tensor) -> "Figure":
    """The share of rows below each quantile against its level: on the diagonal if all is right."""
    figure, axes = blank("Quantiles", "level", "share of rows below")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(said.tolist(), reached.tolist(), marker="o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure
