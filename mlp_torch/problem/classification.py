"""Heads for one of two or of several classes.

Book: ch. 3. Rebalancing (rows drawn by `sampling`) shifts the logits; `predict` takes the shift back, so that served
probabilities are those of the data and not of the draw (King & Zeng 2001, "Logistic Regression in Rare Events Data").

Shape: h (B, d_in) -> out (B, 1) or (B, n) logits.

>>> from mlp_torch.target import AtLeast
>>> head = Binary(4, AtLeast("delay", 15))
>>> {name: value.tolist() for name, value in head.predict(torch.tensor([[0.0], [2.0]])).items()}
{'probability': [0.5, 0.8807970285415649], 'class': [0, 1]}
"""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryF1Score,
    BinaryPrecision,
    BinaryRecall,
    MulticlassAccuracy,
    MulticlassF1Score,
)
from torchmetrics.regression import MeanSquaredError

from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Batch, Head
from mlp_torch.problem import classifier_pictures as pictures
from mlp_torch.problem import priors, scores
from mlp_torch.problem.calibration import Calibration, calibrator
from mlp_torch.problem.focal import binary_focal, check_gamma, focal
from mlp_torch.problem.reliability import CalibrationError, TopCalibrationError
from mlp_torch.problem.thresholds import FEW, Rule, is_scarce, outcomes, rule_of, told
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_labels(y: Tensor) -> Tensor:
    """Class indices as metrics want them: (N,) int64, -1 where there is no label."""
    return y.nan_to_num(nan=-1.0).long()


