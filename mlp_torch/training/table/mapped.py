"""A table of encoded rows as one file, column after column, mapped into memory: it costs what is read of it.

Shape: a Batch of N rows -> a file of N · (bytes of a row), each column from a multiple of 4 KB on.

>>> import tempfile
>>> from pathlib import Path
>>> some = Batch({"x": torch.tensor([7, 8])}, torch.zeros(2), torch.ones(2), torch.arange(2))
>>> with tempfile.TemporaryDirectory() as folder:
...     writer = Writer(Path(folder) / "train", 4)
...     writer.append(some); writer.append(some)
...     Mapped(Path(folder) / "train", 4, writer.columns).table.features["x"]
tensor([7, 8, 7, 8])
"""

import mmap
import warnings
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import torch
from torch import Tensor

from mlp_torch import files
from mlp_torch.errors import ModelError
from mlp_torch.head import Batch

PAGE = 4096
DTYPES = {str(dtype): dtype for dtype in (torch.float32, torch.float64, torch.int64, torch.uint8)}


class StoredColumn(NamedTuple):
    """A column of the file.

    Args:
        name: of the feature; the last three columns are y, weight and row.
        dtype: e.g. "torch.float32".
        shape: of one row.
        offset: of the first byte.
    """

    name: str
    dtype: str
    shape: list[int]
    offset: int

    @property
    def width(self) -> int:
        """Bytes of one row."""
        return DTYPES[self.dtype].itemsize * prod(self.shape)


def tensors(table: Batch) -> list[Tensor]:
    """All columns in the order of the file."""
    return [*table.features.values(), table.y, table.weight, table.row]


def layout(table: Batch, rows: int) -> list[StoredColumn]:
    """Where the columns of so many rows lie, given some of them."""
    columns, offset = [], 0
    for name, x in zip([*table.features, "y", "weight", "row"], tensors(table), strict=True):
        columns.append(StoredColumn(name, str(x.dtype), list(x.shape[1:]), offset))
        offset += -(-rows * columns[-1].width // PAGE) * PAGE
    return columns


class Writer:
    """Fills a table's file with rows that come in order.

    Args:
        path: the file.
        rows: how many there will be.
    """

    def __init__(self, path: Path, rows: int):
        self.path, self.rows, self.done = path, rows, 0
        self.columns: list[StoredColumn] = []

    def append(self, table: Batch) -> None:
        """The next rows."""
        if self.columns and not len(table.y):
            return
        self.columns = self.columns or layout(table, self.rows)

        def save(file: IO[bytes]) -> None:
            for column, x in zip(self.columns, tensors(table), strict=True):
                file.seek(column.offset + self.done * column.width)
                file.write(x.contiguous().numpy().data)

        files.write_part(self.path, save)
        self.done += len(table.y)


class Mapped:
    """A table's file in memory, read-only: to write to its tensors ends the process.

    Args:
        path: the file.
        rows: how many.
        columns: where they lie.

    Attributes:
        table: the rows; pages of the file are read where they are looked at.

    Raises:
        ModelError: if the file is missing or too short.
    """

    def __init__(self, path: Path, rows: int, columns: list[StoredColumn]):
        needed = columns[-1].offset + rows * columns[-1].width
        if not path.is_file() or path.stat().st_size < needed:
            found = f"{path.stat().st_size:,}" if path.is_file() else "none"
            raise ModelError(f"{path} must have {needed:,} bytes, however: {found}; delete {path.parent}")
        self.mapping: mmap.mmap | None = None
        if rows:
            with path.open("rb") as file:
                self.mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        *features, y, weight, row = (self.column(column, rows) for column in columns)
        names = [column.name for column in columns[:-3]]
        self.table = Batch(dict(zip(names, features, strict=True)), y, weight, row)

    def column(self, column: StoredColumn, rows: int) -> Tensor:
        """(rows, …) a tensor on the mapped pages."""
        dtype, shape = DTYPES[column.dtype], [rows, *column.shape]
        if self.mapping is None or not column.width:
            return torch.zeros(shape, dtype=dtype)
        with warnings.catch_warnings():
            # a private, writable mapping would be refused where it is larger than memory
            warnings.filterwarnings("ignore", message="The given buffer is not writable")
            x = torch.frombuffer(self.mapping, dtype=dtype, count=prod(shape), offset=column.offset)
        return x.view(shape)

    def release(self) -> None:
        """Gives the memory of the pages that were read back; what is looked at again is read again."""
        if self.mapping is not None:
            self.mapping.madvise(mmap.MADV_DONTNEED)
