"""Configuration: composed by Hydra, checked before anything is built, so that a typing error costs a second.

Hydra's own messages name neither the near keys nor a partial's mistyped argument (that fails only when it is called),
and they end in a stack trace. Here every argument of every `_target_` is compared with the signature that will get it.

>>> composed(["experiment=quickstrat"])
Traceback (most recent call last):
mlp_torch.errors.ConfigError: experiment must be one of its options, however: experiment=quickstrat; did you mean \
quickstart?
"""

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]  # omegaconf's; it ships no types

from mlp_torch.errors import ConfigError, UserError, near
from mlp_torch.overrides import check_group, check_key, check_value, key_of
from mlp_torch.signatures import check_node

ROOT = Path(__file__).parent
CONFIGS = ROOT / "configs" if (ROOT / "configs").is_dir() else ROOT.parent / "configs"  # a wheel, a clone
PARTS = (
    "callback",
    "baseline",
    "data.columns",
    "modality",
    "metric",
)  # tables of what is built, by names of a user's choice
REFUSED = (HydraException, OmegaConfBaseException, YAMLError)
READ = ("trainer", "optimizer", "model")  # what a schedule may refer to
TAKEN = ("model", "baseline", "lookup", "best member", "unseen", "uncorrected")  # what figures of others are called


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
    search = [f"hydra.searchpath=[{searched(folder)}]"] if folder else []
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            cfg = compose("train", [*search, *overrides])
        except REFUSED as error:
            refused = error
        else:
            check_tables(cfg, overrides, known)
            return cfg
        try:
            whole = compose("train", [*search, *(text for text in overrides if key_of(text) in known)])
        except REFUSED as error:
            raise ConfigError(sentence(error)) from None
    for text in overrides:
        check_key(text, whole, known)
    for text in overrides:
        check_value(text, whole)
    raise ConfigError(sentence(refused)) from None


