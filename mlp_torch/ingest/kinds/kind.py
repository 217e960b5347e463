"""The interface of a kind: what it makes of Arrow cells, of checked arrays, and of what a TorchScript host passes.

A new kind is a file of this folder, an entry of `mlp_torch.ingest.kinds.read.KINDS`, and a name of `reads.Kind`.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.ingest.cells import Cells, How, present
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import distinct
from mlp_torch.ingest.kinds.reader import Reader
from mlp_torch.ingest.reads import Inputs, Read, Words


class Kind:
    """One way to read cells, without a state of its own: what varies is in the Read.

    Attributes:
        coded: whether text comes dictionary-encoded, so that each distinct one is looked at once.
        nested: whether lists, maps and the like can be read.
        forms: what a TorchScript host passes; fields that are read as several kinds need a form that all of them take.
        takes: what a cell must be, where that is more than text, a number, true, false or null.
        most_bytes: of a cell, where that is more than `max_cell_bytes` allows; 0 = no more.
        faults: by reason code, the rule that a cell breaks, with `Read`'s options in braces; `data.fields.NAME.invalid`
            says what it becomes.
    """

    coded = True
    nested = False
    forms: tuple[str, ...] = ("text",)
    takes = ""
    most_bytes = 0
    faults: dict[str, str] = {}  # noqa: RUF012  # never changed

    @property
    def shaped(self) -> bool:
        """Whether a TorchScript host passes one tensor a field, whose shape is an option of the read."""
        return {"scalar", "text"}.isdisjoint(self.forms)

    def absent(self, item: Read, n: int) -> Any:
        """The values of n cells that are missing."""
        raise NotImplementedError

    def of_text(self, text: Any, item: Read, field: Field, how: How) -> Cells:
        """Cells of text, which is UTF-8."""
        raise NotImplementedError

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        """Cells of any other type; by default there is none."""
        return refused(array, "wrong_type", self.absent(item, len(array)))

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        """(N, …) Inputs of checked values."""
        raise NotImplementedError

    def members(self, array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
        """The words in checked values, one after the other; by default there are none."""
        return None

    def words(self, array: pa.Array | pa.ChunkedArray, item: Read) -> list[tuple[int, str]]:
        """The distinct (fingerprint, word) pairs of checked values."""
        members = self.members(array)
        if members is None:
            return []
        found, names = distinct(members, field=item.field)
        return list(zip(found.tolist(), names.to_pylist(), strict=True))

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        """A value as a caller would send it, that is no row's: of the most frequent words, or of middle values."""
        raise NotImplementedError

    def troubles(self, example: object) -> list[object]:
        """Values, beside a missing one, that something could treat otherwise than training did."""
        raise NotImplementedError

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        """Values as a TorchScript host passes them: what goes into `tensors`, and what into `strings`."""
        return (None, values) if any(isinstance(value, str) for value in values) else (floats(values), None)

    def reader(self, policy: Field, item: Read) -> Reader:
        """The same inside the graph."""
        raise NotImplementedError


def refused(array: pa.Array, code: str, values: Any) -> Cells:
    """A column that cannot be read at all, of which nothing is left; a null is still a null."""
    return Cells(values, {code: present(array)}, {})


def floats(values: list[Any]) -> Tensor:
    """Numbers, None as NaN."""
    return torch.tensor([float("nan") if value is None else float(value) for value in values], dtype=torch.float64)
