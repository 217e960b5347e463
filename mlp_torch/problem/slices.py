"""Down-sampling with an ensemble (ch. 3, Rebalancing): every member sees all rare rows and its own slice of the others.

No row of the majority is thrown away: each is seen by exactly one member, chosen by a hash of the row's fingerprint, so
that a member's slice is the same in every epoch, on every machine, and when rows are added.

Shape: row (B,) int64 fingerprints, y (B,) float64 class index -> (B, members) float32, 1 = the member sees the row.

>>> slices = MajoritySlices()
>>> slices.fit(torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.ones(4))
>>> slices(torch.tensor([11, 12, 13]), torch.tensor([0.0, 0.0, 1.0]), 3).sum(dim=1)
tensor([1., 1., 3.])
>>> slices.sampling(torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.ones(4), 3)
tensor([0.3333, 0.3333, 0.3333, 1.0000])
"""

import torch
from torch import Tensor, nn

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.fingerprint import cat, tensorflow_bucket

PLACE = 0x51CE5  # hashed beside the row: its fingerprint alone may have decided its split already


class MajoritySlices:
    """Which members see which training rows: of the majority each sees about one in as many as there are members.

    Args:
        majority: index of the class that is sliced; None = the heaviest one of the training rows.

    Raises:
        ConfigError: for a class that there is not.
    """

    def __init__(self, majority: int | None = None):
        if majority is not None and majority < 0:
            raise ConfigError(f"majority must be the index of a class, however: {majority=}")
        self.sliced = -1 if majority is None else majority

    def fit(self, y: Tensor, weight: Tensor) -> None:
        """Finds the majority among the classes of training rows, (N,) float64 and (N,), unless it was given.

        Raises:
            ConfigError: where y is no class index, or no row has the given one.
        """
        if y.dim() != 1 or bool(((y < 0) | (y != y.floor()) & ~y.isnan()).any()):
            kind = "numbers" if y.dim() == 1 else "several labels a row"
            raise ConfigError(f"slices of the majority need one class a row, however: {kind}; take model.rows=null")
        if self.sliced >= 0 and not bool((y == self.sliced).any()):
            raise ConfigError(f"majority must be the index of a class with training rows, however: {self.sliced}")
        if self.sliced < 0:
            known = ~y.isnan()
            self.sliced = int(torch.bincount(y[known].long(), weight[known].double()).argmax())

    def __call__(self, row: Tensor, y: Tensor, members: int) -> Tensor:
        """What a member's loss of each row is multiplied by, (B, members)."""
        member = tensorflow_bucket(cat(row, torch.full_like(row, PLACE)), members)  # (B,)
        own = nn.functional.one_hot(member, members).float()  # (B, members)
        return torch.where((y == self.sliced).unsqueeze(1), own, torch.ones_like(own))

    def sampling(self, y: Tensor, weight: Tensor, members: int) -> Tensor:
        """(N,) how much each training row counts for one member on average, as in `Head.fit`."""
        return torch.where(y == self.sliced, weight / members, weight)
