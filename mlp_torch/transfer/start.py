"""How a run begins: with what it took from another one, and with what learns when and how fast."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from mlp_torch import files
from mlp_torch.model import Model
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import Plan, planned, shown
from mlp_torch.training.transfer import Origin, carry
from mlp_torch.transfer.configured import named

log = logging.getLogger("mlp_torch")

REPORT = "transfer.json"


def begin(cfg: DictConfig, model: Model, data: Data, origin: Origin | None, folder: Path | None = None) -> Plan:
    """Gives a new model the weights that it begins with, and tells; what is frozen learns no more.

    Args:
        cfg: of the run.
        model: new.
        data: prepared.
        origin: the run that it begins with; None = its weights stay as they are drawn.
        folder: of the run, for the report; None where it is only looked at.

    Raises:
        ConfigError: where nothing is taken, for globs that match nothing, and where nothing is left to learn.
    """
    lines = []
    if origin:
        carried = carry(model, origin, data.transform, data.target)
        lines += carried.notes()
        if folder:
            files.write_json(folder / REPORT, carried.to_json())
    plan = plan_of(cfg, model)
    if fresh := [name for name in carried.missing if plan.since.get(name, 1) is None] if origin else []:
        text = "new here and frozen for good, so that they stay as they were drawn"
        lines.append(f"WARNING: {text}: {shown(fresh)}; leave them out of freeze, or thaw them by unfreeze")
    for line in [*lines, *plan.notes()]:
        log.info(line)
    plan.begin(model, epoch=1)
    return plan


def plan_of(cfg: DictConfig, model: Model) -> Plan:
    """What of a model learns when and how fast.

    Raises:
        ConfigError: for globs that match nothing, and where nothing is left to learn.
    """
    return planned(
        model,
        freeze=list(cfg.freeze),
        unfreeze={int(epoch): list(globs) for epoch, globs in named(cfg.unfreeze).items()},
        rates={str(glob): factor for glob, factor in named(cfg.rates).items()},
        layer_decay=cfg.layer_decay,
    )
