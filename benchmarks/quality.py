"""Each experiment over three seeds, or five folds: mean ± standard deviation on test rows, beside what it must beat.

python benchmarks/quality.py                   # all of them, two hours of one core; needs the extras examples and trees
python benchmarks/quality.py reviews image     # some of them
python benchmarks/quality.py --runs DIR        # only runs what an earlier call did not leave in DIR
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEDS, FOLDS = ("-m", "seed=0,1,2"), ("folds=5",)
SHOWN = {
    "quickstart": ["auroc", "average_precision", "log_loss", "brier"],
    "hashed_feature": ["auroc", "log_loss"],
    "embedding": ["auroc", "log_loss"],
    "feature_cross": ["auroc", "log_loss"],
    "one_hot": ["auroc", "log_loss"],
    "scaling": ["rmse", "mae"],
    "regression": ["rmse", "mae"],
    "reframing": ["crps", "log_loss", "rmse", "mae", "coverage_80", "coverage_90", "pit_error"],
    "multilabel": ["auroc", "average_precision_micro", "f1", "f1_micro"],
    "bagging": ["rmse", "mae"],
    "snapshot": ["rmse", "mae"],
    "stacking": ["rmse", "mae"],
    "cascade": ["rmse", "mae"],
    "distillation": ["rmse", "mae"],
    "reframing_california": ["crps", "log_loss", "rmse", "mae", "coverage_80", "coverage_90", "pit_error"],
    "numerical_embedding": ["rmse", "mae"],
    "tabm": ["rmse", "mae"],
    "multimodal": ["auroc", "auroc_micro", "average_precision", "average_precision_micro", "log_loss"],
    "reviews": ["auroc", "average_precision", "log_loss"],
    "rating": ["accuracy", "rmse", "rps", "kappa", "log_loss"],
    "neutral_class": ["auroc", "accuracy_covered", "coverage", "log_loss"],
    "recommender": ["rmse", "mae"],
    "image": ["accuracy", "log_loss"],
}
CONTENDERS = {"": "model", "_baseline": "constant", "_lookup": "look-up", "_trees": "trees"}
FURTHER = {
    "reframing": ["regression", "quantiles"],
    "reframing_california": ["regression", "quantiles"],
    "multilabel": ["best member"],
    "bagging": ["best member"],
    "snapshot": ["best member"],
    "stacking": ["mlp", "dcn", "plain"],
    "cascade": ["one_model", "reframed"],
    "distillation": ["teacher", "alone"],
}


def train(name: str, runs: Path) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each metric, of runs that are there or are made now."""
    found = sorted(runs.glob(f"{name}/*-sweep/metrics.json"))
    if not found:
        repeated = FOLDS if name == "recommender" else SEEDS
        command = [sys.executable, "train.py", f"experiment={name}", *repeated, f"runs={runs}"]
        subprocess.run([*command, "trainer.enable_progress_bar=false"], cwd=ROOT, check=True)
        found = sorted(runs.glob(f"{name}/*-sweep/metrics.json"))
    (setting,) = json.loads(found[-1].read_text())["settings"]
    return {"mean": setting["mean"], "deviation": setting["standard_deviation"]}


def lines(name: str, of: dict[str, dict[str, float]]) -> list[str]:
    """Rows of a Markdown table."""
    rows = []
    for metric in SHOWN[name]:
        cells = [spread(of, f"test/{metric}{suffix}") for suffix in CONTENDERS]
        cells.append(", ".join(f"{one} {spread(of, f'test/{metric}_{one}')}" for one in FURTHER.get(name, [])))
        rows.append(f"| {name} | {metric} | " + " | ".join(cells) + " |")
    return [*rows, f"| {name} | seconds to prepare and train | {spread(of, 'seconds')} | | | | |"]


def spread(of: dict[str, dict[str, float]], key: str) -> str:
    """Mean ± standard deviation to four digits; a dash where the metric is not defined."""
    if key not in of["mean"]:
        return "–"
    return f"{of['mean'][key]:.4g} ± {of['deviation'].get(key, 0.0):.2g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="EXPERIMENT", help="some of them; by default all")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "quality", help="where the runs go or are")
    chosen = parser.parse_args()
    table = [line for name in chosen.names or SHOWN for line in lines(name, train(name, chosen.runs.resolve()))]
    print("| experiment | metric | " + " | ".join(CONTENDERS.values()) + " | others |")
    print("|---|---|" + "---|" * (len(CONTENDERS) + 1))
    print("\n".join(table))
