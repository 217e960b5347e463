"""A Parquet file, read whole or in blocks of rows.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
...     pa.parquet.write_table(pa.table({"hour": [5]}), file.name)
...     Parquet(file.name).read().table.to_pylist()
[{'hour': 5}]
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import MAX_CELL_BYTES, Block, Places, present

ROWS = 65_536  # of a block


class Parquet:
    """A Parquet file.

    Args:
        path: the file.
        max_cell_bytes: the longest text that a field may hold, in UTF-8.
        strict: whether a column that nobody reads is an error.
    """

    def __init__(self, path: str | Path, *, max_cell_bytes: int = MAX_CELL_BYTES, strict: bool = False):
        self.path, self.max_cell_bytes, self.strict = Path(path), max_cell_bytes, strict

    def read(self) -> Block:
        """All rows. Raises DataError: `no_file`, `empty_file`, `damaged_file`."""
        with self.opened() as file:
            try:
                table = file.read(use_threads=False)
                table.validate(full=True)
            except (pa.ArrowException, OSError) as error:
                raise self.damaged(error) from None
        return self.block(table, 0)

    def blocks(self, size: int = ROWS) -> Iterator[Block]:
        """The rows in order, `size` at a time; one empty block where there are none. Raises DataError as `read`."""
        at = 0
        with self.opened() as file:
            try:
                for batch in file.iter_batches(size, use_threads=False):
                    batch.validate(full=True)
                    yield self.block(pa.Table.from_batches([batch]), at)
                    at += batch.num_rows
                if not at:
                    yield self.block(file.schema_arrow.empty_table(), 0)
            except (pa.ArrowException, OSError) as error:
                raise self.damaged(error) from None

    def opened(self) -> pa.parquet.ParquetFile:
        """The open file, whose pages are checked wherever they have checksums."""
        try:
            return pa.parquet.ParquetFile(present(self.path), page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise self.damaged(error) from None

    def block(self, table: pa.Table, first: int) -> Block:
        """Rows of the file as a block."""
        places = Places("row", first)
        return Block(table, places, str(self.path), max_cell_bytes=self.max_cell_bytes, strict=self.strict)

    def damaged(self, error: Exception) -> DataError:
        """The refusal of a file that Arrow cannot read."""
        reason = str(error).splitlines()[0]
        return DataError(Problem("damaged_file", f"{self.path} cannot be read as Parquet: {reason}"))
