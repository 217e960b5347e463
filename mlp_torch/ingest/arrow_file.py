"""Tables on disk in Arrow's own file format: read back on the pages of the file, so that they cost what is looked at.

>>> import io
>>> file = io.BytesIO()
>>> write_arrow(pa.table({"hour": [5]}), file)
>>> pa.ipc.open_file(file.getvalue()).read_all().to_pylist()
[{'hour': 5}]
"""

from pathlib import Path
from typing import IO

import pyarrow as pa


def write_arrow(table: pa.Table, file: IO[bytes]) -> None:
    """Writes a table into an open file."""
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> pa.Table:
    """The table of a file, mapped into memory."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
