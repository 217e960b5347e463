"""Where a study is kept, and whether what is kept there is the study that was begun."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_torch import files
from mlp_torch.errors import ConfigError, ModelError, UserError

if TYPE_CHECKING:
    import optuna

STUDY, DATABASE, CLAIMS = "study.json", "study.db", "claims"
DEFINITION = "definition"  # a study's attribute: what it must have in common with a command that goes on with it


def taken(stack: ExitStack, folder: Path) -> bool:
    """Whether a folder's lock is now ours, until the stack is closed."""
    try:
        stack.enter_context(files.held(folder))
    except ConfigError:
        return False
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process holds a folder, and holds it."""
    with ExitStack() as stack:
        while not taken(stack, folder):
            time.sleep(0.05)
        yield


@contextmanager
def intact(where: str) -> Iterator[None]:
    """Tells of a storage that cannot be used.

    Raises:
        ModelError: naming it.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except UserError:
        raise
    # RuntimeError: tables of another Optuna; the others: what a journal's lines raise that are none
    except (OptunaError, SQLAlchemyError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise ModelError(f"{where} is damaged, or no storage of studies: {reason}") from error


def check_same(study: "optuna.Study", wanted: Mapping[str, Any], where: str) -> None:
    """Refuses to go on with a study that was begun otherwise, by the first thing that differs.

    Raises:
        ConfigError: naming it.
    """
    known = study.user_attrs.get(DEFINITION)
    if known is None:
        raise ConfigError(f"a study must be one that train -m began, however: {study.study_name} in {where} is not")
    plain = json.loads(json.dumps(wanted))
    for part in ("monitor", "direction", "space", "base"):
        old, new = known[part], plain[part]
        if old == new:
            continue
        if isinstance(old, dict):
            key = next(key for key in {**old, **new} if old.get(key, "nothing") != new.get(key, "nothing"))
            what = f"{key} was {old.get(key, 'not there')}, however: now {new.get(key, 'not there')}"
        else:
            what = f"the {part} was {old}, however: now {new}"
        name = study.study_name.rpartition("/")[2]
        hint = f"begin another by hparams_search.study=NAME, or delete that of study={name}"
        raise ConfigError(f"a study goes on as it was begun: {what}; {hint}")


def kept(folder: Path) -> tuple[str, str]:
    """Storage and name of the study in a folder.

    Raises:
        ModelError: for a file that is missing or damaged.
    """
    found = files.read_json(folder / STUDY)
    try:
        where, name = str(found["storage"]), str(found["study"])
    except KeyError as error:
        raise ModelError(f"{folder / STUDY} is damaged: it has no {error}") from None
    return (str((folder / where).resolve()) if "://" not in where else where), name


def remember(folder: Path, where: str, name: str) -> None:
    """Notes in a study's folder where it is kept: relative, so that the folder may move."""
    inside = "://" not in where and Path(where).parent == folder.resolve()
    files.write_json(folder / STUDY, {"storage": Path(where).name if inside else where, "study": name})


def discard(folder: Path) -> None:
    """Deletes what a trial's later runs will not need: its checkpoints."""
    for path in [folder / "checkpoints", *folder.glob("stages/*/*/checkpoints")]:
        shutil.rmtree(path, ignore_errors=True)
