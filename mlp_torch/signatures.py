"""Arguments as YAML writes them, against the signature of what will get them.

>>> check_node("backbone", {"_target_": "mlp_torch.backbone.mlp.MLP", "_partial_": True, "hiden": [64]})
Traceback (most recent call last):
mlp_torch.errors.ConfigError: backbone: mlp_torch.backbone.mlp.MLP takes no hiden; did you mean hidden? If an \
experiment sets it, '~backbone.hiden' leaves it out
>>> fits(3, float), fits("fast", float | None), fits(["a"], Sequence[str]), fits("a", Sequence[str])
(True, False, True, False)
"""

import inspect
import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mlp_torch.errors import ConfigError, near


def check_node(path: str, node: dict[str, Any]) -> None:
    """One `_target_` against its signature."""
    name = str(node["_target_"])
    called = imported(f"{path}._target_", name)
    takes, hints = inspect.signature(called).parameters, hints_of(called)
    given = {str(key): value for key, value in node.items() if not str(key).startswith("_")}
    is_open = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    if strange := [key for key in given if key not in takes and not is_open]:
        hint = near(strange[0], takes)
        raise ConfigError(f"{path}: {name} takes no {strange[0]}; {hint}{left_out(path, strange, after=hint)}")
    for key, value in given.items():
        if not fits(value, hints.get(key, Any)):
            raise ConfigError(f"{path}.{key} must be {told(hints[key])}, however: {value!r}")
    by_name = [p for p in takes.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    lacking = [p.name for p in by_name if p.default is p.empty and p.name not in given]
    if lacking and not node.get("_partial_"):
        raise ConfigError(f"{path}: {name} needs {', '.join(lacking)}")


def left_out(path: str, keys: list[str], *, after: str) -> str:
    """How to leave out keys that were meant for another class: what an experiment sets is merged into the class chosen.

    "" for an item of a list, which Hydra cannot change: lists are not merged, so it is in nobody's way.
    """
    if "[" in path or not path:
        return ""
    overrides = " ".join(f"'~{path}.{key}'" for key in keys)
    sets, leaves = ("it", "leaves it") if len(keys) == 1 else ("them", "leave them")
    return f"{' If' if after.endswith('?') else '; if'} an experiment sets {sets}, {overrides} {leaves} out"


def imported(path: str, name: str) -> Callable[..., Any]:
    """What a dotted name names.

    Raises:
        ConfigError: naming the near ones, or why a module cannot be imported.
    """
    found: Any = None
    walked: list[str] = []
    for part in name.split("."):
        walked.append(part)
        try:
            found = getattr(found, part) if hasattr(found, part) else import_module(".".join(walked))
        except ImportError as error:
            is_absent = isinstance(error, ModuleNotFoundError) and ".".join(walked).startswith(str(error.name))
            why = near(part, members(found)) if found is not None and is_absent else str(error)
            raise ConfigError(f"{path} must be importable, however: {name}; {why}") from None
    if not callable(found):
        raise ConfigError(f"{path} must name a class or a function, however: {name}")
    called: Callable[..., Any] = found
    return called


def members(found: Any) -> list[str]:
    """Public classes and functions that a module, package or class defines, and the modules of a package."""
    home = found.__module__ if isinstance(found, type) else getattr(found, "__name__", "")
    inside = [module.name for module in pkgutil.iter_modules(getattr(found, "__path__", []))]
    shown = getattr(found, "__all__", ())
    own = [name for name, value in getattr(found, "__dict__", {}).items() if name in shown or is_of(home, value)]
    return [name for name in {*own, *inside} if not name.startswith("_")]


def is_of(home: str, value: Any) -> bool:
    """Whether a value was defined in a module, or in one below it: what it merely imports is not its own."""
    return f"{getattr(value, '__module__', '')}.".startswith(f"{home}.")


def hints_of(called: Callable[..., Any]) -> dict[str, Any]:
    """The hints of a function's or a constructor's arguments; none where a hint cannot be evaluated."""
    try:
        return get_type_hints(inspect.getattr_static(called, "__init__") if isinstance(called, type) else called)
    except (NameError, TypeError, AttributeError):  # a name that only a type checker imports; code written in C
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is one of a hint; what will be built from a `_target_` is not judged."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if isinstance(value, dict) and "_target_" in value:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if kind is Any or not isinstance(kind, type):
        return True
    if getattr(kind, "_is_protocol", False):  # a duck
        return all(hasattr(value, name) for name in vars(kind) if not name.startswith("_"))
    return fits_class(value, kind, parts)


def fits_class(value: Any, kind: type, parts: tuple[Any, ...]) -> bool:
    """Whether a plain value is one of a class with these parts: lists stand for tuples, whole numbers for fractions."""
    if isinstance(value, bool):
        return kind in (bool, object)
    if isinstance(value, str):
        return kind in (str, object)  # not a sequence of letters
    if isinstance(value, list) and kind is tuple and parts and parts[-1] is not ...:
        return len(value) == len(parts) and all(map(fits, value, parts))
    if isinstance(value, list):
        return (issubclass(list, kind) or kind is tuple) and all(fits(item, parts[0]) for item in value if parts)
    if isinstance(value, dict):
        return issubclass(dict, kind) and all(fits(item, parts[-1]) for item in value.values() if parts)
    return isinstance(value, (int, float) if kind is float else kind)


def told(hint: Any) -> str:
    """A hint in words."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return " or ".join(told(part) for part in parts)
    if kind is Literal:
        return "one of " + ", ".join(repr(part) for part in parts)
    if kind is NoneType:
        return "null"
    name = "list" if kind in (Sequence, tuple) else getattr(kind, "__name__", str(kind))
    inner = [part for part in parts if part is not ...]
    return f"{name}[{', '.join(told(part) for part in inner)}]" if inner else name
