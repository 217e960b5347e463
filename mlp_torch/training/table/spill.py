"""Checked rows on disk, so that a source is read once: a file a block, in Arrow's format, read back by column.

Shape: block i holds (n_i,) of everything; `keep` is (N,) bool over the rows of all blocks.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlp_torch import files
from mlp_torch.ingest.arrow_file import read_arrow, write_arrow
from mlp_torch.ingest.block import Places
from mlp_torch.ingest.checks import Checked, plain
from mlp_torch.ingest.inputs import tensor_of
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.reads import Inputs, Read, Words


class Spill:
    """Rows on disk: what each read made of them, which row of the source they are, and their fingerprint.

    Args:
        folder: where; it must be there.
        reads: by key.
    """

    def __init__(self, folder: Path, reads: dict[str, Read]):
        self.folder, self.reads = folder, reads
        self.sizes: list[int] = []  # rows of each block
        self.places: list[Places] = []  # of each block, without numbers

    def add(self, checked: Checked, inputs: Inputs, row: Tensor) -> None:
        """The next block: its rows, the same as Inputs, and their fingerprints."""
        columns = {f"raw {key}": array for key, array in checked.arrays.items()}
        columns |= {f"fingerprint {key}": pa.array(inputs[key].numpy()) for key in self.texts()}
        columns["row"] = pa.array(row.numpy())
        columns["place"] = pa.array(checked.places.numbers(len(checked.reason))[checked.keep])
        begins = np.searchsorted(checked.keep, [begin for begin, _ in checked.places.files])
        names = [name for _, name in checked.places.files]
        self.places.append(Places(checked.places.unit, files=tuple(zip(begins.tolist(), names, strict=True))))
        files.write_part(self.path(len(self.sizes)), partial(write_arrow, pa.table(columns)))
        self.sizes.append(len(row))

    def texts(self) -> list[str]:
        """Keys of reads whose tensor is not the raw column: they are kept as both."""
        return [key for key, read in self.reads.items() if read.kind == "string"]

    def path(self, number: int) -> Path:
        """The file of a block."""
        return self.folder / f"{number}.arrow"

    def blocks(self) -> Iterator[tuple[slice, "StoredBlock"]]:
        """Each block with the rows that it holds of all."""
        first = 0
        for number, size in enumerate(self.sizes):
            yield slice(first, first + size), StoredBlock(read_arrow(self.path(number)), self.reads)
            first += size

    def raw(self, key: str, keep: Tensor, *, once: bool = False) -> pa.ChunkedArray:
        """What the kept rows hold; each value once a block where that will do."""
        parts = []
        for rows, block in self.blocks():
            part = block.array(f"raw {key}").filter(pa.array(keep[rows].numpy()))
            parts.append(part.unique() if once else part)
        return pa.chunked_array(parts)

    def placed(self, keep: Tensor) -> Places:
        """Where the kept rows lie."""
        numbers: list[NDArray[np.int64]] = []
        names: list[tuple[int, str]] = []
        done = 0
        for (rows, block), places in zip(self.blocks(), self.places, strict=True):
            here = keep[rows].nonzero().squeeze(1).numpy()
            numbers.append(block.tensor("place").numpy()[here])
            names += [(done + int(np.searchsorted(here, begin)), name) for begin, name in places.files]
            done += len(here)
        return Places(self.places[0].unit, lines=np.concatenate(numbers), files=tuple(names))

    def words(self, keep: Tensor) -> Words:
        """The distinct words of kept rows."""

        def words(item: Read) -> list[tuple[int, str]]:
            return KINDS[item.kind].words(self.raw(item.key, keep, once=item.kind == "string"), item)

        return words

    def take(self, names: list[str], keep: Tensor) -> dict[str, Tensor]:
        """Tensors of the kept rows: Inputs by `Read.key`, "row" or "place"."""
        found: dict[str, Tensor] = {}
        total, done = int(keep.sum()), 0
        for rows, block in self.blocks():
            here = keep[rows].nonzero().squeeze(1)
            for name in names:
                x = block.tensor(name).index_select(0, here)
                found.setdefault(name, x.new_empty((total, *x.shape[1:])))[done : done + len(here)] = x
            done += len(here)
        return found


class StoredBlock:
    """A block that was read back: only the columns that are asked for are in memory.

    Args:
        table: on the pages of its file.
        reads: by key.
    """

    def __init__(self, table: pa.Table, reads: dict[str, Read]):
        self.table, self.reads = table, reads

    def array(self, name: str) -> pa.Array:
        """A column of the file."""
        return plain(self.table.column(name))

    def tensor(self, name: str) -> Tensor:
        """(n,) Inputs by `Read.key`, "row" or "place"."""
        read = self.reads.get(name)
        if read is None:
            return torch.from_numpy(np.array(self.array(name)))
        if read.kind == "string":
            return torch.from_numpy(np.array(self.array(f"fingerprint {name}")))
        return tensor_of(self.array(f"raw {name}"), read)

    def inputs(self) -> Inputs:
        """All reads as tensors."""
        return {key: self.tensor(key) for key in self.reads}
