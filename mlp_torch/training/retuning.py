"""What a run that goes on changes of its optimizer and scheduler: their states would bring the old values back.

>>> state = {"lr": 0.1, "initial_lr": 0.2, "weight_decay": 0.01}
>>> checkpoint = {
...     "configuration": {"optimizer": {"lr": 0.2, "weight_decay": 0.01}, "scheduler": {"T_max": 5}},
...     "optimizer_states": [{"param_groups": [state]}],
...     "lr_schedulers": [{"T_max": 5, "base_lrs": [0.2]}],
... }
>>> retune(checkpoint, {"optimizer": {"lr": 0.4, "weight_decay": 0.0}, "scheduler": {"T_max": 9}})
>>> state, checkpoint["lr_schedulers"]
({'lr': 0.2, 'initial_lr': 0.4, 'weight_decay': 0.0}, [{'T_max': 9, 'base_lrs': [0.4]}])
"""

from collections.abc import Mapping
from typing import Any

from mlp_torch.errors import ConfigError


def retune(checkpoint: dict[str, Any], configuration: Mapping[str, Any]) -> None:
    """Sets, in a checkpoint's states, the options that `configuration` has other values of than that of the checkpoint.

    A learning rate is scaled, wherever its schedule and the group of parameters are at the moment.

    Raises:
        ConfigError: for another optimizer or scheduler, which could make nothing of these states.
    """
    before = checkpoint.get("configuration", {})
    for part in ("optimizer", "scheduler"):
        if "_target_" in (classes := changed(before, configuration, part)):
            old, new = classes["_target_"]
            raise ConfigError(f"a run goes on with the {part} that it began with, {old}, however: {new}")
    groups = [group for state in checkpoint["optimizer_states"] for group in state["param_groups"]]
    for key, (old, new) in changed(before, configuration, "optimizer").items():
        for group in groups:
            if key != "lr":
                group[key] = new
                continue
            for name in {"lr", "initial_lr"} & set(group):
                group[name] = group[name] / old * new
    for schedule in checkpoint["lr_schedulers"]:
        for key, (_, new) in changed(before, configuration, "scheduler").items():
            schedule[key] = new
        if "lr" in (rates := changed(before, configuration, "optimizer")):
            schedule["base_lrs"] = [rate / rates["lr"][0] * rates["lr"][1] for rate in schedule.get("base_lrs", [])]


def changed(before: Mapping[str, Any], now: Mapping[str, Any], part: str) -> dict[str, tuple[Any, Any]]:
    """The options of a part that both have, with another value."""
    old, new = before.get(part) or {}, now.get(part) or {}
    return {key: (old[key], value) for key, value in new.items() if key in old and old[key] != value}
