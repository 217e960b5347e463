"""Where rows come from: a file, a query, or a frame in memory, as one Arrow table or in blocks of rows.

>>> Frame([{"hour": 5}]).read().table.to_pylist()
[{'hour': 5}]
"""

from pathlib import Path
from typing import Any, Protocol

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.csv import Csv
from mlp_torch.ingest.inputs import table_of
from mlp_torch.ingest.parquet import Parquet
from mlp_torch.ingest.parquet_files import ENDINGS
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
    """

    def __init__(self, rows: Any):
        self.rows = rows

    def read(self) -> Block:
        return Block(table_of(self.rows))


READERS = (".csv", ".tsv", *ENDINGS)
REMEDIES = {
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"),
        "a database needs a query: data.source: {_target_: mlp_torch.ingest.source.Sql, query: SELECT …, database: …}",
    ),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip"), "unpack it first, by gunzip -k for example"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV UTF-8 in the program that wrote it"),
    **dict.fromkeys(
        (".json", ".jsonl", ".ndjson"),
        "write its rows as Parquet, for example pyarrow.parquet.write_table(pyarrow.json.read_json(…), …)",
    ),
    **dict.fromkeys(
        (".arrow", ".feather"),
        "write its rows as Parquet, for example pyarrow.parquet.write_table(pyarrow.feather.read_table(…), …)",
    ),
    **dict.fromkeys((".txt", ".dat"), "if it holds cells and delimiters, call it .csv and set data.source.delimiter"),
}


def source(path: str | Path) -> Csv | Parquet:
    """The reader that a file's ending asks for; a folder is one of Parquet shards.

    Raises:
        DataError: `unknown_format`, with what to do where that is known.
    """
    ending = Path(path).suffix.lower()
    if ending in (".csv", ".tsv"):
        return Csv(path, delimiter="\t" if ending == ".tsv" else ",")
    if ending in ENDINGS or Path(path).is_dir():
        return Parquet(path)
    remedy = f"; {REMEDIES[ending]}" if ending in REMEDIES else ""
    text = f"a file must end in one of {', '.join(READERS)}, however: {path}{remedy}"
    raise DataError(Problem("unknown_format", text))
