"""Everything for a notebook in one import, without configuration files: a frame → fit → evaluate → export → predict.

>>> import pandas as pd
>>> frame = pd.DataFrame({"id": range(400), "x": range(400), "y": ["low"] * 200 + ["high"] * 200})
>>> data = Data(Frame(frame), {"x": Scaled("x")}, Category("y"), ByFingerprint(["id"]), batch_size=32).prepare()
>>> fitted = fit(data, head=Binary, epochs=2, progress_bar=False)
>>> sorted(fitted.evaluate("test"))[:2]
['accuracy', 'auroc']
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import lightning.pytorch as lightning
import torch
from torch import nn
from torch.optim import Optimizer

from mlp_torch.backbone.mlp import MLP
from mlp_torch.build import best_of, calibrate, epoch_notes, load_best, parts, ship, without_advice
from mlp_torch.head import Head
from mlp_torch.ingest.source import Csv, Frame, Parquet
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.quantiles import Quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.calendar import Calendar, Cyclical
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByColumn, ByFingerprint, ByTime
from mlp_torch.responsible.verdict import judge
from mlp_torch.target import AtLeast, Category, Number
from mlp_torch.training.checkpoints import AtomicFiles, BestCheckpoint, StopEarly
from mlp_torch.training.data import Data
from mlp_torch.training.devices import accelerator
from mlp_torch.training.progress import progress
from mlp_torch.training.table.prepared import one_thread
from mlp_torch.training.task import Task, outputs

__all__ = [
    "MLP",
    "AtLeast",
    "Binary",
    "Bucketized",
    "ByColumn",
    "ByFingerprint",
    "ByTime",
    "Calendar",
    "Category",
    "Crossed",
    "Csv",
    "Cyclical",
    "Data",
    "Embedding",
    "Fitted",
    "Frame",
    "Gaussian",
    "Hashed",
    "Multiclass",
    "Number",
    "Parquet",
    "Quantiles",
    "Reframed",
    "Regression",
    "Scaled",
    "fit",
]


class Fitted:
    """A trained model beside its data.

    Args:
        task: trained, with the best weights.
        data: prepared.
    """

    def __init__(self, task: Task, data: Data):
        self.task, self.data = task, data

    def evaluate(self, split: str = "test") -> dict[str, float]:
        """Metrics by name on a split: train, calibration, val or test."""
        table = self.data.tables[split]
        return judge(self.task.model, outputs(self.task, table), table.y, weight=table.weight).values

    def export(self, folder: str | Path, *, name: str = "model", formats: Sequence[str] = ("torchscript",)) -> Path:
        """Writes the model's folder; `mlp_torch.load(folder)` reads it. Further formats are onnx and pt2."""
        return ship(self.task, self.data, Path(folder), name=name, metrics=self.evaluate("test"), formats=formats)


def fit(
    data: Data,
    *,
    head: Callable[..., Head],
    backbone: Callable[..., nn.Module] | None = None,
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.AdamW,
    epochs: int = 20,
    patience: int = 3,
    seed: int = 0,
    progress_bar: bool = True,
) -> Fitted:
    """Trains until the validation loss has not fallen for some epochs, and keeps the best weights.

    Args:
        data: prepared.
        head: (d_in, target, members=…) -> a head, e.g. `Binary`.
        backbone: widths by column -> a module with `d_out`; by default an MLP of 256-128.
        optimizer: parameters -> optimizer.
        epochs: at most.
        patience: epochs without a lower validation loss before training stops.
        seed: of weights, dropout and the order of rows.
        progress_bar: whether to tell what happened to the rows, how far training is, and where it ended.

    NOTE: on a CPU it takes one thread, as the command line does: layers of this size are done before a second one is
    awake, and sums have the same bits on any number of cores.
    """
    without_advice()
    tell: Callable[[str], None] = print if progress_bar else lambda line: None
    for line in data.notes():
        tell(line)
    torch.manual_seed(seed)
    model = parts(data, backbone or partial(MLP, hidden=[256, 128], dropout=0.2), head).single()
    task = Task(data.transform, data.target, model, optimizer=optimizer, seed=seed)
    with one_thread(), TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator=accelerator("auto"),
            logger=False,
            enable_progress_bar=progress_bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            plugins=[AtomicFiles()],
            callbacks=[
                StopEarly(monitor="val/loss", patience=patience),
                BestCheckpoint(folder),
                *([progress()] if progress_bar else []),
            ],
        )
        trainer.fit(task, data)
        for line in epoch_notes(load_best(task, best_of(trainer)), trainer):
            tell(line)
        calibrate(task, data)
        for line in model.head.notes():
            tell(line)
    return Fitted(task, data)
