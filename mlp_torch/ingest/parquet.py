"""Parquet: a file or a folder of shards, read whole or in blocks of rows.

Whatever Arrow notices names the file, column and row: a cut file; a page that disagrees with its checksum,
where pages have them; bytes that cannot be decompressed or decoded. Page checksums leave out headers and footer, and
many writers (pyarrow by default) write none: then a flipped bit may be read as another value, unnoticed. A file
SHA256SUMS beside the data (`sha256sum *.parquet > SHA256SUMS`) leaves out nothing, and is verified wherever it is.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
...     pa.parquet.write_table(pa.table({"hour": [5]}), file.name)
...     Parquet(file.name).read().table.to_pylist()
[{'hour': 5}]
"""

import copy
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from mlp_torch.errors import DataError, Problem, quote
from mlp_torch.ingest.agreement import agreed, cast
from mlp_torch.ingest.block import MAX_CELL_BYTES, Block, Places, concatenated
from mlp_torch.ingest.cells import is_text
from mlp_torch.ingest.checksums import Checksums
from mlp_torch.ingest.parquet_files import Shard, shards
from mlp_torch.ingest.parquet_width import is_words, leaves_of, widest_row

ROWS = 65_536  # of a block, at most
BYTES = 2**26  # of a block's cells, about
STEP = 4096  # rows that are read at once of a file that cannot be read
BUFFER = 2**20  # bytes of a column that are read at once: without, all those of a row group are
UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)  # the last one for a column's name


class Parquet:
    """A Parquet file, or a folder of them that all have the same columns, in any order.

    A folder gives its files one after the other, sorted by name, and a text column for each folder `name=value` in it
    (`day=2026-01-01/part-0.parquet`; see `mlp_torch.ingest.parquet_files`). Their types must agree; where they differ
    in width alone, the widest is taken (see `mlp_torch.ingest.agreement`). Rows are counted from 0 in each file.

    Args:
        path: the file or the folder.
        max_cell_bytes: the longest text that a field may hold, in UTF-8.
        strict: whether a column that nobody reads is an error.
    """

    fields: frozenset[str] | None = None  # those whose cells are decoded; None = all

    def __init__(self, path: str | Path, *, max_cell_bytes: int = MAX_CELL_BYTES, strict: bool = False):
        self.path, self.max_cell_bytes, self.strict = Path(path), max_cell_bytes, strict

    def only(self, fields: Collection[str]) -> "Parquet":
        """The same rows with the cells of some columns; the others are there by name, and hold nulls."""
        some = copy.copy(self)
        some.fields = frozenset(fields)
        return some

    def read(self) -> Block:
        """All rows.

        Raises:
            DataError: `no_file`, `empty_file`, `damaged_file`; `duplicate_column`; of a folder `not_a_shard`,
                `different_types`; with SHA256SUMS `wrong_checksum`, `unlisted_file`, `bad_checksums`.
        """
        return concatenated(self.blocks(None))._replace(name=str(self.path))

    def blocks(self, size: int | None = ROWS) -> Iterator[Block]:
        """The rows in order, `size` at a time, each block of one file; one empty block where there are no rows.

        Of wide rows a block has fewer, by the file's own footer and dictionaries and the columns that are decoded, so
        that it holds about 64 MiB at most, or one row (see `mlp_torch.ingest.parquet_width`).
        With `size` None a block is a file. Raises DataError as `read`.
        """
        files = shards(self.path)
        checksums = Checksums(self.folder)
        checksums.check_names([item.listed for item in files], complete=self.path.is_dir())
        try:
            schema = agreed({str(item.path): schema_of(item) for item in files})
        except DataError:
            for item in files:  # where that is the reason, it is the better one
                checksums.check(item.listed)
            raise
        schema = self.narrowed(schema)
        at = 0
        for item in files:
            checksums.check(item.listed)
            for first, table in tables(item, size, self.fields):
                at += len(table)
                yield self.block(cast(completed(table, schema, item), schema, str(item.path)), item, first)
        if not at:
            yield self.block(schema.empty_table(), files[0], 0)

    def narrowed(self, schema: pa.Schema) -> pa.Schema:
        """The columns with the type null where nobody wants their cells."""
        wanted = [self.fields is None or field.name in self.fields for field in schema]
        pairs = zip(schema, wanted, strict=True)
        return pa.schema([field if some else pa.field(field.name, pa.null()) for field, some in pairs])

    def block(self, table: pa.Table, item: Shard, first: int) -> Block:
        """Rows of a file as a block."""
        places = Places("row", first, files=((0, item.name),) if item.name else ())
        most = self.max_cell_bytes
        return Block(table, places, str(item.path), max_cell_bytes=most, strict=self.strict, folder=self.folder)

    @property
    def folder(self) -> Path:
        """Where checksums lie, and where the paths that cells hold begin."""
        return self.path if self.path.is_dir() else self.path.parent


