"""The head that reframes regression: one number as a distribution over bins of its values.

Book: ch. 3, Reframing. Squared error cannot tell "20 minutes late" from "on time, but one time in ten 200 minutes
late"; a distribution can, and mean, median, quantiles, intervals and P(y > t) are all read from it, in the graph.

Shape: h (B, d_in) -> out (B, bins) logits.

>>> from mlp_torch.target import Number
>>> head = Reframed(4, Number("delay"), edges=[0, 10, 20], quantiles=(0.5,), thresholds={"over_10": 9.5})
>>> head.fit(torch.tensor([1.0, 3.0, 18.0]).double(), torch.ones(3))
>>> found = head.predict(torch.tensor([[-50.0, 0.0, 0.0, -50.0]]))  # the same probability for both bins between edges
>>> {name: round(found[name].item(), 2) for name in ("mean", "median", "over_10")}
{'mean': 10.0, 'median': 10.0, 'over_10': 0.5}
>>> found["interval_90"]
tensor([[ 1., 19.]])
"""

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import intervals, pictures, piecewise, priors, scores
from mlp_torch.problem.bin_targets import Hard, Targets
from mlp_torch.problem.bins import Bins
from mlp_torch.problem.likened import of_quantiles, of_residuals
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Reframed(Head):
    """A number as probabilities of bins that are fitted on training rows; the outermost bins are open.

    Predicts, in the target's unit, (B,): `mean`, `median`, `mode`, `std`, `quantile_05` …, P(y > t) by the name of each
    threshold; (B, 2): `interval_80` and `interval_90`, which hold that share of rows once there are calibration rows;
    (B, bins): `probabilities` and `densities`, those of the outermost bins at their edge.

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has.
        bins: how many; a list of edges overrules it.
        edges: `quantile` (of training rows, closer where they are spread), `uniform`, or the edges themselves, one less
            than bins.
        quantiles: levels between 0 and 1.
        thresholds: t by the name under which P(y > t) is served.
        targets: what is taught of y, of `bin_targets`; by default `Hard`, its bin.

    Raises:
        DataError: `class_target`; in `fit` also `constant_target`.
    """

    log_prior: Tensor

    def __init__(
        self,
        d_in: int,
        target: Target,
        *,
        members: int = 1,
        bins: int = 40,
        edges: Literal["quantile", "uniform"] | list[float] = "quantile",
        quantiles: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95),
        thresholds: dict[str, float] | None = None,
        targets: Targets | None = None,
    ):
        priors.require_number(target)
        n = bins if isinstance(edges, str) else len(edges) + 1
        distribution = Bins(n, edges, quantiles=tuple(quantiles), thresholds=thresholds or {})
        super().__init__(d_in, target, n, members=members, point="mean")
        self.bins, self.targets = distribution, targets or Hard()
        self.register_buffer("log_prior", torch.zeros(n, dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        labelled = ~y.isnan()
        self.bins.fit(y[labelled].double(), weight[labelled])
        self.log_prior.copy_(self.bins.log_shares(y, weight))
        with torch.no_grad():
            self.output.bias.copy_(self.log_prior)  # the same for each member

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.targets.loss(out, batch.y, self.bins.edges)

    def probabilities(self, out: Tensor) -> Tensor:
        """(B, n) float64. Must script."""
        return out.double().softmax(dim=1)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        readable: dict[str, Tensor] = self.bins.read(self.probabilities(out))
        return readable

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        self.bins.calibrate(self.probabilities(out), y, weight)

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The shares of the bins; smoothing does not enter, so that the baseline is as sharp as it can be."""
        return self.bins.log_shares(y, weight).float()  # (n,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return priors.mixture(outs.double(), weight).float()  # (B, n)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        return {"y": y, **intervals.exceeds(y, self.bins.thresholds)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        shape = {"edges": self.bins.edges.clone(), "tails": self.bins.tails.clone()}
        found: dict[str, tuple[str, str, Metric]] = {
            "crps": ("probabilities", "y", scores.Loss(partial(piecewise.crps, **shape))),
            "log_loss": ("probabilities", "y", scores.Loss(partial(piecewise.log_loss, **shape))),
            "rmse": ("mean", "y", MeanSquaredError(squared=False).set_dtype(torch.float64)),
            "mae": ("median", "y", MeanAbsoluteError().set_dtype(torch.float64)),
            **intervals.interval_metrics(),
            "pit_error": ("probabilities", "y", intervals.PITError(partial(piecewise.cdf, **shape))),
        }
        return found | intervals.threshold_metrics(self.bins.threshold_names)

    def scales(self) -> dict[str, list[float]]:
        return {"edges": self.bins.edges.tolist(), "tails": self.bins.tails.tolist()}

    def teach(self, y: Tensor) -> Tensor:
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Predictions of trees, each with the residuals of held rows around it, as log-probabilities of the bins."""
        p = of_residuals(scores, held_y - held_scores.reshape(-1), self.bins.edges, self.log_prior.exp())
        return p.log().float()

    def from_quantiles(self, levels: Tensor, values: Tensor) -> Tensor:
        """What a quantile regression says, as an `out`: rising levels (L,) and (N, L) values in the unit of y."""
        p = of_quantiles(levels, values, self.bins.edges, self.log_prior.exp())
        return p.log().float()

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        p, y = predictions["probabilities"][known], labels["y"][known]
        edges, tails = self.bins.edges, self.bins.tails
        at = piecewise.cdf(p, y, edges=edges, tails=tails)
        ends = torch.cat([edges[:1] - 3 * tails[:1], edges, edges[-1:] + 3 * tails[1:]])  # 95 % of the tails
        return {"distributions": pictures.densities(p, y, ends), "pit": pictures.pit(at)}
