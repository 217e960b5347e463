"""Proper scores of single rows, and metrics made of them: what torchmetrics 1.9 has not, or answers wrongly.

A score is a function of a row's prediction and its label, so that the same numbers serve the mean over a split and
the paired interval of a difference. Those of distributions of a number stand with them: `piecewise`, `gaussian`,
`quantiles`.

Shape: probabilities (B,) or (B, n) float32, y (B,) -> (B,) float64, in nats.

>>> log_loss(torch.tensor([[0.5, 0.5]]), torch.tensor([1]))
tensor([0.6931], dtype=torch.float64)
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
from torchmetrics.functional.classification import binary_auroc, binary_average_precision
from torchmetrics.regression import R2Score
from torchmetrics.utilities import dim_zero_cat

# A probability that float32 rounds to 0 is taken as this, as scikit-learn's `log_loss` does.
FLOOR = torch.finfo(torch.float32).eps
# A deviation below this share of the values' size is rounding; `priors.check_resolution` refuses to learn such targets.
ALIKE = 10 * torch.finfo(torch.float32).eps


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

    torchmetrics counts others as 0, and fails where a label is known of no row.
    """

    def __init__(self, n: int):
        super().__init__(n, average="none", ignore_index=-1)

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        preds, target = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        both = (target == 0).any(dim=0) & (target == 1).any(dim=0)  # (k,)
        return mean_of_labels(binary_auroc, preds[:, both], target[:, both])


class MacroLabelAveragePrecision(MultilabelAveragePrecision):
    """Mean area under the precision-recall curve of the labels that some row has; -1 = not known.

    torchmetrics counts others as 0, and fails where a label is known of no row.
    """

    def __init__(self, n: int):
        super().__init__(n, average="none", ignore_index=-1)

    def compute(self) -> Tensor:  # type: ignore[override]  # as in torchmetrics itself
        preds, target = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        some = (target == 1).any(dim=0)  # (k,)
        return mean_of_labels(binary_average_precision, preds[:, some], target[:, some])


def mean_of_labels(area: Callable[..., Tensor], preds: Tensor, target: Tensor) -> Tensor:
    """The mean of a metric of each label alone, (N, k) each, -1 = not known; NaN of no label."""
    pairs = zip(preds.unbind(1), target.unbind(1), strict=True)
    areas = [area(p, y, ignore_index=-1) for p, y in pairs]
    return torch.stack(areas).mean() if areas else torch.tensor(torch.nan, device=preds.device)


class R2(R2Score):
    """Share of variance explained; NaN below two rows and where all are alike.

    torchmetrics raises an error for one row, and takes sums of squares below 1e-4, as of daily returns, for 0.
    """

    def compute(self) -> Tensor:
        variance = self.sum_squared_error - self.sum_error**2 / self.total  # · N
        if self.total < 2 or variance <= self.sum_squared_error * ALIKE**2:
            return torch.tensor(torch.nan, device=self.total.device)
        return 1 - self.residual / variance
