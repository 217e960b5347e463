"""One fit of one model: task, logger and trainer by the configuration, and what training leaves.

FOLDER/  tensorboard/  checkpoints/

A fit that was stopped goes on where its last checkpoint stands; one that has ended trains no more.
"""

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from mlp_torch.build import best_of, calibrate, epoch_notes, load_best, parts
from mlp_torch.configuration import built
from mlp_torch.errors import ConfigError, near
from mlp_torch.head import Head
from mlp_torch.model import Model
from mlp_torch.problem.perspectives import named, try_out
from mlp_torch.responsible.baselines import constant
from mlp_torch.responsible.verdict import directions, judge, labelled
from mlp_torch.resumption import plain
from mlp_torch.training.checkpoint_files import discard, newest
from mlp_torch.training.checkpoints import AtomicFiles
from mlp_torch.training.data import Data
from mlp_torch.training.devices import accelerator
from mlp_torch.training.distribution import leave, rank
from mlp_torch.training.freezing import Plan
from mlp_torch.training.task import Task
from mlp_torch.training.tensorboard import TensorBoard

log = logging.getLogger("mlp_torch")


class Fit(NamedTuple):
    """What a fit leaves.

    Args:
        task: with the best weights, calibrated.
        logger: open.
        epoch: of the best weights, from 0; None where there was nothing to train.
        notes: sentences on how training went.
    """

    task: Task
    logger: TensorBoard
    epoch: int | None
    notes: list[str]


def fit(
    cfg: DictConfig, data: Data, model: Model, folder: Path, *, calibrated: bool = True, plan: Plan | None = None
) -> Fit:
    """Trains a model, or goes on where `folder` stopped; a model with nothing to learn is only calibrated."""
    given = optimization(cfg)
    task = Task(data.transform, data.target, model, **given, seed=cfg.seed, configuration=plain(cfg), plan=plan)
    if cfg.compile:
        log.info("compile=true: the first steps wait for the compiler, a minute or so")
        task.learner = torch.compile(model.forward)
    logger = TensorBoard(folder / "tensorboard", baseline=flat_line(model, data))
    epoch: int | None = None
    notes: list[str] = []
    if learns(model):
        trainer = build_trainer(cfg, logger, model)
        trainer.fit(task, data, ckpt_path=start(folder / "checkpoints"), weights_only=True)
        leave()
        epoch = load_best(task, best_of(trainer))
        notes = [] if cfg.get("all_rows") else epoch_notes(epoch, trainer)  # a study has chosen the last epoch then
    if calibrated:
        calibrate(task, data)
    return Fit(task, logger, epoch, notes)


def start(folder: Path) -> Path | None:
    """The checkpoint that a fit goes on from; those of later steps, which are damaged, are deleted."""
    found = newest(folder)
    if found and not rank():
        discard(folder, found.step)
    return found and found.path


def learns(model: Model) -> bool:
    """Whether there is anything to train; a cascade's gate and branches have learned."""
    return any(parameter.requires_grad for parameter in model.parameters())


def build(
    cfg: DictConfig,
    data: Data,
    *,
    stages: Mapping[str, Model] = MappingProxyType({}),
    columns: Sequence[str] | None = None,
) -> Model:
    """The model that the configuration names, of as many members as it asks for.

    Args:
        cfg: of the fit.
        data: prepared; heads are fitted on its training targets.
        stages: models that were trained before, by name.
        columns: the ones that it sees; None = all.
    """
    torch.set_num_threads(cfg.threads)
    torch.manual_seed(cfg.seed)  # whatever was drawn before
    backbone, head = built(cfg.backbone), built(cfg.head)
    modalities = {name: built(modality) for name, modality in cfg.modality.items() if modality is not None}
    made = parts(data, backbone, head, modalities=modalities, stages=stages)
    model: Model = built(cfg.model)(made if columns is None else made.of(columns))
    if data.rebalancing and not learns(model):
        text = "rebalancing must be none for a model that has nothing to learn itself, such as a cascade"
        raise ConfigError(f"{text}, however: {cfg.rebalancing._target_}")
    add_metrics(cfg, data, model.head)
    return model


