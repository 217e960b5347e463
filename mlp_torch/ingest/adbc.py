"""A query by a driver of ADBC (Arrow Database Connectivity): PostgreSQL, Snowflake, BigQuery and others.

The query is sent as it is, in a transaction that is never committed; let its account have no right but to read.

>>> tables("adbc_driver_nothing", "nothing://", "select 1", 10).__next__()
Traceback (most recent call last):
mlp_torch.errors.MissingExtra: a driver must be installed, however: No module named 'adbc_driver_nothing'; \
pip install adbc-driver-nothing adbc-driver-manager
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from mlp_torch.errors import DataError, MissingExtra, Problem
from mlp_torch.ingest.block import regrouped


def tables(driver: str, uri: str, query: str, size: int) -> Iterator[pa.Table]:
    """The rows of a query, `size` at a time; at least one table.

    Args:
        driver: the module, imported here alone.
        uri: what it connects to; `$NAME` stands for an environment variable.
        query: one SELECT.
        size: rows of a table.

    Raises:
        MissingExtra: where the driver is not installed.
        DataError: `query_failed`.
    """
    dbapi = loaded(driver)
    try:
        with closing(dbapi.connect(os.path.expandvars(uri))) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
            found = regrouped((pa.Table.from_batches([batch]) for batch in reader), size)
            yield next(found, reader.schema.empty_table())
            yield from found
    except (dbapi.Error, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(Problem("query_failed", f"a query must be known to {driver}, however: {reason}")) from None


def loaded(driver: str) -> Any:
    """The driver's `dbapi`."""
    try:
        return importlib.import_module(f"{driver}.dbapi")
    except ImportError as error:
        packages = f"{driver.replace('_', '-')} adbc-driver-manager"
        raise MissingExtra(f"a driver must be installed, however: {error}; pip install {packages}") from None
