"""How far training is: Lightning's bar on a terminal; elsewhere, in a log file or CI, a line an epoch.

>>> line(2, 20, {"train/auroc": 0.75, "val/auroc": 0.7}, rate=1234.5, left=75.0)
'epoch 2 of 20: train/auroc 0.75, val/auroc 0.7, 1,234 rows/s, at most 01:15 left'
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, TQDMProgressBar
from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

TRAIN = "train/loss_without_dropout"  # of the same rows after each epoch; train/loss is of the last step's batch alone


def progress(refresh_rate: int = 25, member: str | None = None) -> ProgressBar:
    """The bar, redrawn every so many steps, or the lines; of several runs the lines say which `member` it is."""
    return TQDMProgressBar(refresh_rate) if sys.stdout.isatty() else EpochLines(member)


class EpochLines(ProgressBar):
    """A line an epoch: the loss, what the best checkpoint is chosen by, training rows per second, time that is left.

    Early stopping may end training before: the time is that of all epochs, as long as those of this process were,
    without its first one once there are others: what is done only once is done there.

    Args:
        member: which of several runs this is.
    """

    def __init__(self, member: str | None = None) -> None:
        super().__init__()
        self.prefix = f"{member}: " if member else ""
        self.shows = True
        self.rows, self.trained, self.since = 0, 0.0, 0.0
        self.warm, self.first, self.began = 0, 0, 0.0

    def enable(self) -> None:
        self.shows = True

    def disable(self) -> None:
        self.shows = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.warm = self.first = trainer.current_epoch
        self.began = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == self.warm + 1:
            self.first, self.began = trainer.current_epoch, time.perf_counter()
        self.rows, self.since = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.rows += len(batch.y)
        self.trained = time.perf_counter() - self.since  # validation comes after the last one

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.shows:
            return
        done, most = trainer.current_epoch + 1, trainer.max_epochs or -1
        each = (time.perf_counter() - self.began) / (done - self.first)
        found = trainer.callback_metrics
        monitor = getattr(trainer.checkpoint_callback, "monitor", None)
        values = {name: float(found[name]) for name in (TRAIN, monitor) if name in found}
        rate = self.rows / max(self.trained, 1e-9)
        print(self.prefix + line(done, most, values, rate=rate, left=each * (most - done)), flush=True)


def line(done: int, most: int, values: Mapping[str, float], *, rate: float, left: float) -> str:
    """What is told of an epoch; `most` below 0 = without end."""
    total, rest = (f" of {most}", f", at most {tqdm.format_interval(left)} left") if most > 0 else ("", "")
    told = "".join(f" {name} {value:.4g}," for name, value in values.items())
    return f"epoch {done}{total}:{told} {rate:,.0f} rows/s{rest}"
