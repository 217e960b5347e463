"""Checkpoints (ch. 4): best by the monitored metric, last every so often and when the process is asked to stop."""

import logging
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from mlp_torch.interruption import Interrupted, leave, listen
from mlp_torch.training import checkpoint_files

log = logging.getLogger("mlp_torch")


class AtomicFiles(TorchCheckpointIO):
    """Checkpoints with a manifest, by the one atomic writer: Lightning's own goes through $TMPDIR and does not sync."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        checkpoint_files.save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return checkpoint_files.read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Nothing: what a later checkpoint refers to no more, an earlier one may, until that is deleted itself."""


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
    """The best by a metric. It keeps the score of a run whose folder was moved, which Lightning forgets.

    Args:
        dirpath: where.
        monitor: the metric.
        mode: `min` or `max`, which of its values is better.
        save_top_k: how many of the best.
    """

    def __init__(self, dirpath: str, *, monitor: str = "val/loss", mode: str = "min", save_top_k: int = 1):
        super().__init__(
            dirpath=dirpath,
            filename=f"{checkpoint_files.BEST}_{{step:08d}}",  # no name is used twice: the one before may be needed yet
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))
        paths = {
            key: str(here / Path(state_dict[key]).name)
            for key in ("best_model_path", "kth_best_model_path", "last_model_path")
            if state_dict.get(key)
        }
        kept = {str(here / Path(path).name): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": kept, "dirpath": self.dirpath})
        self.current_score = state_dict["current_score"]


class LastCheckpoint(Checkpoint):
    """Saves what a run goes on from: every so often, at the end of each epoch, and when a signal asks it to stop.

    Not after the last step of an epoch before its validation, which Lightning would take for done on resume. The first
    SIGTERM or Ctrl-C waits for the next step that can be saved; a second one does not.

    Args:
        folder: where.
        minutes: from one to the next.
        every_n_steps: so many steps from one to the next instead.
        keep: how many of them, the newest and those before, in case it is damaged.
    """

    def __init__(self, folder: str, *, minutes: float = 1.0, every_n_steps: int | None = None, keep: int = 2):
        for name, value in (("every_n_steps", every_n_steps), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, however: {name}={value}")
        if not minutes >= 0:
            raise ValueError(f"minutes must be at least 0, however: {minutes=}")
        self.folder, self.seconds, self.every, self.keep = Path(folder), 60 * minutes, every_n_steps, keep
        self.saved_at, self.asked = 0.0, 0
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clears away what a process killed while it saved has left; listens to signals."""
        if trainer.is_global_zero:
            checkpoint_files.clear(self.folder)
        self.saved_at, self.asked = time.monotonic(), 0
        self.before = listen(self.ask)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.listen_no_more()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.listen_no_more()

    def listen_no_more(self) -> None:
        """Leaves signals to those who listened before."""
        leave(self.before)
        self.before = {}

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Asks for a last checkpoint; when asked again, does without it."""
        if self.asked:
            raise Interrupted(signum)
        self.asked = signum
        log.info("\nstopping: saving at the next step; a second signal stops at once")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, at: int
    ) -> None:
        done = at + 1
        whole = done % trainer.accumulate_grad_batches == 0  # gradients in hand are in no checkpoint
        # on resume Lightning would take a validation that comes next for done
        validates = done % (trainer.val_check_batch or math.inf) == 0
        if not whole or validates or done >= trainer.num_training_batches:
            return
        is_due = done % self.every == 0 if self.every else time.monotonic() - self.saved_at >= self.seconds
        if agreed(trainer, is_due or self.asked > 0):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Saves, deletes what is not needed any more, and stops where that was asked."""
        for logger in trainer.loggers:
            logger.save()  # what is logged until here is not logged again
        trainer.save_checkpoint(self.folder / checkpoint_files.name_of(trainer.global_step))
        if trainer.is_global_zero:
            checkpoint_files.retain(self.folder, self.keep)
        self.saved_at = time.monotonic()
        if agreed(trainer, self.asked > 0):
            raise Interrupted(self.asked or signal.SIGTERM)


def agreed(trainer: Trainer, is_wanted: bool) -> bool:
    """Whether one of the processes that train together wants something, which all of them must do at the same step."""
    if trainer.world_size == 1:
        return is_wanted
    found: bool = trainer.strategy.reduce_boolean_decision(is_wanted, all=False)
    return found


class StopEarly(AtEndOfPeriod, EarlyStopping):
    """Early stopping that a resumed run remembers: one that had stopped does not train on."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= max(self.patience, 1)