def add_metrics(cfg: DictConfig, data: Data, head: Head) -> None:
    """Gives a head the metrics that the configuration adds to its own, each tried on a few training rows.

    Raises:
        ConfigError: for one that does not fit.
    """
    train = data.tables["train"]
    known = labelled(train.y)
    best = head.constant(train.y[known], train.weight[known])
    entries = {
        name: built(node, refused=(RuntimeError, AssertionError))
        for name, node in (cfg.metric or {}).items()
        if node is not None
    }
    head.perspectives = named(entries, head, best)
    for table in data.judged.values():
        if labelled(table.y).any():
            try_out(head.perspectives, head, table.y, best)


def optimization(cfg: DictConfig) -> dict[str, Any]:
    """Optimizer and scheduler as partials."""
    scheduler = built(cfg.scheduler) if cfg.scheduler else None
    return {"optimizer": built(cfg.optimizer), "scheduler": scheduler}


def build_trainer(cfg: DictConfig, logger: TensorBoard, model: Model) -> lightning.Trainer:
    """Lightning's Trainer with the run's callbacks, logger and crash-safe files.

    Raises:
        ConfigError: for what Lightning refuses.
    """
    check_period(cfg.trainer, model.period)
    directed = monitored(cfg, model)
    if not cfg.trainer.enable_progress_bar:  # Lightning refuses a bar that is switched off
        directed.pop("progress", None)
    refused = (MisconfigurationException,)  # e.g. a GPU that this machine lacks
    callbacks = [built(cfg.callback[name], refused=refused, **given) for name, given in directed.items()]
    trainer: lightning.Trainer = built(
        cfg.trainer,
        refused=refused,
        accelerator=accelerator(cfg.trainer.accelerator),
        callbacks=callbacks,
        logger=False if rank() else logger,  # one process writes
        plugins=[AtomicFiles()],
    )
    return trainer


def check_period(trainer: DictConfig, period: int) -> None:
    """Refuses epochs among which no end of a cycle is validated.

    Raises:
        ConfigError: naming the key.
    """
    epochs, every = trainer.max_epochs, trainer.get("check_val_every_n_epoch") or 1
    if epochs is not None and 0 <= epochs < period:
        raise ConfigError(f"trainer.max_epochs must be at least a cycle of {period} epochs, however: {epochs}")
    if period > 1 and period % every:
        text = f"trainer.check_val_every_n_epoch must divide a cycle of {period} epochs"
        raise ConfigError(f"{text}, so that its end is validated, however: {every}")


def monitored(cfg: DictConfig, model: Model) -> dict[str, dict[str, str]]:
    """By callback that is wanted, which direction is better for what it monitors.

    Raises:
        ConfigError: where no weights would be kept, for a monitor that this model does not have, or that says neither.
    """
    if cfg.callback.get("best") is None:
        raise ConfigError("callback.best must stay, since its weights are those that are served, however: it is null")
    higher = {"loss": False} | directions(model)
    wanted = {str(name): callback for name, callback in cfg.callback.items() if callback is not None}
    return {name: direction(f"callback.{name}", callback, higher) for name, callback in wanted.items()}


def direction(path: str, callback: DictConfig, higher: Mapping[str, bool | None]) -> dict[str, str]:
    """Which direction is better for a callback whose `mode` is auto: that of the metric which it monitors.

    Raises:
        ConfigError: for a monitor that this run does not log, or that says neither.
    """
    if "monitor" not in callback:
        return {}
    known = {f"{split}/{name}": more for split in ("val", "train") for name, more in higher.items()}
    known["train/loss_without_dropout"] = False
    monitor, is_auto = str(callback.monitor), "mode" in callback and callback.mode == "auto"
    if monitor not in known:
        raise ConfigError(f"{path}.monitor must be a metric of this run, however: {monitor}; {near(monitor, known)}")
    if is_auto and known[monitor] is None:
        raise ConfigError(f"{path}.mode must be min or max, since {monitor} says neither, however: auto")
    return {"mode": "max" if known[monitor] else "min"} if is_auto else {}


def flat_line(model: Model, data: Data) -> dict[str, float]:
    """The constant's metrics on validation rows: the line that curves must leave behind."""
    train, val = data.tables["train"], data.judged["val"]
    head = copy.deepcopy(model.head).eval()
    return judge(head, constant(head, train.y, train.weight, len(val.y)), val.y, weight=val.weight).values
