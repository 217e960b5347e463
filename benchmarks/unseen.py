"""Rows of categories that training never showed: is the row that was trained for them better than an untrained one?

    python benchmarks/unseen.py [FIELD …]          # dest and tailnum; about six minutes on two cores

Whole categories are left out: the flights of a fifth of the airports (or aeroplanes) are test rows, those of another
fifth validation rows, by fingerprint. A network learns from the rest, three seeds; then its test rows are judged

- with the row for unknown categories as it was trained, by hiding 1 % of the known ones in each step,
- with 20 random rows in its place, as an untrained embedding begins: mean ± standard deviation,
- and a second network that hides nothing, whose row stays where it began, at 0.
"""

import statistics
import sys
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor

from mlp_torch.configuration import composed
from mlp_torch.notebook import Binary, ByFingerprint, Data, Embedding, fit
from mlp_torch.responsible.verdict import judge
from mlp_torch.run import quiet
from mlp_torch.training.task import outputs

SEEDS = (0, 1, 2)
DRAWS = 20
METRICS = ("log_loss", "auroc")


def data_of(field: str, hide: float) -> Data:
    """The flights, split by a field that is embedded and is part of nothing else."""
    cfg = composed(["experiment=quickstart", "data.columns.route=null"])
    data: Data = instantiate(cfg.data, _convert_="all")
    data.transform.columns[field] = Embedding(field, dim=8, hide=hide)
    data.split = ByFingerprint([field], val=0.2, test=0.2, calibration=0.0)
    return data.prepare()


def judged(task: Any, data: Data) -> list[float]:
    """The metrics of the test rows, all of them of unknown categories."""
    table = data.tables["test"]
    values = judge(task.model, outputs(task, table), table.y).values
    return [values[name] for name in METRICS]


def ways(field: str, seed: int) -> dict[str, list[list[float]]]:
    """By way, the metrics of each row that was tried."""
    data = data_of(field, hide=0.01)
    assert bool((data.tables["test"].features[field] == 0).all())
    task = fit(data, head=Binary, seed=seed, progress_bar=False).task
    weight: Tensor = task.model.encoder.layers[field].table.weight.data
    found = {"trained": [judged(task, data)], "random": []}
    draw = torch.Generator().manual_seed(seed)
    for _ in range(DRAWS):
        weight[0] = torch.randn(weight.shape[1], generator=draw) * weight.shape[1] ** -0.5
        found["random"].append(judged(task, data))
    data = data_of(field, hide=0.0)
    found["nothing hidden, 0"] = [judged(fit(data, head=Binary, seed=seed, progress_bar=False).task, data)]
    return found


def main(fields: list[str]) -> None:
    """Prints a table."""
    torch.set_num_threads(1)
    quiet()
    print(f"| left out | seed | row | {' | '.join(METRICS)} |\n|---|---|---|{'---|' * len(METRICS)}", flush=True)
    for field in fields or ["dest", "tailnum"]:
        for seed in SEEDS:
            for way, tried in ways(field, seed).items():
                cells = [spread([values[i] for values in tried]) for i in range(len(METRICS))]
                print(f"| a fifth of {field} | {seed} | {way} | {' | '.join(cells)} |", flush=True)


def spread(values: list[float]) -> str:
    """A value, or mean ± standard deviation of several."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{deviation}"


if __name__ == "__main__":
    main(sys.argv[1:])
