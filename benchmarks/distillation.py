"""What a student is spared of its teacher: bytes of model.pt, and the time to answer.

    python benchmarks/distillation.py

Teacher and student of experiment=distillation, exported as they begin: weights change neither. CPU seconds of `predict`
on one thread, of one row as a dict and of 4,096 rows as a table; the two take turns, 30 calls of a row or 3 of the
table each, 21 rounds in one process; figures are medians of the rounds, and ratios of these.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from mlp_torch.build import ship
from mlp_torch.configuration import built, composed
from mlp_torch.model import Model
from mlp_torch.run import table
from mlp_torch.serving.predictor import ROWS, Predictor
from mlp_torch.stages.rehearsal import rehearse, untrained
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task

ROUNDS = 21


def shipped(model: Model, data: Data, folder: Path) -> Path:
    """A model's folder."""
    return ship(Task(data.transform, data.target, model), data, folder, name=folder.name, metrics={})


def seconds(predictor: Predictor, rows: Any, calls: int) -> float:
    """CPU seconds of a call."""
    started = time.process_time()
    for _ in range(calls):
        predictor.predict(rows)
    return (time.process_time() - started) / calls


def told(what: str, teacher: float, student: float) -> str:
    """Both, and their ratio."""
    return f"{what}: teacher {teacher:,.0f}, student {student:,.0f}, ratio {teacher / student:.1f}"


if __name__ == "__main__":
    cfg = composed(["experiment=distillation"])
    data = table(cfg).prepare()
    many = built(cfg.data.source).read().table.slice(0, ROWS)
    models = [untrained(cfg, "teacher", data), rehearse(cfg, data)]
    with tempfile.TemporaryDirectory() as place:
        folders = [shipped(model, data, Path(place) / str(i)) for i, model in enumerate(models)]
        print(told("parameters", *[sum(p.numel() for p in model.parameters()) for model in models]))
        print(told("bytes of model.pt", *[(folder / "model.pt").stat().st_size for folder in folders]))
        predictors = [Predictor(folder) for folder in folders]
    for what, rows, calls in (("one row", many.to_pylist()[0], 30), (f"{ROWS:,} rows", many, 3)):
        rounds = [[seconds(predictor, rows, calls) for predictor in predictors] for _ in range(ROUNDS)]
        print(told(f"µs of CPU for {what}", *[1e6 * median(found) for found in zip(*rounds, strict=True)]))
