"""Snapshot ensemble (ch. 3): one training run whose learning rate restarts; the weights at each end are a member.

Source: Huang et al. 2017, "Snapshot Ensembles: Train 1, Get M for Free". The scheduler must restart with the cycles:
`scheduler=restarts`. What is best, and whether to stop early, is asked at the ends of cycles alone.

Shape: features -> out (B, members, n), (B, 1, n) in training, which learns on with the newest member.
"""

import copy

import torch
from torch import Tensor

from mlp_torch.head import Batch
from mlp_torch.model import Single
from mlp_torch.parts import Parts
from mlp_torch.problem.ensembles import Frozen, Several, judge_of, several


class Snapshots(Several):
    """A model that learns, and copies of what it was at the end of each cycle before.

    Args:
        parts: what the model is made of.
        cycle: epochs after which the learning rate restarts.
        most: members at most, the one that learns among them; when there are more cycles the oldest leave.

    Raises:
        ValueError: for cycles of less than an epoch and for less than two members.
    """

    taken: int

    def __init__(self, parts: Parts, *, cycle: int = 5, most: int = 5):
        super().__init__()
        if cycle < 1 or most < 2:
            raise ValueError(f"cycle must be at least 1 and most at least 2, however: {cycle=}, {most=}")
        self.live: Single = parts.single()
        self.earlier = Frozen(copy.deepcopy(self.live).requires_grad_(False) for _ in range(most - 1))
        self.head = judge_of(self.live)
        self.period, self.taken, self.ended = cycle, 0, 0

    def get_extra_state(self) -> dict[str, int]:
        return {"taken": self.taken, "ended": self.ended}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.taken, self.ended = state["taken"], state["ended"]

    def begin(self, epoch: int) -> None:
        """Keeps what the cycle before has learned; asked again in the same cycle, after a resume, it does nothing."""
        if epoch // self.period <= self.ended:
            return
        place = self.ended % len(self.earlier)
        self.earlier[place].load_state_dict(self.live.state_dict())
        self.ended = epoch // self.period
        self.taken = min(self.ended, len(self.earlier))

    def width(self) -> int:
        return (1 + self.taken) * self.live.width()

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """(B, members · d), in training (B, d)."""
        found = [self.live.vectors(features)]
        if not self.training:
            for i, member in enumerate(self.earlier):
                if i < self.taken:
                    found.append(member.vectors(features))  # type: ignore[operator]
        return torch.cat(found, dim=1)

    def read_out(self, vectors: Tensor) -> Tensor:
        """(B, members · d) -> (B, members, n)."""
        d = self.live.width()
        outs = [several(self.live.read_out(vectors[:, :d]))]
        if not self.training:
            for i, member in enumerate(self.earlier):
                if i < self.taken:
                    outs.append(several(member.read_out(vectors[:, (i + 1) * d : (i + 2) * d])))  # type: ignore[operator]
        return torch.cat(outs, dim=1)

    def own_loss(self, out: Tensor, batch: Batch) -> Tensor:
        """That of the model that learns."""
        return self.live.loss(out if self.live.members > 1 else out[:, 0], batch)

    def penalties(self) -> list[Tensor]:
        return self.live.penalties()
