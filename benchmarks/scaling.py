"""How numbers are scaled, for a network that knows nothing else: RMSE of house prices on test rows, three seeds each.

    python benchmarks/scaling.py      # a quarter of an hour of one core; needs `mlp_torch data california`

The experiment `scaling` with the same scale for all its columns, and with the chain of its own for each.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIELDS = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
STEPS, CURVES = "mlp_torch.representation.steps", "mlp_torch.representation.curves"
SCALES: dict[str, str | None] = {
    "Identity": f"[{{_target_: {STEPS}.Identity}}]",
    "MinMax": f"[{{_target_: {STEPS}.MinMax}}]",
    "ZScore": f"[{{_target_: {STEPS}.ZScore}}]",
    "Winsorize, ZScore": f"[{{_target_: {STEPS}.Winsorize, low: 0.01, high: 0.01}},{{_target_: {STEPS}.ZScore}}]",
    "Quantile(output=normal)": f"[{{_target_: {CURVES}.Quantile, output: normal}}]",
    "a chain for each": None,
}


def rmse(overrides: list[str]) -> list[float]:
    """On test rows, by seed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", "experiment=scaling", "-m", "seed=0,1,2", f"runs={folder}", *overrides]
        quiet = ["trainer.enable_progress_bar=false", "baseline=none"]
        subprocess.run([*command, *quiet], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs = sorted(Path(folder).glob("scaling/*-sweep/seed-*/metrics.json"))
        return [json.loads(run.read_text())["test/rmse"] for run in runs]


if __name__ == "__main__":
    print("| scale | test RMSE, $100,000 |\n|---|---|")
    for name, steps in SCALES.items():
        given = [f"++data.columns.{field}.steps={steps}" for field in FIELDS] if steps else []
        found = rmse(given)
        print(f"| {name} | {statistics.mean(found):.4f} ± {statistics.stdev(found):.4f} |", flush=True)
