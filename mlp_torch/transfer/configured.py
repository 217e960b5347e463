"""What the keys of transfer learning may say; what is wrong with them is refused before anything is read."""

import math
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from mlp_torch.configuration import PARTS, check_targets
from mlp_torch.errors import ConfigError, near
from mlp_torch.resumption import moved
from mlp_torch.stages.configured import wanted
from mlp_torch.verbs.folders import CONFIG

OPEN = (*PARTS, "data.fields", "rates", "unfreeze")  # tables of a user's own keys
UNLABELLED = "mlp_torch.target.Unlabelled"
KEYS = ("init_from", "freeze", "unfreeze", "rates", "layer_decay")


def check(cfg: DictConfig) -> None:
    """Refuses values that mean nothing.

    Raises:
        ConfigError: naming the key.
    """
    if type(cfg.init_grow) is not bool:
        raise ConfigError(f"init_grow must be true or false, however: init_grow={cfg.init_grow}")
    check_globs("freeze", cfg.freeze)
    check_epochs(cfg)
    check_factor("layer_decay", cfg.layer_decay)
    for name, table in (("unfreeze", cfg.unfreeze), ("rates", cfg.rates)):
        if not isinstance(table, DictConfig | None):
            raise ConfigError(f"{name} must be a table of keys, however: {name}={table}")
    for glob, factor in named(cfg.rates).items():
        check_factor(f"rates of {glob}", factor)
    if isinstance(cfg.init_from, DictConfig):
        check_origin(cfg)
    elif cfg.init_from is not None:
        located(cfg.init_from)
    used = [key for key in KEYS if cfg[key] not in (None, [], {}, 1)]
    if used and wanted(cfg):
        text = "transfer learning is of a run with one model, which begins, learns and is judged as one"
        raise ConfigError(f"{text}, however: {used[0]}={cfg[used[0]]} beside stages")


def check_labels(cfg: DictConfig) -> None:
    """Refuses a run that would predict nothing; one that another begins with may learn without a label.

    Raises:
        ConfigError: for a target that reads nothing.
    """
    if str(cfg.data.target.get("_target_")) == UNLABELLED:
        raise ConfigError(f"data.target must be what is predicted, however: {UNLABELLED}; see init_from.data.target")


def check_origin(cfg: DictConfig) -> None:
    """Refuses what the run that is trained first could not be built of."""
    if not isinstance(cfg.init_from.get("trainer", cfg.trainer), DictConfig):
        raise ConfigError(f"init_from.trainer must be single keys of the run's, however: {cfg.init_from.trainer}")
    own = own_origin(cfg, "")
    try:
        check_targets(own)
        check(own)
    except ConfigError as error:
        raise ConfigError(f"init_from: {error}") from None


def own_origin(cfg: DictConfig, folder: str) -> DictConfig:
    """The configuration of the run that a run trains first, to begin with it: its own, but for what `init_from` says.

    Raises:
        ConfigError: for keys that there are not.
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    changes = plain.pop("init_from")
    if cfg.folder is not None:
        plain = moved(plain, str(cfg.folder), folder)
    plain |= {"folder": folder, "init_from": None, "freeze": [], "unfreeze": {}, "rates": {}, "layer_decay": 1}
    found = OmegaConf.create(changed(plain, changes))
    if "progress" in found.callback and found.callback.progress is not None:
        found.callback.progress.member = f"{cfg.member}, origin" if cfg.member else "origin"
    return found


def changed(node: dict[Any, Any], changes: dict[Any, Any], path: str = "") -> dict[Any, Any]:
    """A table of keys with some changed; what names a `_target_` takes the place of what was there.

    Raises:
        ConfigError: for a key that there is not, but for options of a class, which are compared with its signature.

    >>> changed({"seed": 0, "data": {"_target_": "Data"}}, {"data": {"batch_size": 3}})
    {'seed': 0, 'data': {'_target_': 'Data', 'batch_size': 3}}
    """
    found = dict(node)
    for key, value in changes.items():
        place = f"{path}.{key}".lstrip(".")
        if key not in node and "_target_" not in node and path not in OPEN:
            raise ConfigError(
                f"init_from must change keys that there are, however: {place}; {near(str(key), map(str, node))}"
            )
        old = node.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and "_target_" not in value:
            found[key] = changed(old, value, place)
        else:
            found[key] = value
    return found


def pin(cfg: DictConfig) -> None:
    """Puts the run's own folder in the place of a link to it, such as `latest`, which the next run moves."""
    if isinstance(cfg.init_from, str):
        cfg.init_from = str(located(cfg.init_from))


def named(table: DictConfig | None) -> dict[Any, Any]:
    """The entries of a table by name; null drops an inherited one."""
    return {key: value for key, value in (table or {}).items() if value is not None}


def check_globs(key: str, globs: Any) -> None:
    """Refuses what is no list of texts."""
    if not isinstance(globs, ListConfig) or not all(isinstance(glob, str) for glob in globs):
        raise ConfigError(f"{key} must be a list of globs, as in ['encoder.*'], however: {key}={globs}")


def check_epochs(cfg: DictConfig) -> None:
    """Refuses epochs of `unfreeze` that are none, or that training does not come to."""
    most = cfg.trainer.max_epochs
    for epoch, globs in named(cfg.unfreeze if isinstance(cfg.unfreeze, DictConfig) else None).items():
        if type(epoch) is not int or epoch < 2:
            text = "unfreeze must name epochs from 2 on, counted from 1 as in `best epoch 3 of 20`"
            raise ConfigError(f"{text}, however: {epoch}; what learns from epoch 1 on is not frozen")
        if most is not None and 0 <= most < epoch:
            raise ConfigError(f"unfreeze must name epochs up to trainer.max_epochs={most}, however: {epoch}")
        check_globs(f"unfreeze.{epoch}", globs)


def check_factor(key: str, factor: Any) -> None:
    """Refuses a factor on a learning rate that is none."""
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < math.inf:
        raise ConfigError(f"{key} must be a number of more than 0, however: {factor}; for 0 write freeze")


def located(given: Any) -> Path:
    """The folder of the run that `init_from` names, without links such as `latest`, which may point elsewhere soon.

    Raises:
        ConfigError: where it names none.
    """
    if not isinstance(given, str):
        raise ConfigError(f"init_from must name a run's folder, however: init_from={given}")
    folder = Path(given)
    if not (folder / CONFIG).is_file():
        around = next(path for path in folder.parents if path.is_dir())
        inside = [path.name for path in around.glob("[!.]*") if path.is_dir()]
        missing = folder.relative_to(around).parts[0] if not folder.exists() else folder.name
        hint = near(missing, inside) if not folder.exists() else f"it holds no {CONFIG}"
        raise ConfigError(f"init_from must name a run's folder, however: {given}; {hint}")
    real = folder.resolve()
    return real if folder.is_absolute() else Path(os.path.relpath(real))
