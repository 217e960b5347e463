"""SQL: the rows of a query, on SQLite by Python's own library, elsewhere by a driver of ADBC, which speaks Arrow.

>>> import sqlite3, tempfile
>>> with tempfile.NamedTemporaryFile(suffix=".db") as file:
...     with sqlite3.connect(file.name) as database:
...         _ = database.execute("create table flights as select 5 as hour")
...     Sql("select hour from flights order by rowid", file.name).read().table.to_pylist()
[{'hour': 5}]
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.ingest import adbc, sqlite
from mlp_torch.ingest.block import MAX_CELL_BYTES, Block, Places, concatenated, twice

ROWS = 65_536  # of a block
DRIVER = re.compile(r"adbc_driver_[a-z0-9_]+")
PASSWORD = re.compile(r"^([a-z0-9+]+://)?[^/@:]*:[^/@$][^/@]*@")  # user:password@


class Sql:
    """The rows of a query, counted from 0 in the order in which they come.

    Without ORDER BY a database may give another order each time, and so other splits of a table that has no key.

    Args:
        query: one SELECT.
        database: the file of SQLite: see `mlp_torch.ingest.sqlite`.
        driver: in its place the module of an ADBC driver, as `adbc_driver_postgresql`: see `mlp_torch.ingest.adbc`.
        uri: what the driver connects to, as `postgresql://reader@host/sales`, `$NAME` standing for an environment
            variable. No password: a run stores its configuration (libpq finds one in PGPASSWORD or ~/.pgpass).
        max_cell_bytes: the longest text that a field may hold, in UTF-8.
        strict: whether a column that nobody reads is an error.
    """

    def __init__(
        self,
        query: str,
        database: str | Path | None = None,
        *,
        driver: str | None = None,
        uri: str | None = None,
        max_cell_bytes: int = MAX_CELL_BYTES,
        strict: bool = False,
    ):
        options = {"database": database, "driver": driver, "uri": uri}
        given = [name for name, value in options.items() if value is not None]
        if given not in (["database"], ["driver", "uri"]):
            raise ConfigError(f"data.source must have a database, or a driver and its uri, however: {given}")
        if driver is not None and not DRIVER.fullmatch(driver):
            raise ConfigError(f"data.source.driver must be a module adbc_driver_…, however: {driver!r}")
        if uri is not None and PASSWORD.search(uri):
            raise ConfigError("data.source.uri must hold no password, which a run would store; name a variable: $NAME")
        self.query, self.database, self.driver, self.uri = query, database, driver, uri
        self.max_cell_bytes, self.strict = max_cell_bytes, strict

    def read(self) -> Block:
        """All rows.

        Raises:
            DataError: `no_file`, `empty_file`, `damaged_file`, `locked_database`, `query_writes`, `query_failed`,
                `duplicate_column`.
            MissingExtra: where the driver is not installed.
        """
        blocks = list(self.blocks())
        tables = sqlite.alike([block.table for block in blocks])
        return concatenated(block._replace(table=table) for block, table in zip(blocks, tables, strict=True))

    def blocks(self, size: int = ROWS) -> Iterator[Block]:
        """The rows in order, `size` at a time; one empty block where there are none. Raises DataError as `read`.

        A column of SQLite may have another type in each block.
        """
        if self.database is not None:
            name, tables = str(self.database), sqlite.tables(Path(self.database), self.query, size)
        else:
            name, tables = str(self.driver), adbc.tables(str(self.driver), str(self.uri), self.query, size)
        at = 0
        for table in tables:
            if again := twice(table.column_names):
                text = "a column's name must be there once; give it another by AS in the query"
                raise DataError(Problem("duplicate_column", text, again))
            yield Block(table, Places("row", at), name, max_cell_bytes=self.max_cell_bytes, strict=self.strict)
            at += len(table)
