"""The file SHA256SUMS beside the data, as `sha256sum` writes it: whatever is damaged, cut, missing or new is found.

>>> listed("ab" * 32 + "  part-0.parquet", "SHA256SUMS", 1)
('part-0.parquet', 'abababababababababababababababababababababababababababababababab')
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from mlp_torch.errors import MAX_EXAMPLES, DataError, Problem
from mlp_torch.files import sha256

NAME = "SHA256SUMS"
LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


class Checksums:
    """What SHA256SUMS says of the files of a folder.

    Args:
        folder: where it lies, if there is one.

    Raises:
        DataError: `bad_checksums` for a line that is not `sha256sum`'s, or contradicts another.
    """

    def __init__(self, folder: Path):
        self.folder, self.path, self.known = folder, folder / NAME, dict[str, str]()
        if not self.path.is_file():
            return
        for number, line in enumerate(self.path.read_text("utf-8", "surrogateescape").split("\n"), 1):
            if line.strip():
                name, known = listed(line.removesuffix("\r"), self.path, number)
                if self.known.setdefault(name, known) != known:
                    raise bad_line(self.path, number, "the file has another checksum above")

    def check_names(self, names: Iterable[str], *, complete: bool) -> None:
        """Refuses files that are not listed and, if `names` are all of the folder, files that are listed and not there.

        Raises:
            DataError: `unlisted_file`, `no_file`.
        """
        problems = []
        missing = [name for name in self.known if complete and not (self.folder / name).is_file()]
        if missing:
            problems.append(Problem("no_file", f"{self.path} lists files that must be there, however: {some(missing)}"))
        unlisted = [name for name in names if name not in self.known]
        if unlisted and self.path.is_file():
            problems.append(Problem("unlisted_file", f"{self.path} must list every file, however: {some(unlisted)}"))
        if problems:
            raise DataError(problems)

    def check(self, name: str) -> None:
        """Reads a file, a little at a time, and compares.

        Raises:
            DataError: `wrong_checksum`.
        """
        known = self.known.get(name)
        if known is None or (found := sha256(self.folder / name)) == known:
            return
        text = f"the sha256 of {self.folder / name} must be {known[:16]}…, however: {found[:16]}…"
        raise DataError(Problem("wrong_checksum", text))


def listed(line: str, path: Path | str, number: int) -> tuple[str, str]:
    """Name and checksum of a line. Raises DataError."""
    found = LINE.fullmatch(line)
    if not found:
        raise bad_line(path, number, "a line must be a sha256 in hex, two blanks and a name")
    escaped, known, name = found.groups()
    if escaped:
        name = re.sub(r"\\.", lambda part: ESCAPES.get(part[0], part[0]), name)
    return posixpath.normpath(name), known.lower()


def bad_line(path: Path | str, number: int, text: str) -> DataError:
    """The refusal of a line."""
    return DataError(Problem("bad_checksums", f"{path}: {text}, however: line {number:,}", rows=(number,), unit="line"))


def some(names: list[str]) -> str:
    """The first few names."""
    return ", ".join(names[:MAX_EXAMPLES]) + (f" and {len(names) - MAX_EXAMPLES:,} more" if names[3:] else "")
