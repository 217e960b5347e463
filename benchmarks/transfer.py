"""Late flights of one airport by few days of it: from scratch, and from a model of the other two; three seeds.

python benchmarks/transfer.py              # 66 runs, half an hour of one core
python benchmarks/transfer.py --runs DIR   # only runs what an earlier call did not leave in DIR

Test AUROC, mean ± standard deviation over the seeds, by the training rows of Newark: those of the last days before
October. Validation and test rows are the same throughout, November and December are tested.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).parents[1]
BODY = ["init_from=null", "freeze=[]", "data.source.origins=[JFK,LGA]", "data.split.start=null"]
STARTS = ["2013-09-29", "2013-09-25", "2013-09-07", "null"]  # of 2, 6, 24 and all days
WAYS = {
    "from scratch": ["init_from=null", "freeze=[]"],
    "all learns": ["freeze=[]"],
    "all learns, lower rates below (`layer_decay=0.3`)": ["freeze=[]", "layer_decay=0.3"],
    "embeddings and head learn (`freeze=[backbone.*]`)": ["freeze=[backbone.*]"],
    "body and head learn (`freeze=[encoder.*]`)": ["freeze=[encoder.*]"],
}
AS_IT_IS = ["freeze=[]", "init_grow=false", "optimizer.lr=1e-9", "trainer.max_epochs=1"]  # which changes no digit


def train(options: list[str], folder: Path) -> dict[str, float]:
    """The metrics of one run that is there or is made now, and how many training rows it has."""
    runs = folder / "transfer_tabular"
    if not list(runs.glob("2*/metrics.json")):
        command = [sys.executable, "train.py", "experiment=transfer_tabular", *options]
        quiet = [f"runs={folder}", "baseline=none", "importance=null", "trainer.enable_progress_bar=false"]
        subprocess.run([*command, *quiet], cwd=ROOT, check=True, stdout=sys.stderr)
    run = sorted(path.parent for path in runs.glob("2*/metrics.json"))[-1]
    rows = json.loads((run / "row_counts.json").read_text())["splits"]["train"]
    return {**json.loads((run / "metrics.json").read_text()), "rows": rows}


def body(runs: Path, seed: int) -> str:
    """`init_from` of the model of the other two airports."""
    folder = runs / "body" / str(seed)
    train([*BODY, f"seed={seed}"], folder)
    return f"init_from={sorted((folder / 'transfer_tabular').glob('2*/metrics.json'))[-1].parent}"


def cell(found: list[dict[str, float]]) -> str:
    """Mean ± standard deviation of the test AUROC."""
    values = [metrics["test/auroc"] for metrics in found]
    return f"{mean(values):.3f} ± {stdev(values) if len(values) > 1 else 0:.3f}"


def several(options: list[str], runs: Path, name: str, seeds: list[int]) -> list[dict[str, float]]:
    """The metrics of each seed; options may say that it begins anew."""
    return [train([body(runs, seed), *options, f"seed={seed}"], runs / name / str(seed)) for seed in seeds]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "transfer", help="where the runs go or are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    chosen = parser.parse_args()
    folder = chosen.runs.resolve()
    alone = several([*AS_IT_IS, f"data.split.start={STARTS[0]}"], folder, "as_it_is", chosen.seeds)
    print(f"the body as it is: {cell(alone)}\n", flush=True)
    print("| training rows | " + " | ".join(WAYS) + " |\n|---|" + "---|" * len(WAYS), flush=True)
    for start in STARTS:
        each = {
            way: several([*options, f"data.split.start={start}"], folder, f"{start}/way_{i}", chosen.seeds)
            for i, (way, options) in enumerate(WAYS.items())
        }
        rows = int(each["from scratch"][0]["rows"])
        print(f"| {rows:,} | " + " | ".join(cell(found) for found in each.values()) + " |", flush=True)
