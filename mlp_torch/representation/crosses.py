"""Feature cross (ch. 2): each combination of values a category of its own, hashed into buckets.

The fingerprints of the parts are chained in order, so that ("ab", "c") differs from ("a", "bc") and (a, b) from
(b, a); the bucket is that of Keras' HashedCrossing.

Shape: the parts' (B,) int64 -> (B,) int64 codes -> (B, dim) float32.

>>> import torch
>>> route = Crossed(["origin", "dest"], buckets=100, dim=2)
>>> there = {"origin:string": torch.tensor([5]), "dest:string": torch.tensor([9])}
>>> back = {"origin:string": torch.tensor([9]), "dest:string": torch.tensor([5])}
>>> route.encode(there), route.encode(back)
(tensor([90]), tensor([13]))
"""

import math

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import cross, tensorflow_bucket
from mlp_torch.representation.embeddings import checked_dim, default_dim, distinct
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.loads import Loads


class Crossed(Column):
    """A learned vector for each bucket of the combinations.

    It warns where its parts have more combinations than there are training rows, and where training rows show more of
    them than there are buckets.

    Args:
        parts: two or more, in order: columns that can be crossed, or names of raw fields, which are taken as text. A
            category gives its fingerprint, a cross its own before the modulo: their buckets, dim, min_count and the
            like count for nothing here.
        buckets: how many.
        dim: width of a vector; by default about 1.6 · √buckets.
        l1: of the absolute values of the vectors, what is added to the loss: most combinations then weigh nothing.
        l2: the same of their squares.

    Raises:
        ValueError: also for a part that cannot be crossed, such as a scaled number: cut it into buckets first.
    """

    sizes: Tensor

    def __init__(
        self, parts: list[Column | str], buckets: int, *, dim: int | None = None, l1: float = 0.0, l2: float = 0.0
    ):
        columns = [Hashed(part, buckets=2) if isinstance(part, str) else part for part in parts]
        if len(columns) < 2:
            raise ValueError(f"a cross must have at least 2 parts, however: {len(columns)}")
        for part in columns:
            if type(part).part is Column.part:
                raise ValueError(f"a part of a cross must have a method `part`, however: {type(part).__name__}")
        if buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        reads = {f"{i}.{name}": read for i, part in enumerate(columns) for name, read in part.reads.items()}
        super().__init__(reads, l1=l1, l2=l2)
        self.parts = nn.ModuleList(columns)
        self.buckets, self.codes, self.dim = buckets, buckets, checked_dim(dim) or default_dim(buckets)
        self.loads = Loads(buckets)
        self.register_buffer("sizes", torch.zeros(len(columns), dtype=torch.int64))  # distinct values of each part

    def fit(self, sample: Sample) -> None:
        for part in self.parts:
            part.fit(sample)  # type: ignore[operator]  # nn.ModuleList forgets what it holds
            part.resize()  # type: ignore[operator]
        given = [part.part(sample.inputs) for part in self.parts]  # type: ignore[operator]
        self.sizes = torch.tensor([len(distinct(values)[0]) for values in given])
        combinations, rows = distinct(cross(given))
        self.loads.fit(tensorflow_bucket(combinations, self.buckets), rows)

    def resize(self) -> None:
        for part in self.parts:
            part.resize()  # type: ignore[operator]

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        return tensorflow_bucket(self.part(inputs), self.buckets)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        """The chained fingerprint before the modulo, so that crosses nest."""
        values: list[Tensor] = []
        for part in self.parts:
            values.append(part.part(inputs))  # type: ignore[operator]
        return cross(values)  # (B,)

    def report(self) -> dict[str, float]:
        return {**self.loads.report(), "combinations": math.prod(self.sizes.tolist())}

    def notes(self) -> list[str]:
        found, rows = self.report(), int(self.loads.rows.sum())
        parts = " × ".join(f"{size:,}" for size in self.sizes.tolist())
        told = [self.loads.note(f"of {parts} = {found['combinations']:,} combinations")]
        if found["combinations"] > rows:
            few = f"{parts} values have more combinations than the {rows:,} training rows: most are hardly ever seen"
            weights = "" if self.l1 or self.l2 else ", or take l1 or l2"
            told.append(f"WARNING: {few}; cut the parts into fewer values{weights}")
        if found["values"] > self.buckets:
            many = f"{found['values']:,} combinations of training rows share {self.buckets:,} buckets"
            told.append(f"WARNING: {many}; more buckets tell them apart")
        return told
