"""Hashed feature (ch. 2): categories into a fixed number of buckets by fingerprint. No vocabulary, so no cold start.

Shape: (B,) int64 fingerprints, 0 = missing -> (B,) int64 codes -> (B, dim) float32.

>>> airport = Hashed("airport", buckets=1000, dim=2)
>>> airport.encode({"airport:string": torch.tensor([-7, 1003, 0])})
tensor([   7,    3, 1000])
"""

from typing import Literal

import torch
from torch import Tensor

from mlp_torch.column import Column
from mlp_torch.ingest.fingerprint import bigquery_bucket, tensorflow_bucket
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim, default_dim


class Hashed(Column):
    """A learned vector for each bucket; missing cells have one of their own, after the last bucket.

    Args:
        field: the raw field; whole numbers are read as their decimal text.
        buckets: how many; the book's rule of thumb is one for every five categories.
        dim: width of a vector; by default about 1.6 · √buckets.
        convention: `bigquery` = |int64 mod n|, the book's, or `tensorflow` = uint64 mod n; they differ.
    """

    def __init__(
        self,
        field: str,
        buckets: int,
        *,
        dim: int | None = None,
        convention: Literal["bigquery", "tensorflow"] = "bigquery",
    ):
        super().__init__({"x": Read(field, "string")})
        if buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        if convention not in ("bigquery", "tensorflow"):
            raise ValueError(f"convention must be bigquery or tensorflow, however: {convention=}")
        self.key, self.buckets, self.signed = self.reads["x"].key, buckets, convention == "bigquery"
        self.codes, self.dim = buckets + 1, checked_dim(dim) or default_dim(buckets)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        bucket = bigquery_bucket(x, self.buckets) if self.signed else tensorflow_bucket(x, self.buckets)
        return torch.where(x == 0, torch.full_like(x, self.buckets), bucket)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs[self.key]
