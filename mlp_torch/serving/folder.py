"""A model's folder as a user names it: what stands there instead is told, and which folder is meant.

It imports no torch, so that mistyped paths are told at once.

>>> check_folder(Path("nowhere"))
Traceback (most recent call last):
mlp_torch.errors.ModelError: a model must be a folder, however: nowhere is none
"""

from pathlib import Path

from mlp_torch import files
from mlp_torch.errors import ModelError

MANIFEST = "manifest.json"


def check_folder(folder: Path) -> None:
    """Refuses what is no model's folder.

    Raises:
        ModelError: naming the model inside of a run's folder, or saying that the run is unfinished.
    """
    if (folder / MANIFEST).is_file():
        return
    if (folder / "model" / MANIFEST).is_file():
        raise ModelError(f"a model's folder must hold {MANIFEST}, however: {folder}; did you mean {folder / 'model'}?")
    for run in (folder, folder.parent):
        if (run / "checkpoints").is_dir() and not (run / "model").is_dir():
            raise ModelError(
                f"a run must be finished to have a model, however: {run} has checkpoints alone; "
                f"to go on: mlp_torch train resume={run}"
            )
    if not folder.is_dir():
        raise ModelError(f"a model must be a folder, however: {folder} is none")
    files.read_json(folder / MANIFEST)
