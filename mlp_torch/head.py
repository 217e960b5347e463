"""The interface of a Head: everything that depends on the problem. Output layer, loss, prediction, metrics.

`out` is what the output layer gives: (B, n) logits. Whatever is said about a row, a prediction, a baseline, an average
of members, is said by way of an `out`, so that all of them are judged by the same code.
"""

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from mlp_torch.target import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PROBED = 100  # rows by which heads are compared


class Batch(NamedTuple):
    """A slice of the encoded table.

    Shape: `features` by column name, (B, …) float32, int64 or uint8; `y` (B,) float64; `weight` (B,) float32;
    `row` (B,) int64, the fingerprint of the row's key.
    """

    features: dict[str, Tensor]
    y: Tensor
    weight: Tensor
    row: Tensor


class Output(nn.Module):
    """The last linear layer; with members, one of its own for each.

    Args:
        d_in: width of the hidden vector.
        n: number of logits.
        members: how many hidden vectors a row has; 1 means that there is no such dimension.

    Shape: (B, d_in) -> (B, n), or (B, members, d_in) -> (B, members, n).
    """

    def __init__(self, d_in: int, n: int, members: int = 1):
        super().__init__()
        self.members = members
        bound = 1 / math.sqrt(d_in)
        self.weight = nn.Parameter(torch.empty(members, n, d_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, n))

    def forward(self, h: Tensor) -> Tensor:
        if self.members == 1 and self.training:
            return nn.functional.linear(h, self.weight[0], self.bias[0])  # (B, n)
        n = self.bias.shape[1]
        # with fewer than 16 outputs, BLAS may let a row's last bits depend on the rows beside it
        weight = self.weight if self.training else nn.functional.pad(self.weight, [0, 0, 0, 16])  # (k, n + 16, d_in)
        if self.members == 1:
            return nn.functional.linear(h, weight[0])[:, :n] + self.bias[0]  # (B, n)
        return torch.einsum("bki,koi->bko", h, weight)[:, :, :n] + self.bias  # (B, k, n)


