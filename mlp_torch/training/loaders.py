"""The batches of a fit: of training rows in an order of the task's seed, and of the rows that are judged each epoch.

They are made in the memory of the device that trains, if a table fits into half of what is free there, so that no step
waits for rows from the host (on `trainer=gpu` a copy would take longer than the step).
"""

from typing import TYPE_CHECKING

import torch
from lightning.pytorch import Trainer

from mlp_torch.errors import ConfigError
from mlp_torch.head import Batch
from mlp_torch.model import CPU
from mlp_torch.training.batches import Batches, select, size_of
from mlp_torch.training.distribution import OfProcess, own, world

if TYPE_CHECKING:  # it imports this module
    from mlp_torch.training.data import Data

ROWS = 8192  # of an evaluation batch; also the most training rows that validation looks at


def training_batches(data: "Data") -> Batches | OfProcess:
    """Training rows, rebalanced if that is wanted, with weights of mean 1."""
    train, draw = data.tables["train"], None
    if data.rebalancing and data.rebalancing.use == "draw":
        draw = data.sampling
        train = train._replace(weight=torch.ones(1).expand(len(train.y)))
    elif data.sampling is not None or data.weight is not None:
        weight = train.weight if data.sampling is None else data.sampling
        train = train._replace(weight=(weight / weight.double().mean()).float())
    batches = Batches(
        train,
        data.batch_size * world(),
        at=lambda: position(data.trainer),
        seed=int(data.trainer.lightning_module.seed) if data.trainer else 0,  # type: ignore[arg-type]  # of a Task
        release=data.prepared.release.get("train"),
        draw=draw,
        rows=data.rows_per_epoch,
        device=home(data, train, "train"),
    )
    return own(batches, weighed=True)


def validation_batches(data: "Data") -> list[Batches | OfProcess]:
    """Validation rows, and some training rows, the same ones each time: those with the smallest fingerprints."""
    val, train = data.judged["val"], data.judged["train"]
    some = select(train, train.row.argsort()[: min(len(val.y), ROWS)])
    whole = [
        Batches(val, ROWS, release=data.prepared.release.get("val"), device=home(data, val, "val")),
        Batches(some, ROWS, device=home(data, some)),
    ]
    return [own(batches, weighed=False) for batches in whole]


def position(trainer: Trainer | None) -> tuple[int, int]:
    """Epoch, and batches of it that are done, by Lightning's own counters, which a checkpoint restores.

    Raises:
        ConfigError: where there is no trainer.
    """
    if trainer is None:
        raise ConfigError("training batches need a trainer: Trainer.fit(task, data)")
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready


def home(data: "Data", table: Batch, split: str = "") -> torch.device:
    """Where the batches of a table are made; a table on disk comes a buffer at a time, which always fits."""
    device: torch.device = data.trainer.strategy.root_device if data.trainer else CPU
    if device.type != "cuda" or split in data.prepared.release:
        return device
    free, _ = torch.cuda.mem_get_info(device)
    return device if size_of(table) <= free // 2 else CPU
