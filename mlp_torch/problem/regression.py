"""The head for one number.

Book: ch. 3, the problem that Reframing starts from. The network learns in units of the training rows' standard
deviation; what is predicted and measured is in the unit of the target.

Shape: h (B, d_in) -> out (B, 1), standardized.

>>> from mlp_torch.target import Number
>>> head = Regression(4, Number("price"))
>>> head.fit(torch.tensor([10.0, 30.0], dtype=torch.float64), torch.ones(2))
>>> head.predict(torch.tensor([[0.0], [2.0]]))
{'prediction': tensor([20., 40.])}
"""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import pictures, priors, scores
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# LightGBM's name of each loss
OBJECTIVES = {"squared": "regression", "absolute": "regression_l1", "huber": "huber"}


class Regression(Head):
    """One number.

    Predicts `prediction` (B,), in the target's unit: the conditional mean where `loss` is squared, the median where
    it is absolute, between the two for huber. One name for all three, so that a change of loss breaks no caller.

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has.
        loss: `squared`, `absolute`, or `huber` (squared up to one standard deviation, then absolute).

    Raises:
        DataError: `class_target`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        loss: Literal["squared", "absolute", "huber"] = "squared",
    ):
        if loss not in OBJECTIVES:
            raise ValueError(f"loss must be one of {', '.join(OBJECTIVES)}, however: loss={loss!r}")
        priors.require_number(target)
        super().__init__(d_in, target, 1, members=members)
        self.kind, self.objective = loss, OBJECTIVES[loss]
        # float64, so that a large mean does not swallow a small deviation
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        known, w = y[~y.isnan()].double(), weight[~y.isnan()].double()
        mean = (w * known).sum() / w.sum()
        deviation = ((w * (known - mean) ** 2).sum() / w.sum()).sqrt()
        # A deviation below the rounding of y is that of a constant.
        constant = deviation <= known.abs().max() * torch.finfo(torch.float64).eps
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(constant, torch.ones_like(deviation), deviation))
        nn.init.constant_(self.output.bias, float(self.constant(y, weight if sampling is None else sampling)))

    def standardized(self, y: Tensor) -> Tensor:
        """(N,) float64: deviations from the training rows' mean."""
        return (y.double() - self.mean) / self.scale

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        y, found = self.standardized(batch.y).to(out.dtype), out[:, 0]  # (B,)
        if self.kind == "squared":
            return (found - y) ** 2
        if self.kind == "absolute":
            return (found - y).abs()
        return nn.functional.huber_loss(found, y, reduction="none")

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        return {"prediction": (self.mean + self.scale * out[:, 0].double()).float()}

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The c at which the weighted pulls of all rows, the slopes of their losses, cancel: (1,)."""
        known, w = self.standardized(y[~y.isnan()]), weight[~y.isnan()].double()
        if self.kind == "squared":
            return ((w * known).sum() / w.sum()).float().unsqueeze(0)
        low, high = known.min(), known.max()
        for _ in range(64):  # halves the range each time, to the last bit of float64
            middle = (low + high) / 2
            pull = (known - middle).sign() if self.kind == "absolute" else (known - middle).clamp(-1, 1)
            up = (w * pull).sum() > 0
            low, high = torch.where(up, middle, low), torch.where(up, high, middle)
        return ((low + high) / 2).float().unsqueeze(0)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        if weight is None:
            return outs.mean(dim=1)  # (B, 1)
        return (outs * weight.unsqueeze(2)).sum(dim=1)  # (B, 1)

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
        return self.standardized(y)

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Standardized predictions of trees, (N,) or (N, 1)."""
        return scores.reshape(-1, 1).float()

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        prediction, y = predictions["prediction"][known], labels["y"][known]
        return {"residuals": pictures.residuals(prediction, y), "predicted": pictures.predicted(prediction, y)}