class Head(nn.Module):
    """What depends on the problem. Fitted state lives in buffers.

    Args:
        d_in: width of the hidden vector.
        target: the fitted target.
        n: number of logits.
        members: how many hidden vectors a row has.
        point: see below.

    Attributes:
        names: class names by the prediction that holds a class index; served beside the numbers.
        point: the prediction that says most in one number, or one a class; members differ in it by their `spread`.
        perspectives: further metrics as `metrics` has them, which a user names; `verdict.metrics_of` gives all.
        rebalanced: whether `predict` takes back what `sampling` in `fit` makes of the prior, by a buffer `shift`. The
            loss of such a head is that of the rows as they are drawn or weighed while it is trained, and that of the
            data in evaluation.
        objective: LightGBM's objective whose raw scores `from_scores` turns into an `out`.
        calibrates: whether `calibrate` must see rows, so that an empty calibration split is refused before training.
        softens: whether there is a `soften`, so that the head can learn from what another model says.
    """

    names: dict[str, list[str]]
    point: str
    rebalanced: bool = False
    objective: str = "regression"
    calibrates: bool = False
    softens: bool = False
    if TYPE_CHECKING:  # TorchScript reads annotations, and knows tensors and plain values only
        perspectives: Mapping[str, tuple[str, str, Metric]]

    def __init__(self, d_in: int, target: Target, n: int, *, members: int = 1, point: str = "prediction"):
        super().__init__()
        self.members, self.point = members, point
        self.target_classes = list(target.classes)
        self.output = Output(d_in, n, members)
        self.names, self.perspectives = {}, {}

    def fit(self, y: Tensor, weight: Tensor, sampling: Tensor | None = None) -> None:
        """Learns from training targets: scale, bin edges, priors.

        Args:
            y: (N,) float64.
            weight: (N,) float32, of the data.
            sampling: (N,) float32, how much the rows count once they are rebalanced; None = by `weight`. Only a head
                that is `rebalanced` is given some.
        """

    def forward(self, h: Tensor) -> Tensor:
        """(B, d_in) -> (B, n), or (B, k, d_in) -> (B, k, n)."""
        out: Tensor = self.output(h)
        return out

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """(B, n) -> (B,): the loss of each row, unweighted."""
        raise NotImplementedError

    def soften(self, said: Tensor) -> Tensor:
        """What `loss` takes for y in training where another model's answers stand for the labels.

        Args:
            said: (B,) values in the unit of y or probabilities of class 1, or (B, n) probabilities: of the data as they
                are, however rows are drawn.
        """
        raise NotImplementedError

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        """Readable values by name, row-aligned. Must script."""
        raise NotImplementedError

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        """Learns from the calibration split, after training; by default there is nothing to learn.

        What an earlier call has learned does not enter, so that a copy of a calibrated head can be calibrated to what
        somebody else says: the report does so with each rival.
        """

    def learned(self) -> dict[str, float]:
        """What calibration has learned, as far as numbers say it, by name: metrics.json and the manifest show them."""
        return {}

    def notes(self) -> list[str]:
        """What the last `calibrate` found, in sentences for the closing of a run."""
        return []

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The best `out` that looks at no feature: (n,). The baseline, and the expected first loss."""
        raise NotImplementedError

    def average(self, outs: Tensor, weight: Tensor | None = None) -> Tensor:
        """(B, k, n) -> (B, n): the members' common `out`, averaged in probability or density space. Must script.

        Args:
            outs: of k members.
            weight: (B, k), sums to 1 in each row; None weighs all alike.
        """
        raise NotImplementedError

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        """What metrics compare with, by name: (N,) float64 values (NaN = no label) or int64 classes (-1 = no label)."""
        raise NotImplementedError

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        """name -> (prediction, label, metric), new ones each time."""
        raise NotImplementedError

    def by_label(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> list[dict[str, Any]]:
        """Figures of each label of several, the worst first, each a table with its `label`; by default none."""
        return []

    def scales(self) -> dict[str, list[float]]:
        """Fitted numbers without which predictions that are vectors cannot be read, by name; in manifest.json.

        Edges of bins, levels of quantiles; by default none.
        """
        return {}

    def teach(self, y: Tensor) -> Tensor:
        """(N,) float64: what boosted trees are trained on with `objective`."""
        raise NotImplementedError

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        """Raw scores of boosted trees (N, n or 1) as an `out` (N, n); `held_…` are rows they were not trained on."""
        raise NotImplementedError

    def from_points(self, points: Tensor, held_points: Tensor, held_y: Tensor) -> Tensor:
        """Predictions in the unit of y (N,) as an `out` (N, n); `held_…` are rows that they were not learned from."""
        return self.from_scores(self.teach(points), self.teach(held_points), held_y)

    def from_quantiles(self, levels: Tensor, values: Tensor) -> Tensor:
        """What a quantile regression says of numbers, as an `out`; by default its median counts alone.

        Args:
            levels: (L,) rising.
            values: (N, L) in the unit of y.
        """
        middle = values[:, int((levels - 0.5).abs().argmin())].double()
        nobody = middle[:0]
        return self.from_points(middle, nobody, nobody)

    def pictures(self, predictions: dict[str, Tensor], labels: dict[str, Tensor]) -> "dict[str, Figure]":
        """Figures for TensorBoard by name; by default none."""
        return {}


def is_alike(one: Head, other: Head, y: Tensor, weight: Tensor) -> bool:
    """Whether two heads mean the same by an `out`, whatever calibration has made of it since.

    They are of one kind and of the same classes, and call the same constant the best. Heads for numbers may do so with
    other links, scales or bins, so that they must say the same of another `out` too.

    Args:
        y: (N,) or (N, k) targets.
        weight: (N,).
    """
    if type(one) is not type(other) or one.target_classes != other.target_classes:
        return False
    found, wanted = one.constant(y, weight), other.constant(y, weight)
    if not torch.equal(found, wanted):
        return False
    if one.target_classes:
        return True
    said, some = [], slice(0, PROBED)
    for head in (copy.deepcopy(one), copy.deepcopy(other)):
        head.calibrate(wanted.expand(len(y[some]), -1), y[some], weight[some])
        said.append(head.predict(wanted.unsqueeze(0) + torch.arange(1, len(wanted) + 1) / 3)[head.point])
    return torch.equal(*said)
