"""What a batch writes, and what is written beside the columns, so that an output is known again and no stranger's file
is replaced.

    OUT.parquet             predictions
    OUT.skipped.parquet     rows that are not scored, with the reason
    OUT.parquet.unfinished  pieces of either, until all are there

>>> skipped_of(Path("out.parquet")).name, unfinished(Path("out.parquet")).name
('out.skipped.parquet', 'out.parquet.unfinished')
"""

import json
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from mlp_torch import files
from mlp_torch.errors import ConfigError
from mlp_torch.ingest.block import regrouped
from mlp_torch.ingest.parquet_files import ENDINGS

ROWS = 2**18  # of a row group in the output
NOTE = b"mlp_torch"  # the key of what is written beside the columns


def skipped_of(output: Path) -> Path:
    """The file of an output's skipped rows."""
    return output.with_suffix(f".skipped{output.suffix}")


def unfinished(output: Path) -> Path:
    """The folder of an output's pieces."""
    return output.with_name(f"{output.name}.unfinished")


def check_output(output: Path, rows: Path) -> None:
    """Refuses an output that cannot be one, or that would be read as input the next time. Raises ConfigError."""
    try:
        str(output).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"the output's path must be UTF-8, however: {os.fsencode(output)!r}") from None
    if output.suffix.lower() not in ENDINGS:
        text = f"the output must be Parquet and end in .parquet, however: {output}"
        raise ConfigError(f"{text}; pandas, DuckDB or pyarrow make a CSV of it")
    if output.stem.lower().endswith(".skipped"):
        raise ConfigError(f"the output must not be called as a file of skipped rows is, however: {output.name}")
    folder = unfinished(output)
    for path in (folder, output, skipped_of(output)):
        try:
            is_folder, there = path.is_dir(), path.exists()
        except OSError as error:  # a name that is too long, a folder that must not be looked into
            raise ConfigError(f"the output must be writable, however: {path}: {error.strerror}") from None
        if is_folder and path != folder:
            raise ConfigError(f"the output must be a file, however: {path} is a folder")
        if path == folder and there and not is_folder:
            raise ConfigError(f"the output's pieces must lie in {path}, however: it is no folder")
        if rows.resolve() in (path.resolve(), *path.resolve().parents):
            raise ConfigError(f"the output must lie outside the input, however: {path}")


def check_free(output: Path, state: Mapping[str, Any], *, overwrite: bool) -> None:
    """Refuses to replace files that must stay: an output, and a file that is called as that of skipped rows will be.

    Raises:
        ConfigError: where an output is there, or the other file is none, or one of another output.
    """
    if output.exists() and not overwrite:
        raise ConfigError(f"the output must not be there, however: {output}; --overwrite replaces it")
    path = skipped_of(output)
    if not path.exists():
        return
    note = note_of(path)
    if note is None or b'"role": "skipped"' not in note:
        raise ConfigError(f"{path} is for skipped rows, however: another file is there; move it, or name another OUT")
    if note != noted_skipped(state, output) and not overwrite:
        raise ConfigError(f"skipped rows of another output must not be there, however: {path}; --overwrite replaces it")


def noted(state: Mapping[str, Any]) -> bytes:
    """What is written beside the columns of predictions: what they are made of, whatever the file is called."""
    return json.dumps({**state, "role": "predictions"}, sort_keys=True).encode()


def noted_skipped(state: Mapping[str, Any], output: Path) -> bytes:
    """What is written beside the columns of skipped rows, which belong to one output."""
    return json.dumps({**state, "role": "skipped", "output": output.name}, sort_keys=True).encode()


def note_of(path: Path) -> bytes | None:
    """What is written beside the columns of a file; None where it is no output of ours."""
    try:
        found: bytes | None = (pa.parquet.read_schema(path).metadata or {}).get(NOTE)
    except (pa.ArrowException, OSError):
        return None
    return found


def merge(tables: Iterable[pa.Table], path: Path, note: Mapping[bytes, bytes]) -> int:
    """Tables with the same columns as one Parquet file whose row groups do not depend on how they are cut: its rows.

    Without tables no file is made.
    """
    parts, rows = iter(tables), 0
    if (first := next(parts, None)) is None:
        return 0

    def save(file: Any) -> None:
        nonlocal rows
        with pa.parquet.ParquetWriter(file, first.schema.with_metadata(dict(note))) as writer:
            for group in regrouped(chain([first], parts), ROWS):
                writer.write_table(group, row_group_size=ROWS)
                rows += len(group)

    files.write(path, save)
    return rows
