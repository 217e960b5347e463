"""What saving costs: a checkpoint with its manifest and the deletion of old ones, as a share of a minute.

    python benchmarks/saving.py

One thread, the real table and model of each experiment, 20 saves of all that a run goes on from, in the middle of an
epoch; median, in seconds of wall clock, syncs to disk included. Goal: at most 2 % where a run saves once a minute.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import tempfile
import time
from pathlib import Path

from lightning.pytorch import Trainer

from mlp_torch.configuration import composed
from mlp_torch.run import learn, prepare, quiet
from mlp_torch.training.checkpoint_files import name_of
from mlp_torch.training.checkpoints import LastCheckpoint
from mlp_torch.verbs.folders import new_folder

EXPERIMENTS = ("quickstart", "numerical_embedding", "tabm", "bagging", "multimodal", "image")
SAVES = 20


class Timed(LastCheckpoint):
    """Notes how long each save takes, and how large it is."""

    seconds: list[float]  # of the class: the run builds the instance
    bytes = 0

    def save(self, trainer: Trainer) -> None:
        began = time.perf_counter()
        super().save(trainer)
        Timed.seconds.append(time.perf_counter() - began)
        Timed.bytes = (self.folder / name_of(trainer.global_step)).stat().st_size


def measured(experiment: str, folder: Path) -> tuple[float, float]:
    """Seconds of a save, and megabytes of a checkpoint."""
    few = [f"trainer.limit_train_batches={2 * SAVES}", "trainer.max_epochs=1", "trainer.limit_val_batches=1"]
    bar = ["trainer.enable_progress_bar=false"]
    cycle = ["model.cycle=1"] if "cycle" in composed([f"experiment={experiment}"]).model else []
    cfg = composed([f"experiment={experiment}", f"runs={folder}", *few, *bar, *cycle])
    run = new_folder(cfg)
    cfg.callback.last = {"_target_": f"{__name__}.Timed", "folder": f"{run}/checkpoints", "every_n_steps": 2}
    Timed.seconds = []
    learn(cfg, prepare(cfg, run, None)[0], run)
    return statistics.median(Timed.seconds), Timed.bytes / 2**20


def main() -> None:
    quiet()
    sys.modules["saving"] = sys.modules["__main__"]
    print("| experiment | checkpoint, MB | seconds of a save | share of a minute |\n|---|---|---|---|")
    for experiment in sys.argv[1:] or EXPERIMENTS:
        with tempfile.TemporaryDirectory() as folder:
            seconds, size = measured(experiment, Path(folder))
        print(f"| {experiment} | {size:.1f} | {seconds:.3f} | {100 * seconds / 60:.2f} % |", flush=True)


if __name__ == "__main__":
    main()
