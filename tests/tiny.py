"""A small table with every kind of field and a known pattern, and a run's configuration for it."""

import math
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pyarrow as pa

from mlp_torch.backbone.mlp import MLP
from mlp_torch.column import Column
from mlp_torch.ingest.source import Frame
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.calendar import Calendar, Cyclical
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.target import Category
from mlp_torch.training.checkpoint_files import Kept, newest, read
from mlp_torch.training.checkpoints import AtomicFiles
from mlp_torch.training.data import Data

CITIES = ["Oslo", "Rome", "東京", "São Paulo", ""]


def table(rows: int = 1200, seed: int = 0) -> pa.Table:
    """Rows whose `late` depends on city, hour and age; ages and cities are missing now and then."""
    draw = np.random.default_rng(seed)
    city = draw.integers(0, len(CITIES), rows)
    hour = draw.integers(0, 24, rows)
    age = draw.normal(40, 12, rows)
    score = 1.2 * (city == 1) - 0.8 * (city == 3) + np.cos(hour / 24 * 2 * math.pi) + (age - 40) / 12
    late = score + draw.logistic(size=rows) > 0.5
    times = np.datetime64("2024-02-26T00:00:00", "s") + (hour * 3600 + draw.integers(0, 60, rows) * 86400).astype(
        "m8[s]"
    )
    return pa.table(
        {
            "id": [f"r{i}" for i in range(rows)],
            "city": pa.array([CITIES[i] for i in city], mask=draw.random(rows) < 0.05),
            "tail": [f"N{i}" for i in draw.integers(0, 200, rows)],
            "at": times,
            "age": pa.array(age, mask=draw.random(rows) < 0.1),
            "size": draw.lognormal(0, 1, rows),
            "late": np.where(late, "late", "on time"),
        }
    )


def last(folder: Path) -> dict[str, Any]:
    """What a run goes on from."""
    return found(folder).content


def best(folder: Path) -> dict[str, Any]:
    """What was best until then."""
    path = found(folder).best
    assert path
    return read(path)


def found(folder: Path) -> Kept:
    """The newest checkpoint."""
    kept = newest(folder)
    assert kept, f"no checkpoint in {folder}"
    return kept


def columns() -> dict[str, Column]:
    """One of each kind."""
    return {
        "city": Embedding("city", dim=4),
        "tail": Hashed("tail", buckets=50, dim=4),
        "age": Scaled("age"),
        "size": Bucketized("size", buckets=5, dim=3),
        "hour": Calendar("at", "hour", dim=4),
        "time": Cyclical("at", 86400, kind="time"),
        "city_hour": Crossed(["city", Calendar("at", "hour")], buckets=60, dim=4),
    }


def data(rows: int = 1200, **options: Any) -> Data:
    """Prepared tables."""
    return unprepared(rows, **options).prepare()


def unprepared(rows: int = 1200, **options: Any) -> Data:
    """The same before anything is read."""
    return Data(
        Frame(table(rows)),
        columns(),
        Category("late", classes=["on time", "late"]),
        ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1),
        key=["id"],
        **{"batch_size": 64, **options},
    )


def model(prepared: Data, dropout: float = 0.3) -> Single:
    """A small network for these tables."""
    encoder = Encoder(prepared.transform.named_columns())
    backbone = MLP(encoder.widths, hidden=[16, 8], dropout=dropout)
    head = Binary(backbone.d_out, prepared.target)
    head.fit(prepared.tables["train"].y, prepared.tables["train"].weight)
    return Single(encoder, backbone, head)


def shipped(prepared: Data, folder: Path, *, config: str = "") -> Path:
    """The folder of a model of these tables that is not trained."""
    built, train = model(prepared), prepared.tables["train"]
    return export(
        ServingFunction(prepared.schema, prepared.transform, built, name="tiny"),
        folder,
        target=prepared.target,
        constant=(built.constant(train.y, train.weight), built.head),
        metrics={},
        data="0" * 64,
        config=config,
    )


def loaded(folder: Path, *, device: str = "cpu") -> Predictor:
    """The library call of a model, without the warning of a machine whose kernels round otherwise."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="on this machine a row's last bits", category=RuntimeWarning)
        return Predictor(folder, device=device)


def trainer(**options: Any) -> lightning.Trainer:
    """A quiet one that writes its files as run.py's does."""
    return lightning.Trainer(
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        plugins=[AtomicFiles()],
        **{"accelerator": "cpu", **options},
    )


class Stop(lightning.Callback):
    """Dies after a number of steps, before anything else happens."""

    def __init__(self, after: int):
        self.after = after

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.after:
            raise RuntimeError("killed")


EXPERIMENT = """\
# @package _global_
defaults:
  - override /data: table
name: tiny
data:
  source: {{_target_: mlp_torch.ingest.source.Parquet, path: {path}}}
  target: {{_target_: mlp_torch.target.Category, field: late, classes: [on time, late]}}
  split:
    _target_: mlp_torch.reproducibility.split.ByFingerprint
    fields: [id]
    val: 0.2
    test: 0.2
    calibration: 0.1
  key: [id]
  batch_size: 64
  columns:
    city: {{_target_: mlp_torch.representation.embeddings.Embedding, field: city, dim: 4}}
    age: {{_target_: mlp_torch.representation.numbers.Scaled, field: age}}
    hour: {{_target_: mlp_torch.representation.calendar.Calendar, field: at, part: hour, dim: 4}}
    city_hour:
      _target_: mlp_torch.representation.crosses.Crossed
      parts: [city, {{_target_: mlp_torch.representation.calendar.Calendar, field: at, part: hour}}]
      buckets: 60
      dim: 4
backbone: {{hidden: [16, 8], dropout: 0.3}}
callback: {{last: {{every_n_steps: 1}}}}
trainer: {{max_epochs: 3, enable_progress_bar: false}}
baseline: {{trees: null}}
"""


def experiment(folder: Path) -> list[str]:
    """Writes the table and its experiment; gives the arguments that train it."""
    import pyarrow.parquet as pq

    pq.write_table(table(), folder / "tiny.parquet")
    (folder / "configs" / "experiment").mkdir(parents=True)
    (folder / "configs" / "experiment" / "tiny.yaml").write_text(EXPERIMENT.format(path=folder / "tiny.parquet"))
    return ["--config-dir", str(folder / "configs"), "experiment=tiny", f"runs={folder / 'runs'}"]
