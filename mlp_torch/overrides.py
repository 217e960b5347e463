"""Overrides as they are typed: their keys, their lists of values, and what is wrong with one that Hydra refuses."""

import re
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mlp_torch.errors import ConfigError, near
from mlp_torch.ingest.policies import WORD, setting

OPEN = ("data.fields.", "data.fields={", "stages.", "unfreeze={", "rates={")


def opened(text: str) -> str:
    """An override of a field's policy, a column's option, a stage or a glob as one that may add its key (Hydra's `++`).

    Keys of `data.fields` are a user's own fields; options of a column are compared with its signature later, what a
    stage may say with what stages know, globs with the names of parameters.
    """
    is_option = text.startswith("data.columns.") and key_of(text).count(".") > 2
    return f"++{text}" if text.startswith(OPEN) or is_option else text


def key_of(text: str) -> str:
    """`seed` of `seed=7`."""
    return text.partition("=")[0].lstrip("+~").removeprefix("/")


def choices(overrides: list[str]) -> list[list[str]]:
    """Each override with each of its values, those of a list (`seed=1,2`, `seed=range(1,3)`) one by one.

    >>> choices(["seed=1,2", "name=a"])
    [['seed=1', 'seed=2'], ['name=a']]
    """
    found = []
    for text in overrides:
        try:
            parsed = OverridesParser.create().parse_override(text)
        except HydraException:  # `composed` tells what is wrong with it
            found.append([text])
            continue
        values = parsed.sweep_string_iterator() if parsed.is_discrete_sweep() else None
        found.append([text] if values is None else [f"{text.partition('=')[0]}={value}" for value in values])
    return found


def malformed(text: str) -> ConfigError:
    """The error of an argument that Hydra's grammar does not know, as it was typed: `++` is mostly by `opened`."""
    typed = text.removeprefix("++")
    found = re.fullmatch(r"data\.fields\.(.+)\.(\w+)=(.*)", typed, re.DOTALL)
    if found and not WORD.fullmatch(found[1]):
        text = f"a key must be made of words with points between them, however: {typed}"
        return ConfigError(f"{text}; write {setting(found[1], {found[2]: found[3]})}")
    hint = "quote a value that holds , = or ("
    if typed.startswith("data.fields={"):
        hint = "a field's name with quotes or letters beyond ASCII can be written in the experiment alone"
    return ConfigError(f"an argument must have the form KEY=VALUE, however: {typed}; {hint}")


def check_group(text: str, known: dict[str, set[str]]) -> None:
    """Refuses an argument that is no `key=value`, and an option that a group lacks."""
    key, equals, value = key_of(text), "=" in text, text.partition("=")[2].strip("'\"")
    if not equals and not text.startswith("~"):
        hint = f"did you mean experiment={text}?" if text in known.get("experiment", ()) else "write KEY=VALUE"
        raise ConfigError(f"an argument must have the form KEY=VALUE, however: {text}; {hint}")
    for option in value.split(",") if key in known and not value.startswith(("[", "$")) else []:
        if option not in known[key] and not (text.startswith("~") and not equals):
            own = Path("configs") / key / f"{option}.yaml"
            hint = f"for {own} add --config-dir configs" if own.is_file() else near(option, known[key])
            raise ConfigError(f"{key} must be one of its options, however: {key}={option}; {hint}")


def check_key(text: str, cfg: DictConfig, known: dict[str, set[str]]) -> None:
    """Names the near keys of one that the configuration lacks."""
    try:
        OverridesParser.create().parse_override(text)
    except HydraException:
        raise malformed(text) from None
    if text.startswith("+") or key_of(text) in known:
        return
    node: Any = cfg
    walked = ""
    for name in key_of(text).split("."):
        if not isinstance(node, DictConfig):
            raise ConfigError(f"{walked} must be a table of keys to have {name}, however: it is one value")
        if name not in node.keys():  # noqa: SIM118  # `in node` knows none that is ???
            keys = {str(key) for key in node} | (set() if walked else set(known))
            where = f" of {walked}" if walked else ""
            raise ConfigError(f"a key must exist, however: {key_of(text)}: no {name}{where}; {near(name, keys)}")
        node, walked = node._get_node(name), f"{walked}.{name}".lstrip(".")


def check_value(text: str, cfg: DictConfig) -> None:
    """Tells why a table of keys is refused: it is another part's, or one of its keys is not there."""
    key, value = key_of(text), OverridesParser.create().parse_override(text).value()
    node = OmegaConf.select(cfg, key) if not text.startswith(("+", "~")) else None
    if not isinstance(value, dict) or not isinstance(node, DictConfig):
        return
    lacking = [str(name) for name in value if str(name) not in node]
    if lacking and "_target_" in map(str, value):
        ways = f"write '~{key}' '+{text}'"
        raise ConfigError(f"{key} must be replaced in two steps, however: {text} is one; {ways}")
    if lacking:
        raise ConfigError(f"a key must exist, however: {key}: no {lacking[0]}; {near(lacking[0], map(str, node))}")