class Binary(Head):
    """Two classes, one logit.

    Predicts `probability` (B,) of class 1 and `class` (B,) int64, 1 where the probability is above the threshold. From
    logit to class: the shift to the prior of the data, calibration, probability, threshold.

    Args:
        d_in: width of the hidden vector.
        target: with exactly two classes.
        members: how many hidden vectors a row has.
        threshold: a number, or a rule that finds it on calibration rows.
        calibration: `none`, `temperature` or `isotonic`, learned on calibration rows.
        gamma: of the focal loss; 0 is cross-entropy, above it probabilities need calibration.

    Raises:
        DataError: `continuous_target`, `not_two_classes`; in `fit` also `unknown_label`, `one_class`.
    """

    objective = "binary"
    rebalanced = True
    softens = True
    shift: Tensor
    threshold: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        threshold: float | Rule = 0.5,
        calibration: Literal["none", "temperature", "isotonic"] = "none",
        gamma: float = 0.0,
    ):
        priors.require_classes(target)
        if len(target.classes) != 2:
            text = f"a binary head needs two classes, however: {len(target.classes)}; take the multiclass head"
            raise DataError(Problem("not_two_classes", text, priors.fields(target), key="head"))
        super().__init__(d_in, target, 1, members=members, point="probability")
        self.names = {"class": list(target.classes)}
        self.columns = priors.fields(target)
        # (1,): log-odds of the data less log-odds of the rows drawn
        self.register_buffer("shift", torch.zeros(1))
        self.gamma, self.rule = check_gamma(gamma), rule_of(threshold)
        self.softens = self.gamma == 0  # the focal loss would not be least where both say the same
        self.calibrator = calibrator(calibration, allowed=("none", "temperature", "isotonic"))
        self.register_buffer("threshold", torch.tensor([self.rule.start], dtype=torch.float64))
        self.calibrates = self.calibrator.learns or self.rule.searches
        self.said = ""

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        priors.check_labels(y, self.target_classes, self.columns)
        natural, drawn = log_odds(y, weight), log_odds(y, weight if sampling is None else sampling)
        self.shift.copy_(natural - drawn)
        nn.init.constant_(self.output.bias, float(drawn))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return binary_focal(out[:, 0] if self.training else out[:, 0] + self.shift, batch.y, gamma=self.gamma)

    def soften(self, said: Tensor) -> Tensor:
        return (said.double().logit() - self.shift).sigmoid()  # (B,): of the rows as they are drawn

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        logit: Tensor = self.calibrator(out[:, 0].float() + self.shift)
        probability = logit.sigmoid()  # (B,)
        return {"probability": probability, "class": (probability.double() > self.threshold).long()}

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        known = ~y.isnan() & (weight > 0)
        out, y, weight = out[known], y[known], weight[known]
        self.calibrator.fit(out[:, 0].float() + self.shift, y, weight)
        if not self.rule.searches:
            return
        if is_scarce(y):
            self.threshold.fill_(self.rule.start)
            text = f"fewer than {FEW} calibration rows are of one of the classes"
            self.said = f"WARNING: {text}, so that the threshold stays {self.rule.start:g}"
            return
        probability = self.predict(out)["probability"]
        self.threshold.fill_(self.rule.find(probability, y, weight))
        threshold = float(self.threshold)
        self.said = told(self.rule, outcomes(probability.double() > threshold, y, weight, threshold), y)

    def learned(self) -> dict[str, float]:
        threshold = {"threshold": float(self.threshold)} if self.rule.searches else {}
        return {**threshold, **self.calibrator.learned()}

    def notes(self) -> list[str]:
        return [*self.calibrator.notes(), *([self.said] if self.said else [])]

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        return log_odds(y, weight).float() - self.shift  # (1,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return priors.log_odds_of_mean(outs + self.shift, weight) - self.shift  # (B, 1)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"class": class_labels(y)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        found: dict[str, tuple[str, str, Metric]] = {
            "auroc": ("probability", "class", scores.AUROC()),
            "average_precision": ("probability", "class", scores.AveragePrecision()),
            "log_loss": ("probability", "class", scores.Loss(scores.binary_log_loss)),
            "brier": ("probability", "class", MeanSquaredError().set_dtype(torch.float64)),
            "calibration_error": ("probability", "class", CalibrationError()),
            "accuracy": ("class", "class", BinaryAccuracy()),
        }
        if self.rule.searches:  # what a threshold is sought for
            of_class = {"precision": BinaryPrecision(), "recall": BinaryRecall(), "f1": BinaryF1Score()}
            found |= {name: ("class", "class", metric) for name, metric in of_class.items()}
        return found

    def teach(self, y: Tensor) -> Tensor:
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Log-odds of trees that saw the data as they are, (N,) or (N, 1)."""
        return scores.reshape(-1, 1).float() - self.shift

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = labels["class"] >= 0
        probability, called, y = predictions["probability"][known], predictions["class"][known], labels["class"][known]
        threshold = float(self.threshold)
        chosen = outcomes(called == 1, y, torch.ones(len(y), device=y.device), threshold)
        found = {
            "reliability": pictures.reliability(probability, y),
            "histogram": pictures.histogram(probability, y, self.target_classes),
            "precision_recall": pictures.precision_recall(probability, y, chosen),
            "confusion": pictures.confusion(called, y, self.target_classes),
        }
        if self.rule.objective:
            found["objective"] = pictures.objective(probability, y, rule=self.rule, threshold=threshold)
        return found


def log_odds(y: Tensor, weight: Tensor) -> Tensor:
    """Weighted log-odds of class 1: (1,) float64."""
    return priors.log_shares(y, weight, 2).diff()


class Multiclass(Head):
    """Several classes, a logit each.

    Predicts `probabilities` (B, n) in the order of the target's classes and `class` (B,) int64, the most probable.

    Args:
        d_in: width of the hidden vector.
        target: with n classes.
        members: how many hidden vectors a row has.
        calibration: `none` or `temperature`, learned on calibration rows.
        gamma: of the focal loss; 0 is cross-entropy, above it probabilities need calibration.

    Raises:
        DataError: `continuous_target`; in `fit` also `unknown_label`, `one_class`.
    """

    objective = "multiclass"
    rebalanced = True
    softens = True
    shift: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        calibration: Calibration = "none",
        gamma: float = 0.0,
    ):
        priors.require_classes(target)
        super().__init__(d_in, target, len(target.classes), members=members, point="probabilities")
        self.names = {"class": list(target.classes)}
        self.columns = priors.fields(target)
        # (n,): log-shares of the data less log-shares of the rows drawn
        self.register_buffer("shift", torch.zeros(len(target.classes)))
        self.gamma, self.calibrator = check_gamma(gamma), calibrator(calibration)
        self.softens = self.gamma == 0  # as of two classes
        self.calibrates = self.calibrator.learns

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        priors.check_labels(y, self.target_classes, self.columns)
        natural = priors.log_shares(y, weight, len(self.shift))
        drawn = natural if sampling is None else priors.log_shares(y, sampling, len(self.shift))
        self.shift.copy_(natural - drawn)
        self.start(drawn)

    def start(self, log_shares: Tensor) -> None:
        """Sets what is said before anything is learned to shares of the classes, given as logarithms (n,) float64."""
        with torch.no_grad():
            self.output.bias.copy_(log_shares)  # the same for each member

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return focal(out if self.training else out + self.shift, batch.y, gamma=self.gamma)

    def soften(self, said: Tensor) -> Tensor:
        return (said.double().log() - self.shift).softmax(dim=1)  # (B, n): of the rows as they are drawn

    def probabilities(self, out: Tensor) -> Tensor:
        """(B, n) -> (B, n): those of the data, whatever rows were drawn, calibrated. Must script."""
        logits: Tensor = self.calibrator(out.float() + self.shift)
        return logits.softmax(dim=1)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        probabilities = self.probabilities(out)
        return {"probabilities": probabilities, "class": probabilities.argmax(dim=1)}

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        known = ~y.isnan()
        self.calibrator.fit(out[known].float() + self.shift, y[known], weight[known])

    def learned(self) -> dict[str, float]:
        return self.calibrator.learned()

    def notes(self) -> list[str]:
        return self.calibrator.notes()

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        return priors.log_shares(y, weight, len(self.shift)).float() - self.shift  # (n,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return priors.mixture(outs + self.shift, weight) - self.shift  # (B, n)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"class": class_labels(y)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        n = len(self.shift)
        return {
            "log_loss": ("probabilities", "class", scores.Loss(scores.log_loss)),
            "accuracy": ("class", "class", MulticlassAccuracy(n, average="micro")),
            "f1": ("class", "class", MulticlassF1Score(n, average="macro")),
            "auroc": ("probabilities", "class", scores.MacroAUROC(n)),
            "calibration_error": ("probabilities", "class", TopCalibrationError()),
        }

    def teach(self, y: Tensor) -> Tensor:
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Logits (N, n) of trees that saw the data as they are."""
        return scores.reshape(-1, len(self.shift)).float() - self.shift

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = labels["class"] >= 0
        called, y = predictions["class"][known], labels["class"][known]
        top = predictions["probabilities"][known].amax(dim=1)
        return {
            "reliability": pictures.reliability(top, (called == y).long()),
            "confusion": pictures.confusion(called, y, self.target_classes),
        }
