"""The head that reframes regression: one number as a distribution over bins of its values.

Book: ch. 3, Reframing. Squared error cannot tell "20 minutes late" from "on time, but one time in ten 200 minutes
late"; a distribution can, and mean, median, quantiles, an interval and P(y > t) are all read from it, in the graph.

Shape: h (B, d_in) -> out (B, bins) logits.

>>> from mlp_torch.target import Number
>>> head = Reframed(4, Number("delay"), edges=[0, 10, 20], quantiles=(0.5,), thresholds={"over_10": 9.5})
>>> head.fit(torch.tensor([1.0, 3.0, 18.0]).double(), torch.ones(3))
>>> found = head.predict(torch.zeros(1, 2))  # the same probability for both bins
>>> {name: round(found[name].item(), 2) for name in ("mean", "median", "interval_low", "over_10")}
{'mean': 10.0, 'median': 10.0, 'interval_low': 1.0, 'over_10': 0.5}
"""

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.head import Batch, Head
from mlp_torch.problem import pictures, priors, scores
from mlp_torch.problem.bins import INTERVAL, Bins
from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_RESIDUALS = 2000
CHUNK = 4096


class Reframed(Head):
    """A number as probabilities of bins that are fitted on training rows.

    Predicts, in the target's unit, (B,): `mean`, `median`, `mode`, `std`, `interval_low` and `interval_high` (90 %),
    `quantile_05` …, P(y > t) by the name of each threshold; and `probabilities` (B, bins).

    Args:
        d_in: width of the hidden vector.
        target: a number.
        members: how many hidden vectors a row has.
        bins: how many; a list of edges overrules it.
        edges: `quantile` (of training rows, closer where they are spread), `uniform`, or the edges themselves.
        quantiles: levels between 0 and 1.
        thresholds: t by the name under which P(y > t) is served.
        smoothing: standard deviation, in the target's unit, by which a label spreads over neighbouring bins; 0: none.

    Raises:
        DataError: `class_target`; in `fit` also `constant_target`.
    """

    log_prior: Tensor
    shift: Tensor

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
        smoothing: float = 0.0,
    ):
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be at least 0, however: smoothing={smoothing}")
        priors.require_number(target)
        n = bins if isinstance(edges, str) else len(edges) - 1
        distribution = Bins(n, edges, quantiles=tuple(quantiles), thresholds=thresholds or {})
        super().__init__(d_in, target, n, members=members, point="mean")
        self.bins, self.smoothing = distribution, float(smoothing)
        self.register_buffer("log_prior", torch.zeros(n, dtype=torch.float64))
        # (n,): log-shares of the data less log-shares of the rows drawn
        self.register_buffer("shift", torch.zeros(n, dtype=torch.float64))

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        labelled = ~y.isnan()
        self.bins.fit(y[labelled].double(), weight[labelled])
        self.log_prior.copy_(self.bins.log_shares(y, weight))
        drawn = self.log_prior if sampling is None else self.bins.log_shares(y, sampling)
        self.shift.copy_(self.log_prior - drawn)
        with torch.no_grad():
            self.output.bias.copy_(drawn)  # the same for each member

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        if self.smoothing == 0:
            return nn.functional.cross_entropy(out, scores.bin_of(batch.y, self.bins.edges), reduction="none")
        label = self.bins.smoothed(batch.y, self.smoothing).to(out.dtype)
        return nn.functional.cross_entropy(out, label, reduction="none")

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        readable: dict[str, Tensor] = self.bins.read((out.double() + self.shift).softmax(dim=1))
        return readable

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The shares of the bins; smoothing does not enter, so that the baseline is as sharp as it can be."""
        return (self.bins.log_shares(y, weight) - self.shift).float()  # (n,)

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        return (priors.mixture(outs.double() + self.shift, weight) - self.shift).float()  # (B, n)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        over = {name: (y > t).long().masked_fill(y.isnan(), -1) for name, t in self.bins.thresholds.items()}
        return {"y": y, **over}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        edges = self.bins.edges.clone()
        found: dict[str, tuple[str, str, Metric]] = {
            "crps": ("probabilities", "y", scores.Loss(partial(scores.crps, edges=edges))),
            "log_loss": ("probabilities", "y", scores.Loss(partial(scores.density_log_loss, edges=edges))),
            "rmse": ("mean", "y", MeanSquaredError(squared=False).set_dtype(torch.float64)),
            "mae": ("median", "y", MeanAbsoluteError().set_dtype(torch.float64)),
            "coverage_90": ("probabilities", "y", scores.Coverage(edges, INTERVAL)),
            "coverage_90_error": ("probabilities", "y", scores.CoverageError(edges, INTERVAL)),
        }
        for name in self.bins.threshold_names:
            found[f"auroc_{name}"] = (name, name, scores.AUROC())
            found[f"brier_{name}"] = (name, name, MeanSquaredError().set_dtype(torch.float64))
        return found

    def teach(self, y: Tensor) -> Tensor:
        return y

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Predictions of trees, each with the residuals of held rows around it, as log-probabilities of the bins.

        One more residual is spread over the bins as training rows are, so that no bin is impossible.
        """
        residuals = sample((held_y - held_scores.reshape(-1)).double())
        outs: list[Tensor] = []
        for chunk in torch.split(scores.reshape(-1, 1).double(), CHUNK):  # (c, 1)
            below = torch.searchsorted(residuals, self.bins.edges[1:-1] - chunk)  # (c, n - 1): residuals below an edge
            all_below = torch.full_like(chunk, len(residuals))
            counts = torch.cat([torch.zeros_like(chunk), below, all_below], dim=1).diff(dim=1)  # (c, n)
            outs.append((counts + self.log_prior.exp()).div(len(residuals) + 1).log() - self.shift)
        return torch.cat(outs).float()

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        known = ~labels["y"].isnan()
        p, y = predictions["probabilities"][known], labels["y"][known]
        at = scores.cdf(p, y, edges=self.bins.edges)
        return {"distributions": pictures.densities(p, y, self.bins.edges), "pit": pictures.pit(at)}


def sample(values: Tensor) -> Tensor:
    """At most 2,000 of the known values, sorted, each from the middle of an equal share of them: (m,)."""
    known = values[~values.isnan()].sort().values
    m = min(len(known), MAX_RESIDUALS)
    middles = torch.arange(m, dtype=torch.float64, device=known.device) + 0.5
    return known[(middles * len(known) / max(m, 1)).long()]
