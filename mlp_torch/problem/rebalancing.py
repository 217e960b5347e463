"""Rebalancing (ch. 3): rare classes count for more in training, and probabilities still come out right.

One function, `weights(y, weight)`, says how much each training row counts; with `use: weigh` its loss is multiplied by
that, with `use: draw` it is drawn that often. Both change the classes' shares, and only for training rows, after the
split. The head learns both shares in `fit`: its bias starts at those of the rows as they are seen, and `predict` takes
the difference back, inside the exported graph. Metrics see corrected probabilities of rows as they are.

NOTE[BOOK] the book sets the output bias to log(positives / negatives) of the data beside class weights, which counts
the imbalance twice; here the bias is always that of the weighted or drawn rows.

Shape: y (N,) float64 class index, NaN = no label; weight (N,) -> (N,) float32.

>>> from mlp_torch.target import AtLeast
>>> rule = ClassWeights(AtLeast("delay", 15), power=1.0)
>>> rule(torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.ones(4))
tensor([0.6667, 0.6667, 0.6667, 2.0000])
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError, Problem, near
from mlp_torch.problem.priors import fields
from mlp_torch.target import Target

Weighting = Callable[[Tensor, Tensor], Tensor]  # (y, weight) -> weights
SHOWN = 5  # classes that a note tells of


class Rebalancing:
    """How much training rows count, and what is made of that.

    Args:
        rule: target -> (y, weight) -> weights, such as a partial of `ClassWeights`.
        use: `weigh` multiplies the rows' loss; `draw` draws rows with replacement, as many as there are.
    """

    def __init__(self, rule: Callable[[Target], Weighting], *, use: Literal["weigh", "draw"] = "weigh"):
        if use not in ("weigh", "draw"):
            raise ConfigError(f"rebalancing.use must be weigh or draw, however: {use=}")
        self.rule, self.use = rule, use

    def weights(self, target: Target, y: Tensor, weight: Tensor) -> Tensor:
        """(N,) how much each training row counts, its own weight included.

        Raises:
            DataError: for a target that the rule is not for.
        """
        return self.rule(target)(y, weight)


class ClassWeights:
    """Rows weigh by their class: by the inverse of its frequency to a power, or as given.

    With power 1 all classes weigh the same in sum (scikit-learn's `balanced`), with 0 nothing changes; 0.5 lies
    between, and is often best: rare classes count without a handful of rows making the whole gradient. The sum over all
    rows stays what it was.

    Args:
        target: fitted, with classes.
        power: from 0 to 1.
        weights: by class name, instead of `power`; classes that are not named weigh 1.

    Raises:
        ConfigError: for an impossible power or weight, and for an unknown class.
        DataError: `rebalanced_number`, for a target without classes; in the call `rebalanced_labels`, for several
            labels a row.
    """

    def __init__(self, target: Target, *, power: float = 1.0, weights: Mapping[str, float] | None = None):
        if not target.classes:
            text = "class weights need classes, the target is a continuous number; take rebalancing=none"
            raise DataError(Problem("rebalanced_number", text, fields(target), key="rebalancing"))
        if not 0 <= power <= 1:
            raise ConfigError(f"rebalancing.rule.power must be from 0 to 1, however: {power=}")
        for name, given in (weights or {}).items():
            if str(name) not in target.classes:
                text = "rebalancing.rule.weights must name classes of the target, however"
                raise ConfigError(f"{text}: {name}; {near(str(name), target.classes)}")
            if not (given > 0 and math.isfinite(given)):
                raise ConfigError(f"rebalancing.rule.weights.{name} must be more than 0 and finite, however: {given}")
        self.columns, self.classes, self.power = fields(target), list(target.classes), power
        self.given = {str(name): float(given) for name, given in (weights or {}).items()}

    def __call__(self, y: Tensor, weight: Tensor) -> Tensor:
        """(N,) what each row weighs; 0 without a label."""
        if y.dim() != 1:
            text = "class weights need one class a row, however: several labels a row; take rebalancing=none"
            raise DataError(Problem("rebalanced_labels", text, self.columns, key="rebalancing"))
        known = ~y.isnan()  # (N,)
        index = y.nan_to_num().long()
        totals = torch.bincount(index[known], weight[known].double(), minlength=len(self.classes))  # (n,) float64
        factor = self.factors(totals)
        factor = factor * totals.sum() / (factor * totals).sum()
        return (weight * factor[index] * known).float()

    def factors(self, totals: Tensor) -> Tensor:
        """(n,) what a row of each class weighs, up to a common factor, given the classes' sums of weights."""
        if self.given:
            return torch.tensor([self.given.get(name, 1.0) for name in self.classes], dtype=torch.float64)
        return torch.where(totals > 0, totals, torch.ones_like(totals)) ** -self.power


def told(target: Target, y: Tensor, weight: Tensor, sampling: Tensor, *, use: str) -> str:
    """What rebalancing has made of the shares of the rarest and the most frequent classes, in a sentence."""
    index, n = y.nan_to_num().long(), len(target.classes)
    shares = [torch.bincount(index, x.double(), minlength=n) / x.double().sum() for x in (weight, sampling)]
    order = shares[0].argsort().tolist()
    picked = order if n <= SHOWN else [*order[: SHOWN - 1], order[-1]]
    listed = ", ".join(f"{target.classes[i]} {shares[0][i]:.2%} → {shares[1][i]:.2%}" for i in picked)
    how = {"weigh": "weighs rows of", "draw": "draws rows of"}[use]
    more = ", …" if n > SHOWN else ""
    return f"rebalancing {how} training: share of class {listed}{more}; predictions are corrected to the former"
