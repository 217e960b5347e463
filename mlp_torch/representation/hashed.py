"""Hashed feature (ch. 2): categories into a fixed number of buckets by fingerprint. No vocabulary, so no cold start.

Values that share a bucket share its row. A second, independent hash tells them apart: few share both buckets.

Shape: (B,) int64 fingerprints, 0 = missing -> (B,) int64 codes, or (B, 2) with a second hash -> (B, dim) float32.

>>> airport = Hashed("airport", buckets=1000, dim=2)
>>> airport.encode({"airport:string": torch.tensor([-7, 1003, 0])})
tensor([   7,    3, 1000])
>>> Hashed("airport", buckets=1000, second="sum").encode({"airport:string": torch.tensor([7, 1007])})
tensor([[  7, 902],
        [  7, 901]])
"""

from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Rows, Sample
from mlp_torch.ingest.fingerprint import bigquery_bucket, cross, tensorflow_bucket
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim, default_dim, distinct
from mlp_torch.representation.loads import Loads


class Hashed(Column):
    """A learned vector for each bucket; missing cells have one of their own, after the last bucket.

    A number that is no whole one is no category: cut it by `Bucketized`, whose buckets a cross hashes.

    Args:
        field: the raw field; whole numbers are read as their decimal text.
        buckets: how many; the book's rule of thumb is one for every five categories.
        dim: width of a vector; by default about 1.6 · √buckets.
        convention: `bigquery` = |int64 mod n|, the book's, or `tensorflow` = uint64 mod n; they differ.
        second: a second bucket by another hash: the vectors of both are added up (`sum`) or stand side by side, each
            half as wide (`concat`). It is that of Keras' HashedCrossing of this value alone, among as many buckets.
        l1: of the absolute values of the vectors, what is added to the loss.
        l2: the same of their squares.
    """

    def __init__(
        self,
        field: str,
        buckets: int,
        *,
        dim: int | None = None,
        convention: Literal["bigquery", "tensorflow"] = "bigquery",
        second: Literal["sum", "concat"] | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        super().__init__({"x": Read(field, "string")}, l1=l1, l2=l2)
        if buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        if convention not in ("bigquery", "tensorflow"):
            raise ValueError(f"convention must be bigquery or tensorflow, however: {convention=}")
        if second not in (None, "sum", "concat"):
            raise ValueError(f"second must be sum or concat, however: {second=}")
        if second == "concat" and dim is not None and dim % 2:
            raise ValueError(f"dim must be even for two vectors side by side, however: {dim=}")
        self.key, self.buckets, self.second = self.reads["x"].key, buckets, second
        self.signed = convention == "bigquery"
        self.dim = checked_dim(dim) or default_dim(buckets)
        self.dim += self.dim % 2 if second == "concat" else 0
        self.features = 2 if second else 1
        self.codes = self.features * (buckets + 1)
        self.loads = Loads(buckets)

    def fit(self, sample: Sample) -> None:
        values, rows = distinct(sample.inputs[self.key])
        values, rows = values[values != 0], rows[values != 0]
        self.loads.fit(self.bucket(values), rows, self.other(values) if self.second else None)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        code = torch.where(x == 0, torch.full_like(x, self.buckets), self.bucket(x))  # (B,)
        if self.second is None:
            return code
        other = torch.where(x == 0, torch.full_like(x, self.buckets), self.other(x))  # (B,)
        return torch.stack([code, other], dim=1)  # (B, 2)

    def see(self, codes: Tensor) -> None:
        super().see(codes if self.second is None else codes + torch.tensor([0, self.buckets + 1]))

    def bucket(self, x: Tensor) -> Tensor:
        """The bucket of each fingerprint."""
        return bigquery_bucket(x, self.buckets) if self.signed else tensorflow_bucket(x, self.buckets)

    def other(self, x: Tensor) -> Tensor:
        """The second one: a bijection mixes all bits of the fingerprint, so that its remainder is another one."""
        return tensorflow_bucket(cross([x]), self.buckets)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs[self.key]

    def report(self) -> dict[str, float]:
        return self.loads.report()

    def notes(self) -> list[str]:
        return [self.loads.note()]

    def layer(self) -> nn.Module:
        if self.second is None:
            return Rows(self.codes, self.dim, seen=self.seen)
        n, dim = self.buckets + 1, self.dim // 2 if self.second == "concat" else self.dim
        return Two(Rows(n, dim, seen=self.seen[:n]), Rows(n, dim, seen=self.seen[n:]), added=self.second == "sum")


class Two(nn.Module):
    """The rows of two codes, of a table each.

    Args:
        first: a vector for each first code.
        second: a vector for each second one.
        added: whether they are added up, not put side by side.

    Shape: (B, 2) int64 -> (B, dim) float32.
    """

    def __init__(self, first: Rows, second: Rows, *, added: bool):
        super().__init__()
        self.first, self.second, self.added = first, second, added

    def forward(self, codes: Tensor) -> Tensor:
        first, second = self.first(codes[:, 0]), self.second(codes[:, 1])
        together: Tensor = first + second if self.added else torch.cat([first, second], dim=1)
        return together
