"""Where rows come from: a file, a query, or a frame in memory, as one Arrow table or in blocks of rows.

>>> Frame([{"hour": 5}]).read().table.to_pylist()
[{'hour': 5}]
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.csv import Csv
from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.parquet import Parquet

__all__ = ["Blocks", "Csv", "Frame", "Parquet", "Source", "source"]


class Source(Protocol):
    """Anything that gives rows."""

    def read(self) -> Block:
        """All rows. Raises DataError where there are none to be had."""


class Blocks(Protocol):
    """A source that gives rows in blocks of bounded size, the same ones each time."""

    def blocks(self) -> Iterator[Block]:
        """The rows in order; at least one block. Raises DataError where there are none to be had."""


class Frame:
    """Rows in memory: a pandas frame, an Arrow table, or records.

    Args:
        rows: see `mlp_torch.ingest.inputs.table_of`.
    """

    def __init__(self, rows: Any):
        self.rows = rows

    def read(self) -> Block:
        return Block(table_of(self.rows))


ENDINGS = (".csv", ".tsv", ".parquet", ".pq")


def source(path: str | Path) -> Csv | Parquet:
    """The reader that a file's ending asks for.

    Raises:
        DataError: `unknown_format`.
    """
    ending = Path(path).suffix.lower()
    if ending in (".csv", ".tsv"):
        return Csv(path, delimiter="\t" if ending == ".tsv" else ",")
    if ending in (".parquet", ".pq"):
        return Parquet(path)
    raise DataError(Problem("unknown_format", f"a file must end in one of {', '.join(ENDINGS)}, however: {path}"))
