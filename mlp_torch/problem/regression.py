"""The head for one number.

Book: ch. 3, the problem that Reframing starts from. The network learns in units of the training rows' standard
deviation; what is predicted and measured is in the unit of the target.

Shape: h (B, d_in) -> out (B, 1), on the network's side of the link: see `links`.

>>> from mlp_torch.target import Number
>>> head = Regression(4, Number("price"))
>>> head.fit(torch.tensor([10.0, 30.0], dtype=torch.float64), torch.ones(2))
>>> head.predict(torch.tensor([[0.0], [2.0]]))
{'prediction': tensor([20., 40.])}
>>> Regression(4, Number("stars"), bounds=(1, 5)).predict(torch.tensor([[0.0], [100.0]]))
{'prediction': tensor([3., 5.])}
"""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import pictures, priors, scores
from mlp_torch.problem.links import Bounded, Link, Rate, Standardized, check_domain
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# LightGBM's name of each loss
OBJECTIVES = {"squared": "regression", "absolute": "regression_l1", "huber": "huber", "poisson": "poisson"}


class Regression(Head):
    """One number.

    Predicts `prediction` (B,), in the target's unit: the conditional mean where `loss` is squared or poisson, the
    median where it is absolute, between the two for huber; with a transform the median where that is symmetric. One
    name for all, so that a change of loss breaks no caller.

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has; the prediction is the mean of theirs.
        loss: `squared`, `absolute`, `huber` (squared up to one standard deviation, then absolute), or `poisson` (counts
            and other y ≥ 0; the prediction is an exponential and more than 0).
        transform: of y, in whose unit errors are measured: `none`, `log`, `log1p`, `sqrt`.
        smearing: with log or log1p, predict the mean: Duan's factor, learned from calibration rows (1 without any).
        bounds: that no prediction leaves.

    Raises:
        DataError: `class_target`; in `fit` also `target_domain`.
    """

    softens = True
    smear: Tensor
    largest: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        loss: Literal["squared", "absolute", "huber", "poisson"] = "squared",
        transform: Literal["none", "log", "log1p", "sqrt"] = "none",
        smearing: bool = False,
        bounds: tuple[float, float] | None = None,
    ):
        if loss not in OBJECTIVES:
            raise ValueError(f"loss must be one of {', '.join(OBJECTIVES)}, however: loss={loss!r}")
        if smearing and transform not in ("log", "log1p"):
            raise ValueError(f"smearing must go with transform=log or log1p, however: transform={transform!r}")
        priors.require_number(target)
        super().__init__(d_in, target, 1, members=members)
        self.kind, self.objective, self.smearing = loss, OBJECTIVES[loss], smearing
        self.columns = priors.fields(target)
        self.link: Link = link_of(loss, transform, bounds)
        self.calibrates = smearing
        self.register_buffer("smear", torch.ones((), dtype=torch.float64))
        largest = torch.tensor(torch.finfo(torch.float32).max, dtype=torch.float64)
        self.register_buffer("largest", largest, persistent=False)

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        if self.link.domain is not None:
            check_domain(y, self.link.domain, self.columns)
        known = ~y.isnan()
        self.link.fit(y[known].double(), weight[known])
        nn.init.constant_(self.output.bias, float(self.constant(y, weight)))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        found, y = self.link.compared(out[:, 0], batch.y)  # (B,) each
        if self.kind == "squared":
            return (found - y) ** 2
        if self.kind == "absolute":
            return (found - y).abs()
        if self.kind == "huber":
            return nn.functional.huber_loss(found, y, reduction="none")
        return found.exp() - y * found - y + torch.xlogy(y, y)  # half the deviance: 0 where the rate is y

    def soften(self, said: Tensor) -> Tensor:
        return said.double()

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        found = self.predicted(out[:, 0].double())
        if self.smearing:
            found = self.link.smeared(found, self.smear)
        return {"prediction": found.minimum(self.largest).float()}

    def predicted(self, out: Tensor) -> Tensor:
        """Predictions in the unit of y, finite: an exponential of what no row taught may not be. Must script."""
        found: Tensor = self.link.prediction(out)
        return found.minimum(self.largest).maximum(-self.largest)

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        known = ~y.isnan() & (weight > 0)
        if self.smearing and bool(known.any()):
            found = self.predicted(out[known, 0].double())
            self.smear.copy_(self.link.smear(found, y[known].double(), weight[known].double()))

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The c at which the weighted pulls of all rows, the slopes of their losses, cancel: (1,)."""
        known, w = y[~y.isnan()], weight[~y.isnan()].double()
        _, wanted = self.link.compared(torch.zeros_like(known, dtype=torch.float64), known)  # (N,) float64
        if self.kind in ("squared", "poisson"):
            return self.link.best((w * wanted).sum() / w.sum()).float().unsqueeze(0)
        low, high = wanted.min(), wanted.max()
        for _ in range(64):  # halves the range each time, to the last bit of float64
            middle = (low + high) / 2
            pull = (wanted - middle).sign() if self.kind == "absolute" else (wanted - middle).clamp(-1, 1)
            up = (w * pull).sum() > 0
            low, high = torch.where(up, middle, low), torch.where(up, high, middle)
        return self.link.best((low + high) / 2).float().unsqueeze(0)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        found = self.predicted(outs[:, :, 0].double())  # (B, k)
        mean = found.mean(dim=1) if weight is None else (found * weight).sum(dim=1)
        averaged: Tensor = self.link.out(mean)
        return averaged.float().unsqueeze(1)  # (B, 1)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"y": y}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        # Sums of squares over many rows need more than float32.
        return {
            "rmse": ("prediction", "y", MeanSquaredError(squared=False).set_dtype(torch.float64)),
            "mae": ("prediction", "y", MeanAbsoluteError().set_dtype(torch.float64)),
            "r2": ("prediction", "y", scores.R2().set_dtype(torch.float64)),
        }

    def teach(self, y: Tensor) -> Tensor:
        """What `compared` wants of the network, so that trees learn by the same loss."""
        _, wanted = self.link.compared(torch.zeros_like(y, dtype=torch.float64), y)
        return wanted

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Predictions of trees, (N,) or (N, 1), of what `teach` has taught; of counts they give logarithms."""
        raw = scores.reshape(-1, 1).double()
        return (raw if self.kind == "poisson" else self.link.best(raw)).float()

    def from_points(self, points: Tensor, held_points: Tensor, held_y: Tensor) -> Tensor:
        return self.link.out(self.link.within(points)).float().unsqueeze(1)  # (N, 1)

    def learned(self) -> dict[str, float]:
        return {"smearing": float(self.smear)} if self.smearing else {}

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        prediction, y = predictions["prediction"][known], labels["y"][known]
        return {"residuals": pictures.residuals(prediction, y), "predicted": pictures.predicted(prediction, y)}


def link_of(loss: str, transform: str, bounds: tuple[float, float] | None) -> Link:
    """The link that the options ask for, which are not all possible together."""
    if loss == "poisson" and (transform != "none" or bounds is not None):
        text = "loss=poisson predicts by an exponential of its own and must have neither transform nor bounds"
        raise ValueError(f"{text}, however: transform={transform!r}, bounds={bounds}")
    if bounds is not None and transform != "none":
        text = "bounds keep predictions inside by a sigmoid and must have no transform"
        raise ValueError(f"{text}, however: transform={transform!r}, bounds={list(bounds)}")
    if loss == "poisson":
        return Rate()
    if bounds is None:
        return Standardized(transform)
    if len(bounds) != 2:
        raise ValueError(f"bounds must be two numbers that rise, however: bounds={list(bounds)}")
    return Bounded(*bounds)
