"""Each experiment with three seeds: mean ± standard deviation on test rows, beside the constant, look-up and trees.

python benchmarks/quality.py                 # about ten minutes on two cores; needs the extras examples and trees
python benchmarks/quality.py --runs DIR      # only reads what an earlier call left in DIR
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
SHOWN = {
    "quickstart": ["auroc", "average_precision", "log_loss", "brier"],
    "regression": ["rmse", "mae"],
    "reframing": ["crps", "log_loss", "rmse", "mae", "coverage_90"],
}
CONTENDERS = {"": "model", "_baseline": "constant", "_lookup": "look-up", "_trees": "trees"}


def train(runs: Path) -> None:
    """Runs what is not there yet."""
    for name in SHOWN:
        for seed in SEEDS:
            command = [sys.executable, "train.py", f"experiment={name}", f"seed={seed}", f"runs={runs / str(seed)}"]
            if not (runs / str(seed) / name / "latest" / "model" / "manifest.json").exists():
                subprocess.run([*command, "trainer.enable_progress_bar=false"], cwd=ROOT, check=True)


def report(runs: Path) -> None:
    """Prints a Markdown table."""
    print("| experiment | metric | " + " | ".join(CONTENDERS.values()) + " |")
    print("|---|---|" + "---|" * len(CONTENDERS))
    for name, metrics in SHOWN.items():
        found = [json.loads((runs / str(seed) / name / "latest" / "metrics.json").read_text()) for seed in SEEDS]
        for metric in metrics:
            cells = [spread([run.get(f"test/{metric}{suffix}") for run in found]) for suffix in CONTENDERS]
            print(f"| {name} | {metric} | " + " | ".join(cells) + " |")
        print(f"| {name} | seconds to prepare and train | {spread([run['seconds'] for run in found])} | | | |")


def spread(values: list[float | None]) -> str:
    """Mean ± standard deviation to four digits; a dash where the metric is not defined."""
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.4g} ± {statistics.stdev(known):.2g}" if len(known) == len(values) else "–"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "quality", help="where the runs go or are")
    chosen = parser.parse_args()
    train(chosen.runs.resolve())
    report(chosen.runs.resolve())
