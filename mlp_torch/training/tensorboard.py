"""TensorBoard: loss and metrics of training, validation and the constant baseline as lines of one chart.

TensorBoard draws the same tag of several runs in one chart, so `val/auroc` is written as tag `auroc` of the sub-run
`val`, and the constant's value as a flat line of the sub-run `baseline`.

A resumed run goes on in the same curves: what the stopped one had written beyond its last checkpoint is purged.

>>> import tempfile
>>> folder = Path(tempfile.mkdtemp())
>>> logger = TensorBoard(folder, baseline={"auroc": 0.5})
>>> logger.log_metrics({"val/auroc": 0.7, "train/auroc": 0.8}, step=9); logger.finalize("success")
>>> sorted(path.name for path in folder.iterdir())
['baseline', 'train', 'val']
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from mlp_torch.errors import printable
from mlp_torch.training.distribution import world
from mlp_torch.training.learned import Learned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORTED = ("report", "hparams", "columns", "embeddings")  # sub-runs that are written at a run's end
MOST_WORDS = 10_000  # of an embedding: the projector runs in a browser


class TensorBoard(Logger):
    """Writes `SPLIT/METRIC` as tag METRIC below FOLDER/SPLIT.

    Args:
        folder: where the event files go.
        baseline: the constant's value of each metric on validation rows.
    """

    def __init__(self, folder: str | Path, *, baseline: Mapping[str, float] | None = None):
        super().__init__()
        self.folder, self.baseline = Path(folder), dict(baseline or {})
        self.writers: dict[str, SummaryWriter] = {}

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def version(self) -> str:
        return ""

    def writer(self, run: str, step: int | None = None) -> SummaryWriter:
        """The writer of a sub-run, opened when first needed.

        What an earlier process wrote for the first step written here or later ones is purged: steps are logged in
        order, so that is what the stopped run did after the checkpoint at which this one began.
        """
        if run not in self.writers:
            wait_for_later_name(self.folder / run)
            self.writers[run] = SummaryWriter(str(self.folder / run), purge_step=step)
        return self.writers[run]

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        for key, value in metrics.items():
            split, _, metric = key.rpartition("/")
            if metric == "epoch":
                continue
            self.writer(split or "train", step).add_scalar(metric, value, step)
            if split == "val" and metric in self.baseline:
                self.writer("baseline", step).add_scalar(metric, self.baseline[metric], step)

    def begin_report(self) -> None:
        """Deletes what a run wrote that was stopped while it reported: it is all written again."""
        for name in REPORTED:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def log_hyperparams(self, params: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Hyperparameters beside what came out, for the HParams page."""
        values = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in params.items()}
        writer = self.writer("hparams")
        for summary in hparams(values, dict(metrics or {})):  # type: ignore[no-untyped-call]
            writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]  # add_hparams would open another run
        for key, value in (metrics or {}).items():
            writer.add_scalar(key, value)

    def log_embeddings(self, found: Mapping[str, Learned]) -> None:
        """Words and their vectors by column, for the projector; of many a part, in the order of fingerprints: any."""
        for name, (words, vectors) in found.items():
            labels = [printable(word) or '""' for word in words[:MOST_WORDS]]
            self.writer("embeddings").add_embedding(vectors[:MOST_WORDS], labels, tag=name)

    def log_notes(self, notes: Sequence[str]) -> None:
        """Sentences, as a list of Markdown."""
        self.writer("report").add_text("notes", "\n".join(f"- {note}" for note in notes))

    def log_pictures(self, pictures: "Mapping[str, Figure]", run: str = "report") -> None:
        """Figures by name."""
        for name, figure in pictures.items():
            self.writer(run).add_figure(name, figure, close=False)

    def log_columns(self, pictures: "Mapping[str, Figure]") -> None:
        """Figures of columns."""
        self.log_pictures(pictures, "columns")

    def save(self) -> None:
        for writer in self.writers.values():
            writer.flush()

    def finalize(self, status: str) -> None:
        self.save()

    def close(self) -> None:
        """Ends the threads that write."""
        for writer in self.writers.values():
            writer.close()


def wait_for_later_name(folder: Path) -> None:
    """Waits for the next second if a writer was opened in this one: files are read in the order of seconds in names."""
    seconds = [int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")]
    left = max(seconds, default=0) + 1 - time.time()
    if 0 < left <= 1:
        time.sleep(left)


def is_logged(trainer: Trainer, steps: int) -> bool:
    """Whether loggers hear of a step, the `steps`-th: to log each of them costs a tenth of the speed."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it without declaring it
    return every > 0 and steps % every == 0


def log_now(module: LightningModule, values: Mapping[str, Any], step: int) -> None:
    """Logs values of a step, from 0. Lightning would do so after the step's checkpoint: a kill in between loses them.

    Args:
        module: of which callbacks find them too.
        values: by name.
        step: that they are of.
    """
    for name, value in values.items():
        module.log(name, value, logger=False)
    for logger in module.trainer.loggers:
        logger.log_metrics({name: float(value) for name, value in values.items()}, step)


class RowsPerSecond(Callback):
    """Rows trained on per second of training time, validation left out."""

    def __init__(self) -> None:
        self.rows, self.since = 0, 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows, self.since = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, at: int
    ) -> None:
        self.rows += len(batch.y) * world()
        step = trainer.global_step  # done
        is_whole = (at + 1) % trainer.accumulate_grad_batches == 0 or at + 1 == trainer.num_training_batches
        if is_whole and is_logged(trainer, step):
            now = time.perf_counter()
            log_now(pl_module, {"train/rows_per_second": self.rows / (now - self.since)}, step - 1)
            self.rows, self.since = 0, now
