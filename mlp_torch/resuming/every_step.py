"""A short version of an experiment, gone on with from the checkpoint of each of its steps, in one process.

After each save the run's folder is copied, as a kill a moment later would have left it. Every other copy gets the
curves of the next one, which are ahead of its checkpoint, as a kill before the next save would have left them. Each
copy is gone on with to the end, by the code that `resume=` runs, and must end as the run that was left alone: same
weights, optimizer, schedule, average, counters, and curves.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf

from mlp_torch.resuming.comparison import differences, first_difference, in_checkpoints
from mlp_torch.run import kept, learn, prepare
from mlp_torch.stages.configured import wanted
from mlp_torch.training.checkpoints import LastCheckpoint
from mlp_torch.training.data import Data
from mlp_torch.training.transfer import Origin
from mlp_torch.verbs.folders import reopened, store

WHOLE = "whole"


class Verified(NamedTuple):
    """What came out.

    Args:
        name: of the experiment.
        steps: optimizer steps of all its fits.
        resumed: how often it was gone on with, from another step each time.
        differing: what was not the same, by the number of the step; none where all is well.
        control: whether another seed gave other bits, as it must.
        seconds: that it took.
    """

    name: str
    steps: int
    resumed: int
    differing: dict[int, list[str]]
    control: bool
    seconds: float

    @property
    def is_exact(self) -> bool:
        """Whether every resumed run ended with the same bits, and other bits would have been noticed."""
        return self.resumed > 0 and not self.differing and self.control


class EveryStep(LastCheckpoint):
    """Saves at every step; copies the run's folder then.

    Args:
        folder: of the fit's checkpoints.
        place: the folder that holds the run's folder, and the copies beside it.
    """

    def __init__(self, folder: str, *, place: str):
        super().__init__(folder, every_n_steps=1)
        self.place = Path(place)

    def save(self, trainer: Trainer) -> None:
        super().save(trainer)
        copy(self.place)


def copies(place: Path) -> list[Path]:
    """Those there are, in the order in which they were made."""
    return sorted(place.glob("[0-9]*"))


def copy(place: Path) -> Path:
    """The run's folder as it is now; files that are only ever replaced as a whole are linked."""
    to = place / f"{len(copies(place)) + 1:03d}"
    shutil.copytree(place / WHOLE, to, copy_function=link_or_copy)
    return to


def ahead(run: Path, later: Path) -> None:
    """Gives a copy the curves of a later one."""
    for curves in later.rglob("tensorboard"):
        shutil.copytree(curves, run / curves.relative_to(later), dirs_exist_ok=True)


def link_or_copy(path: str, to: str) -> None:
    """Files that TensorBoard appends to are copied."""
    if path.endswith((".ckpt", ".json", ".parquet")):
        os.link(path, to)
    else:
        shutil.copy2(path, to)


def shortened(cfg: DictConfig, steps: int) -> DictConfig:
    """An experiment of about so many optimizer steps in all its fits, at least two epochs each."""
    short = cfg.copy()
    stages = wanted(cfg)
    fits = 1 + sum(1 + (own.get("folds") or 0) for own in stages.values())
    epochs = 3 if fits == 1 else 2
    accumulated = cfg.trainer.get("accumulate_grad_batches") or 1
    batches = max(1, steps // (epochs * fits)) * accumulated
    few = {"max_epochs": epochs, "limit_train_batches": batches, "limit_val_batches": 1}
    trainer = {**few, "enable_progress_bar": False, "log_every_n_steps": 1}
    for path in ("trainer", *(f"stages.{name}.trainer" for name in stages)):
        OmegaConf.update(short, path, trainer, merge=True, force_add=True)
    short.callback.last.every_n_steps = 1
    for path in ("model", *(f"stages.{name}.model" for name in stages)):
        if (OmegaConf.select(short, path) or {}).get("cycle"):
            OmegaConf.update(short, f"{path}.cycle", 1)
    return short


def verify(cfg: DictConfig, place: Path, *, steps: int = 40) -> Verified:
    """Trains a short version of an experiment below `place`, and goes on with it from each of its steps.

    Args:
        cfg: composed.
        place: an empty folder; what is in it may be deleted then.
        steps: optimizer steps of all fits together, at most.
    """
    started = time.perf_counter()
    short = shortened(cfg, steps)
    whole = begun(short, place / WHOLE)
    data, origin = prepare(whole, place / WHOLE, None)
    watched = whole.copy()
    folder = whole.callback.last.folder
    watched.callback.last = {"_target_": f"{__name__}.EveryStep", "folder": folder, "place": str(place)}
    trained(watched, data, place / WHOLE, origin)
    copy(place)  # stopped after all training
    found: dict[int, list[str]] = {}
    restored: Data | None = None
    for number, there in enumerate(copies(place), 1):
        if number % 2 and number < len(copies(place)):
            ahead(there, copies(place)[number])
        cfg_there = reopened(there)[0]
        if restored is None and (last := kept(there)):
            restored, origin = prepare(cfg_there, there, last[0])
            found[number] = list(in_tables(data, restored))
        trained(cfg_there, restored or data, there, origin)
        found[number] = [*found.get(number, []), *differences(place / WHOLE, there)]
    differing = {number: lines for number, lines in found.items() if lines}
    other = begun(short, place / "other")
    other.seed += 1
    trained(other, data, place / "other", origin)
    control = bool(list(in_checkpoints(place / WHOLE, place / "other")))
    return Verified(str(cfg.name), len(found) - 1, len(found), differing, control, time.perf_counter() - started)


def begun(cfg: DictConfig, folder: Path) -> DictConfig:
    """The configuration of a new run in a folder, as one that goes on would read it."""
    folder.mkdir(parents=True)
    store(cfg.copy(), folder)
    return reopened(folder)[0]


def trained(cfg: DictConfig, data: Data, folder: Path, origin: Origin | None) -> None:
    """Trains in a run's folder, from where it stands, as far as the last model's calibration."""
    learned, _ = learn(cfg, data, folder, origin)
    learned.logger.close()


def in_tables(data: Data, restored: Data) -> Iterator[str]:
    """How encoded rows differ where columns were restored instead of fitted."""
    for split, table in data.tables.items():
        if found := first_difference(table._asdict(), restored.tables[split]._asdict()):
            yield f"encoded rows of {split}, {found}"
