"""What a network that predicts bins is taught of a row's y: its bin, a bell around y, or which edges y exceeds.

Each is a proper loss of the same logits of n bins, so that predictions, averages and baselines know none of them.

Shape: out (B, n) logits, y (B,), edges (n - 1,) -> (B,).

>>> out, y, edges = torch.zeros(1, 4), torch.tensor([2.5]), torch.tensor([1.0, 2.0, 3.0])
>>> [round(targets.loss(out, y, edges).item(), 3) for targets in (Hard(), Smooth(0.5), Ordinal())]
[1.386, 1.386, 0.423]
"""

from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.problem.piecewise import bin_of


class Targets(nn.Module):
    """The label of a row among bins."""

    def loss(self, out: Tensor, y: Tensor, edges: Tensor) -> Tensor:
        """The loss of each row, (B,), at least 0."""
        raise NotImplementedError


class Hard(Targets):
    """The bin that holds y; its loss is the logarithmic score of the distribution."""

    def loss(self, out: Tensor, y: Tensor, edges: Tensor) -> Tensor:
        return nn.functional.cross_entropy(out, bin_of(y, edges), reduction="none")


class Smooth(Targets):
    """The mass that a normal distribution around y has in each bin (HL-Gauss).

    A neighbouring bin is then less wrong than a far one, which steadies learning from few rows; what is learned is
    wider than y itself by that much.

    Args:
        width: standard deviation.
        unit: of the width: `target`, the unit of y, or `bins`, the width of the bin that holds y (of a tail: of its
            neighbour).

    Source: Imani & White 2018, "Improving Regression Performance with Distributional Losses".
    """

    def __init__(self, width: float, *, unit: Literal["target", "bins"] = "target"):
        super().__init__()
        if not width > 0:
            raise ValueError(f"width must be more than 0, however: width={width}")
        if unit not in ("target", "bins"):
            raise ValueError(f"unit must be target or bins, however: unit={unit!r}")
        self.width, self.unit = float(width), unit

    def label(self, y: Tensor, edges: Tensor) -> Tensor:
        """(B,) -> (B, n) float64; each row sums to 1."""
        y = y.double()
        below = torch.special.ndtr((edges - y.unsqueeze(1)) / self.deviation(y, edges).unsqueeze(1))  # (B, n - 1)
        ends = torch.zeros_like(y).unsqueeze(1)
        return torch.cat([ends, below, 1 + ends], dim=1).diff(dim=1)  # (B, n)

    def deviation(self, y: Tensor, edges: Tensor) -> Tensor:
        """(B,), in the unit of y."""
        if self.unit == "target" or len(edges) < 2:
            return torch.full_like(y, self.width)
        return self.width * edges.diff()[(bin_of(y, edges) - 1).clamp(0, len(edges) - 2)]

    def loss(self, out: Tensor, y: Tensor, edges: Tensor) -> Tensor:
        return nn.functional.cross_entropy(out, self.label(y, edges).to(out.dtype), reduction="none")


class Ordinal(Targets):
    """For each edge whether y exceeds it: the mean logarithmic score of all P(y ≥ edge).

    An error of many bins costs more than one of a few. P(y ≥ edge) is the sum of the bins above, so that it never rises
    from edge to edge, unlike independent classifiers of the edges.
    Source: Frank & Hall 2001, "A Simple Approach to Ordinal Classification"; its score is a discrete log-version of the
    CRPS.
    """

    def loss(self, out: Tensor, y: Tensor, edges: Tensor) -> Tensor:
        below = out.logcumsumexp(dim=1)[:, :-1]  # (B, n - 1)
        above = out.flip(1).logcumsumexp(dim=1).flip(1)[:, 1:]
        exceeds = (y.to(edges.dtype).unsqueeze(1) >= edges).to(out.dtype)
        return nn.functional.binary_cross_entropy_with_logits(above - below, exceeds, reduction="none").mean(dim=1)
