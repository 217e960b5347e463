"""Folders that are made once, whole or not at all, by whichever process comes first; the others wait for it.

A process holds a lock on the folder that it makes, and puts a last file into it when all is there. The lock of one that
was killed is gone with it; what it left is deleted by the next process that makes any folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".shards"  # of the folders that are ours to delete


@contextmanager
def made_once(folder: Path, last: str) -> Iterator[Path | None]:
    """The folder, empty, for this process alone to fill; None where it is whole already.

    Args:
        folder: its name ends in `SUFFIX`.
        last: the file that is there once all others are.
    """
    with locked(folder):
        if (folder / last).exists():
            yield None
            return
        sweep(folder.parent, last)
        clear(folder)
        try:
            yield folder
        finally:
            if not (folder / last).exists():
                clear(folder)
                folder.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes the folder if need be, and holds its lock."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):  # it was not deleted meanwhile
                yield
                return
        finally:
            os.close(handle)


def sweep(parent: Path, last: str) -> None:
    """Deletes the folders that are not whole and that nobody is making."""
    for folder in parent.glob(f"*{SUFFIX}"):
        if (folder / last).exists():
            continue
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # somebody else has swept it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # somebody is making it
            pass
        finally:
            os.close(handle)


def clear(folder: Path) -> None:
    """Empties a folder, and keeps the folder itself, which is locked."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
