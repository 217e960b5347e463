"""Multilabel (ch. 3): any number of labels a row, one sigmoid each, so that they need not sum to 1.

A label that is not known of a row (NaN) is masked: it takes no part in the row's loss, nor in any metric.

Shape: h (B, d_in) -> out (B, k) logits; y (B, k) 0 or 1, NaN = not known.

>>> from mlp_torch.target import Flags
>>> head = Multilabel(4, Flags(["drama", "comedy"]))
>>> {name: value.tolist() for name, value in head.predict(torch.tensor([[0.0, 2.0]])).items()}
{'probabilities': [[0.5, 0.8807970285415649]], 'classes': [[0, 1]]}
"""

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MultilabelF1Score

from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Batch, Head
from mlp_torch.problem import priors, scores
from mlp_torch.target import Target


class Multilabel(Head):
    """Several labels that do not exclude each other, a logit each.

    Predicts `probabilities` (B, k) in the order of the target's classes and `classes` (B, k) int64, 1 where the
    probability is above a half.

    Args:
        d_in: width of the hidden vector.
        target: with k labels.
        members: how many hidden vectors a row has.

    Raises:
        DataError: in `fit`, `one_class` for a label that all training rows have, or none.
    """

    objective = "binary"  # of each label

    def __init__(self, d_in: int, target: Target, *, members: int = 1):
        priors.require_classes(target)
        super().__init__(d_in, target, len(target.classes), members=members, point="probabilities")
        self.names = {"classes": list(target.classes)}
        self.columns = priors.fields(target)

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        if y.dim() != 2:
            text = "several labels a row need a target that lists them, however: one class a row"
            raise DataError(Problem("not_multilabel", text, self.columns, key="data.target"))
        same = [name for name, label in zip(self.target_classes, y.unbind(1), strict=True) if not varies(label)]
        if same:
            text = f"a label must be that of some training rows and not of others, however: not so of {same[:20]}"
            raise DataError(Problem("one_class", text, self.columns, key="data.target"))
        with torch.no_grad():
            self.output.bias.copy_(log_odds(y, weight))  # the same for each member

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        known = ~batch.y.isnan()  # (B, k)
        y = batch.y.nan_to_num().to(out.dtype)
        losses = nn.functional.binary_cross_entropy_with_logits(out, y, reduction="none") * known
        return losses.sum(dim=1) / known.sum(dim=1).clamp(min=1)  # (B,)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        logits = out.float()  # (B, k)
        return {"probabilities": logits.sigmoid(), "classes": (logits > 0).long()}

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        return log_odds(y, weight).float()  # (k,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return priors.log_odds_of_mean(outs, weight)  # (B, k)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"classes": y.nan_to_num(nan=-1.0).long()}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        k = len(self.target_classes)
        return {
            "auroc": ("probabilities", "classes", scores.MacroLabelAUROC(k)),
            "auroc_micro": ("probabilities", "classes", scores.MicroLabelAUROC()),
            "average_precision": ("probabilities", "classes", scores.MacroLabelAveragePrecision(k)),
            "average_precision_micro": ("probabilities", "classes", scores.MicroLabelAveragePrecision()),
            "log_loss": ("probabilities", "classes", scores.Loss(scores.multilabel_log_loss)),
            "f1": ("classes", "classes", MultilabelF1Score(k, average="macro", ignore_index=-1)),
            "f1_micro": ("classes", "classes", MultilabelF1Score(k, average="micro", ignore_index=-1)),
        }

    def teach(self, y: Tensor) -> Tensor:
        """(N, k): trees are grown for one label after the other."""
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Log-odds of each label's trees, (N, k)."""
        return scores.float()


def varies(label: Tensor) -> bool:
    """Whether some rows have the label and some have not."""
    return bool((label == 0).any() and (label == 1).any())


def log_odds(y: Tensor, weight: Tensor) -> Tensor:
    """Weighted log-odds of each label over the rows that it is known of, (k,) float64; no share is below half a row."""
    known = ~y.isnan()  # (N, k)
    share = weight.double().unsqueeze(1) * known
    least = 0.5 / known.sum(dim=0).clamp(min=1)
    tiny = torch.finfo(torch.float64).tiny  # a label may be known of rows without weight alone
    positive = ((y.nan_to_num() * share).sum(dim=0) / share.sum(dim=0).clamp(min=tiny)).clamp(least, 1 - least)
    return positive.logit()  # (k,)
