"""What ingestion must make of a raw field, and the table of tensors that comes out of it.

>>> Read("hour").key, Read("hour", "string").key, Read("tags", "set", max_tokens=8, separator=", ").key
('hour', 'hour:string', 'tags:set:8:, ')
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor

Kind = Literal["number", "string", "time", "tokens", "set", "map_keys", "map_values", "statistics", "vector", "image"]
Inputs = dict[str, Tensor]
"""Row-aligned raw tensors by `Read.key`: (B,) float64 for numbers (NaN = missing) and times (seconds of wall clock,
NaN = missing), (B,) int64 fingerprints for strings (0 = missing), (B, L) for the words of tokens, sets and map_keys
(then 0), (B, L) float64 for map_values, (B, 8) float64 for statistics and (B, d) float32 for vectors (NaN = missing),
(B, C, H, W) uint8 for images (all 0 = missing)."""


class Read(NamedTuple):
    """One raw field read as one kind; two columns that need the same share it.

    Args:
        field: the name of the raw field.
        kind: what is made of it.
        max_tokens: of tokens, sets and maps: how many of a cell are read.
        size: of vectors (d,), of images (C, H, W).
        separator: of sets: what stands between the members of a cell that is text.
    """

    field: str
    kind: Kind = "number"
    max_tokens: int = 0
    size: tuple[int, ...] = ()
    separator: str = ""

    @property
    def key(self) -> str:
        """The name of the tensor in Inputs: the field, and every option that is not the default."""
        if self.kind == "number":
            return self.field
        options = [str(self.max_tokens or ""), "x".join(map(str, self.size)), self.separator]
        return ":".join([self.field, self.kind, *filter(None, options)])


def members(field: str, kind: Kind, most: int, *, option: str = "max_tokens", separator: str = "") -> Read:
    """A field whose cells hold several words each.

    Args:
        field: the raw field.
        kind: tokens, set, map_keys or map_values.
        most: how many of a cell are read, the first ones.
        option: what the caller calls `most`.
        separator: of sets: what stands between the members of a cell that is text.

    Raises:
        ValueError: if none would be read, or nothing stands between the members of a set.
    """
    if most < 1:
        raise ValueError(f"{option} must be at least 1, however: {option}={most}")
    if kind == "set" and (not isinstance(separator, str) or not separator):
        raise ValueError(f"separator must be text, and not empty, however: {separator=}")
    return Read(field, kind, max_tokens=most, separator=separator)


Words = Callable[[Read], list[tuple[int, str]]]
"""words(read): the distinct (fingerprint, word) pairs of strings, tokens, sets or map_keys in rows a fit may see."""
