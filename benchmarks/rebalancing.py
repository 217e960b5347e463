"""Rebalancing on KDD04 (0.89 % positive), three seeds: class weights, plain, weighted sampling, slices, focal loss.

python benchmarks/rebalancing.py              # needs `mlp_torch data kdd04`; half an hour of one core
python benchmarks/rebalancing.py --runs DIR   # only runs what an earlier call did not leave in DIR

Test rows, mean ± standard deviation: average precision, which no correction of the prior changes, and Brier score and
calibration error as the model learned them of rebalanced rows ("before"; only where `rebalancing` made them so) and as
they are served.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).parents[1]
WAYS = {
    "class weights, power 0.5": ["rebalancing=class_weights", "rebalancing.rule.power=0.5"],
    "plain": ["rebalancing=none"],
    "weighted sampling, power 0.5": ["rebalancing=weighted_sampling", "rebalancing.rule.power=0.5"],
    "four slices of the majority": [
        "rebalancing=none",
        "model=bagging",
        "model.members=4",
        "model.rows={_target_: mlp_torch.problem.slices.MajoritySlices}",
    ],
    "focal loss, gamma 2, temperature": ["rebalancing=none", "head.gamma=2", "head.calibration=temperature"],
}
JUDGED = ["brier", "calibration_error"]


def train(way: str, runs: Path, seed: int) -> dict[str, float]:
    """The metrics of one run that is there or is made now."""
    folder = runs / way.replace(",", "").replace(" ", "_") / str(seed)
    if not list(folder.glob("rebalancing/2*/metrics.json")):
        command = [sys.executable, "train.py", "experiment=rebalancing", *WAYS[way], f"seed={seed}"]
        options = [f"runs={folder}", "baseline=none", "importance=null", "trainer.enable_progress_bar=false"]
        subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=sys.stderr)
    found: dict[str, float] = json.loads(sorted(folder.glob("rebalancing/2*/metrics.json"))[-1].read_text())
    return found


def cell(found: list[dict[str, float]], metric: str, *, before: bool = False) -> str:
    """Mean ± standard deviation to three digits; nothing where a run does not tell what it was before."""
    key = f"test/{metric}_uncorrected" if before else f"test/{metric}"
    if key not in found[0]:
        return ""
    values = [metrics[key] for metrics in found]
    return f"{mean(values):.3g} ± {stdev(values) if len(values) > 1 else 0:.1g}"


def row(way: str, runs: Path, seeds: list[int]) -> str:
    """A row of the Markdown table."""
    found = [train(way, runs, seed) for seed in seeds]
    cells = [cell(found, "average_precision")]
    cells += [cell(found, metric, before=before) for metric in JUDGED for before in (True, False)]
    return f"| {way} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "rebalancing", help="where the runs go or are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="WAY")
    chosen = parser.parse_args()
    print("| training rows | average precision | Brier before | Brier | calibration error before | calibration error |")
    print("|---|---|---|---|---|---|")
    for way in chosen.ways:
        print(row(way, chosen.runs.resolve(), chosen.seeds), flush=True)
