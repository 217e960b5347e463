"""Pieces of an unfinished output: one a block, in a folder beside it, until all are there and become one Parquet file.

    OUT.unfinished/state.json           what the pieces belong to; written first, removed first
    OUT.unfinished/000017.keys.arrow    the block's keys, where repeated ones are sought
    OUT.unfinished/000017.skipped.arrow rows that are not scored, with the reason
    OUT.unfinished/000017.scored.arrow  predictions, and what was counted; written last: the block is done

Each file is there whole or not at all, so that whatever moment a run is killed, another one goes on. Pieces without
state.json are rubbish, which the next start clears.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from mlp_torch import files
from mlp_torch.errors import ConfigError, ModelError, UserError
from mlp_torch.ingest.arrow_file import read_arrow, write_arrow
from mlp_torch.serving.outputs import NOTE, merge, note_of, noted, noted_skipped, skipped_of, unfinished

PieceKind = Literal["keys", "skipped", "scored"]
BESIDE: tuple[PieceKind, ...] = ("keys", "skipped")  # written before what is scored
WITH = b"pieces"  # the key of what is written into the latter: which of those the block has
OURS = re.compile(r"([0-9]{6,})\.(keys|skipped|scored)\.arrow|(scored|skipped)\.parquet|state\.json")


class Stopped(UserError):
    """Batch prediction that ended before its time; what is done is kept, and the same command goes on."""


class Pieces:
    """The folder of an output's pieces.

    Args:
        output: the Parquet file to be.
    """

    def __init__(self, output: Path):
        self.output, self.folder, self.skipped_output = output, unfinished(output), skipped_of(output)

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
        with locked(self.folder):
            known = self.folder / "state.json"
            if known.is_file():
                compare(self.folder, files.read_json(known), {"format": files.FORMAT, **state})
            else:
                with telling(self.folder):
                    if strangers := [path.name for path in self.folder.iterdir() if not ours(path.name)]:
                        raise ConfigError(f"{self.folder} must hold pieces of an output, however: {strangers[0]}")
                    self.clear()
                    files.write_json(known, dict(state))
            yield

    def clear(self) -> None:
        """Removes pieces that nothing vouches for any more; a stranger's file stays."""
        for path in self.folder.iterdir():
            if ours(path.name):
                path.unlink()
        files.sync_folder(self.folder)

    def path(self, number: int, kind: PieceKind) -> Path:
        """The file of a block's piece."""
        return self.folder / f"{number:06d}.{kind}.arrow"

    def done(self, number: int) -> bool:
        """Whether a block is scored, and its other pieces are there."""
        path = self.path(number, "scored")
        if not path.is_file():
            return False
        beside: list[PieceKind] = json.loads(self.read(path).schema.metadata[WITH])
        return all(self.path(number, kind).is_file() for kind in beside)

    def all(self, kind: PieceKind) -> dict[int, Path]:
        """The pieces of a kind by the number of their block, in order."""
        names = (OURS.fullmatch(path.name) for path in self.folder.glob(f"*.{kind}.arrow"))
        return {number: self.path(number, kind) for number in sorted(int(name[1]) for name in names if name)}

    def complete(self, kind: PieceKind, blocks: int) -> list[Path]:
        """The pieces of a kind that all blocks have, in order. Raises Stopped where one is gone."""
        found = self.all(kind)
        if list(found) != list(range(blocks)):
            raise gone(self.folder, "blocks that were done")
        return list(found.values())

    def write(self, number: int, kind: PieceKind, table: pa.Table) -> None:
        """Writes a piece; that of what is scored last."""
        if not (self.folder / "state.json").is_file():  # the writer would make the folder anew, and all seem well
            raise gone(self.folder, "its files")
        if kind == "scored":
            beside = json.dumps([kind for kind in BESIDE if self.path(number, kind).is_file()]).encode()
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), WITH: beside})
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
        return (self.read(path) for path in self.all(kind).values())

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
        note, skipped_note = {NOTE: noted(state)}, {NOTE: noted_skipped(state, self.output)}
        new, new_skipped = self.folder / "scored.parquet", self.folder / "skipped.parquet"
        self.complete("scored", blocks)
        with telling(self.folder):
            if (merge(scored, new, note), merge(skipped, new_skipped, skipped_note)) != (rows, skipped_rows):
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
        """Removes the folder; from the first step on nothing of it counts any more, whatever moment this ends."""
        (self.folder / "state.json").unlink(missing_ok=True)
        files.sync_folder(self.folder)
        self.clear()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other runs out."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"one run may work in {folder} at a time, however: another one does") from None
        yield
    finally:
        os.close(handle)  # the system does the same for a process that is killed


def compare(folder: Path, known: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Refuses to go on with pieces that belong to something else."""
    changed = [name for name in {**known, **state} if known.get(name) != state.get(name)]
    if changed:
        raise ConfigError(
            f"{folder} must belong to this run to go on with it, however: {', '.join(changed)} changed; "
            f"to start over, remove it: rm -r '{folder}'"
        )


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Says of a file that cannot be written what became of the pieces in their folder, if there are any."""
    try:
        yield
    except OSError as error:
        where, why = error.filename or folder, error.strerror or str(error)
        text = f"the output must be writable, however: {where}: {why}"
        if not (folder / "state.json").is_file():
            raise ConfigError(text) from None
        stay = f"blocks that are done stay in {folder}, and the same command goes on from there"
        raise Stopped(f"{text}; {stay}") from None


def gone(folder: Path, what: str) -> Stopped:
    """The end of a run whose pieces somebody has removed."""
    return Stopped(f"{folder} must stay as it is while a run works, however: {what} are gone; start again")


def ours(name: str) -> bool:
    """Whether a file in the folder is a piece, or a temporary file of a writer that was killed.

    >>> ours("000017.keys.arrow"), ours(".000017.keys.arrow.k2w_9z.part"), ours("letter.txt"), ours(".git")
    (True, True, False, False)
    """
    return bool(OURS.fullmatch(files.whole_name(name)))


def tidy(pieces: Pieces) -> None:
    """Removes what a run left that was killed once its output was in place."""
    known = pieces.folder / "state.json"
    if known.is_file():
        state = {name: value for name, value in files.read_json(known).items() if name != "format"}
        if pieces.finished(state):
            with pieces.claimed(state):
                pieces.remove()
    elif pieces.folder.is_dir() and note_of(pieces.output) and all(ours(path.name) for path in pieces.folder.iterdir()):
        with locked(pieces.folder):
            if not known.is_file():  # of a run that began just now
                pieces.remove()
