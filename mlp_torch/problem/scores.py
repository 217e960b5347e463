"""Proper scores of single rows, and metrics made of them: what torchmetrics 1.9 has not, or answers wrongly.

A score is a function of a row's prediction and its label, so that the same numbers serve the mean over a split and
the paired interval of a difference. Distributions are piecewise uniform over bins with `edges` (n + 1,).

Shape: probabilities (B, n) float32, y (B,) -> (B,) float64, in the unit of y (`crps`) or in nats.

>>> crps(torch.tensor([[1.0]]), torch.tensor([0.5]), edges=torch.tensor([0.0, 1.0]))  # uniform: 1/3 - y(1 - y)
tensor([0.0833], dtype=torch.float64)
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryAUROC,
    BinaryAveragePrecision,
    MulticlassAUROC,
    MultilabelAUROC,
    MultilabelAveragePrecision,
)
from torchmetrics.regression import R2Score
from torchmetrics.utilities import dim_zero_cat

# A probability that float32 rounds to 0 is taken as this, as scikit-learn's `log_loss` does.
FLOOR = torch.finfo(torch.float32).eps


def binary_log_loss(probability: Tensor, y: Tensor) -> Tensor:
    """-log p of the class that came true; `probability` (B,) is that of class 1."""
    p = torch.where(y == 1, probability, 1 - probability).double()
    return -p.clamp(FLOOR, 1 - FLOOR).log()  # (B,)


def log_loss(probabilities: Tensor, y: Tensor) -> Tensor:
    """-log p of the class that came true."""
    p = probabilities.gather(1, y.long().unsqueeze(1)).squeeze(1)
    return -p.double().clamp(FLOOR, 1).log()  # (B,)


def rps(probabilities: Tensor, y: Tensor) -> Tensor:
    """Ranked probability score of ordered classes, Σ (P(class ≤ i) - 1{y ≤ i})², in ranks.

    What is certain of one class gets the number of ranks that it is off, as with CRPS. Source: Epstein 1969, "A Scoring
    System for Probability Forecasts of Ranked Categories", without its division by n - 1.
    """
    ranks = torch.arange(probabilities.shape[1] - 1, device=y.device)
    below = probabilities.double().cumsum(dim=1)[:, :-1]  # (B, n - 1)
    return (below - (y.unsqueeze(1) <= ranks).double()).square().sum(dim=1)  # (B,)


def multilabel_log_loss(probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean of -log p of what came true over the labels that are known; (B, k) each, y 0, 1 or -1 = not known."""
    known = y >= 0  # (B, k)
    p = torch.where(y == 1, probabilities, 1 - probabilities).double().clamp(FLOOR, 1)
    return (-p.log() * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)  # (B,)


def bin_of(y: Tensor, edges: Tensor) -> Tensor:
    """The bin [edges[i], edges[i + 1]) that holds y; values outside belong to the outermost bins: (B,) int64."""
    return torch.bucketize(y.to(edges.dtype), edges[1:-1], right=True)


def density_log_loss(probabilities: Tensor, y: Tensor, *, edges: Tensor) -> Tensor:
    """-log of the density at y; the unit of y enters, so that only distributions of the same y are comparable."""
    index = bin_of(y, edges.to(y.device))
    return log_loss(probabilities, index) + edges.to(y.device).diff()[index].log()  # (B,)


def reached(y: Tensor, edges: Tensor) -> Tensor:
    """How much of each bin lies below y, from 0 to 1: (B,), (n + 1,) -> (B, n)."""
    return ((y.unsqueeze(1) - edges[:-1]) / edges.diff()).clamp(0, 1)


def cdf(probabilities: Tensor, y: Tensor, *, edges: Tensor) -> Tensor:
    """P(value ≤ y), which is uniform over rows where the distributions are right (PIT)."""
    edges = edges.to(y.device)
    return (probabilities.double() * reached(y.to(edges.dtype), edges)).sum(dim=1)  # (B,)


def crps(probabilities: Tensor, y: Tensor, *, edges: Tensor) -> Tensor:
    """Continuous ranked probability score, ∫ (F(x) - 1{x ≥ y})² dx, exact for a piecewise-linear F.

    Outside the edges F is 0 or 1, so that the distance to the nearest edge is added. That of a point forecast is its
    absolute error. Source: Gneiting & Raftery 2007, "Strictly Proper Scoring Rules, Prediction, and Estimation", (20).
    """
    p, edges = probabilities.double(), edges.double().to(y.device)
    y = y.double()
    p = p / p.sum(dim=1, keepdim=True)
    above = p.cumsum(dim=1)  # (B, n): F at the upper end of each bin
    below = above - p
    part = reached(y, edges)  # (B, n): 1 in bins below y, 0 in bins above it
    at = below + p * part  # F at y in its bin, else at the bin's end
    left = part * (below**2 + below * at + at**2)
    right = (1 - part) * ((1 - at) ** 2 + (1 - at) * (1 - above) + (1 - above) ** 2)
    inside = ((left + right) * edges.diff() / 3).sum(dim=1)
    return inside + (edges[0] - y).clamp(min=0) + (y - edges[-1]).clamp(min=0)  # (B,)