def opened(item: Shard, *, words: Sequence[str] = ()) -> pa.parquet.ParquetFile:
    """The open file, whose pages are checked wherever they have checksums; `words` are read as dictionaries."""
    # what pre_buffer reads ahead stays in memory until the file is closed: the whole file in the end
    options = {"buffer_size": BUFFER, "pre_buffer": False, "page_checksum_verification": True}
    try:
        return pa.parquet.ParquetFile(item.path, read_dictionary=list(words), **options)
    except UNREADABLE as error:
        raise damaged(item, error) from None


def schema_of(item: Shard) -> pa.Schema:
    """The columns of a file, and those that its folders are called by."""
    with opened(item) as file:
        try:
            fields = [pa.field(name, file.schema_arrow.field(i).type) for i, name in enumerate(file.schema_arrow.names)]
        except UNREADABLE as error:
            raise damaged(item, error) from None
    return pa.schema(fields + [pa.field(name, pa.large_string()) for name in item.values])


def tables(item: Shard, size: int | None, fields: Collection[str] | None) -> Iterator[tuple[int, pa.Table]]:
    """The rows of a file, `size` at a time, each piece with the number of its first row; all columns or some."""
    at = 0
    with opened(item) as file:
        rows = file.metadata.num_rows
        try:
            names = file.schema_arrow.names
            names = None if fields is None else [name for name in names if name in fields]
            step = fitting(item, file, size, names) if size else max(rows, 1)
            for batch in file.iter_batches(step, columns=names, use_threads=False):
                check(batch)
                yield at, pa.Table.from_batches([batch])
                at += batch.num_rows
        except UNREADABLE as error:
            raise damaged(item, error, place(file, fields)) from None
        if at != rows or sum(file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)) != rows:
            raise damaged(item, ValueError(f"its footer counts {rows:,} rows, however: {at:,}"))


def fitting(item: Shard, file: pa.parquet.ParquetFile, size: int, names: Collection[str] | None) -> int:
    """How many rows a block may have: `size`, or fewer, by the row group whose rows are the widest.

    Args:
        item: the file.
        file: the same, open.
        size: at most.
        names: of the columns that are read; None = all.
    """
    parts = leaves_of(file, names)
    words = [leaf.path for leaf in parts if is_words(leaf.kind)]
    with opened(item, words=words) if words else nullcontext(file) as coded:
        return max(1, min(size, int(BYTES / max(widest_row(coded, parts), 1))))


def check(batch: pa.RecordBatch) -> None:
    """Whether Arrow may touch every cell; text that is no UTF-8 is left to the one validator, which names its row."""
    for array in batch.columns:
        (array.cast(pa.large_binary()) if is_text(array.type) else array).validate(full=True)


def place(file: pa.parquet.ParquetFile, fields: Collection[str] | None) -> str:
    """The first column that Arrow cannot read, and the rows of it that it can.

    Arrow knows the bytes too, but asked for them in a damaged footer it ends the process.
    """
    for name in file.schema_arrow.names:
        if fields is not None and name not in fields:
            continue
        rows = 0
        try:
            for batch in file.iter_batches(STEP, columns=[name], use_threads=False):
                check(batch)
                rows += batch.num_rows
        except UNREADABLE:
            return f", column {quote(name)} from row {rows:,} on,"
    return ""


def damaged(item: Shard, error: Exception, where: str = "") -> DataError:
    """The refusal of a file that Arrow cannot read."""
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(Problem("damaged_file", f"{item.path}{where} cannot be read as Parquet: {reason}"))


def completed(table: pa.Table, schema: pa.Schema, item: Shard) -> pa.Table:
    """The rows with the columns that the file's folders are called by, and with nulls for what was not read."""
    columns = {}
    for field in schema:
        if pa.types.is_null(field.type):
            columns[field.name] = pa.nulls(len(table))
        elif field.name in item.values:
            columns[field.name] = pa.repeat(pa.scalar(item.values[field.name], pa.large_string()), len(table))
        else:
            columns[field.name] = table.column(field.name)
    return pa.table(columns)
