"""Multilabel (ch. 3): any number of labels a row, one sigmoid each, so that they need not sum to 1.

A label that is not known of a row (NaN) is masked: it takes no part in the row's loss, nor in any metric. Rows with a
rare label may weigh more in the loss; `predict` takes back what that does to the probabilities.

Shape: h (B, d_in) -> out (B, k) logits; y (B, k) 0 or 1, NaN = not known.

>>> from mlp_torch.target import Flags
>>> head = Multilabel(4, Flags(["drama", "comedy"]))
>>> {name: value.tolist() for name, value in head.predict(torch.tensor([[0.0, 2.0]])).items()}
{'probabilities': [[0.5, 0.8807970285415649]], 'classes': [[0, 1]]}
"""

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MultilabelF1Score

from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Batch, Head
from mlp_torch.problem import classifier_pictures as pictures
from mlp_torch.problem import priors, scores
from mlp_torch.problem.calibration import Calibration, calibrator
from mlp_torch.problem.reliability import CalibrationError
from mlp_torch.problem.thresholds import FEW, BestF, Rule, is_scarce, outcomes, rule_of
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Multilabel(Head):
    """Several labels that do not exclude each other, a logit each.

    Predicts `probabilities` (B, k) in the order of the target's classes and `classes` (B, k) int64, 1 where the
    probability is above the label's threshold.

    Args:
        d_in: width of the hidden vector.
        target: with k labels.
        members: how many hidden vectors a row has.
        threshold: a number for all labels, or a rule that finds each label's own on calibration rows; a label with
            fewer than ten positive ones keeps 0.5.
        calibration: `none` or `temperature`, one for all labels, learned on calibration rows.
        positive_weight: how much more rows that have a label weigh in its loss: `none`, `balanced` (together as much as
            all rows without it), or a number a label.

    Raises:
        DataError: in `fit`, `one_class` for a label that all training rows have, or none.
    """

    objective = "binary"  # of each label
    softens = True
    positive: Tensor
    shift: Tensor
    thresholds: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        threshold: float | Rule = 0.5,
        calibration: Calibration = "none",
        positive_weight: Literal["none", "balanced"] | list[float] = "none",
    ):
        priors.require_classes(target)
        k = len(target.classes)
        super().__init__(d_in, target, k, members=members, point="probabilities")
        self.names = {"classes": list(target.classes)}
        self.columns = priors.fields(target)
        self.balanced = positive_weight == "balanced"
        # (k,): of rows that have the label in the loss, and log-odds of the data less log-odds that the loss asks for
        self.register_buffer("positive", given_weights(positive_weight, k))
        self.register_buffer("shift", -self.positive.log())
        self.rule, self.calibrator = rule_of(threshold), calibrator(calibration)
        self.register_buffer("thresholds", torch.full((k,), self.rule.start, dtype=torch.float64))
        self.calibrates = self.calibrator.learns or self.rule.searches
        self.said: list[str] = []

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        if y.dim() != 2:
            text = "several labels a row need a target that lists them, however: one class a row"
            raise DataError(Problem("not_multilabel", text, self.columns, key="data.target"))
        same = [name for name, label in zip(self.target_classes, y.unbind(1), strict=True) if not varies(label)]
        if same:
            text = f"a label must be that of some training rows and not of others, however: not so of {same[:20]}"
            raise DataError(Problem("one_class", text, self.columns, key="data.target"))
        natural, drawn = log_odds(y, weight), log_odds(y, weight if sampling is None else sampling)
        if self.balanced:
            self.positive.copy_((-drawn).exp())
        asked = drawn + self.positive.double().log()
        self.shift.copy_(natural - asked)
        with torch.no_grad():
            self.output.bias.copy_(asked)  # the same for each member

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        known = ~batch.y.isnan()  # (B, k)
        y = batch.y.nan_to_num().to(out.dtype)
        logits, weight = (out, self.positive) if self.training else (out + self.shift, torch.ones_like(self.positive))
        entropy = nn.functional.binary_cross_entropy_with_logits
        losses = entropy(logits, y, pos_weight=weight.to(out.dtype), reduction="none") * known
        return losses.sum(dim=1) / known.sum(dim=1).clamp(min=1)  # (B,)

    def soften(self, said: Tensor) -> Tensor:
        return said.double()  # (B, k): rows that have a label weigh more by it, to whatever share they have it

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        logits: Tensor = self.calibrator(out.float() + self.shift)
        probabilities = logits.sigmoid()  # (B, k)
        return {"probabilities": probabilities, "classes": (probabilities.double() > self.thresholds).long()}

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        self.calibrator.fit(out.float() + self.shift, y, weight)
        if not self.rule.searches:
            return
        few, missed = [], []
        probabilities = self.predict(out)["probabilities"]
        for k, (name, label) in enumerate(zip(self.target_classes, y.unbind(1), strict=True)):
            known = ~label.isnan()
            if is_scarce(label[weight > 0]):
                self.thresholds[k] = self.rule.start
                few.append(name)
                continue
            p, w = probabilities[known, k], weight[known]
            self.thresholds[k] = self.rule.find(p, label[known], w)
            at = float(self.thresholds[k])
            if why := self.rule.missed(outcomes(p.double() > at, label[known], w, at)):
                missed.append(f"WARNING: label {name}: {why}")
        kept = f"fewer than {FEW} calibration rows have or lack them, so that their threshold stays {self.rule.start:g}"
        self.said = [*missed, *([f"labels {', '.join(few)}: {kept}"] if few else [])]

    def learned(self) -> dict[str, float]:
        return self.calibrator.learned()

    def notes(self) -> list[str]:
        return [*self.calibrator.notes(), *self.said]

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        return log_odds(y, weight).float() - self.shift  # (k,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return priors.log_odds_of_mean(outs + self.shift, weight) - self.shift  # (B, k)

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
            "calibration_error": ("probabilities", "classes", CalibrationError()),
            "f1": ("classes", "classes", MultilabelF1Score(k, average="macro", ignore_index=-1)),
            "f1_micro": ("classes", "classes", MultilabelF1Score(k, average="micro", ignore_index=-1)),
        }

    def teach(self, y: Tensor) -> Tensor:
        """(N, k): trees are grown for one label after the other."""
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Log-odds of each label's trees, which saw the data as they are, (N, k)."""
        return scores.float() - self.shift

    def by_label(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> list[dict[str, Any]]:
        thresholds = self.thresholds.tolist()
        rows = [
            {"label": name, "threshold": thresholds[k]}
            | figures(predictions["probabilities"][:, k], predictions["classes"][:, k], labels["classes"][:, k])
            for k, name in enumerate(self.target_classes)
        ]
        return sorted(rows, key=lambda row: 2.0 if row["auroc"] is None else row["auroc"])

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = labels["classes"] >= 0  # (N, k)
        probability, y = predictions["probabilities"][known], labels["classes"][known]
        called = predictions["classes"][known]
        chosen = outcomes(called == 1, y, torch.ones(len(y), device=y.device), math.nan)
        return {
            "reliability": pictures.reliability(probability, y),
            "precision_recall": pictures.precision_recall(probability, y, chosen),
            "confusion": pictures.confusion(called, y, ["without label", "with label"]),
            "labels": pictures.by_label(self.by_label(predictions, labels)),
        }


def given_weights(positive_weight: str | list[float], k: int) -> Tensor:
    """(k,) float32: 1 where nothing is given or rows will say it.

    Raises:
        ValueError: for another number of weights than labels, and for one that is not positive.
    """
    if positive_weight in ("none", "balanced"):
        return torch.ones(k)
    if isinstance(positive_weight, str) or len(positive_weight) != k or not all(w > 0 for w in positive_weight):
        text = f"positive_weight must be none, balanced or {k} numbers above 0, one a label"
        raise ValueError(f"{text}, however: positive_weight={positive_weight!r}")
    return torch.tensor(positive_weight, dtype=torch.float32)


def figures(probability: Tensor, called: Tensor, label: Tensor) -> dict[str, Any]:
    """How well one label is told, on the rows that it is known of; None where a figure is not defined."""
    known = label >= 0
    p, y = probability[known], label[known]
    at = outcomes(called[known] == 1, y, torch.ones(len(y), device=y.device), math.nan)
    found: dict[str, Any] = {"positives": int(y.sum()), "rows": len(y)}
    for name, metric in (("auroc", scores.AUROC()), ("average_precision", scores.AveragePrecision())):
        value = float(metric.to(p.device)(p, y)) if len(y) else math.nan
        found[name] = value if math.isfinite(value) else None
    return found | {"f1": float(BestF().score(at))}


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
