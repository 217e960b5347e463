"""The head for two classes and a neutral one between them, which it answers by abstaining.

Book: ch. 3, Neutral Class. Where labels are arbitrary in the middle, or raters disagree, two classes teach a network to
tell apart what nobody can. A third class takes those rows, by a target such as `undecided.Band`, and the two others
keep their meaning.
NOTE[BOOK]: plain accuracy over three classes is no metric here. The more abstain, the easier it is, and what it gains
may be the majority class alone: accuracy stands beside coverage, and recall and precision of each class. And a row is
left out for a wished coverage where neither class is probable enough, not where the neutral one is probable: on
validation rows of experiment=neutral_class that finds more neutral rows, and answers more of the others rightly.

Shape: h (B, d_in) -> out (B, 3) logits.

>>> from mlp_torch.problem.undecided import Band
>>> head = Neutral(4, Band("rating", 3, 4))
>>> found = head.predict(torch.tensor([[0.6, 0.1, 0.3], [0.1, 0.6, 0.3]]).log())
>>> [head.names["class"][i] for i in found["class"].tolist()], found["abstain"].tolist()
(['no', 'abstain'], [0, 1])
>>> [round(p, 3) for p in found["probability"].tolist()]
[0.333, 0.75]
"""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchmetrics import Metric

from mlp_torch.errors import DataError, Problem, near
from mlp_torch.problem import classifier_pictures, priors, rates, scores
from mlp_torch.problem.calibration import Calibration
from mlp_torch.problem.classification import Multiclass
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABSTAIN = "abstain"


class Neutral(Multiclass):
    """One of two classes, or neither.

    Predicts `probability` (B,) of the last class if it is not neutral, p(yes) / (p(yes) + p(no)), by which rows are
    ranked; `class` (B,) one of the two, or the neutral one, served as "abstain"; `abstain` (B,) 0 or 1; and
    `probabilities` (B, 3).

    Args:
        d_in: width of the hidden vector.
        target: with three classes.
        members: how many hidden vectors a row has.
        neutral: which of the classes says neither; of the two others the first is "no", the last is "yes".
        coverage: share of rows that are to be answered at least: how probable an answer must be is found on calibration
            rows. None: a row is answered unless neutral is the most probable class.
        calibration: as `Multiclass`.

    Raises:
        DataError: as `Multiclass`, and `not_three_classes`.
    """

    threshold: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        neutral: str = "neutral",
        coverage: float | None = None,
        calibration: Calibration = "none",
    ):
        super().__init__(d_in, target, members=members, calibration=calibration)
        classes = list(target.classes)
        if len(classes) != 3:
            text = f"a neutral head needs three classes, however: {len(classes)}"
            raise DataError(Problem("not_three_classes", text, priors.fields(target), key="data.target"))
        if neutral not in classes:
            raise ValueError(f"neutral must be one of the classes, however: {neutral=}; {near(neutral, classes)}")
        if coverage is not None and not 0 < coverage <= 1:
            raise ValueError(f"coverage must be more than 0 and at most 1, however: {coverage=}")
        self.neutral, self.coverage = classes.index(neutral), coverage
        self.no, self.yes = (i for i in range(3) if i != self.neutral)
        self.names = {"class": [ABSTAIN if name == neutral else name for name in classes]}
        self.point, self.calibrates = "probability", self.calibrates or coverage is not None
        self.register_buffer("threshold", torch.tensor(-1.0))  # less than 0: not calibrated
        self.said = ""

    def learned(self) -> dict[str, float]:
        threshold = {} if self.coverage is None else {"threshold": float(self.threshold)}
        return threshold | super().learned()

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        super().calibrate(out, y, weight)
        if self.coverage is not None and bool((weight > 0).any()):
            sure, order = self.confidence(self.probabilities(out)).sort(descending=True)
            share = weight.double()[order].cumsum(dim=0) / weight.double().sum()  # (N,)
            enough = int((share < self.coverage - 1e-9).sum())  # 1e-9: sums of weights are rounded
            self.threshold.copy_(sure[min(enough, len(sure) - 1)])
            answered = float(share[min(int((sure >= self.threshold).sum()), len(sure)) - 1])
            rows = f"{answered:.1%} of {len(y):,} calibration rows"
            self.said = f"a confidence of {float(self.threshold):.3g} and more answers {rows}"

    def notes(self) -> list[str]:
        return [*super().notes(), *([self.said] if self.said else [])]

    def confidence(self, probabilities: Tensor) -> Tensor:
        """(B, 3) -> (B,): how probable the more probable of the two classes is. Must script."""
        return torch.maximum(probabilities[:, self.no], probabilities[:, self.yes])

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        p = self.probabilities(out)  # (B, 3)
        no, yes, sure = p[:, self.no], p[:, self.yes], self.confidence(p)
        by_class = self.threshold < 0
        abstain = (by_class & (p[:, self.neutral] > sure)) | (~by_class & (sure < self.threshold))  # (B,)
        # where neutral is all there is, one half: below 1e-30 a probability is no evidence
        says_no, says_yes = no.clamp(min=1e-30), yes.clamp(min=1e-30)
        decided = self.no + (yes > no).long() * (self.yes - self.no)
        return {
            "probability": says_yes / (says_yes + says_no),
            "class": decided.masked_fill(abstain, self.neutral),
            "abstain": abstain.long(),
            "probabilities": p,
        }

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        found = super().labels(y)
        label = found["class"]
        undecided = (label == self.neutral) | (label < 0)
        return found | {"decided": (label == self.yes).long().masked_fill(undecided, -1)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        inherited = {name: it for name, it in super().metrics().items() if name not in ("accuracy", "f1", "auroc")}
        found: dict[str, tuple[str, str, Metric]] = {
            "auroc": ("probability", "decided", scores.AUROC()),
            "accuracy_covered": (
                "class",
                "class",
                rates.Hits(partial(rates.right_if_decided, neutral=self.neutral)),
            ),
            "coverage": ("class", "class", rates.Rate(partial(rates.answered, neutral=self.neutral))),
        }
        for i, name in enumerate(self.target_classes):
            found[f"recall_{name}"] = ("class", "class", rates.Rate(partial(rates.recalled, of=i)))
            found[f"precision_{name}"] = ("class", "class", rates.Rate(partial(rates.precise, of=i)))
        return inherited | found

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = labels["class"] >= 0
        decided, yes = labels["decided"][known] >= 0, labels["decided"][known] == 1
        right = (predictions["probability"][known] > 0.5) == yes
        share = float(yes[decided].double().mean()) if decided.any() else 1.0
        figure = classifier_pictures.coverage(
            1 - self.confidence(predictions["probabilities"][known]),
            right,
            decided,
            answered=1 - float(predictions["abstain"][known].double().mean()) if known.any() else 1.0,
            majority=max(share, 1 - share),
        )
        return {"coverage": figure}
