"""Archives of tensors, as `torch.save` writes them, looked through before anything in them is inflated or unpickled.

What is refused, for archives may be of strangers: compressed members (torch writes none, so a file takes no more memory
than disk), more than the machine's memory, names that lead elsewhere, members that are there twice or overlap, names of
code, tensors that claim more than is stored, damage.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "some.pt"
>>> torch.save({"format": 1, "weight": torch.ones(2)}, path)
>>> load(path)["weight"]
tensor([1., 1.])
"""

import math
import os
import pickle
import stat
import struct
import zipfile
from _compat_pickle import IMPORT_MAPPING
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import torch

from mlp_torch import files
from mlp_torch.errors import ModelError

MEMBERS = 200_000
DIRECTORY = 64 * 2**20  # bytes of the list of members
PICKLE = 32 * 2**20  # bytes of what holds the tensors together: it takes up to sixty times as much memory
DIMENSIONS = 64
END, LOCATOR, END_64 = 22, 20, 56  # bytes of what ends an archive: its end, and of one with long offsets two more
BROKEN = (  # what zipfile, pickle and torch raise for content that makes no sense
    *(zipfile.BadZipFile, pickle.UnpicklingError, struct.error, EOFError, NotImplementedError, MemoryError),
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError),
)
REBUILD = ("torch._utils", "_rebuild_tensor_v2")
STORAGES = {
    **dict.fromkeys(["BoolStorage", "ByteStorage", "CharStorage"], 1),
    **dict.fromkeys(["ShortStorage", "HalfStorage", "BFloat16Storage"], 2),
    **dict.fromkeys(["IntStorage", "FloatStorage"], 4),
    **dict.fromkeys(["LongStorage", "DoubleStorage", "ComplexFloatStorage"], 8),
    "ComplexDoubleStorage": 16,
}  # bytes of an element
PLAIN = {
    *(("collections", name) for name in ("OrderedDict", "Counter", "defaultdict")),
    *(("builtins", name) for name in ("set", "complex")),
    *(("torch", name) for name in ("Size", "device", *STORAGES)),
    *(("torch", name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)),
    ("_codecs", "encode"),  # bytes
    ("torch._utils", "_rebuild_parameter"),
    REBUILD,
}


class Stored(NamedTuple):
    """The storage of a tensor: how many elements it holds."""

    elements: int


class Inert(dict[Any, Any]):
    """What stands for whatever a pickle would build; it takes everything and does nothing."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # it may be a key

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """As a list's."""

    def add(self, _: Any) -> None:
        """As a set's."""


class Look(pickle.Unpickler):
    """Goes through a pickle without building anything.

    Args:
        file: the pickle.
        sizes: of the archive's members, by name.
        root: the folder in the archive that holds all of them.
    """

    def __init__(self, file: IO[bytes], sizes: dict[str, int], root: str):
        super().__init__(file)
        self.sizes, self.root = sizes, root

    def find_class(self, module: str, name: str) -> Any:
        module = IMPORT_MAPPING.get(module, module)  # torch's pickles name modules as Python 2 did
        if (module, name) not in PLAIN:
            raise ModelError(f"it names {module}.{name}, which is no plain value")
        return tensor if (module, name) == REBUILD else StorageKind(name) if name in STORAGES else Inert

    def persistent_load(self, pid: Any) -> Stored:
        _, kind, key, _, elements = pid
        known, claimed = self.sizes.get(f"{self.root}/data/{key}"), elements * kind.width
        if known != claimed:
            raise ModelError(f"data/{key} claims {claimed:,} bytes, and {known or 0:,} are stored")
        return Stored(elements)


class StorageKind(NamedTuple):
    """A kind of storage, by torch's name."""

    name: str

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return STORAGES[self.name]


