"""The steps of a build, without configuration: `run` takes them from YAML, `notebook` from arguments.

One model out of fitted columns, the best checkpoint, calibration, and the folder that is shipped.
"""

import copy
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from mlp_torch.errors import ConfigError, how_many
from mlp_torch.head import Batch, Head
from mlp_torch.model import Modality, Model
from mlp_torch.parts import Parts
from mlp_torch.problem.priors import check_resolution, fields
from mlp_torch.reproducibility.transform import restore
from mlp_torch.responsible.verdict import labelled
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.training.checkpoint_files import read
from mlp_torch.training.checkpoints import period_of
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs


def parts(
    data: Data,
    backbone: Callable[..., nn.Module],
    head: Callable[..., Head],
    *,
    modalities: Mapping[str, Modality] = MappingProxyType({}),
    stages: Mapping[str, Model] = MappingProxyType({}),
) -> Parts:
    """What a model is made of, sized by the fitted columns; a head is fitted on training targets.

    Args:
        data: prepared.
        backbone: widths by column -> a module with `d_out`.
        head: (d_in, target, members=…) -> a head.
        modalities: columns that are dropped together in training.
        stages: models that were trained before, by name.
    """

    train = data.tables["train"]

    def fitted_head(d_in: int, members: int, sampling: Tensor | None = data.sampling) -> Head:
        top = head(d_in, data.target, members=members)
        check_head(top, data, sampling)
        top.fit(train.y, train.weight, sampling)
        return top

    return Parts(
        data.transform.named_columns(),
        backbone,
        fitted_head,
        train.y,
        train.weight,
        modalities=modalities,
        sampling=data.sampling,
        stages=stages,
        features=train.features,
    )


def check_head(head: Head, data: Data, sampling: Tensor | None) -> None:
    """Refuses, before training, a head that these rows do not fit, and numbers that differ by too little.

    Args:
        head: not fitted yet.
        data: prepared.
        sampling: how much training rows count once they are rebalanced.

    Raises:
        ConfigError: for one that learns from calibration rows where there are none, and for rebalanced rows and one
            that would not correct its predictions.
        DataError: `target_resolution`.
    """
    y = data.tables["train"].y
    if not data.target.classes and y.dim() == 1:
        check_resolution(y, fields(data.target))
    if head.calibrates and not labelled(data.judged["calibration"].y).any():
        text = (
            "split.calibration must leave labelled rows for a head that is calibrated, smears or searches a threshold"
        )
        raise ConfigError(f"{text}, however: there are none; set data.split.calibration=0.05")
    if sampling is not None and not head.rebalanced:
        text = "rebalancing needs a head that corrects its probabilities, such as binary or multiclass"
        raise ConfigError(f"{text}, however: {type(head).__name__}; take rebalancing=none")


def best_of(trainer: lightning.Trainer) -> str:
    """The path of the best checkpoint; "" where there is none."""
    return next(each.best_model_path for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint))


def load_best(task: Task, path: str | Path) -> int:
    """Takes the best checkpoint's weights, not the last ones, and tells its epoch.

    Raises:
        ConfigError: where training ended before there was one, as by trainer.max_steps or max_time.
    """
    if not path:
        cycle = how_many(task.model.period, "epoch")
        text = f"training must come to the end of {cycle} with a validation that defines what callback.best monitors"
        raise ConfigError(f"{text}, however: it did not; train longer, or monitor another metric")
    checkpoint = read(Path(path))
    restore(task, checkpoint["state_dict"])
    return int(checkpoint["epoch"])


def epoch_notes(epoch: int, trainer: lightning.Trainer) -> list[str]:
    """Where the best epoch lies, and whether training ended early; at either end it says that the run could be better.

    Args:
        epoch: the best one, from 0.
        trainer: that has trained.
    """
    n = trainer.current_epoch
    stop = trainer.early_stopping_callback
    notes = []
    if stop is not None and stop.stopped_epoch > 0:
        waited = how_many(stop.patience, "cycle" if period_of(trainer) > 1 else "epoch")
        notes.append(f"stopped early: {waited} without a better {stop.monitor}")
    if n < 2:
        return notes
    if epoch == 0:
        return [f"WARNING: the best epoch is the first of {n}: lower optimizer.lr or add dropout.", *notes]
    if epoch >= n - 1 and not has_fallen(trainer):
        more = f"start a new run with trainer.max_epochs={2 * n}"
        return [f"WARNING: the best epoch is the last of {n}: {more}.", *notes]
    return [f"best epoch {epoch + 1} of {n}", *notes]


def has_fallen(trainer: lightning.Trainer) -> bool:
    """Whether the learning rate is at the end of its way, so that the last epoch is meant to be the best."""
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    return period_of(trainer) > 1 or any(group["lr"] < group.get("initial_lr", 0) / 10 for group in groups)


def calibrate(task: Task, data: Data) -> None:
    """Fits what the head calibrates on the calibration split, which training has not seen."""
    table = data.judged["calibration"]
    if len(table.y):
        task.model.calibrate(outputs(task, table), table.y, table.weight)


def own_head(head: Head, out: Tensor | None, table: Batch) -> Head:
    """A head as whoever says `out` of the calibration rows would calibrate it: nobody is judged by another's.

    Args:
        head: of the model.
        out: (N, …) of the calibration rows; None where there are none.
        table: these rows.
    """
    own = copy.deepcopy(head)
    if out is not None and len(table.y):
        own.calibrate(out, table.y, table.weight)
    return own


def ship(
    task: Task,
    data: Data,
    folder: Path,
    *,
    name: str,
    metrics: Mapping[str, float],
    config: str = "",
    formats: Sequence[str] = ("torchscript",),
) -> Path:
    """Exports the model's folder; `config` is the YAML that `evaluate` builds target and metrics from."""
    train, held = data.tables["train"], data.judged["calibration"]
    best = task.model.constant(train.y, train.weight)
    return export(
        ServingFunction(data.schema, data.transform, task.model, name=name),
        folder,
        target=data.target,
        constant=(best, own_head(task.model.head, best.expand(len(held.y), *best.shape), held)),
        metrics=metrics,
        data=data.fingerprint,
        config=config,
        formats=formats,
    )


def without_advice() -> None:
    """Silences what Lightning advises for loaders that are no slices of a table, and what it does with torch itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for advice in (
        ".*does not have many workers.*",  # a batch is a slice: workers would copy it
        ".*Checkpoint directory .* exists and is not empty.*",  # resume writes where it was
        ".*number of training batches .* is smaller than the logging interval.*",  # small tables
        r".*module\(s\) in eval mode.*",  # frozen trunks stay so
        ".*torch.jit.*",  # see mlp_torch/script.py
        ".*sync_dist=True.*",  # what is logged of an epoch is the same in all processes
        ".*LeafSpec.*",  # Lightning's own use of a deprecated name of torch
    ):
        warnings.filterwarnings("ignore", message=advice)
    # deterministic mode fills memory that nobody reads before it is written: half of a step's time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
