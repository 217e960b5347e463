"""A run's folder: made, pointed to by `latest`, found again, and its stored configuration."""

import os
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf

from mlp_torch import files, foreign
from mlp_torch.configuration import check_targets, composed
from mlp_torch.errors import ConfigError, ModelError, near
from mlp_torch.overrides import check_key, key_of
from mlp_torch.resumption import is_permitted, moved, plain

CONFIG = "config.yaml"


def new_folder(cfg: DictConfig) -> Path:
    """RUNS/NAME/DATE_TIME with the resolved configuration in it; RUNS/NAME/latest points to it."""
    parent = Path(cfg.runs) / str(cfg.name)
    folder = stamped(parent)
    store(cfg, folder)
    point(parent / "latest", folder)
    return folder


def stamped(parent: Path, suffix: str = "") -> Path:
    """A new folder that is named by date and time.

    Raises:
        ConfigError: if it cannot be made.
    """
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder, again = parent / f"{stamp}{suffix}", 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            again += 1
            folder = parent / f"{stamp}_{again}{suffix}"
        except OSError as error:
            raise ConfigError(f"a run's folder must be writable, however: {folder}: {error.strerror}") from None


def store(cfg: DictConfig, folder: Path) -> None:
    """Writes what a run is started with, resolved, into its folder, which the configuration then names."""
    cfg.folder = str(folder)
    files.write_text(folder / CONFIG, OmegaConf.to_yaml(cfg, resolve=True))


def is_finished(folder: Path) -> bool:
    """Whether a run has come to its end: the manifest is the last file that it writes."""
    return (folder / "model" / "manifest.json").exists()


def has_trained(folder: Path) -> bool:
    """Whether a run has come as far as training."""
    parts = [folder, folder / "origin", *folder.glob("stages/*/*")]
    return any((part / "tensorboard").exists() for part in parts)


def point(link: Path, folder: Path) -> None:
    """Makes a symbolic link point to a folder beside it or below, in one step."""
    new = link.with_name(f".latest-{os.getpid()}")
    new.unlink(missing_ok=True)  # of a process with this number that was killed in between
    new.symlink_to(os.path.relpath(folder, link.parent))
    new.replace(link)


def pointed(link: Path) -> Path | None:
    """Where `latest` points to; None where there is none."""
    return link.parent / link.readlink() if link.is_symlink() else None


def point_back(link: Path, before: Path | None) -> None:
    """Makes `latest` what it was."""
    link.unlink(missing_ok=True)
    if before:
        point(link, before)


def resumed(overrides: list[str]) -> tuple[DictConfig, Path]:
    """The stored configuration of a run, with what `resume_allow` permits on top, and its folder.

    Raises:
        ModelError: where there is no run.
        ConfigError: for a change that `resume_allow` does not name, or of a run that is finished.
    """
    own = [text for text in overrides if key_of(text) in ("resume", "resume_allow", "allow")]
    changes = [text for text in overrides if text not in own]
    asked = composed(own)
    folder = run_folder(Path(str(asked.resume)))
    stored = stored_configuration(folder / CONFIG)
    if stored.trial is not None:
        what = f"{folder} is trial {stored.trial.number} of {stored.trial.study}"
        raise ConfigError(f"a trial goes on with its study, by the command that began that, however: {what}")
    if changes and is_finished(folder):
        raise ConfigError(f"a finished run keeps its configuration, however: {changes[0]}; start a new run")
    for text in changes:
        apply(text, stored, list(asked.resume_allow))
    stored.resume_allow = asked.resume_allow
    return placed(stored, folder, allowed(own))


def unfinished(cfg: DictConfig) -> Path | None:
    """The newest run of a configuration that has not come to its end; None, and a word of it, where there is none."""
    new = cfg.copy()
    new.folder = "FOLDER"
    wanted = plain(new)
    parent = Path(cfg.runs) / str(cfg.name)
    for folder in sorted((path.parent for path in parent.glob(f"[0-9]*/{CONFIG}")), reverse=True):
        try:
            if not is_finished(folder) and plain(stored_configuration(folder / CONFIG)) == wanted:
                return folder
        except ModelError as error:
            print(f"WARNING: {error}; that run is passed over", file=sys.stderr)
    print(f"resume=auto: {parent} has no unfinished run of this configuration; a new one begins", flush=True)
    return None