def searched(folder: Path) -> str:
    """A folder as Hydra's search path takes it, of any name: it decodes no %20."""
    path = str(folder.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'file://{path}'"


def sentence(error: Exception) -> str:
    """Another library's message on one line, without its internal key."""
    return " ".join(str(error).split("\nfull_key")[0].split())


def options(folder: Path | None) -> dict[str, set[str]]:
    """The options of each group, in our folder and the user's."""
    found: dict[str, set[str]] = {}
    for root in (CONFIGS, folder):
        for path in sorted(root.rglob("*.yaml")) if root else []:
            group, *option = path.relative_to(root).with_suffix("").parts if root else ("",)
            if option:
                found.setdefault(group, set()).add("/".join(option))
    return found


def check_tables(cfg: DictConfig, overrides: list[str], known: dict[str, set[str]]) -> None:
    """Refuses a key at the top that nothing reads, as Hydra lets an experiment's file bring any, or that is deleted."""
    own = {str(key) for key in OmegaConf.load(CONFIGS / "train.yaml")} | set(known)
    added = {key_of(text).partition(".")[0] for text in overrides if text.startswith("+")}
    for key in sorted({str(key) for key in cfg} - own - added):
        raise ConfigError(f"a key must exist, however: {key}; {near(key, own - {'defaults', 'hydra'})}")
    for name in cfg.get("baseline") or {}:
        if name in TAKEN:
            raise ConfigError(f"a contender must have a name of its own, however: baseline.{name}")
    for text in overrides:
        if text.startswith("~") and (key := key_of(text)) in own - {"experiment"} and (key in known or key not in cfg):
            hint = near("none", known[key]) if key in known else f"to leave it empty write {key}=null"
            raise ConfigError(f"a key at the top must stay, however: {text} deletes it; {hint}")


def settle_schedules(cfg: DictConfig) -> None:
    """Writes out, of each stage and run before that has epochs of its own, its schedule over these.

    Args:
        cfg: checked; of a stored one, which has no interpolations left, nothing changes.

    >>> more = ["scheduler=cosine", "trainer.max_epochs=40", "+stages.gate={trainer: {max_epochs: 24}}"]
    >>> cfg = composed(["experiment=quickstart", *more])
    >>> settle_schedules(cfg)
    >>> cfg.scheduler.T_max, cfg.stages.gate.scheduler.T_max
    (40, 24)
    """
    for own in (*(cfg.stages or {}).values(), cfg.init_from):
        if not isinstance(own, DictConfig):
            continue
        is_before = own is cfg.init_from
        if is_before and own.get("scheduler") == {}:
            own.scheduler = None  # as `scheduler=none` means it; as single keys of the run's it would change nothing
        if "trainer" not in own:
            continue
        given = own.get("scheduler", cfg.scheduler)
        if not isinstance(given, DictConfig | None):
            raise ConfigError(f"a schedule of its own must be {{_target_: …}} or null, however: scheduler: {given}")
        if is_before and given and "_target_" not in given:  # single keys of the run's
            given = {**OmegaConf.to_container(cfg.scheduler or OmegaConf.create()), **given}  # type: ignore[dict-item]
        said = {
            key: OmegaConf.to_container(own[key], resolve=True) for key in READ if isinstance(own.get(key), DictConfig)
        }
        alike = OmegaConf.create({**OmegaConf.to_container(cfg), "scheduler": given})  # type: ignore[dict-item]
        alike.merge_with(said)
        if given and type(alike.trainer.max_epochs) is int and alike.trainer.max_epochs > 0:
            with open_dict(own):
                own.scheduler = OmegaConf.to_container(alike.scheduler, resolve=True)


def check_targets(cfg: DictConfig) -> None:
    """Compares the arguments of every `_target_` with the signature that will get them, before anything is built.

    Raises:
        ConfigError: for what is still ???, cannot be imported, an argument that it does not take or whose value is of
            another type, a required one that is missing.
    """
    try:
        missing = sorted(map(str, OmegaConf.missing_keys(cfg)))
        plain = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {sentence(error)}") from None
    if missing:
        text = f"{', '.join(missing)} must be set, however: ???"
        raise ConfigError(f"{text}; set it in the experiment, or by {missing[0]}=VALUE")
    for table in PARTS:
        check_parts(table, OmegaConf.select(cfg, table))
    for path, node in targets(plain):
        check_node(path, node)


def check_parts(table: str, parts: Any) -> None:
    """Refuses an entry that names nothing to build: mostly the options of an entry whose name is mistyped."""
    entries = {str(name): part for name, part in parts.items()} if isinstance(parts, DictConfig) else {}
    for name, part in entries.items():
        if part is not None and not (isinstance(part, DictConfig) and "_target_" in part):
            hint = near(name, [key for key in entries if key != name])
            raise ConfigError(f"{table}.{name} must have a _target_ or be null, however: {part}; {hint}")


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


def flat(cfg: DictConfig, leave: Collection[str] = ()) -> dict[str, Any]:
    """A configuration without some of its top-level keys, as `{"optimizer.lr": 0.001}`; lists are values."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return dict(leaves({key: value for key, value in plain.items() if key not in leave}))


def leaves(node: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table with entries, by its path."""
    for key, value in node.items():
        name = f"{path}.{key}".lstrip(".")
        if isinstance(value, dict) and value:
            yield from leaves(value, name)
        else:
            yield name, value


def built(node: DictConfig, *, refused: Iterable[type[Exception]] = (), **given: Any) -> Any:
    """What a node of the configuration names, built; a partial's refusals come when it is called.

    Args:
        node: with a `_target_`.
        refused: what its constructor raises, besides ValueError and TypeError, for arguments that it refuses.
        given: further arguments.

    Raises:
        ConfigError: naming the path, for arguments that are refused. Other exceptions stay as they are: they are bugs.
    """
    path = full_key(node)
    with refusals(path, (ValueError, TypeError, *refused), node):
        made = instantiate(node, **given, _convert_="all")
    if not isinstance(made, functools.partial):
        return made

    def later(*arguments: Any, **more: Any) -> Any:
        # arguments of a wrong type were found by `check_targets`; a TypeError in here is a bug
        with refusals(path, (ValueError, *refused), node):
            return made(*arguments, **more)

    return later


def full_key(node: DictConfig) -> str:
    """Where a node stands, e.g. `data.columns.age`."""
    key: Any = node._get_full_key(None)
    return str(key)


def bracketed(key: str, node: DictConfig) -> str:
    """A key in which `steps[0]`, which OmegaConf calls `steps0` where it ends a key, is told from a name `steps0`."""
    root = node._get_root()
    if OmegaConf.select(root, key) is not None:
        return key
    cuts = [i for i in range(1, len(key)) if key[i:].isdecimal()]
    lists = [i for i in cuts if isinstance(OmegaConf.select(root, key[:i]), ListConfig)]
    return f"{key[: lists[0]]}[{key[lists[0] :]}]" if lists else key


@contextmanager
def refusals(path: str, kinds: tuple[type[Exception], ...], node: DictConfig) -> Iterator[None]:
    """Turns refused arguments into a ConfigError that names their place in the configuration."""
    try:
        yield
    except UserError:
        raise
    except InstantiationException as error:
        cause = error.__cause__
        if cause is None:
            raise ConfigError(sentence(error)) from None
        if isinstance(cause, UserError) or not isinstance(cause, kinds):
            raise cause from None
        inner = re.search(r"full_key: (\S+)", str(error))
        raise ConfigError(f"{bracketed(inner.group(1), node) if inner else path}: {cause}") from cause
    except kinds as error:
        raise ConfigError(f"{path}: {error}") from error
