"""What a decision is worth, outcome by outcome: a perspective (ch. 7) in money, minutes or whatever is at stake.

Shape: predicted classes and labels (N,) int64, or (N, k) 0 or 1 of several labels -> amounts (N,) float64.

>>> gain = Gain(two_by_two(tp=40, fp=-5, fn=0, tn=0))
>>> gain.update(torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 1, 0]))
>>> gain.compute()
tensor(8.7500, dtype=torch.float64)
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric

from mlp_torch.errors import near
from mlp_torch.problem.perspectives import Perspective
from mlp_torch.problem.scores import Loss


class Amounts:
    """What each row's decision is worth.

    Args:
        matrix: (n, n) by true and by predicted class.
    """

    def __init__(self, matrix: Tensor):
        self.matrix = matrix.double()

    def __call__(self, predicted: Tensor, label: Tensor) -> Tensor:
        if predicted.is_floating_point():
            raise ValueError("predictions must be classes, no probabilities; name the prediction that is one")
        known = label >= 0  # of several labels some may be unknown
        worth = self.matrix.to(label.device)[label.clamp(min=0), predicted] * known
        return worth.reshape(len(worth), -1).sum(dim=1)  # (N,)


class Gain(Loss):
    """The mean worth of a row's decision: of as many rows as there are its sum, which splits of other sizes lack.

    Args:
        matrix: (n, n) by true and by predicted class.
    """

    higher_is_better = True

    def __init__(self, matrix: Tensor):
        super().__init__(Amounts(matrix))
        self.matrix = matrix


class Value(Perspective):
    """An amount for each outcome of a decision, at the threshold that is exported; a mean over rows.

    Args:
        tp: a true positive: class 1 (the second of the classes), and said so. Of several labels each is a decision.
        fp: a false positive.
        fn: a false negative.
        tn: a true negative.
        amounts: of more classes than two, by true class the amount of each predicted class, by their names; 0 where
            none is given.
        prediction: the class.
        label: what is true.

    Raises:
        ValueError: for both ways of saying it, or neither.
    """

    def __init__(
        self,
        *,
        tp: float = 0.0,
        fp: float = 0.0,
        fn: float = 0.0,
        tn: float = 0.0,
        amounts: dict[str, dict[str, float]] | None = None,
        prediction: str | None = None,
        label: str | None = None,
    ):
        if bool(amounts) == any((tp, fp, fn, tn)):
            text = "amounts must be of outcomes (tp, fp, fn, tn) or of classes (amounts)"
            raise ValueError(f"{text}, however: {'both' if amounts else 'neither'}")
        self.two, self.amounts = two_by_two(tp=tp, fp=fp, fn=fn, tn=tn), amounts
        super().__init__(Gain(self.two), prediction=prediction, label=label)

    def decides(self) -> bool:
        return True

    def measure(self, prediction: Tensor, classes: list[str]) -> Metric:
        if self.amounts is not None and prediction.dim() == 1:
            return Gain(by_class(self.amounts, classes))
        if self.amounts is not None:
            raise ValueError("amounts must be of one class a row, however: it has several labels; take tp, fp, fn, tn")
        if prediction.dim() == 1 and len(classes) > 2:
            raise ValueError(f"tp, fp, fn, tn must be of two classes, however: {len(classes)}; take amounts")
        return self.metric


def two_by_two(*, tp: float, fp: float, fn: float, tn: float) -> Tensor:
    """(2, 2) by true and by predicted class."""
    return torch.tensor([[tn, fp], [fn, tp]], dtype=torch.float64)


def by_class(amounts: Mapping[str, Mapping[str, float]], classes: list[str]) -> Tensor:
    """(n, n) by true and by predicted class, of amounts by their names.

    Raises:
        ValueError: for a class that there is not.
    """
    place = {name: i for i, name in enumerate(classes)}
    matrix = torch.zeros(len(classes), len(classes), dtype=torch.float64)
    for true, predicted in amounts.items():
        for name in (true, *predicted):
            if name not in place:
                raise ValueError(f"amounts must be by class, however: {name}; {near(name, classes)}")
        for name, amount in predicted.items():
            matrix[place[true], place[name]] = amount
    return matrix
