"""Checkpoints (ch. 4): best by the monitored metric, last every n steps; files that are whole or not there.

A checkpoint is read with `weights_only=True`: no code in it is ever run.
"""

import math
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from mlp_torch import archives, files
from mlp_torch.errors import ModelError

LAST = "last.ckpt"
GLOBAL = re.compile(r"GLOBAL ([\w.]+)")  # how torch names what it refuses to import


class AtomicFiles(TorchCheckpointIO):
    """Writes checkpoints by the one atomic writer: Lightning's own goes through $TMPDIR and does not sync."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        files.write(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return read(Path(path))


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content.

    Raises:
        ModelError: if it is missing, damaged, of another format, or holds more than plain values and tensors.
    """
    try:
        archives.check(path)
        with zipfile.ZipFile(path) as archive:  # torch stores checksums but does not look at them
            if damaged := archive.testzip():
                raise ModelError(f"checkpoint {path} is damaged: the checksum of {damaged} is wrong")
        checkpoint: object = torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except FileNotFoundError:
        raise ModelError(f"checkpoint {path} is missing") from None
    except OSError as error:
        raise ModelError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    except Exception as error:  # of a damaged file torch.load lets through whatever zip and unpickling raise
        # torch's own text goes on to recommend weights_only=False, which would run what is in the file
        found = GLOBAL.search(str(error))
        reason = f"it names {found[1]}, which is no plain value" if found else type(error).__name__
        raise ModelError(f"checkpoint {path} is damaged or no checkpoint of mlp_torch: {reason}") from error
    if not isinstance(checkpoint, dict):
        raise ModelError(f"checkpoint {path} must hold a dict, however: {type(checkpoint).__name__}")
    files.check_format(checkpoint.get("format"), path)
    return checkpoint


class AtEndOfPeriod(Callback):
    """What looks at validation only in the last epoch of a model's period, and if the monitored metric is defined."""

    monitor: Any

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.judges(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.judges(trainer):
            super().on_validation_end(trainer, pl_module)

    def judges(self, trainer: Trainer) -> bool:
        """Whether this epoch counts."""
        return ends_period(trainer) and self.monitor in trainer.callback_metrics


def period_of(trainer: Trainer) -> int:
    """That of the model in training."""
    period: int = trainer.lightning_module.model.period  # type: ignore[union-attr, assignment]  # a Task's
    return period


def ends_period(trainer: Trainer) -> bool:
    """Whether this epoch is the last of the model's period."""
    return (trainer.current_epoch + 1) % period_of(trainer) == 0


class BestCheckpoint(AtEndOfPeriod, ModelCheckpoint):
    """Keeps the best score of a run whose folder was moved; Lightning forgets it, and takes any next epoch for best."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))
        paths = {
            key: str(here / Path(state_dict[key]).name)
            for key in ("best_model_path", "kth_best_model_path", "last_model_path")
            if state_dict.get(key)
        }
        kept = {str(here / Path(path).name): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": kept, "dirpath": self.dirpath})


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`: after every n steps and at the end of each epoch, after all that validation changes.

    Not after the last step of an epoch: Lightning would take its validation for done on resume.

    Args:
        folder: where.
        every_n_steps: how often.
    """

    def __init__(self, folder: str, *, every_n_steps: int = 200):
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, however: {every_n_steps=}")
        self.path, self.every = Path(folder) / LAST, every_n_steps

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clears away what a process killed while it wrote has left."""
        if trainer.is_global_zero:
            for left in self.path.parent.glob(".*.ckpt.*"):
                left.unlink()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, at: int
    ) -> None:
        done = at + 1
        whole = done % trainer.accumulate_grad_batches == 0  # gradients in hand are in no checkpoint
        # on resume Lightning would take a validation that comes next for done
        validates = done % (trainer.val_check_batch or math.inf) == 0
        if done % self.every == 0 and whole and not validates and done < trainer.num_training_batches:
            trainer.save_checkpoint(self.path)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self.path)


class StopEarly(AtEndOfPeriod, EarlyStopping):
    """Early stopping that a resumed run remembers: one that had stopped does not train on."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= max(self.patience, 1)
