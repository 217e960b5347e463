"""Rebalancing on KDD04 (0.89 % positive), three seeds each: plain, class weights, weighted sampling.

python benchmarks/rebalancing.py              # needs `mlp_torch data kdd04`; about half an hour of one core
python benchmarks/rebalancing.py --runs DIR   # only runs what an earlier call did not leave in DIR

Test rows, mean ± standard deviation: average precision, which no correction of the prior changes, and Brier score and
calibration error as the model learned them and as they are served.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS = {
    "plain": ["rebalancing=none"],
    "class weights": ["rebalancing=class_weights", "rebalancing.rule.power=1.0"],
    "class weights, power 0.5": ["rebalancing=class_weights", "rebalancing.rule.power=0.5"],
    "weighted sampling, power 0.5": ["rebalancing=weighted_sampling", "rebalancing.rule.power=0.5"],
}
SHOWN = ["average_precision", "brier", "calibration_error"]


def train(way: str, runs: Path, seeds: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each metric, of runs that are there or are made now."""
    folder = runs / way.replace(",", "").replace(" ", "_")
    found = sorted(folder.glob("rebalancing/*-sweep/metrics.json"))
    if not found:
        command = [sys.executable, "train.py", "experiment=rebalancing", *WAYS[way], "-m", f"seed={seeds}"]
        options = [f"runs={folder}", "baseline=none", "trainer.enable_progress_bar=false"]
        subprocess.run([*command, *options], cwd=ROOT, check=True)
        found = sorted(folder.glob("rebalancing/*-sweep/metrics.json"))
    (setting,) = json.loads(found[-1].read_text())["settings"]
    return {"mean": setting["mean"], "deviation": setting["standard_deviation"]}


def cell(of: dict[str, dict[str, float]], metric: str, *, corrected: bool) -> str:
    """Mean ± standard deviation to three digits; a plain run needs no correction."""
    key = f"test/{metric}" if corrected else f"test/{metric}_uncorrected"
    key = key if key in of["mean"] else f"test/{metric}"
    return f"{of['mean'][key]:.3g} ± {of['deviation'].get(key, 0.0):.1g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "rebalancing", help="where the runs go or are")
    parser.add_argument("--seeds", default="0,1,2")
    chosen = parser.parse_args()
    print("| training rows | average precision | Brier before | Brier | calibration error before | calibration error |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        of = train(way, chosen.runs.resolve(), chosen.seeds)
        cells = [cell(of, "average_precision", corrected=True)]
        cells += [cell(of, metric, corrected=corrected) for metric in SHOWN[1:] for corrected in (False, True)]
        print(f"| {way} | " + " | ".join(cells) + " |", flush=True)
