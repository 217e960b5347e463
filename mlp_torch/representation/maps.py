"""Maps (ch. 2, Hashed Feature): names with numbers, {"clicks": 3, "bids": 0.5}, of which there may be any number.

Each name falls in a bucket and has a sign, both by its fingerprint; a row is Σ sign · number · vector of the bucket. By
the signs, names that share a bucket cancel out on average instead of adding up.
Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning".

Shape: (B, M) int64 fingerprints, 0 = none, and (B, M) float64 -> (B, M, 2) float32, bucket and number -> (B, dim).

>>> bids = HashedMap("bids", buckets=100, max_names=2, dim=4)
>>> names, numbers = bids.keys
>>> bids.encode({names: torch.tensor([[207, -208]]), numbers: torch.tensor([[2.0, 1.0]]).double()})
tensor([[[ 7.,  2.],
         [ 8., -1.]]])
"""

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import bigquery_bucket
from mlp_torch.ingest.reads import members
from mlp_torch.representation.embeddings import checked_dim, default_dim
from mlp_torch.representation.numbers import FARTHEST

EXACT = 2**24  # float32 holds every bucket's number below this


class HashedMap(Column):
    """A map from names to numbers, by signed hashing.

    Args:
        field: the raw field: maps, or objects of JSON.
        buckets: how many, at most 2^24.
        max_names: names of a cell.
        dim: width of what a row becomes; by default about 1.6 · √buckets.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.

    Raises:
        ValueError: in `fit`, if no training row has a number other than 0.
    """

    scale: Tensor
    farthest: Tensor

    def __init__(
        self, field: str, buckets: int, *, max_names: int = 64, dim: int | None = None, l1: float = 0.0, l2: float = 0.0
    ):
        reads = {
            "names": members(field, "map_keys", max_names, option="max_names"),
            "numbers": members(field, "map_values", max_names, option="max_names"),
        }
        super().__init__(reads, l1=l1, l2=l2)
        if not 2 <= buckets <= EXACT:
            raise ValueError(f"buckets must be from 2 to {EXACT:,}, however: {buckets=}")
        self.names, self.numbers, self.buckets = reads["names"].key, reads["numbers"].key, buckets
        self.dim = checked_dim(dim) or default_dim(buckets)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("farthest", torch.tensor(FARTHEST, dtype=torch.float64), persistent=False)

    @property
    def keys(self) -> tuple[str, str]:
        """Where its names and its numbers are in Inputs."""
        return self.names, self.numbers

    __jit_unused_properties__ = ("keys",)

    def fit(self, sample: Sample) -> None:
        x = sample.inputs[self.numbers][sample.inputs[self.names] != 0].abs()  # (n,)
        largest = x.max() if len(x) else torch.zeros(())
        if not largest > 0:
            text = f"{self.numbers} must have a number other than 0 in training rows, however: all are missing or 0"
            raise ValueError(text)
        spread = largest * (x / largest).square().mean().sqrt()  # root of the mean square, which cannot overflow
        self.scale = spread.clamp(min=torch.finfo(torch.float64).tiny)  # nor be 0

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        names = inputs[self.names]  # (B, M)
        sign = 1 - 2 * ((names >> 40) & 1)  # a bit that has no part in which bucket it is, be their number a power of 2
        numbers = (inputs[self.numbers] / self.scale).clamp(-self.farthest, self.farthest) * sign * (names != 0)
        buckets = bigquery_bucket(names, self.buckets)
        return torch.stack([buckets.float(), numbers.float()], dim=-1)  # (B, M, 2)

    def layer(self) -> nn.Module:
        return SignedRows(self.buckets, self.dim)


class SignedRows(nn.Module):
    """Σ number · row of the bucket. Rows begin at 0, and stay there where training never has a name.

    Args:
        buckets: number of rows.
        dim: width of a row.

    Shape: (B, M, 2) float32 -> (B, dim) float32.
    """

    def __init__(self, buckets: int, dim: int):
        super().__init__()
        self.table = nn.Embedding(buckets, dim)
        nn.init.zeros_(self.table.weight)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.table(x[:, :, 0].long())  # (B, M, dim)
        return torch.bmm(x[:, :, 1].unsqueeze(1), rows).squeeze(1)  # (B, dim)
