"""What is known of an input before its rows are read, and whether it is still the same after."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.parquet_files import shards, stamps

PIECE = 2**20  # bytes that are read at once


class Extent(NamedTuple):
    """What is known of an input before its rows are read.

    Args:
        files: the name in its folder, if it is in one, and the sha256 of each.
        rows: how many rows, about.
    """

    files: list[list[str]]
    rows: int

    @classmethod
    def of(cls, path: Path) -> "Extent":
        """The extent of a file, or of a folder of them. Raises DataError: `no_file`, `empty_file`."""
        found = [(item.name, *digest(item.path)) for item in shards(path)]
        return cls([[name, sha] for name, sha, _ in found], sum(rows for *_, rows in found))


def digest(path: Path) -> tuple[str, int]:
    """A file's sha256, and how many rows it has: in text, lines without the header."""
    found, lines = sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
            lines += piece.count(b"\n")
    try:
        return found.hexdigest(), pa.parquet.read_metadata(path).num_rows
    except (pa.ArrowException, OSError):
        return found.hexdigest(), lines - 1


class Stamps:
    """Files as they are now, to tell later whether they were written to.

    Args:
        path: a file, or a folder of them.
    """

    def __init__(self, path: Path):
        self.path, self.found = path, stamps(path)

    def check(self) -> None:
        """Refuses files that were written to since, or are gone. Raises DataError: `changed_input`."""
        try:
            same = stamps(self.path) == self.found
        except (DataError, OSError):
            same = False
        if not same:
            raise DataError(Problem("changed_input", f"{self.path} changed while it was read"))
