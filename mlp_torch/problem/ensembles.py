"""Ensembles (ch. 3): whole models as members, trained side by side in one run, and one graph that averages them.

Bagging weighs each row for each member by how often a bootstrap sample would hold it, which a hash of the row and the
member decides: the same draw in every epoch, in a resumed run, and when rows are added. Source: Breiman 1996, "Bagging
Predictors"; the Poisson bootstrap: Oza & Russell 2001, "Online Bagging and Boosting".

Shape: features -> out (B, members, n).

>>> weight = Bootstrap()(torch.arange(10_000), torch.zeros(10_000), 3)  # (B, members)
>>> round(weight.mean().item(), 2), round((weight == 0).float().mean().item(), 2)  # 1/e of rows are out of a bag
(1.0, 0.37)
"""

import copy
import math
from typing import Protocol

import torch
from torch import Tensor, nn

from mlp_torch.head import Batch, Head
from mlp_torch.ingest.fingerprint import cross
from mlp_torch.model import Model
from mlp_torch.parts import Parts

MOST = 16  # copies of a row in a bootstrap sample; more have a probability of 1e-14
BITS = 52  # of a hash that make a number between 0 and 1


class Bootstrap:
    """How often each row is in each member's bootstrap sample: Poisson of mean 1, by a hash of row and member."""

    def __init__(self) -> None:
        probabilities = torch.tensor([math.exp(-1) / math.factorial(count) for count in range(MOST)]).double()
        self.below = probabilities.cumsum(0)  # P(count ≤ 0), P(count ≤ 1), …

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Nothing: rows are drawn whatever their labels are."""

    def sampling(self, y: Tensor, weight: Tensor, members: int) -> Tensor | None:
        """None: the shares of the classes stay."""
        return None

    def __call__(self, row: Tensor, y: Tensor, members: int) -> Tensor:
        """(B,) int64 fingerprints, (B, …) targets -> (B, members) float32."""
        index = torch.arange(members, device=row.device).expand(len(row), members)
        hashed = cross([row.unsqueeze(1).expand_as(index), index])  # (B, members)
        share = (hashed & (2**BITS - 1)).double() / 2**BITS
        return torch.bucketize(share, self.below.to(row.device), right=True).float()


class Rows(Protocol):
    """What a row weighs for each member of an ensemble."""

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Learns from training targets, (N,) or (N, k), and the rows' weights, (N,)."""
        ...

    def sampling(self, y: Tensor, weight: Tensor, members: int) -> Tensor | None:
        """(N,) how much training rows that count by `weight` do so for one member on average; None = as they are."""
        ...

    def __call__(self, row: Tensor, y: Tensor, members: int) -> Tensor:
        """(B,) int64 fingerprints, (B, …) targets -> (B, members) float32, a pure function of both."""
        ...


class Several(Model):
    """Members that learn each by a loss of its own, and are judged, calibrated and shipped by their average.

    Shape: features -> out (B, members, n).
    """

    def averaged(self, out: Tensor) -> Tensor:
        return self.head.average(out)  # (B, n)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        return self.common(out)

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.own_loss(out, batch) if self.training else super().loss(out, batch)

    def own_loss(self, out: Tensor, batch: Batch) -> Tensor:
        """What the members learn by, (B,)."""
        raise NotImplementedError


class Ensemble(Several):
    """Several models of the same parts, which differ in their first weights and in the rows that they learn from.

    Each learns from its own loss; validation, calibration and the exported graph judge their average. A member whose
    backbone has members itself counts as so many.

    Args:
        parts: what members are made of.
        members: how many.
        rows: which rows a member learns from, e.g. `Bootstrap()`; None = all members from all rows.

    Raises:
        ValueError: for less than two members.
    """

    def __init__(self, parts: Parts, *, members: int = 8, rows: Rows | None = None):
        super().__init__()
        if members < 2:
            raise ValueError(f"members must be at least 2, however: {members=}")
        if rows is not None:
            rows.fit(parts.y, parts.weight)
            counted = parts.weight if parts.sampling is None else parts.sampling
            parts = parts.sampled(rows.sampling(parts.y, counted, members))
        singles = [parts.single() for _ in range(members)]
        self.members = nn.ModuleList(singles)
        self.head = judge_of(singles[0])
        self.widths = [single.width() for single in singles]
        self.rows = rows

    def width(self) -> int:
        return sum(self.widths)

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """(B, sum of the members' widths)."""
        found: list[Tensor] = []
        for member in self.members:
            found.append(member.vectors(features))  # type: ignore[operator]
        return torch.cat(found, dim=1)

    def read_out(self, vectors: Tensor) -> Tensor:
        """(B, d) -> (B, members, n)."""
        parts = torch.split(vectors, self.widths, dim=1)
        outs: list[Tensor] = []
        for i, member in enumerate(self.members):
            out = member.read_out(parts[i])  # type: ignore[operator]
            outs.append(several(out))  # (B, k, n)
        return torch.cat(outs, dim=1)

    def own_loss(self, out: Tensor, batch: Batch) -> Tensor:
        """The mean of the members' losses, each with its rows' weights."""
        b, k, n = out.shape
        repeated = Batch({}, *(x.repeat_interleave(k, dim=0) for x in (batch.y, batch.weight, batch.row)))
        losses = self.head.loss(out.reshape(b * k, n), repeated).view(b, k)
        if self.rows is not None:
            m = len(self.members)
            losses = losses * self.rows(batch.row, batch.y, m).repeat_interleave(k // m, dim=1)
        return losses.mean(dim=1)  # (B,)

    def penalties(self) -> list[Tensor]:
        return [penalty / len(self.members) for member in self.members for penalty in member.penalties()]  # type: ignore[operator]


def judge_of(model: Model) -> Head:
    """A head that judges what several models say: fitted as that of one of them, and with nothing to learn."""
    return copy.deepcopy(model.head).requires_grad_(False)


class Frozen(nn.ModuleList):
    """Trained models, which stay in evaluation mode whatever they are part of."""

    def train(self, mode: bool = True) -> "Frozen":
        return super().train(False)


def several(out: Tensor) -> Tensor:
    """(B, n) as that of one member, (B, 1, n); that of a backbone with members, (B, k, n), as it is. Must script."""
    return out if out.dim() == 3 else out.unsqueeze(1)
