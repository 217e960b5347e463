"""Figures of classifiers for TensorBoard: do probabilities come true, and what does the threshold make of rows?

Shape: probability (N,), y (N,) 0 or 1, of labelled rows; no rows give an empty picture.

>>> reliability(torch.tensor([0.2, 0.9]), torch.tensor([0, 1])).axes[0].get_title()
'Reliability, error 0.150'
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlp_torch.problem.pictures import blank
from mlp_torch.problem.reliability import BINS, equal_mass
from mlp_torch.problem.thresholds import Cuts, Rule, cuts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 12  # classes whose cells have room for figures
POINTS = 2000  # of a curve


def reliability(probability: Tensor, y: Tensor, bins: int = BINS) -> "Figure":
    """Share that came true against the predicted probability, in bins of equally many rows."""
    figure, axes = blank("Reliability", "predicted probability", "share that came true")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    found = equal_mass(probability, y, bins)
    axes.plot(found.said.tolist(), found.true.tolist(), marker="o")
    if len(y):
        axes.set_title(f"Reliability, error {float(found.error()):.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def histogram(probability: Tensor, y: Tensor, classes: list[str]) -> "Figure":
    """How often each probability of class 1 was given to rows of each class."""
    figure, axes = blank("Probability by class", "predicted probability", "rows")
    for index, name in enumerate(classes):
        axes.hist(probability[y == index].numpy(force=True), bins=40, range=(0, 1), alpha=0.5, label=name)
    axes.set_yscale("symlog")
    axes.legend()
    return figure


def precision_recall(probability: Tensor, y: Tensor, chosen: Cuts) -> "Figure":
    """Precision over recall at each threshold; a dot at the chosen one, a line at the base rate."""
    figure, axes = blank("Precision and recall", "recall", "precision")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    if not len(y):
        return figure
    found = thinned(cuts(probability, y, torch.ones(len(y), device=y.device)), from_cut=1)
    axes.plot(found.recall().tolist(), found.precision().tolist())
    axes.axhline(float((y == 1).double().mean()), color="grey", linestyle=":")
    precision, recall = float(chosen.precision()), float(chosen.recall())
    axes.plot([recall], [precision], marker="o", color="black")
    text = f"precision {precision:.2f}, recall {recall:.2f} "
    axes.text(recall, precision, text, ha="right" if recall > 0.5 else "left", va="top")
    return figure


def objective(probability: Tensor, y: Tensor, *, rule: Rule, threshold: float) -> "Figure":
    """What the rule seeks, over the threshold; a line at the chosen one, which calibration rows have found."""
    figure, axes = blank(f"{rule.objective} over threshold", "threshold", rule.objective)
    axes.axvline(threshold, color="black", linestyle=":")
    if len(y):
        found = thinned(cuts(probability, y, torch.ones(len(y), device=y.device)))
        axes.step(found.threshold.tolist(), rule.score(found).tolist(), where="mid")
    axes.set_xlim(0, 1)
    return figure


def thinned(found: Cuts, from_cut: int = 0) -> Cuts:
    """Some of many cuts, evenly, with both ends."""
    m = len(found.threshold) - from_cut
    picked = from_cut + torch.linspace(0, max(m - 1, 0), min(m, POINTS)).round().long()
    return Cuts(*(column[picked.to(column.device)] for column in found))


def confusion(called: Tensor, y: Tensor, classes: Sequence[str]) -> "Figure":
    """Rows by true and predicted class: counts, and shares of the true class as colours."""
    n = len(classes)
    figure, axes = blank("Confusion", "predicted", "true")
    counts = torch.bincount(y.long() * n + called.long(), minlength=n * n).reshape(n, n)
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    axes.imshow(shares.numpy(force=True), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), classes, rotation=0 if n <= 3 else 90)
    axes.set_yticks(range(n), classes)
    for row, column in [(i, j) for i in range(n) for j in range(n)] if n <= FEW else []:
        share = float(shares[row, column])
        text = f"{int(counts[row, column]):,}\n{share:.0%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=8)
    return figure


def by_label(rows: Sequence[dict[str, Any]]) -> "Figure":
    """The figures of each label, the worst on top; beside its name the number of its rows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 1 + 0.28 * max(len(rows), 4)), layout="constrained")
    axes = figure.subplots()
    axes.set(title="Labels, worst first", xlim=(0, 1))
    for name, marker in (("auroc", "o"), ("average_precision", "s"), ("f1", "x"), ("threshold", "|")):
        known = [(row[name], place) for place, row in enumerate(rows) if row[name] is not None]
        axes.plot([x for x, _ in known], [place for _, place in known], marker, label=name.replace("_", " "))
    axes.set_yticks(range(len(rows)), [f"{row['label']} ({row['positives']:,})" for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=7)
    return figure


def coverage(doubt: Tensor, right: Tensor, decided: Tensor, *, answered: float, majority: float) -> "Figure":
    """Accuracy on decided rows if only the surest share of all rows is answered, beside what a constant reaches.

    Args:
        doubt: (N,) by which rows are left out, the greatest first.
        right: (N,) bool, whether the answer is that of the label.
        decided: (N,) bool, whether the label is not neutral; the others are neither right nor wrong.
        answered: the share that the model answers.
        majority: share of the more frequent class among decided rows.
    """
    figure, axes = blank("Accuracy and coverage", "share of rows answered, surest first", "accuracy on decided rows")
    order = doubt.argsort(stable=True)
    known = decided[order].cumsum(dim=0)  # (N,)
    hits = (right & decided)[order].cumsum(dim=0)
    share = torch.arange(1, len(order) + 1, device=doubt.device) / max(len(order), 1)
    some = known > 0
    axes.plot(share[some].numpy(force=True), (hits[some] / known[some]).numpy(force=True), label="model")
    axes.axhline(majority, color="grey", linestyle=":", label="the more frequent class")
    axes.axvline(answered, color="black", linestyle="--", label="as exported")
    axes.set(xlim=(0, 1))
    axes.legend()
    return figure
