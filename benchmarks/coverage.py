"""Do a run's intervals hold what they say? Its calibration rows in two halves: one calibrates, the other judges.

python train.py experiment=reframing
python benchmarks/coverage.py runs/reframing/latest --day scheduled

By row, the halves are alike, as the guarantee assumes; by day (`--day FIELD`, a part of the key) they are not: what is
found then is what a new day brings. Twenty random halvings each: mean, and the deviation between halvings.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from mlp_torch.build import load_best, own_head
from mlp_torch.fitting import build, optimization
from mlp_torch.head import Batch
from mlp_torch.responsible.verdict import judge
from mlp_torch.run import table
from mlp_torch.training.checkpoint_files import newest
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs

DAY, HALVINGS = 86_400.0, 20


def restored(folder: Path) -> tuple[Task, Data]:
    """A run's data, encoded as it was, and its best model."""
    cfg = OmegaConf.load(folder / "config.yaml")
    kept = newest(folder / "checkpoints")
    assert kept, "the run must have come to a checkpoint"
    data = table(cfg).prepare(kept.content["state_dict"])
    task = Task(data.transform, data.target, build(cfg, data), **optimization(cfg), seed=cfg.seed)
    load_best(task, kept.best or "")
    return task, data


def groups(data: Data, field: str | None) -> np.ndarray:
    """What is not torn apart: each row, or the rows of a day."""
    if field is None:
        return np.arange(len(data.judged["calibration"].y))
    return np.asarray(data.keys["calibration"][field]) // DAY


def halvings(task: Task, rows: Batch, out: Tensor, group: np.ndarray) -> dict[str, list[float]]:
    """The coverage that each half finds which the other has calibrated."""
    found: dict[str, list[float]] = {}
    names = np.unique(group)
    for seed in range(HALVINGS):
        half = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
        one = torch.from_numpy(np.isin(group, half))
        for learn in (one, ~one):
            part = Batch({}, rows.y[learn], rows.weight[learn], rows.row[learn])
            values = judge(own_head(task.model.head, out[learn], part), out[~learn], rows.y[~learn]).values
            for name in values:
                if name.startswith("coverage") and not name.endswith("error"):
                    found.setdefault(name, []).append(values[name])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--day", metavar="FIELD", help="a time in the key by whose days rows are halved too")
    chosen = parser.parse_args()
    logging.disable()
    task, data = restored(chosen.run)
    rows = data.judged["calibration"]
    out = outputs(task, rows)
    for field in dict.fromkeys([None, chosen.day]):
        group = groups(data, field)
        for name, values in halvings(task, rows, out, group).items():
            spread = f"{np.mean(values):.4f} ± {np.std(values):.4f}"
            print(f"{name} by {'day' if field else 'row'} ({len(np.unique(group)):,}): {spread}")
