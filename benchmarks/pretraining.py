"""Few labels, with and without pretraining on the rows that have none; two tables, three seeds.

python benchmarks/pretraining.py                    # 90 runs, an hour of one core
python benchmarks/pretraining.py --data california  # one of them
python benchmarks/pretraining.py --runs DIR         # only runs what an earlier call did not leave in DIR

Mean ± standard deviation over the seeds, on test rows that are the same throughout, by the rows whose label is read. As
many labelled rows validate as train. A run before is trained once a seed, and begins the runs of all numbers of labels.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).parents[1]
SHARES = {  # of training rows, by the number of labels that it comes to
    "people": ("0.004", "0.016", "0.065"),
    "california": ("0.0155", "0.062", "0.25"),
}
HOUSES = [
    *("experiment=scaling", "pretraining=masked", "name=pretraining", "data.batch_size=32", "rows_per_epoch=1024"),
    *("callback.early_stopping.patience=10", "~data.split"),
    "+data.split={_target_: mlp_torch.reproducibility.carved.Carved, fields: [row], val: 0, train: 1, "
    "split: {_target_: mlp_torch.reproducibility.split.ByFingerprint, fields: [row], val: 0.02, test: 0.2, "
    "calibration: 0}}",
    *("+init_from.data.split={train: 1}", "+init_from.data.batch_size=128", "+init_from.rows_per_epoch=null"),
    *("+init_from.optimizer={lr: 0.002}", "+init_from.trainer={max_epochs: 25}"),
    "+init_from.scheduler={_target_: torch.optim.lr_scheduler.CosineAnnealingLR, _partial_: true, T_max: 25}",
]
TABLES = {"people": (["experiment=pretraining"], "auroc"), "california": (HOUSES, "rmse")}
NEW = ["init_from.optimizer.lr=1e-12", "init_from.trainer.max_epochs=1"]  # which changes no digit
WAYS = {
    "from scratch": ["init_from=null"],
    "columns of all rows, new weights": NEW,
    "told which were replaced": ["init_from.model.guess=0", "init_from.model.detect=1"],
    "guessed what stood there": ["init_from.model.guess=1", "init_from.model.detect=0"],
    "both": ["init_from.model.guess=1", "init_from.model.detect=1"],
}


def run_of(options: list[str], folder: Path) -> Path:
    """A run that is there or is made now."""
    runs = folder / "pretraining"
    if not list(runs.glob("2*/metrics.json")):
        quiet = [f"runs={folder}", "baseline=none", "importance=null", "trainer.enable_progress_bar=false"]
        command = [sys.executable, "train.py", *options, *quiet]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return sorted(path.parent for path in runs.glob("2*/metrics.json"))[-1]


def several(name: str, way: str, share: str, seeds: list[int], runs: Path) -> list[Path]:
    """The runs of each seed with so many labels; the first number of them trains the run before."""
    options, _ = TABLES[name]
    found = []
    for seed in seeds:
        begin = WAYS[way]
        place = runs / name / str([*WAYS].index(way)) / str(seed)
        if share != SHARES[name][0] and way != "from scratch":
            begin = [f"init_from={run_of([], place / SHARES[name][0]) / 'origin'}"]
        val = [f"data.split.val={share}"] if name == "people" else []
        found.append(run_of([*options, *begin, *val, f"data.split.train={share}", f"seed={seed}"], place / share))
    return found


def cell(runs: list[Path], metric: str) -> str:
    """Mean ± standard deviation of a metric on test rows."""
    values = [json.loads((run / "metrics.json").read_text())[f"test/{metric}"] for run in runs]
    return f"{mean(values):.4f} ± {stdev(values) if len(values) > 1 else 0:.4f}"


def rows_of(run: Path) -> int:
    """How many rows a run was trained on."""
    return int(json.loads((run / "row_counts.json").read_text())["splits"]["train"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "few_labels", help="where the runs go or are")
    parser.add_argument("--data", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", type=int, nargs="+", default=[*range(len(WAYS))], help="columns of the table, from 0")
    chosen = parser.parse_args()
    ways = [way for i, way in enumerate(WAYS) if i in chosen.ways]
    for name in chosen.data:
        metric = TABLES[name][1]
        print(f"\n| {name}, labels | " + " | ".join(ways) + " |\n|---|" + "---|" * len(ways), flush=True)
        for share in SHARES[name]:
            each = [several(name, way, share, chosen.seeds, chosen.runs.resolve()) for way in ways]
            cells = " | ".join(cell(runs, metric) for runs in each)
            print(f"| {rows_of(each[0][0]):,} | {cells} |", flush=True)
