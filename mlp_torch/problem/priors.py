"""What training labels say before any feature is looked at: which are wrong, and how frequent the classes are.

Shape: `y` (N,) float64 class index, NaN = no label; `weight` (N,) -> (n,) float64 logarithms of shares.

>>> log_shares(torch.tensor([0.0, 1.0, 1.0, torch.nan]), torch.tensor([2.0, 1.0, 1.0, 1.0]), 2).exp()
tensor([0.5000, 0.5000], dtype=torch.float64)
"""

import math

import torch
from torch import Tensor, nn

from mlp_torch.errors import DataError, Problem
from mlp_torch.target import Target


def fields(target: Target) -> tuple[str, ...]:
    """The raw fields of a target, as error messages name them."""
    return tuple(read.field for read in target.reads.values())


def require_classes(target: Target) -> None:
    """Refuses a target that is a number.

    Raises:
        DataError: `continuous_target`.
    """
    if not target.classes:
        text = "a classifier needs classes, the target is a continuous number; take a regression or another target"
        raise DataError(Problem("continuous_target", text, fields(target), key="data.target"))


def require_number(target: Target) -> None:
    """Refuses a target whose y is the index of a class.

    Raises:
        DataError: `class_target`.
    """
    if target.classes:
        some = ", ".join(target.classes[:20])
        text = f"a regression needs a number, the target has the classes {some}; mlp_torch.target.Number makes one"
        raise DataError(Problem("class_target", text, fields(target), key="data.target"))


def check_resolution(y: Tensor, columns: tuple[str, ...]) -> None:
    """Refuses numbers that differ by less than float32, in which predictions are served, tells apart.

    Args:
        y: (N,) float64, NaN = no label.
        columns: of the target.

    Raises:
        DataError: `target_resolution`.
    """
    known = y[~y.isnan()]
    deviation = float(known.std(correction=0)) if len(known) else 0.0
    step = float(known.abs().max()) * torch.finfo(torch.float32).eps if len(known) else 0.0
    if 0 < deviation < 10 * step:
        found = f"their standard deviation is {deviation:.3g}, a step of single precision {step:.3g}"
        text = f"numbers must differ by more than predictions can, however: {found}; count from a zero that is nearer"
        raise DataError(Problem("target_resolution", text, columns, key="data.target"))


def check_labels(y: Tensor, classes: list[str], columns: tuple[str, ...]) -> None:
    """Refuses labels that are no class index, and labels of one class only; says how many rows each class has.

    Raises:
        DataError: `unknown_label`, `one_class`.
    """
    n = len(classes)
    wrong = ~y.isnan() & ((y < 0) | (y >= n) | (y != y.floor()))  # (N,)
    if bad := int(wrong.sum()):
        rows = wrong.nonzero().squeeze(1)[:5].tolist()
        found = tuple(f"{value:g}" for value in torch.unique(y[wrong])[:3].tolist())
        text = f"labels must be a class index from 0 to {n - 1}"
        raise DataError(Problem("unknown_label", text, columns, bad, len(y), tuple(rows), found, "data.target"))
    counts = torch.bincount(y[~y.isnan()].long(), minlength=n).tolist()
    if sum(count > 0 for count in counts) < 2:
        held = "".join(f"{count:,} of class {name}, " for name, count in zip(classes, counts, strict=True) if count)
        none = [name for name, count in zip(classes, counts, strict=True) if not count]
        others = ", ".join(none[:20]) + (", …" if len(none) > 20 else "")
        text = f"training rows must hold two classes at least, however: {held}none of class {others}"
        raise DataError(Problem("one_class", text, columns, key="data.target"))


def log_shares(y: Tensor, weight: Tensor, n: int) -> Tensor:
    """Logarithms of the weighted shares of n classes; a class without rows counts as half a row: (n,) float64."""
    known = ~y.isnan()
    totals = torch.bincount(y[known].long(), weight[known].double(), minlength=n)
    return (totals / totals.sum()).clamp(min=0.5 / max(int(known.sum()), 1)).log()


def log_weight(outs: Tensor, weight: Tensor | None) -> Tensor:
    """Logarithms of the members' weights, all alike where none are given: (B, k, …) outs, (B, k) -> (B, k, 1)."""
    if weight is None:
        return torch.full_like(outs[:, :, :1], -math.log(outs.shape[1]))
    return weight.to(outs.dtype).log().unsqueeze(2)


def mixture(outs: Tensor, weight: Tensor | None = None) -> Tensor:
    """Log-probabilities of the members' weighted mean probability: (B, k, n) logits, (B, k) -> (B, n)."""
    return (outs.log_softmax(dim=-1) + log_weight(outs, weight)).logsumexp(dim=1)


def log_odds_of_mean(outs: Tensor, weight: Tensor | None = None) -> Tensor:
    """Log-odds of the members' weighted mean probability, of each label: (B, k, n) logits, (B, k) -> (B, n)."""
    share = log_weight(outs, weight)
    yes, no = nn.functional.logsigmoid(outs) + share, nn.functional.logsigmoid(-outs) + share  # (B, k, n)
    return yes.logsumexp(dim=1) - no.logsumexp(dim=1)
