"""Where rows come from: a file, a query, or a frame in memory, as one Arrow table or in blocks of rows.

>>> Frame([{"hour": 5}]).read().table.to_pylist()
[{'hour': 5}]
"""

from pathlib import Path
from typing import Any, Protocol

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.csv import Csv
from mlp_torch.ingest.endings import kind_of
from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.parquet import Parquet
from mlp_torch.ingest.sql import Sql

__all__ = ["Csv", "Frame", "Parquet", "Source", "Sql", "source"]


class Source(Protocol):
    """Anything that gives rows."""

    def read(self) -> Block:
        """All rows. Raises DataError where there are none to be had."""


class Frame:
    """Rows in memory: a pandas frame, an Arrow table, or records.

    Args:
        rows: see `mlp_torch.ingest.inputs.table_of`.
        folder: where the paths of files that cells name begin, such as those of images; without it cells name none.
    """

    def __init__(self, rows: Any, *, folder: str | Path | None = None):
        self.rows, self.folder = rows, None if folder is None else Path(folder)

    def read(self) -> Block:
        return Block(table_of(self.rows), folder=self.folder)


def source(path: str | Path) -> Csv | Parquet:
    """The reader that a file's ending asks for; a folder is one of Parquet shards.

    Raises:
        DataError: `unknown_format`, with what to do where that is known.
    """
    kind = kind_of(path)
    if kind == "parquet":
        return Parquet(path)
    return Csv(path, delimiter="\t" if kind == "tsv" else ",")
