"""A trial: a run that learns and no more. Nobody looks at its test rows, and nothing of it is served.

NOTE: each trial's process reads the table anew, so that it has the bits that its parameters have alone, and its end is
not that of the study; a table larger than memory is encoded once for all that have the same columns.
"""

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, open_dict

from mlp_torch import files
from mlp_torch.configuration import settle_schedules
from mlp_torch.errors import ConfigError
from mlp_torch.interruption import Interrupted, interruptible
from mlp_torch.tuning.plan import Plan
from mlp_torch.tuning.storage import discard
from mlp_torch.tuning.study import Direction, Outcome
from mlp_torch.verbs.folders import reopened, store

RESULT = "trial.json"


def store_trial(plan: Plan, number: int, params: Mapping[str, Any], folder: Path) -> None:
    """Writes a trial's configuration into its folder: what the trial is, and the callback that reports its values.

    Raises:
        ConfigError: for parameters that do not go together.
    """
    cfg = plan.trial(dict(params))
    with open_dict(cfg):
        cfg.trial = {"study": plan.name, "number": number, "params": dict(params)}
        cfg.member = f"trial {number}"
        cfg.callback.pruning = {
            "_target_": "mlp_torch.training.pruning.Pruning",
            "monitor": plan.monitor,
            "storage": plan.storage,
            "study": plan.name,
            "trial": number,
            "pruner": plan.options.pruner,
        }
    settle_schedules(cfg)
    store(cfg, folder)


def tried(folder: Path) -> None:
    """What a trial's process does."""
    from mlp_torch.run import learn, quiet, ready  # lightning takes seconds, which the parent need not wait for
    from mlp_torch.training.pruning import Pruned

    quiet()
    logging.getLogger("mlp_torch").setLevel(logging.WARNING)  # what is told of the table is the same for each trial
    started, pruned = time.perf_counter(), False
    try:
        cfg, here = reopened(folder)  # stored by the study's own process
        with files.held(here), interruptible():
            try:
                data, origin = ready(cfg, here)
                learn(cfg, data, here, origin)
            except Pruned:
                pruned = True
            close(cfg, here, pruned=pruned, seconds=round(time.perf_counter() - started, 1))
    except Interrupted as stopped:
        sys.exit(stopped.code)


def close(cfg: DictConfig, folder: Path, *, pruned: bool, seconds: float) -> None:
    """Writes what became of a trial, for the study and for TensorBoard, and deletes its checkpoints."""
    from mlp_torch.training.pruning import connected
    from mlp_torch.training.tensorboard import TensorBoard

    own = cfg.callback.pruning
    study = optuna.load_study(study_name=own.study, storage=connected(own.storage))
    values = study.get_trials(deepcopy=False)[own.trial].intermediate_values
    if not values:
        raise ConfigError(f"a trial must have a value of {own.monitor}, however: it is not defined in any epoch")
    epoch = (min if study.direction.name == "MINIMIZE" else max)(sorted(values), key=lambda epoch: values[epoch])
    outcome = Outcome(pruned, values[epoch], epoch + 1, max(values) + 1, seconds)
    logger = TensorBoard(folder / "tensorboard")
    logger.log_hyperparams(cfg.trial.params, {str(own.monitor): outcome.value})
    logger.finalize("success")
    files.write_json(folder / RESULT, outcome._asdict())
    discard(folder)


def outcome_of(folder: Path) -> Outcome | None:
    """What a trial's process has left; None where it has not come to its end."""
    if not (folder / RESULT).exists():
        return None
    found = files.read_json(folder / RESULT)
    return Outcome(*(found[name] for name in Outcome._fields))


def direction(cfg: DictConfig) -> Direction:
    """Whether less or more of what is monitored is better: the model is built, and the table read for it.

    Raises:
        DataError: for a table that cannot be used, before the first trial.
        ConfigError: for a model that has no such metric, or nothing to learn.
    """
    from mlp_torch.fitting import build, learns, monitored
    from mlp_torch.run import quiet, table
    from mlp_torch.stages.configured import wanted
    from mlp_torch.stages.rehearsal import rehearse

    quiet()
    data = table(cfg).prepare()
    model = rehearse(cfg, data) if wanted(cfg) else build(cfg, data)
    if not learns(model):
        text = "a trial's last model must learn, since its validation is what trials are compared by"
        raise ConfigError(f"{text}, however: {cfg.model._target_} has nothing to learn itself")
    mode = monitored(cfg, model)["best"].get("mode", cfg.callback.best.get("mode"))
    return "maximize" if mode == "max" else "minimize"
