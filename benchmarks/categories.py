"""The flights' categories in every way there is: hashed, embedded, one-hot, crossed, or not at all.

    python benchmarks/categories.py [PART …]       # tailnum, codes, crosses; an hour on two quiet cores

Each line is the quickstart with one change: validation rows choose the epoch, test rows are read once, mean ± standard
deviation of three seeds. `new` is the AUROC on test rows of aeroplanes that no training row shows. Parameters are those
that are learned; rows per CPU second are of training, one thread, batches of 1,024.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import time
from functools import cache
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.nn import Module

from mlp_torch.configuration import built, composed
from mlp_torch.fitting import build, optimization
from mlp_torch.notebook import fit
from mlp_torch.responsible.verdict import judge
from mlp_torch.run import quiet, table
from mlp_torch.training.task import Task, outputs

SEEDS = (0, 1, 2)
BATCHES = 100
ONE_HOT, EMBEDDING, HASHED = (
    f"mlp_torch.representation.{name}" for name in ("one_hot.OneHot", "embeddings.Embedding", "hashed.Hashed")
)
CATEGORIES = {"carrier": 100, "origin": 100, "dest": 1000}  # and buckets, where they are hashed


def coded(target: str, **options: Any) -> dict[str, Any]:
    """Columns that code the categories in one way."""
    return {
        name: {"_target_": target, "field": name, **({"buckets": n} if target == HASHED else {}), **options}
        for name, n in CATEGORIES.items()
    }


def hashed(buckets: int, **options: Any) -> dict[str, Any]:
    """The column of tail numbers, hashed."""
    return {"tailnum": {"_target_": HASHED, "field": "tailnum", "buckets": buckets, "dim": 8, **options}}


def embedded(**options: Any) -> dict[str, Any]:
    """The same with a vocabulary."""
    return {"tailnum": {"_target_": EMBEDDING, "field": "tailnum", "dim": 8, **options}}


PARTS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "tailnum": {
        "left out": ("quickstart", {"tailnum": None}),
        "hashed, 100 buckets": ("quickstart", hashed(100)),
        "hashed, 1,000 buckets (quickstart)": ("quickstart", {}),
        "hashed, 8,000 buckets": ("quickstart", hashed(8000)),
        "hashed twice, 2 × 500, added": ("quickstart", hashed(500, second="sum")),
        "hashed twice, 2 × 1,000, side by side": ("quickstart", hashed(1000, second="concat")),
        "embedded": ("quickstart", embedded()),
        "embedded, at least 20 rows": ("quickstart", embedded(min_count=20)),
    },
    "codes": {
        "left out": ("quickstart", dict.fromkeys(CATEGORIES)),
        "one-hot": ("one_hot", {}),
        "one-hot, l1 = 1e-4": ("one_hot", coded(ONE_HOT, l1=1e-4)),
        "one-hot, l2 = 1e-4": ("one_hot", coded(ONE_HOT, l2=1e-4)),
        "dummy": ("quickstart", coded(ONE_HOT, drop_first=True)),
        "embedded (quickstart)": ("quickstart", {}),
        "embedded, l2 = 1e-4": ("quickstart", coded(EMBEDDING, l2=1e-4)),
        "hashed": ("quickstart", coded(HASHED)),
    },
    "crosses": {
        "MLP without crosses": ("feature_cross", {"weekday_hour": None, "route": None, "route_hour": None}),
        "MLP with crosses (quickstart)": ("quickstart", {}),
        "wide and deep (feature_cross)": ("feature_cross", {}),
    },
}


class Found(NamedTuple):
    """What one training gave."""

    auroc: float
    log_loss: float
    new: float
    parameters: int


def configuration(experiment: str, columns: dict[str, Any], seed: int) -> Any:
    """The experiment with other columns; a network without crosses has no wide part."""
    cfg = composed([f"experiment={experiment}", f"seed={seed}"])
    for name, column in columns.items():
        cfg.data.columns[name] = column
    if columns.get("weekday_hour", "") is None:
        cfg.backbone = composed([]).backbone
    return cfg


def trained(experiment: str, columns: dict[str, Any], seed: int) -> Found:
    """One training, judged on test rows."""
    cfg = configuration(experiment, columns, seed)
    data = table(cfg).prepare()
    found = fit(
        data,
        head=built(cfg.head),
        backbone=built(cfg.backbone),
        optimizer=built(cfg.optimizer),
        seed=seed,
        progress_bar=False,
    )
    test, rows = data.tables["test"], is_new()
    out = outputs(found.task, test)
    whole, new = judge(found.task.model, out, test.y), judge(found.task.model, out[rows], test.y[rows])
    return Found(whole.values["auroc"], whole.values["log_loss"], new.values["auroc"], size(found.task.model))


def size(model: Module) -> int:
    """Learned numbers."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def speed(experiment: str, columns: dict[str, Any]) -> float:
    """Rows per CPU second of training: the median of three goes."""
    cfg = configuration(experiment, columns, 0)
    data = table(cfg).prepare()
    found = []
    for _ in range(3):
        task = Task(data.transform, data.target, build(cfg, data), **optimization(cfg))
        silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        limits = {"max_epochs": 1, "limit_train_batches": BATCHES, "limit_val_batches": 0}
        trainer = Trainer(accelerator="cpu", deterministic=True, enable_model_summary=False, **silent, **limits)
        started = time.process_time()
        trainer.fit(task, data)
        found.append(BATCHES * data.batch_size / (time.process_time() - started))
    return statistics.median(found)


@cache
def is_new() -> Tensor:
    """(N,) which test rows are of an aeroplane that no training row shows."""
    data = table(configuration("quickstart", embedded(), 0)).prepare()
    return data.transform.unseen(data.tables["test"].features)["tailnum"]


def main(parts: list[str]) -> None:
    """Prints a table a part."""
    torch.set_num_threads(1)
    quiet()
    for part in parts or PARTS:
        print(f"| {part} | AUROC | log-loss | new | parameters | rows per CPU second |\n|---|---|---|---|---|---|")
        for name, (experiment, columns) in PARTS[part].items():
            found = [trained(experiment, columns, seed) for seed in SEEDS]
            cells = [spread([each[i] for each in found]) for i in range(3)]
            rate = speed(experiment, columns)
            print(f"| {name} | {' | '.join(cells)} | {found[0].parameters:,} | {rate:,.0f} |", flush=True)


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


if __name__ == "__main__":
    main(sys.argv[1:])
