"""What the correction of a rebalanced model's probabilities does: the same model before and after it (ch. 3).

Shape: y (N,) class index, -1 = no label; probabilities (N,) of class 1 or (N, n).
"""

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mlp_torch.head import Head
from mlp_torch.model import Model, predicted
from mlp_torch.problem.pictures import blank
from mlp_torch.problem.reliability import equal_mass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 12  # classes


def uncorrected(model: Model) -> Model:
    """A copy that says what it learned of the rows as they were weighed or drawn."""
    found = copy.deepcopy(model)
    for head in found.modules():
        if isinstance(head, Head) and head.rebalanced:
            head.get_buffer("shift").zero_()
    return found


@torch.inference_mode()
def pictures(model: Model, out: Tensor, y: Tensor) -> "dict[str, Figure]":
    """Shares of the classes, and of two classes the reliability, before and after the correction.

    Args:
        model: trained with rebalanced rows.
        out: (N, …) what it says of some rows as they are.
        y: (N,) their raw targets.
    """
    said = [predicted(by, out) for by in (uncorrected(model), model)]
    name = "probabilities" if "probabilities" in said[0] else "probability"  # of all classes, or of class 1 of two
    before, after = (each[name].double() for each in said)
    index = model.labels(y)["class"]
    known = index >= 0
    found = {"prior_correction": shares(before[known], after[known], index[known], model.head.names["class"])}
    if before.dim() == 1:
        found["reliability_by_correction"] = reliability(before[known], after[known], index[known])
    return found


def shares(before: Tensor, after: Tensor, y: Tensor, classes: list[str]) -> "Figure":
    """The rarest classes' share of the rows, beside their mean probability before and after."""
    figure, axes = blank("Share of a class", "", "share, mean probability")
    whole = [x if x.dim() == 2 else torch.stack([1 - x, x], dim=1) for x in (before, after)]  # (N, n)
    true = torch.bincount(y, minlength=len(classes)).double() / max(len(y), 1)
    picked = true.argsort()[:SHOWN].tolist()
    bars = {"without correction": whole[0].mean(dim=0), "with correction": whole[1].mean(dim=0), "true": true}
    for i, (name, heights) in enumerate(bars.items()):
        places = [place + 0.27 * (i - 1) for place in range(len(picked))]
        axes.bar(places, heights[picked].tolist(), width=0.25, label=name, color=["C1", "C0", "grey"][i])
    axes.set_xticks(range(len(picked)), [classes[i] for i in picked])
    axes.set_yscale("log")
    axes.legend()
    return figure


def reliability(before: Tensor, after: Tensor, y: Tensor) -> "Figure":
    """Share of class 1 against its probability, in bins of equally many rows; logarithmic, as rare classes want it."""
    figure, axes = blank("Reliability by correction", "predicted probability", "share of class 1")
    least = 0.5 / max(len(y), 1)
    axes.plot([least, 1], [least, 1], color="grey", linestyle=":")
    for name, x, color in (("without correction", before, "C1"), ("with correction", after, "C0")):
        bins = equal_mass(x, y)
        axes.plot(
            bins.said.clamp(min=least).tolist(), bins.true.clamp(min=least).tolist(), "o-", label=name, color=color
        )
    axes.set(xscale="log", yscale="log", xlim=(least, 1), ylim=(least, 1))
    axes.legend()
    return figure
