"""What ingestion must make of a raw field, and the table of tensors that comes out of it.

>>> Read("hour").key, Read("hour", "string").key
('hour', 'hour:string')
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor

Kind = Literal["number", "string", "time"]
Inputs = dict[str, Tensor]
"""Row-aligned raw tensors by `Read.key`: (B,) float64 for numbers (NaN = missing) and times (seconds of wall clock,
NaN = missing), (B,) int64 fingerprints for strings (0 = missing)."""


class Read(NamedTuple):
    """One raw field read as one kind; two columns that need the same share it.

    Args:
        field: the name of the raw field.
        kind: `number`, `string` or `time`.
    """

    field: str
    kind: Kind = "number"

    @property
    def key(self) -> str:
        """The name of the tensor in Inputs: the field, and every option that is not the default."""
        return self.field if self.kind == "number" else f"{self.field}:{self.kind}"


Words = Callable[[Read], list[tuple[int, str]]]
"""words(read): the distinct (fingerprint, word) pairs of a string field over the rows that a fit may see."""
