"""The one writer of files: a file is there whole or not at all, whatever moment the process or the machine stops."""

import fcntl
import hashlib
import io
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlp_torch.errors import ConfigError, ModelError, WriteError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

FORMAT = 1
PART = ".part"  # how the name of a file ends that is not whole yet
LARGEST = 32 * 2**20  # bytes of a JSON file: it takes up to thirty times as much memory
LOCK = ".lock"  # in a folder that one process at a time writes to; it holds the process's number


class Hashing(io.BufferedWriter):
    """A file that is hashed while it is written, as long as that goes on from its end.

    Args:
        handle: of the open file.
    """

    def __init__(self, handle: int):
        super().__init__(io.FileIO(handle, "wb"))
        self.digest, self.is_in_order = hashlib.sha256(), True

    def write(self, data: "Buffer") -> int:
        written = super().write(data)
        self.digest.update(memoryview(data).cast("B")[:written])
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.is_in_order = False
        return super().seek(offset, whence)


def write(path: Path, save: Callable[[IO[bytes]], object]) -> str:
    """Writes by `save(file)` into a temporary file beside `path`, syncs it to disk and renames it; gives its sha256.

    Raises:
        WriteError: with the path and the system's reason; what was there before is as it was.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    try:
        with naming(path):
            with Hashing(handle) as file:
                save(file)
                file.flush()
                os.fsync(file.fileno())
            found = file.digest.hexdigest() if file.is_in_order else sha256(Path(name))
            os.chmod(name, 0o644)
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return found


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file in what the system says, of a full disk, for example."""
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def whole_name(name: str) -> str:
    """The name that a file will have once it is whole.

    >>> whole_name(".out.arrow.k2w_9z.part"), whole_name("out.arrow"), whole_name(".out.part")
    ('out.arrow', 'out.arrow', '.out.part')
    """
    temporary = re.fullmatch(rf"\.(.+)\.\w+{re.escape(PART)}", name)
    return temporary[1] if temporary else name


def clear(folder: Path) -> None:
    """Deletes what processes that were killed while they wrote have left below a folder that is held."""
    for left in folder.rglob(f".*{PART}"):
        left.unlink()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder. The system lets go of it when this one ends, however it ends.

    Raises:
        ConfigError: with the number of the process that holds it.
    """
    with os.fdopen(lock(folder / LOCK), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            text = "a run must have its folder to itself, however"
            raise ConfigError(f"{text}: process {file.read()} is at work in {folder}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def lock(path: Path) -> int:
    """Opens a lock file, of which what was in it will be lost: it must be no link to another file."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        raise ConfigError(f"{path} must be a file of the run's own, however: {error.strerror}") from None


def write_part(path: Path, save: Callable[[IO[bytes]], object]) -> None:
    """Changes a file in place by `save(file)`; whether it is whole, a file that `write` puts last will tell."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        save(file)


def sync(path: Path) -> None:
    """Makes what is in a file last through a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text."""
    write(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes one JSON object with its format number; NaN and infinity are refused."""
    text = json.dumps({"format": FORMAT, **value}, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def opened(path: Path) -> IO[bytes]:
    """A file to be read; no device and no pipe, which may have no end.

    Raises:
        ModelError: for what is no file.
        OSError: where it cannot be read.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a folder the system says so itself
        raise ModelError(f"{path} must be a file, however: it is a device, a pipe or a socket")
    return path.open("rb")


def read_text(path: Path, most: int) -> str:
    """UTF-8 text of so many bytes at most.

    Raises:
        ModelError: if it is longer, or no file.
        OSError, UnicodeDecodeError: if it cannot be read.
    """
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ModelError(f"{path} must have at most {most:,} bytes, however: it has more")
    return content.decode()


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote.

    Raises:
        ModelError: if the file is missing, too long, no JSON object, or has another format.
    """
    try:
        value = json.loads(read_text(path, LARGEST))
    except ModelError:
        raise
    except FileNotFoundError:
        raise ModelError(f"{path} is missing") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold one JSON object, however: {type(value).__name__}")
    check_format(value.get("format"), path)
    return value


def check_format(found: object, path: Path) -> None:
    """Refuses a file of another format by naming the remedy."""
    if found != FORMAT:
        raise ModelError(
            f"{path} must have format {FORMAT}, however: format={found!r}; install the mlp_torch that wrote it"
        )


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # mypy wants more than IO has
