"""Rows whose key an earlier row has, once all blocks are scored: taken out of the output, told of as skipped rows.

Only then is it known which rows they are, in whatever order blocks were done; their cells are read again. What is
written depends on the pieces and the input alone, so that a run that was killed here does the same again.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.serving.extent import Stamps
from mlp_torch.serving.pieces import Pieces
from mlp_torch.serving.scorer import skipped


class Repeats:
    """Rows to leave out.

    Args:
        rows: the input, read a second time.
        found: by block, the rows whose key an earlier row has: see `mlp_torch.serving.keys.later`.
        reason: why they are skipped.
        stamps: of the input, which must not have changed.
    """

    def __init__(self, rows: Csv | Parquet, found: dict[int, NDArray[np.uint32]], reason: str, stamps: Stamps):
        self.rows, self.found, self.reason, self.stamps = rows, found, reason, stamps

    def __len__(self) -> int:
        return sum(map(len, self.found.values()))

    def scored(self, pieces: Pieces) -> Iterator[pa.Table]:
        """The blocks' predictions without those rows."""
        for number, path in pieces.all("scored").items():
            table = pieces.read(path)
            if number in self.found:
                scored = np.sort(pieces.read(pieces.path(number, "keys"))["at"].to_numpy())
                table = table.filter(pa.array(~np.isin(scored, self.found[number])))
            yield table

    def skipped(self, pieces: Pieces) -> Iterator[pa.Table]:
        """The blocks' skipped rows, those rows among them. Raises DataError: `changed_input`."""
        try:
            for whole in self.again(pieces):
                self.stamps.check()  # before other columns meet those of the blocks before
                yield whole
        except (DataError, IndexError, pa.ArrowException, OSError):  # what other rows than before may lead to
            self.stamps.check()
            raise
        self.stamps.check()

    def again(self, pieces: Pieces) -> Iterator[pa.Table]:
        """The same, of rows that may have changed."""
        for number, block in enumerate(self.rows.blocks()):
            path = pieces.path(number, "skipped")
            tables = [pieces.read(path)] if path.is_file() else []
            if number in self.found:
                why = np.full(len(block.table), -1)
                why[self.found[number]] = 0
                tables.append(skipped(block._replace(torn=()), why, [self.reason]))
            if tables:
                whole = pa.concat_tables(tables)
                yield whole.take(pa.array(np.argsort(whole[0].to_numpy(), kind="stable")))  # by row or line
