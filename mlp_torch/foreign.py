"""Configurations that a file brings: what they may build, judged before anything that they name is imported.

A run's config.yaml is a program as far as it names what is to be built. When it is used again (`train resume=`, members
of a sweep, `evaluate`), it may name only what stands here, and what the user allows by name at that moment; what it
says itself about that does not count. docs/security.md tells what that leaves possible.

>>> judge({"head": {"_target_": "os.system", "command": "true"}}, Path("config.yaml"))
Traceback (most recent call last):
mlp_torch.errors.ConfigError: config.yaml: head._target_ must name a part of a run, however: os.system; \
a stored configuration never builds os.system
"""

import io
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no types
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.stored import text_of

LONGEST_NAME = 200
SOME = 5  # of names that are refused, how many a message tells

# what may be built, by the base and the packages where a class with this base must be defined
KINDS = {
    "torch.nn.modules.module.Module": ("torch.nn.modules",),
    "torch.optim.optimizer.Optimizer": ("torch.optim",),
    "torch.optim.lr_scheduler.LRScheduler": ("torch.optim.lr_scheduler",),
    "torchmetrics.metric.Metric": (
        "torchmetrics.aggregation",
        "torchmetrics.classification",
        "torchmetrics.regression",
    ),
    "lightning.pytorch.callbacks.callback.Callback": ("lightning.pytorch.callbacks",),
    "lightning.pytorch.loggers.logger.Logger": (
        "lightning.pytorch.loggers.csv_logs",
        "lightning.pytorch.loggers.tensorboard",
    ),
    "lightning.pytorch.trainer.trainer.Trainer": ("lightning.pytorch.trainer.trainer",),
    "lightning.pytorch.core.datamodule.LightningDataModule": (),
}
OURS = tuple(  # columns, targets, heads, models, backbones and their layers, metrics, callbacks, data
    f"mlp_torch.{name}"
    for name in (
        *("backbone", "column", "head", "model", "problem", "representation", "target"),
        *("training.checkpoints", "training.data", "training.distillation", "training.pretraining"),
        *("training.progress", "training.pruning", "training.tensorboard"),
    )
)
NAMED = {  # by module: what of ours is of none of these kinds
    "mlp_torch.datasets.california": ("California",),
    "mlp_torch.datasets.distances": ("Distances",),
    "mlp_torch.datasets.efficientnet": ("weights",),
    "mlp_torch.datasets.fashion_mnist": ("FashionMnist",),
    "mlp_torch.datasets.flights": ("Flights",),
    "mlp_torch.datasets.kdd04": ("Kdd04",),
    "mlp_torch.datasets.movielens": ("MovieLens",),
    "mlp_torch.datasets.movies": ("Movies",),
    "mlp_torch.datasets.people": ("People",),
    "mlp_torch.datasets.reviews": ("Reviews",),
    "mlp_torch.ingest.csv": ("Csv",),
    "mlp_torch.ingest.parquet": ("Parquet",),
    "mlp_torch.ingest.sql": ("Sql",),
    "mlp_torch.model": ("Modality",),
    "mlp_torch.parts": ("alone",),
    "mlp_torch.problem.ensembles": ("Bootstrap",),
    "mlp_torch.problem.perspectives": ("Perspective",),
    "mlp_torch.problem.rebalancing": ("ClassWeights", "Rebalancing"),
    "mlp_torch.problem.slices": ("MajoritySlices",),
    "mlp_torch.problem.thresholds": ("AtPrecision", "AtRecall", "BestF", "BestValue", "Cuts", "Fixed"),
    "mlp_torch.problem.value": ("Value",),
    "mlp_torch.representation.efficientnet": ("efficientnet",),
    "mlp_torch.representation.pretrained": ("Pretrained",),
    "mlp_torch.reproducibility.carved": ("Carved",),
    "mlp_torch.reproducibility.everywhere": ("Everywhere",),
    "mlp_torch.reproducibility.split": ("ByColumn", "ByFingerprint", "ByTime"),
    "mlp_torch.responsible.baselines": ("Constant", "LookUp", "Trees"),
    "mlp_torch.responsible.importance": ("Permutation",),
    "mlp_torch.responsible.reference": ("Reference",),
    "mlp_torch.training.progress": ("progress",),
    "mlp_torch.training.table.shards": ("csv", "parquet"),
}
PACKAGES = ("mlp_torch", "torch.nn", "torch.optim", "torchmetrics", "lightning.pytorch")  # that are looked into
ROOTS = (*PACKAGES, "lightning")  # which takes some things from there
WRITTEN = ("default_root_dir", "dirpath", "exclude_batches_path", "filename", "folder", "save_dir")


def in_overrides(names: Sequence[str]) -> str:
    """How `train resume=` is told what is trusted."""
    return f"'allow=[{','.join(names)}]'"


def in_options(names: Sequence[str]) -> str:
    """How other verbs are told."""
    return " ".join(f"--allow {name}" for name in names)


Say = Callable[[Sequence[str]], str]


def configuration(path: Path) -> DictConfig:
    """What a YAML file holds, as plain values.

    Raises:
        ModelError: if it is damaged, too large, or holds more than plain values: tags, anchors, interpolations.
    """
    text = text_of(path)
    try:
        found = OmegaConf.load(io.StringIO(text))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} is damaged: it must be a run's configuration, however: {error}") from None
    if not isinstance(found, DictConfig):
        raise ModelError(f"{path} is damaged: it must be a run's configuration, however: {type(found).__name__}")
    return found


