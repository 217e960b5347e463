"""Tables that are larger than memory: which those are, and the rows of them that a proposal is made from.

A table is taken for one by its cells alone, not by the machine, so that a file gives the same experiment everywhere.
Its rows are read in blocks, and those are kept whose numbers have the smallest fingerprints: the same ones each time.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block, concatenated, torn_rows
from mlp_torch.ingest.csv_text import lines
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.parquet import opened
from mlp_torch.ingest.parquet_files import shards
from mlp_torch.ingest.source import Csv, Parquet

CELLS = 50_000_000  # rows × fields; training in memory takes about 60 bytes a cell
LOOKED_AT = 400_000  # rows of a larger table
START = 2**20  # bytes of a CSV from which its lines are estimated


class BoundedReader:
    """Reads a table: whole, or of one that is larger than memory some rows.

    Args:
        cells: the most that are read whole.
        rows: of a larger table.

    Attributes:
        total: rows of a table that was larger, of a CSV about; None of one that was read whole.
        note: a sentence on that.
    """

    def __init__(self, *, cells: int = CELLS, rows: int = LOOKED_AT):
        self.cells, self.rows = cells, rows
        self.total: int | None = None
        self.note = ""

    def __call__(self, reader: Csv | Parquet) -> Block:
        """The rows.

        Raises:
            DataError: as the reader's.
        """
        rows, fields = size_of(reader.path) if isinstance(reader, Parquet) else size_of_csv(reader)
        if rows * fields <= self.cells:
            return reader.read()
        block = sampled(reader, share=self.rows / rows)
        if block.torn:
            raise DataError(torn_rows(block))
        self.total, about = rows, "about " * isinstance(reader, Csv)
        self.note = (
            f"{about}{rows:,} rows × {fields} fields are more than {self.cells:,} cells: taken for larger than memory. "
            f"{len(block.table):,} rows were looked at, chosen by fingerprint of their number; what only others hold, "
            "training and `mlp_torch validate` tell, for they read them all"
        )
        return block


def size_of(path: Path) -> tuple[int, int]:
    """Rows and fields of Parquet, by its footers. Raises DataError: `damaged_file`."""
    rows, fields = 0, 0
    for item in shards(path):
        with opened(item) as file:
            rows += file.metadata.num_rows
            fields = max(fields, file.metadata.num_columns + len(item.values))
    return rows, fields


def size_of_csv(reader: Csv) -> tuple[int, int]:
    """Rows and fields of a CSV, the rows estimated from the length of its first ones."""
    block = next(reader.blocks(START))
    with reader.path.open("rb") as file:
        start = file.read(START)
    per_row = len(start) / max(lines(start), 1)
    return max(block.total, round(reader.path.stat().st_size / per_row)), block.table.num_columns


def sampled(reader: Csv | Parquet, *, share: float) -> Block:
    """About a share of the rows, in their order, with the places that they have in the file."""
    found, at = [], 0
    for block in reader.blocks():
        numbers = pa.array(np.arange(at, at + len(block.table))).cast(pa.large_string())
        keys = arrow_fingerprints(numbers, field="the row's number").numpy()
        rows = np.flatnonzero(keys < -(2.0**63) + share * 2.0**64)
        at += len(block.table)
        if len(rows) or block.torn:
            places = block.places
            begins = tuple((int(np.searchsorted(rows, begin)), name) for begin, name in places.files)
            places = places._replace(lines=places.numbers(len(block.table))[rows], files=begins)
            found.append(block._replace(table=block.table.take(pa.array(rows)), places=places))
    return concatenated(found)