class Loss(Metric):
    """The mean of a row's score, where less is better.

    Args:
        score: (predictions, labels) -> (B,).
    """

    higher_is_better: bool | None = False
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.score = score
        self.add_state("total", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.total += self.score(preds, target).sum()
        self.count += len(target)

    def compute(self) -> Tensor:
        return self.total / self.count


class Covered:
    """Whether the central interval of a distribution holds y, as a row's score of 0 or 1.

    Args:
        edges: of the bins, (n + 1,).
        share: what the interval is meant to hold.
    """

    def __init__(self, edges: Tensor, share: float):
        self.edges, self.share = edges, share

    def __call__(self, probabilities: Tensor, y: Tensor) -> Tensor:
        at = cdf(probabilities, y, edges=self.edges)  # (B,)
        return ((at - 0.5).abs() <= self.share / 2).double()


class Coverage(Loss):
    """The share of rows that the interval holds: neither more nor less than it says is better."""

    higher_is_better: bool | None = None

    def __init__(self, edges: Tensor, share: float):
        super().__init__(Covered(edges, share))
        self.share = share


class CoverageError(Coverage):
    """How far the share of rows that the interval holds is from what it says."""

    higher_is_better = False

    def compute(self) -> Tensor:
        return (super().compute() - self.share).abs()


class AUROC(BinaryAUROC):
    """Area under the ROC curve; NaN where one class is missing (torchmetrics: 0)."""

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        target = dim_zero_cat(self.target)
        if target.numel() == 0 or bool((target == target[0]).all()):
            return torch.tensor(torch.nan, device=target.device)
        return super().compute()


class AveragePrecision(BinaryAveragePrecision):
    """Area under the precision-recall curve; NaN where no row is of class 1 (torchmetrics: 0)."""

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        target = dim_zero_cat(self.target)
        if not bool((target == 1).any()):
            return torch.tensor(torch.nan, device=target.device)
        return super().compute()


class MacroAUROC(MulticlassAUROC):
    """Mean area under the ROC curve of each class against the others, over the classes that occur.

    torchmetrics counts a class without rows as 0, which pulls the mean down.
    """

    def __init__(self, n: int):
        super().__init__(n, average="none")

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        present = torch.unique(dim_zero_cat(self.target))
        if len(present) < 2:
            return torch.tensor(torch.nan, device=present.device)
        with warnings.catch_warnings():
            # It warns of the classes without rows, which are left out below.
            warnings.filterwarnings("ignore", message="No positive samples in targets")
            areas: Tensor = super().compute()  # (n,)
        return areas[present].mean()


class MicroLabelAUROC(AUROC):
    """Area under the ROC curve of all labels of all rows in one ranking; -1 = not known."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds[target >= 0], target[target >= 0])


class MicroLabelAveragePrecision(AveragePrecision):
    """Area under the precision-recall curve of all labels of all rows in one ranking; -1 = not known."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds[target >= 0], target[target >= 0])


class MacroLabelAUROC(MultilabelAUROC):
    """Mean area under the ROC curve of the labels that some rows have and some have not; -1 = not known.

    torchmetrics counts others as 0.
    """

    def __init__(self, n: int):
        super().__init__(n, average="none", ignore_index=-1)

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        target = dim_zero_cat(self.target)
        both = (target == 0).any(dim=0) & (target == 1).any(dim=0)  # (k,)
        if not both.any():
            return torch.tensor(torch.nan, device=target.device)
        with warnings.catch_warnings():
            # It warns of the labels that all or no rows have, which are left out below.
            warnings.filterwarnings("ignore", message="No (positive|negative) samples in targets")
            areas: Tensor = super().compute()  # (k,)
        return areas[both].mean()


class MacroLabelAveragePrecision(MultilabelAveragePrecision):
    """Mean area under the precision-recall curve of the labels that some row has; -1 = not known."""

    def __init__(self, n: int):
        super().__init__(n, average="none", ignore_index=-1)

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        some = (dim_zero_cat(self.target) == 1).any(dim=0)  # (k,)
        if not some.any():
            return torch.tensor(torch.nan, device=some.device)
        with warnings.catch_warnings():
            # It warns of the labels that no row has, which are left out below.
            warnings.filterwarnings("ignore", message="No positive samples found in target")
            areas: Tensor = super().compute()  # (k,)
        return areas[some].mean()


class R2(R2Score):
    """Share of variance explained; NaN below two rows (torchmetrics: an error)."""

    def compute(self) -> Tensor:
        if self.total < 2:
            return torch.tensor(torch.nan, device=self.total.device)
        return super().compute()
