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

from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import cross, tensorflow_bucket
from mlp_torch.representation.embeddings import checked_dim, default_dim
from mlp_torch.representation.hashed import Hashed


class Crossed(Column):
    """A learned vector for each bucket of the combinations.

    Args:
        parts: two or more, in order: columns that can be crossed, or names of raw fields, which are taken as text.
        buckets: how many.
        dim: width of a vector; by default about 1.6 · √buckets.

    Raises:
        ValueError: also for a part that cannot be crossed, such as a scaled number: cut it into buckets first.
    """

    def __init__(self, parts: list[Column | str], buckets: int, *, dim: int | None = None):
        columns = [Hashed(part, buckets=2) if isinstance(part, str) else part for part in parts]
        if len(columns) < 2:
            raise ValueError(f"a cross must have at least 2 parts, however: {len(columns)}")
        for part in columns:
            if type(part).part is Column.part:
                raise ValueError(f"a part of a cross must have a method `part`, however: {type(part).__name__}")
        if buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        super().__init__({f"{i}.{name}": read for i, part in enumerate(columns) for name, read in part.reads.items()})
        self.parts = nn.ModuleList(columns)
        self.buckets, self.codes, self.dim = buckets, buckets, checked_dim(dim) or default_dim(buckets)

    def fit(self, sample: Sample) -> None:
        for part in self.parts:
            part.fit(sample)  # type: ignore[operator]  # nn.ModuleList forgets what it holds

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
