"""Pieces of an unfinished output: one a block, in a folder beside it, until all are there and become one Parquet file.

    OUT.unfinished/state.json           what the pieces belong to; written first, removed last
    OUT.unfinished/000017.keys.arrow    the block's keys, where repeated ones are sought
    OUT.unfinished/000017.skipped.arrow rows that are not scored, with the reason
    OUT.unfinished/000017.scored.arrow  predictions, and what was counted; written last: the block is done

Each file is there whole or not at all, so that whatever moment a run is killed, another one goes on.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet

from mlp_torch import files
from mlp_torch.errors import ConfigError, ModelError, UserError
from mlp_torch.ingest.arrow_file import read_arrow, write_arrow
from mlp_torch.ingest.block import regrouped
from mlp_torch.ingest.parquet_files import ENDINGS

PieceKind = Literal["keys", "skipped", "scored"]
ROWS = 2**18  # of a row group in the output
NOTE = b"mlp_torch"  # the key of what is written beside the columns


class Stopped(UserError):
    """Batch prediction that ended before its time; what is done is kept, and the same command goes on."""


class Pieces:
    """The folder of an output's pieces.

    Args:
        output: the Parquet file to be.
    """

    def __init__(self, output: Path):
        self.output, self.folder = output, output.with_name(f"{output.name}.unfinished")
        self.skipped_output = output.with_suffix(f".skipped{output.suffix}")

    @contextmanager
    def claimed(self, state: Mapping[str, Any]) -> Iterator[None]:
        """The folder, for this run alone; it is made if need be.

        Args:
            state: what the pieces belong to, as plain values.

        Raises:
            ConfigError: where its pieces belong to something else, or another run works in it.
        """
        with telling(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder, os.O_RDONLY)
        try:
            self.lock(lock)
            known = self.folder / "state.json"
            if known.is_file():
                self.compare(files.read_json(known), {"format": files.FORMAT, **state})
            elif strangers := [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]:
                raise ConfigError(f"{self.folder} must hold pieces of an output, however: {strangers[0]}")
            else:
                with telling(self.folder):
                    files.write_json(known, dict(state))
            yield
        finally:
            os.close(lock)  # the system does the same for a process that is killed

    def lock(self, handle: int) -> None:
        """Keeps other runs out."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"one run may work in {self.folder} at a time, however: another one does") from None

    def compare(self, known: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Refuses to go on with pieces that belong to something else."""
        changed = [name for name in {**known, **state} if known.get(name) != state.get(name)]
        if changed:
            raise ConfigError(
                f"{self.folder} must belong to this run to go on with it, however: {', '.join(changed)} changed; "
                f"to start over, remove it: rm -r '{self.folder}'"
            )

    def path(self, number: int, kind: PieceKind) -> Path:
        """The file of a block's piece."""
        return self.folder / f"{number:06d}.{kind}.arrow"

    def done(self, number: int) -> bool:
        """Whether a block is scored."""
        return self.path(number, "scored").is_file()

    def all(self, kind: PieceKind) -> list[Path]:
        """The pieces of a kind, in order."""
        return sorted(self.folder.glob(f"[0-9]*.{kind}.arrow"))

    def write(self, number: int, kind: PieceKind, table: pa.Table) -> None:
        """Writes a piece."""
        if not (self.folder / "state.json").is_file():  # the writer would make the folder anew, and all seem well
            raise gone(self.folder, "its files")
        with telling(self.folder):
            files.write(self.path(number, kind), partial(write_arrow, table))

    def read(self, path: Path) -> pa.Table:
        """A piece, mapped into memory.

        Raises:
            ModelError: where the file is damaged.
        """
        try:
            return read_arrow(path)
        except pa.ArrowException as error:
            raise ModelError(f"{path} is damaged: {error}; to start over, remove {self.folder}") from None

    def tables(self, kind: PieceKind) -> Iterator[pa.Table]:
        """The pieces of a kind, in order, one at a time."""
        return (self.read(path) for path in self.all(kind))

    def finish(
        self,
        state: Mapping[str, Any],
        *,
        scored: Iterable[pa.Table],
        skipped: Iterable[pa.Table],
        blocks: int,
        rows: int,
        skipped_rows: int,
    ) -> Path | None:
        """Makes the output of what the pieces hold and removes them.

        Args:
            state: what they belong to.
            scored: the blocks' predictions.
            skipped: the rows that are left out; may be none.
            blocks: how many must be done.
            rows: of the output.
            skipped_rows: of the file of skipped rows.

        Returns:
            The file of skipped rows; None where none were skipped.

        Raises:
            Stopped: where pieces are gone, or a file cannot be written.
        """
        note = {NOTE: noted(state)}
        new, new_skipped = self.folder / "scored.parquet", self.folder / "skipped.parquet"
        if [int(path.name.partition(".")[0]) for path in self.all("scored")] != list(range(blocks)):
            raise gone(self.folder, "blocks that were done")
        with telling(self.folder):
            if (merge(scored, new, note), merge(skipped, new_skipped, note)) != (rows, skipped_rows):
                raise gone(self.folder, "rows that were done")
            if skipped_rows:
                os.replace(new_skipped, self.skipped_output)
            else:
                self.skipped_output.unlink(missing_ok=True)  # of an output that is replaced now
            os.replace(new, self.output)
            files.sync_folder(self.output.parent)
            self.remove()
        return self.skipped_output if skipped_rows else None

    def begun(self, state: Mapping[str, Any]) -> bool:
        """Whether there are pieces of the same things."""
        known = self.folder / "state.json"
        return known.is_file() and files.read_json(known) == {"format": files.FORMAT, **state}

    def finished(self, state: Mapping[str, Any]) -> bool:
        """Whether the output is there already, and made of the same things."""
        return note_of(self.output) == noted(state)

    def remove(self) -> None:
        """Removes the folder."""
        for path in self.folder.iterdir():  # temporary files of writers that were killed among them
            if path.name != "state.json":
                path.unlink()
        (self.folder / "state.json").unlink(missing_ok=True)
        self.folder.rmdir()


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Says of a file that cannot be written what became of the pieces in their folder."""
    try:
        yield
    except OSError as error:
        where, why = error.filename or folder, error.strerror or str(error)
        raise Stopped(
            f"the output must be writable, however: {where}: {why}; blocks that are done stay in {folder}, "
            "and the same command goes on from there"
        ) from None


def gone(folder: Path, what: str) -> Stopped:
    """The end of a run whose pieces somebody has removed."""
    return Stopped(f"{folder} must stay as it is while a run works, however: {what} are gone; start again")


def tidy(pieces: Pieces) -> None:
    """Removes what a run left that was killed once its output was in place."""
    known = pieces.folder / "state.json"
    if known.is_file():
        state = {name: value for name, value in files.read_json(known).items() if name != "format"}
        if pieces.finished(state):
            with pieces.claimed(state):
                pieces.remove()
    elif pieces.folder.is_dir() and note_of(pieces.output) and not any(pieces.folder.iterdir()):
        pieces.folder.rmdir()


def check_output(output: Path, rows: Path) -> None:
    """Refuses an output that cannot be one, or that would be read as input the next time. Raises ConfigError."""
    if output.suffix.lower() not in ENDINGS:
        text = f"the output must be Parquet and end in .parquet, however: {output}"
        raise ConfigError(f"{text}; pandas, DuckDB or pyarrow make a CSV of it")
    pieces = Pieces(output)
    for path in (pieces.folder, output, pieces.skipped_output):
        try:
            is_folder = path.is_dir()
        except OSError as error:  # a name that is too long, a folder that must not be looked into
            raise ConfigError(f"the output must be writable, however: {path}: {error.strerror}") from None
        if is_folder and path != pieces.folder:
            raise ConfigError(f"the output must be a file, however: {path} is a folder")
        if rows.resolve() in (path.resolve(), *path.resolve().parents):
            raise ConfigError(f"the output must lie outside the input, however: {path}")


def check_skipped(path: Path, state: Mapping[str, Any], *, overwrite: bool) -> None:
    """Refuses to replace a file that is called as that of skipped rows will be.

    Raises:
        ConfigError: where it is no such file, or one of another output that must stay.
    """
    if not path.exists():
        return
    note = note_of(path)
    if note is None:
        raise ConfigError(f"{path} is for skipped rows, however: another file is there; move it, or name another OUT")
    if note != noted(state) and not overwrite:
        raise ConfigError(f"skipped rows of another output must not be there, however: {path}; --overwrite replaces it")


def noted(state: Mapping[str, Any]) -> bytes:
    """What is written beside an output's columns."""
    return json.dumps(dict(state), sort_keys=True).encode()


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