def tensor(storage: Stored, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Inert:
    """Refuses a tensor that is no part of its storage."""
    if len(size) > DIMENSIONS or not all(type(n) is int and 0 <= n < 2**63 for n in (offset, *size, *stride)):
        raise ModelError("a tensor's shape must be of whole numbers")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > storage.elements or (0 not in size and last >= storage.elements):
        raise ModelError(f"a tensor claims the shape {size}, and {storage.elements:,} elements are stored")
    return Inert()


def load(path: Path) -> dict[str, Any]:
    """The values of an archive that holds a dict of plain values and tensors, on the CPU.

    Raises:
        ModelError: if it is missing, of another format, or is refused.
    """
    try:
        check(path, "archive")
        found: object = torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except FileNotFoundError:
        raise ModelError(f"{path} is missing") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except BROKEN as error:
        raise ModelError(f"{path} is damaged: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} must hold a dict, however: {type(found).__name__}")
    files.check_format(found.get("format"), path)
    return found


def check(path: Path, kind: str = "checkpoint") -> None:
    """Refuses what is no archive of plain values and tensors, or damaged.

    Args:
        path: the file.
        kind: what it should be, for the message.

    Raises:
        ModelError: with the reason.
        OSError: where it cannot be read.
    """
    with files.opened(path) as file:
        try:
            look(file)
        except ModelError as error:
            raise ModelError(f"{kind} {path} is damaged or no {kind} of mlp_torch: {error}") from None
        except BROKEN as error:
            text = f"{kind} {path} is damaged or no {kind} of mlp_torch: {type(error).__name__}"
            raise ModelError(text) from error


def look(file: IO[bytes]) -> None:
    """Goes through an open archive, from its end to its content."""
    check_end(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        root = check_members(members, os.fstat(file.fileno()).st_size)
        sizes = {member.filename: member.file_size for member in members}
        if sizes.get(f"{root}/data.pkl", PICKLE + 1) > PICKLE:
            raise ModelError(f"it must hold data.pkl, of at most {PICKLE:,} bytes")
        with archive.open(f"{root}/data.pkl") as content:
            Look(content, sizes, root).load()


def check_end(file: IO[bytes]) -> None:
    """Refuses a list of members that is too long, or not where every reader will look for it."""
    size = file.seek(0, os.SEEK_END)
    if size > memory():
        raise ModelError(f"it has {size:,} bytes, more than this machine's memory of {memory():,}")
    file.seek(max(size - END - LOCATOR - END_64, 0))
    tail = file.read()
    end = tail[-END:]
    if len(end) < END or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ModelError("it must end as an archive of torch does")
    count, length, start = struct.unpack("<10xHII2x", end)
    before = size - END
    if tail[-END - LOCATOR :][:4] == b"PK\6\7":
        before -= LOCATOR + END_64
        signature, count, length, start = struct.unpack("<4s28xQQQ", tail[: -END - LOCATOR])
        (place,) = struct.unpack("<8xQ4x", tail[-END - LOCATOR : -END])
        if signature != b"PK\6\6" or place != before:
            raise ModelError("it must end as an archive of torch does")
    if count > MEMBERS or length > DIRECTORY:
        raise ModelError(f"it must have at most {MEMBERS:,} members, however: {count:,} on {length:,} bytes")
    if start + length != before:
        raise ModelError("its list of members must stand where it says")
    file.seek(0)


def check_members(members: list[zipfile.ZipInfo], size: int) -> str:
    """Refuses members that torch would not have written; the folder that all of them are in."""
    root = PurePosixPath(members[0].filename).parts[0] if members else ""
    names = set[str]()
    for member in members:
        name = member.filename
        if name in names:
            raise ModelError(f"it holds {name[:100]!r} twice")
        names.add(name)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or path.parts[:1] != (root,):
            raise ModelError(f"its members must lie in one folder, however: {name[:100]!r}")
        if stat.S_ISLNK(member.external_attr >> 16) or member.is_dir() or member.flag_bits & 1:
            raise ModelError(f"its members must be plain files, however: {name[:100]!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            text = f"{name[:100]!r} would become {member.file_size:,} bytes of {member.compress_size:,}"
            raise ModelError(f"its members must not be compressed, however: {text}")
    places = sorted((member.header_offset, member.header_offset + member.file_size) for member in members)
    if any(end > start for (_, end), (start, _) in pairwise([*places, (size, size)])):
        raise ModelError("its members must lie side by side")
    return root


def memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
