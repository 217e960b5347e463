"""What may differ when a run goes on: what changes nothing that it learns, and what its user allows.

>>> before = {"seed": 0, "trainer": {"max_epochs": 3}, "threads": 1}
>>> differences(before, {"seed": 1, "trainer": {"max_epochs": 5}, "threads": 2})
{'seed': (0, 1), 'trainer.max_epochs': (3, 5), 'threads': (1, 2)}
>>> is_permitted("trainer.max_epochs", (3, 5), []), is_permitted("seed", (0, 1), [])
(True, False)
>>> is_permitted("data.batch_size", (64, 32), ["data"])
True
"""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import leaves
from mlp_torch.errors import ConfigError

OWN = ("folder", "member", "resume", "resume_allow", "allow")  # of a process, not of the run
# where it runs, and how that looks
FREE = ("threads", "trainer.accelerator", "trainer.devices", "trainer.enable_progress_bar", "callback.progress")
LONGER = ("trainer.max_epochs", "trainer.max_steps")
ABSENT = "(none)"


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A run's configuration as plain values that mean the same wherever its folder lies."""
    values: Any = moved(OmegaConf.to_container(cfg, resolve=True), str(cfg.folder), "FOLDER")
    return {str(key): value for key, value in values.items() if key not in OWN}


def moved(value: Any, old: str, new: str) -> Any:
    """The paths below a run's folder, as they are now: from another working folder, or after a move.

    >>> moved({"a": "runs/x/c", "b": ["runs/xy"]}, "runs/x", "new")
    {'a': 'new/c', 'b': ['runs/xy']}
    """
    if isinstance(value, dict):
        return {key: moved(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, old, new) for item in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old}/")):
        return new + value.removeprefix(old)
    return value


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What has another value now, by dotted key."""
    old, new = dict(leaves(before)), dict(leaves(now))
    pairs = {key: (old.get(key, ABSENT), new.get(key, ABSENT)) for key in {**old, **new}}
    return {key: values for key, values in pairs.items() if values[0] != values[1]}


def is_permitted(key: str, values: tuple[Any, Any], allowed: Sequence[str]) -> bool:
    """Whether a run may go on with another value of a key."""
    before, now = values
    is_longer = key in LONGER and isinstance(before, int) and isinstance(now, int) and now > before > 0
    return is_longer or any(key == item or key.startswith(f"{item}.") for item in (*FREE, *allowed))


def check(
    before: Mapping[str, Any], now: Mapping[str, Any], allowed: Sequence[str], *, at: str = ""
) -> dict[str, tuple[Any, Any]]:
    """The permitted differences between what a fit was trained with until now and what it is to go on with.

    Args:
        before: of its checkpoint.
        now: its configuration.
        allowed: keys that may differ: of the fit, or of the run that it inherits from.
        at: where its keys are in the run's configuration, e.g. `stages.gate.`; "" = it is the run's own.

    Raises:
        ConfigError: with every other one, and how to allow it.
    """
    by_key = differences(before, now)
    found = {f"{at}{key}": values for key, values in by_key.items()}
    refused = {
        f"{at}{key}": values
        for key, values in by_key.items()
        if not is_permitted(key, values, allowed) and not is_permitted(f"{at}{key}", values, allowed)
    }
    if refused:
        told = "; ".join(f"{key}: {old} → {new}" for key, (old, new) in refused.items())
        names = ",".join([*allowed, *refused])
        raise ConfigError(
            f"a resumed run keeps its configuration, however: {told}; to allow it: 'resume_allow=[{names}]'"
        )
    return found