def judge(plain: Any, path: Path, allow: Collection[str] = (), *, say: Say = in_overrides) -> None:
    """Refuses a configuration that names what a stored one may not build. Nothing that it names is imported before.

    Args:
        plain: the configuration, or the part of it that is to be built.
        path: its file, for the message.
        allow: what the user trusts, by name.
        say: how he says so.

    Raises:
        ConfigError: with every such name.
    """
    if isinstance(plain, dict) and "hydra" in plain:
        raise ConfigError(f"{path}: a stored configuration has no key hydra, however: it is there")
    for key, node in nodes(plain):
        if "_target_" in node and "_args_" in node:
            raise ConfigError(f"{path}: {key}._args_ must not be there: a stored configuration names its arguments")
    refused = {key: name for key, name in imports(plain) if name not in allow}
    if refused:
        raise ConfigError(f"{path}: {told(refused, say)}")


def own(plain: Any) -> list[str]:
    """The names in a configuration that a stored one would have to be allowed."""
    return list(dict.fromkeys(name for _, name in imports(plain)))


def imports(plain: Any) -> Iterator[tuple[str, str]]:
    """What a configuration would import besides the parts of a run, by key; a driver of a database is a module too."""
    for key, node in nodes(plain):
        if "_target_" in node and not is_part(str(node["_target_"])):
            yield f"{key}._target_".lstrip("."), str(node["_target_"])
        if "_target_" in node and node.get("driver") is not None:
            yield f"{key}.driver".lstrip("."), str(node["driver"])


def told(refused: dict[str, str], say: Say) -> str:
    """What is refused, by its key, and how it could be allowed, if somebody may have written it for himself."""
    (key, name), *more = list(refused.items())[:SOME]
    others = f" ({', '.join(f'{key}: {name[:100]}' for key, name in more)} too)" if more else ""
    text = f"{key} must name a part of a run, however: {name[:100]}{others}"
    if never := [name for name in refused.values() if not may_be_own(name)]:
        return f"{text}; a stored configuration never builds {never[0][:100]}"
    return f"{text}; if you know whose code it is and trust it, add {say(sorted(set(refused.values())))}"


def may_be_own(name: str) -> bool:
    """Whether a name may be of a user's own package."""
    root = name.partition(".")[0]
    known = {*sys.stdlib_module_names, *(package.partition(".")[0] for package in PACKAGES)}
    return root not in known and len(name) < LONGEST_NAME and all(part.isidentifier() for part in name.split("."))


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[Any, Any]]]:
    """Every table of keys in a configuration, by its path."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nodes(value, f"{path}[{i}]")


def is_part(name: str) -> bool:
    """Whether a dotted name leads to what a stored configuration may build: by where it is defined, not by the name."""
    found = reached(name)
    home, qualified = getattr(found, "__module__", ""), getattr(found, "__qualname__", "")
    if qualified in NAMED.get(home, ()):
        return True
    if not isinstance(found, type) or found.__qualname__ != found.__name__:
        return False
    bases = {f"{base.__module__}.{base.__qualname__}" for base in found.__mro__}
    homes = [package for base in KINDS.keys() & bases for package in (*KINDS[base], *OURS)]
    return any(f"{home}.".startswith(f"{package}.") for package in homes)


def reached(name: str) -> Any:
    """What a dotted name leads to by way of the packages that are looked into; None where it leaves them.

    No attribute is asked for that a module does not simply hold: nothing of theirs is run but their import.
    """
    first, *rest = name.split(".")
    if not under(name, ROOTS) or any(not part.isidentifier() or part.startswith("_") for part in rest):
        return None
    found: Any = import_module(first)  # one of the four
    for part in rest:
        if not isinstance(found, ModuleType) or not (found.__name__ == "torch" or under(found.__name__, ROOTS)):
            return None
        if part not in vars(found) and under(f"{found.__name__}.{part}", PACKAGES):
            try:
                import_module(f"{found.__name__}.{part}")
            except ImportError:
                return None
        found = vars(found).get(part)
    return found


def under(name: str, packages: Collection[str]) -> bool:
    """Whether a dotted name is one of these, or below one."""
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def check_places(plain: dict[str, Any], folder: Path, path: Path) -> None:
    """Refuses a run that would write elsewhere than in its folder: by a key, a stage's name, or a link that leads out.

    Raises:
        ConfigError: naming the key or the link.
    """
    home = folder.resolve()
    for link in folder.rglob("*"):
        if link.is_symlink() and not link.resolve().is_relative_to(home):
            text = f"a run that goes on writes into its folder, in which no link may lead out, however: {link}"
            raise ConfigError(f"{text} leads to {link.resolve()}")
    for key, node in nodes({name: value for name, value in plain.items() if name != "data"}):
        for name in WRITTEN if {"callback", "trainer", "logger"}.intersection(key.split(".")) else ():
            value = node.get(name)
            place = home / str(value) if name == "filename" else Path(str(value))
            if value is not None and ("://" in str(value) or not place.resolve().is_relative_to(home)):
                raise ConfigError(f"{path}: {key}.{name} must lie in the run's folder {folder}, however: {value}")
    for name in plain.get("stages") or {}:
        if len(Path(str(name)).parts) != 1 or str(name).startswith("."):
            raise ConfigError(f"{path}: a stage's name must be that of a folder, however: {name}")