def allowed(overrides: list[str]) -> list[str]:
    """The names that `allow` among the arguments trusts: what a stored configuration says itself does not count."""
    own = [text for text in overrides if key_of(text) == "allow"]
    names = composed(own).allow if own else ListConfig([])
    if not isinstance(names, ListConfig) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"allow must be a list of names, as in allow=[mypackage.squared.Squared], however: {own[-1]}")
    return [str(name) for name in names]


def placed(stored: DictConfig, folder: Path, allow: Collection[str] = ()) -> tuple[DictConfig, Path]:
    """A stored configuration, judged and checked, with the run's folder as it lies now, from here.

    Args:
        stored: as `stored_configuration` reads it.
        folder: the run's.
        allow: classes of a user's own that it may name.

    Raises:
        ConfigError: for what it may not name, places outside of the run's folder, and arguments that are refused.
    """
    foreign.judge(OmegaConf.to_container(stored), folder / CONFIG, allow)
    here = os.path.relpath(folder.resolve())  # not by the link `latest`, which may point elsewhere before the run ends
    values = moved(OmegaConf.to_container(stored), str(stored.folder), here)
    foreign.check_places(values, folder, folder / CONFIG)
    merged = OmegaConf.create(values)
    check_targets(merged)
    return merged, Path(here)


def reopened(folder: Path) -> tuple[DictConfig, Path]:
    """The same of a run whose configuration is its user's own: what it names of his classes is trusted."""
    stored = stored_configuration(folder / CONFIG)
    return placed(stored, folder, foreign.own(OmegaConf.to_container(stored)))


def stored_configuration(path: Path) -> DictConfig:
    """What a run was started with.

    Raises:
        ModelError: if the file is damaged.
    """
    stored = foreign.configuration(path)
    if "folder" not in stored:
        raise ModelError(f"{path} is damaged: it must be a run's configuration")
    return stored


def apply(text: str, stored: DictConfig, allowed: list[str]) -> None:
    """Sets one key of a stored configuration, if that is allowed."""
    key = key_of(text)
    if text.startswith(("+", "~")):
        raise ConfigError(f"a resumed run keeps its keys, however: {text}; only KEY=VALUE may be allowed")
    check_key(text, stored, {})
    value = OverridesParser.create().parse_override(text).value()
    if not is_permitted(key, (OmegaConf.select(stored, key), value), allowed):
        raise ConfigError(f"a resumed run keeps its configuration, however: {text}; to allow it: resume_allow=[{key}]")
    OmegaConf.update(stored, key, value)


def run_folder(given: Path) -> Path:
    """The folder of the run that a path names: the folder itself, or its last checkpoint.

    Raises:
        ModelError: where it names none.
    """
    folder = given.parent.parent if given.suffix == ".ckpt" else given
    if (folder / "manifest.json").is_file():
        raise ModelError(f"resume must name a run's folder, however: {given} is its model; try resume={folder.parent}")
    if not (folder / CONFIG).is_file():
        missing = next((path for path in [*reversed(folder.parents), folder] if not path.exists()), None)
        around = missing.parent if missing else folder
        inside = [path.name for path in around.glob("[!.]*") if path.is_dir()]  # .shards is no run
        hint = (
            near(missing.name, inside)
            if missing
            else "it holds no config.yaml; it has " + (", ".join(sorted(inside)[:20]) or "no folders")
        )
        raise ModelError(f"resume must name a run's folder, however: {given}; {hint}")
    if given.suffix == ".ckpt" and not given.is_file():
        raise ModelError(f"checkpoint {given} is missing")
    newest = max((path.stem for path in given.parent.glob("step_*.json")), default=None)
    if given.suffix == ".ckpt" and given.stem != newest:
        raise ConfigError(f"a run goes on from its last checkpoint, however: {given.name}; write resume={folder}")
    return folder
