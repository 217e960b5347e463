"""The files that one path means: a file, or a folder of shards, whose subfolders may be called `name=value`.

>>> valued("day=2026-01-01%2010%3A00"), valued("day=__HIVE_DEFAULT_PARTITION__")
(('day', '2026-01-01 10:00'), ('day', None))
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest import checksums
from mlp_torch.ingest.block import present

ENDINGS = (".parquet", ".pq")
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # as Hive and Spark call the folder of rows without a value
LOGS = ("_delta_log", "_hudi_index")


class Shard(NamedTuple):
    """One file of rows.

    Args:
        path: where it lies.
        name: its path below the folder, with slashes; "" for a file that stands alone.
        values: by name, what its folders say of all its rows.
    """

    path: Path
    name: str = ""
    values: Mapping[str, str | None] = MappingProxyType({})

    @property
    def listed(self) -> str:
        """Its name in a list of the folder's files."""
        return self.name or self.path.name


def shards(path: Path) -> list[Shard]:
    """The file itself, or the folder's files that end in `.parquet` or `.pq`, each folder's sorted by name.

    What begins with `.` or `_` is passed over, as are files that end in something else. A subfolder must be called
    `name=value`: others hold other tables, as a rule (`train` and `test`).

    Raises:
        DataError: `no_file` where there is none, `empty_file`, `not_a_shard`.
    """
    if not path.is_dir():
        return [Shard(present(path))]
    found = list(below(path, path, {}))
    if not found:
        raise DataError(Problem("no_file", f"{path} is a folder without a file that ends in {' or '.join(ENDINGS)}"))
    return found


def stamps(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of every file that a path means, and of the checksums beside them.

    Raises DataError as `shards`.
    """
    sums = (path if path.is_dir() else path.parent) / checksums.NAME
    files = [*(item.path for item in shards(path)), *([sums] if sums.is_file() else [])]
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def below(folder: Path, top: Path, values: Mapping[str, str | None]) -> Iterator[Shard]:
    """The shards of a folder and of the folders in it."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name in LOGS:
            text = (
                f"{folder} is a table with a log, whose files hold removed rows too; write the rows to a plain folder"
            )
            raise DataError(Problem("not_a_shard", text))
        if item.name.startswith(".") or (item.name.startswith("_") and "=" not in item.name):
            continue
        if item.is_dir():
            name, value = valued(item.name)
            if not name or name in values:
                text = f"a folder of shards may hold folders called name=value alone, each name once, however: {item}"
                raise DataError(Problem("not_a_shard", text))
            yield from below(item, top, {**values, name: value})
        elif item.suffix.lower() in ENDINGS:
            yield Shard(present(item), item.relative_to(top).as_posix(), values)


def valued(folder: str) -> tuple[str, str | None]:
    """Name and value of a folder that is called `name=value`; the name is "" for others."""
    name, _, value = folder.partition("=")
    if not value:
        return "", None
    return unquote(name), None if value == NO_VALUE else unquote(value)
