"""Configuration: composed by Hydra, checked before anything is built, so that a typing error costs a second.

Hydra's own messages name neither the near keys nor a partial's mistyped argument (that fails only when it is called).
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlp_torch.errors import ConfigError, near

ROOT = Path(__file__).parent
CONFIGS = ROOT / "configs" if (ROOT / "configs").is_dir() else ROOT.parent / "configs"  # a wheel, a clone


def composed(overrides: list[str], folder: Path | None = None) -> DictConfig:
    """The configuration that overrides make.

    Args:
        overrides: `key=value` and `group=name`, as on the command line.
        folder: a folder of the user's own groups, searched after ours.

    Raises:
        ConfigError: naming the near groups, options and keys.
    """
    known = options(folder)
    for text in overrides:
        check_group(text, known)
    search = [f"hydra.searchpath=[{folder.resolve().as_uri()}]"] if folder else []
    groups = [text for text in overrides if key_of(text) in known]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            return compose("train", [*search, *overrides])
        except (HydraException, OmegaConfBaseException) as error:
            whole = compose("train", [*search, *groups])
            for text in overrides:
                check_key(text, whole, known)
            raise ConfigError(str(error).split("\nfull_key")[0]) from None


def options(folder: Path | None) -> dict[str, set[str]]:
    """The options of each group, in our folder and the user's."""
    found: dict[str, set[str]] = {}
    for root in (CONFIGS, folder):
        for path in sorted(root.glob("*/*.yaml")) if root else []:
            found.setdefault(path.parent.name, set()).add(path.stem)
    return found


def key_of(text: str) -> str:
    """`seed` of `seed=7`."""
    return text.partition("=")[0].lstrip("+~").removeprefix("/")


def check_group(text: str, known: dict[str, set[str]]) -> None:
    """Refuses an argument that is no `key=value`, and an option that a group lacks."""
    key, equals, value = key_of(text), "=" in text, text.partition("=")[2]
    if not equals and not text.startswith("~"):
        hint = f"did you mean experiment={text}?" if text in known.get("experiment", ()) else "write KEY=VALUE"
        raise ConfigError(f"an argument must have the form KEY=VALUE, however: {text}; {hint}")
    for option in value.split(",") if key in known and not value.startswith(("null", "[")) else []:
        if option not in known[key]:
            raise ConfigError(f"{key} must be one of its options, however: {key}={option}; {near(option, known[key])}")


def check_key(text: str, cfg: DictConfig, known: dict[str, set[str]]) -> None:
    """Names the near keys of one that the configuration lacks."""
    if text.startswith(("+", "~")):
        return
    try:
        OverridesParser.create().parse_override(text)
    except HydraException:
        raise ConfigError(
            f"an argument must have the form KEY=VALUE, however: {text}; quote a value that holds , = or ("
        ) from None
    node: Any = cfg
    walked = ""
    for name in key_of(text).split("."):
        if not isinstance(node, DictConfig):
            raise ConfigError(f"{walked} must be a table of keys to have {name}, however: it is one value")
        if name not in node:
            keys = {str(key) for key in node} | (set() if walked else set(known))
            where = f" of {walked}" if walked else ""
            raise ConfigError(f"a key must exist, however: {key_of(text)}: no {name}{where}; {near(name, keys)}")
        node, walked = node._get_node(name), f"{walked}.{name}".lstrip(".")


def check_targets(cfg: DictConfig) -> None:
    """Compares the arguments of every `_target_` with the signature that will get them.

    Raises:
        ConfigError: for what cannot be imported, an argument it does not take, a required one that is missing.
    """
    for path, node in targets(OmegaConf.to_container(cfg, resolve=False)):
        name = str(node["_target_"])
        try:
            called = get_object(name)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"{path}._target_ must be importable, however: {name}: {error}") from None
        takes = inspect.signature(called).parameters
        given = [key for key in node if not str(key).startswith("_")]
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            for key in given:
                if key not in takes:
                    raise ConfigError(f"{path}: {name} takes no {key}; {near(str(key), takes)}")
        needed = [
            p.name
            for p in takes.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        lacking = [key for key in needed if key not in given or node[key] == "???"]
        if lacking and not node.get("_partial_"):
            raise ConfigError(f"{path}: {name} needs {', '.join(lacking)}")


def targets(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node with a `_target_`, by its path."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node
        for key, value in node.items():
            yield from targets(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from targets(value, f"{path}[{i}]")
