"""A rating of 1 to 5 as one of five classes, as ordered classes, as a number: which head is worth it on reviews?

    python benchmarks/rating.py               # twenty minutes of one core; needs `mlp_torch data reviews`
    python benchmarks/rating.py --runs DIR    # only trains what an earlier call did not leave in DIR

Columns, backbone and split are those of experiment=rating; validation rows stop each training early, test rows are read
once. The number is rounded to a class, and its ranked probability score is that of a point: its error in ranks.
"""

import argparse
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_cohen_kappa

from mlp_torch.problem import scores

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
N = 5
NUMBER = ("~data.target", "+data.target={_target_: mlp_torch.target.Number, field: rating}")
HEADS: dict[str, tuple[str, ...]] = {
    "multiclass": ("head=multiclass",),
    "ordinal": (),
    "regression": ("head=regression", *NUMBER),
    "regression in [1, 5]": ("head=regression", "head.bounds=[1, 5]", *NUMBER),
}
METRICS = ("accuracy", "RMSE of the expectation", "RPS", "kappa", "log-loss")


def trained(experiment: str, way: str, overrides: Sequence[str], *, seed: int, runs: Path) -> Path:
    """The folder of a run that is there or is made now."""
    runs = runs / f"{way}_{seed}"
    folder = runs / experiment / "latest"
    if not (folder / "metrics.json").exists():
        given = [f"experiment={experiment}", *overrides, f"seed={seed}", f"runs={runs}", "baseline=none"]
        command = [sys.executable, "train.py", *given, "trainer.enable_progress_bar=false"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder


def answers(folder: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Of a run's test rows the true class (N,), the expected rating (N,) and the classes' probabilities (N, 5)."""
    table = pq.read_table(folder / "predictions" / "test.parquet")
    y = torch.tensor(table["target"].to_pylist()).double()
    if "prediction" in table.column_names:
        value = torch.tensor(table["prediction"].to_pylist()).double()
        return y.long() - 1, value, torch.eye(N)[value.round().long().clamp(1, N) - 1]
    p = torch.tensor(table["probabilities"].to_pylist())
    return y.long(), (p.double() * torch.arange(1, N + 1)).sum(dim=1), p


def measured(folder: Path) -> list[float]:
    """METRICS of a run's test rows; NaN for the log-loss of a point."""
    label, value, p = answers(folder)
    said = p.argmax(dim=1)
    is_point = bool((p.max(dim=1).values == 1).all())
    return [
        float((said == label).double().mean()),
        float((value - 1 - label).square().mean().sqrt()),
        float(scores.rps(p, label).mean()),
        float(multiclass_cohen_kappa(said, label, N, weights="quadratic")),
        torch.nan if is_point else float(scores.log_loss(p, label).mean()),
    ]


def cell(values: list[float]) -> str:
    """Mean ± standard deviation; a dash where there is none."""
    if any(map(math.isnan, values)):
        return "–"
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


def main(runs: Path) -> None:
    """Prints mean ± standard deviation over the seeds as a Markdown table."""
    print(f"| head | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}")
    for way, overrides in HEADS.items():
        found = [
            measured(trained("rating", re.sub(r"\W+", "_", way), overrides, seed=seed, runs=runs)) for seed in SEEDS
        ]
        cells = [cell(list(values)) for values in zip(*found, strict=True)]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "rating_heads", help="where the runs go or are")
    main(parser.parse_args().runs.resolve())
