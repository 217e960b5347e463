"""The head for ordered classes, such as ratings from 1 to 5: one score a row, and cutpoints between the classes.

Book: ch. 3, Reframing, the other way round: the order of the classes, which `Multiclass` does not know, is built in.
The model is that of proportional odds: P(class ≤ i) = sigmoid(cutpoint i - score). Source: McCullagh 1980, "Regression
Models for Ordinal Data".

Shape: h (B, d_in) -> out (B, n) log-probabilities.

>>> from mlp_torch.target import Category
>>> target = Category("rating")
>>> target.fit({}, lambda read: [(11, "1"), (12, "2"), (13, "3")])
>>> found = Ordinal(4, target).predict(torch.tensor([[0.5, 0.25, 0.25]]).log())
>>> {name: found[name].item() for name in ("class", "median_class", "expected")}
{'class': 0, 'median_class': 0, 'expected': 1.75}
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCohenKappa
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Output
from mlp_torch.problem import priors, scores
from mlp_torch.problem.calibration import Calibration
from mlp_torch.problem.classification import Multiclass
from mlp_torch.target import Target


class Ordinal(Multiclass):
    """Several classes in an order, told apart by one score.

    Predicts `probabilities` (B, n), `class` (B,) the most probable one, `median_class` (B,) which is off by the fewest
    ranks, and where the names of all classes are numbers `expected` (B,), their mean.

    Args:
        d_in: width of the hidden vector.
        target: with n classes, named from the lowest to the highest.
        members: how many hidden vectors a row has; each has cutpoints of its own.
        calibration: as `Multiclass`.

    Raises:
        DataError: as `Multiclass`, and `unordered_classes` where the names are numbers in disorder.
    """

    class_values: Tensor

    def __init__(self, d_in: int, target: Target, *, members: int = 1, calibration: Calibration = "none"):
        super().__init__(d_in, target, members=members, calibration=calibration)
        n, values = len(target.classes), numbers(target.classes)
        require_order(values, target)
        self.output = Output(d_in, 1, members)
        # The first cutpoint is 0, since the score has a bias. Those above it follow at distances that are learned as
        # logarithms: they never cross, and each step of an optimizer is a ratio. By softplus, whose steps are absolute,
        # classes would widen more slowly than the scores of many weights spread.
        self.log_gaps = nn.Parameter(torch.zeros(members, n - 2))
        self.has_values = bool(values)
        self.register_buffer("class_values", torch.tensor(values, dtype=torch.float64), persistent=False)
        self.names = {"class": list(target.classes), "median_class": list(target.classes)}
        self.point = "expected" if values else "probabilities"

    def start(self, log_shares: Tensor) -> None:
        shares = log_shares.exp()
        cutpoints = (shares.cumsum(dim=0) / shares.sum())[:-1].logit()  # (n - 1,)
        with torch.no_grad():
            self.output.bias.copy_(-cutpoints[0])  # the same for each member
            self.log_gaps.copy_(cutpoints.diff().log())

    def forward(self, h: Tensor) -> Tensor:
        """(B, d_in) -> (B, n), or (B, k, d_in) -> (B, k, n)."""
        score = self.output(h)  # (B, 1) or (B, k, 1)
        gaps = self.log_gaps.exp()  # (k, n - 2)
        if self.members == 1:
            gaps = gaps[0]  # (n - 2,)
        cutpoints = nn.functional.pad(gaps, [1, 0]).cumsum(dim=-1)  # (n - 1,) or (k, n - 1)
        below = nn.functional.logsigmoid(cutpoints - score)  # (B, …, n - 1): log P(class ≤ i)
        above = nn.functional.logsigmoid(score - cutpoints)  # (B, …, n - 1): log P(class > i)
        # sigmoid(b) - sigmoid(a) = sigmoid(b) · sigmoid(-a) · (1 - exp(a - b)), of which no factor cancels
        between = below[..., 1:] + above[..., :-1] + (-torch.expm1(-gaps)).log()  # (B, …, n - 2)
        return torch.cat([below[..., :1], between, above[..., -1:]], dim=-1)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        p = self.probabilities(out)  # (B, n)
        median = (p.cumsum(dim=1)[:, :-1] < 0.5).long().sum(dim=1)  # (B,)
        found = {"probabilities": p, "class": p.argmax(dim=1), "median_class": median}
        if self.has_values:
            found["expected"] = (p.double() * self.class_values).sum(dim=1).float()
        return found

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        found = super().labels(y)
        if self.has_values:
            value = self.class_values.to(y.device)[y.nan_to_num().long()]
            found["value"] = value.masked_fill(y.isnan(), torch.nan)
        return found

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        found = super().metrics() | {
            "rps": ("probabilities", "class", scores.Loss(scores.rps)),
            "kappa": ("class", "class", MulticlassCohenKappa(len(self.shift), weights="quadratic")),
            "mae": ("median_class", "class", MeanAbsoluteError().set_dtype(torch.float64)),
        }
        if self.has_values:
            found["rmse"] = ("expected", "value", MeanSquaredError(squared=False).set_dtype(torch.float64))
        return found


def numbers(classes: list[str]) -> list[float]:
    """The values of class names; empty if one of them is no number.

    >>> numbers(["1", "2.5"]), numbers(["low", "2"])
    ([1.0, 2.5], [])
    """
    try:
        values = [float(name) for name in classes]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []


def require_order(values: list[float], target: Target) -> None:
    """Refuses numbers that neither rise nor fall, as names sorted as text do ("1", "10", "2").

    Raises:
        DataError: `unordered_classes`.
    """
    steps = [second - first for first, second in pairwise(values)]
    if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
        text = f"classes of an ordinal head must be in order, however: {', '.join(target.classes[:20])}"
        raise DataError(Problem("unordered_classes", text, priors.fields(target), key="data.target.classes"))
