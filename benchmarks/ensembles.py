"""What an ensemble costs: eight networks in one run against eight runs one after the other.

python benchmarks/ensembles.py            # CPU seconds of either, and their ratio; a quarter of an hour
python benchmarks/ensembles.py --members 4 --epochs 3

Both train the networks of experiment=bagging on the same rows for the same epochs, prepare the data and export their
graphs, without contenders. CPU seconds of the processes are counted, on one thread, so that what else runs on the
machine counts for little.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = ["baseline=none", "importance=null", "trainer.enable_progress_bar=false", "callback.early_stopping=null"]


def cpu_seconds(*overrides: str, epochs: int) -> float:
    """Of a run of experiment=bagging."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", "experiment=bagging", *QUICK, f"runs={folder}", *overrides]
        command.append(f"trainer.max_epochs={epochs}")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=8, help="of the ensemble, and runs")
    parser.add_argument("--epochs", type=int, default=24, help="of each")
    chosen = parser.parse_args()
    one = cpu_seconds(f"model.members={chosen.members}", epochs=chosen.epochs)
    alone = ("model=single", "~model.members")
    each = [cpu_seconds(*alone, f"seed={seed}", epochs=chosen.epochs) for seed in range(chosen.members)]
    print(f"{chosen.members} members in one run: {one:.0f} CPU seconds")
    print(f"{chosen.members} runs: {sum(each):.0f} CPU seconds, {min(each):.0f} to {max(each):.0f} each")
    print(f"ratio {one / sum(each):.2f}")
