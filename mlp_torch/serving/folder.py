"""A model's folder as a user names it: what stands there instead is told, and which folder is meant.

It imports no torch, so that mistyped paths are told at once.

>>> check_folder(Path("nowhere"))
Traceback (most recent call last):
mlp_torch.errors.ModelError: a model must be a folder, however: nowhere is none
"""

import os
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


def check_pinned(folder: Path, sha256: str) -> None:
    """Refuses a model that is not the one whose manifest has this sha256, and files that the manifest does not name.

    That the others are as it says is checked where they are loaded.

    Args:
        folder: the model's.
        sha256: in hex.

    Raises:
        ModelError: naming the file.
    """
    path = folder / MANIFEST
    if (found := files.sha256(path)) != sha256.lower():
        raise ModelError(f"{path} must have the sha256 {sha256}, however: {found}; nothing was loaded")
    sums = files.read_json(path).get("sha256")
    known = {MANIFEST, *(sums if isinstance(sums, dict) else ())}
    for name in sorted(os.listdir(folder)):
        if name not in known:
            raise ModelError(
                f"{folder / name} must be named in {MANIFEST} where a sha256 is asked for, however: it is not"
            )
