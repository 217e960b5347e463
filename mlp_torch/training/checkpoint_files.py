"""A folder of checkpoints (ch. 4): each a file with a manifest, which is written last; what has none does not exist.

    step_00000200.ckpt  step_00000200.json    what a run goes on from; the newest is the one of the greatest step
    best_00000186.ckpt  best_00000186.json    weights that were best at the time

A manifest holds the checkpoint's sha256, so damage is found before anything of it is used, and names the best ones that
it refers to: these are kept as long as it is. A checkpoint is read with `weights_only=True`: no code in it is ever run.

>>> import tempfile
>>> folder = Path(tempfile.mkdtemp())
>>> for step in (100, 200, 300):
...     save({"format": 1, "epoch": 0, "global_step": step}, folder / name_of(step)); retain(folder, 2)
>>> newest(folder).step, sorted(path.name for path in folder.glob("*.json"))
(300, ['step_00000200.json', 'step_00000300.json'])
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mlp_torch import archives, files
from mlp_torch.errors import ModelError

log = logging.getLogger("mlp_torch")

STEP, BEST, ENDING = "step", "best", ".ckpt"


class Kept(NamedTuple):
    """A checkpoint that was found whole."""

    path: Path
    content: dict[str, Any]

    @property
    def step(self) -> int:
        """How many optimizer steps were done."""
        return int(self.content["global_step"])

    @property
    def best(self) -> Path | None:
        """The best checkpoint at its time; None where there was none yet."""
        names = bests(self.content)
        return self.path.with_name(names[0]) if names else None


def name_of(step: int) -> str:
    """The name of what is saved after so many steps."""
    return f"{STEP}_{step:08d}{ENDING}"


def save(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Writes a checkpoint, then its manifest."""
    digest = files.write(path, lambda file: torch.save(dict(checkpoint), file))
    files.write_text(path.with_suffix(".json"), manifest(checkpoint, digest))


def manifest(checkpoint: Mapping[str, Any], digest: str) -> str:
    """What vouches for a checkpoint: the same text for the same content, so that no bit of it can change unseen."""
    content = {
        "format": files.FORMAT,
        "sha256": digest,
        "step": checkpoint.get("global_step"),
        "epoch": checkpoint.get("epoch"),
        "best": bests(checkpoint),
    }
    return json.dumps(content, indent=2) + "\n"


def bests(checkpoint: Mapping[str, Any]) -> list[str]:
    """The names of the best checkpoints that one refers to, the very best of them first."""
    names: list[str] = []
    for state in checkpoint.get("callbacks", {}).values():
        paths = [state.get("best_model_path"), *state.get("best_k_models", ())]
        names += [Path(path).name for path in paths if path]
    return list(dict.fromkeys(names))


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, once it agrees with its manifest in every bit.

    Raises:
        ModelError: if it is missing, damaged, of another format, or holds more than plain values and tensors.
    """
    told = path.with_suffix(".json")
    try:
        text = told.read_bytes()
        archives.check(path)  # it may be of strangers
    except FileNotFoundError as error:
        is_half = error.filename == str(told) and path.exists()
        reason = f"not whole: it has no manifest {told.name}" if is_half else "missing"
        raise ModelError(f"checkpoint {path} is {reason}") from None
    except OSError as error:
        raise ModelError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    expected = files.read_json(told).get("sha256")
    digest = files.sha256(path)
    if digest != expected:
        raise ModelError(f"checkpoint {path} is damaged: its sha256 must be {expected}, however: {digest}")
    content = archives.load(path)
    if text != manifest(content, digest).encode():
        raise ModelError(f"checkpoint {path} is damaged: its manifest {told.name} does not agree with it")
    return content


def newest(folder: Path) -> Kept | None:
    """The checkpoint that a run goes on from: the newest that is whole; None where there is none at all.

    Of each that is damaged, or whose best one is, it is told why it is passed over.

    Raises:
        ModelError: naming all, where there are some and none is whole.
    """
    wrong: list[str] = []
    for path in steps(folder):
        try:
            found = Kept(path, read(path))
            for name in bests(found.content):
                read(folder / name)  # without it the run could not end: better to say so before it trains on
        except ModelError as error:
            wrong.append(str(error))
            continue
        for reason in wrong:
            log.warning("WARNING: %s; going on from %s instead", reason, path.name)
        return found
    if wrong:
        raise ModelError(f"a run must have a checkpoint that is whole to go on from, however: {'; '.join(wrong)}")
    return None


def steps(folder: Path) -> list[Path]:
    """The checkpoints that a run could go on from, the one of the greatest step first."""
    return [told.with_suffix(ENDING) for told in sorted(folder.glob(f"{STEP}_*.json"), reverse=True)]


def retain(folder: Path, keep: int) -> None:
    """Deletes all but the newest checkpoints and the best ones that these refer to, manifests before what they tell of.

    Called when the newest has just been written, and so is whole.
    """
    kept = steps(folder)[:keep]
    names = {path.name for path in kept}
    for told in (path.with_suffix(".json") for path in kept):
        with suppress(ModelError):  # of one that was damaged meanwhile, which nobody can go on from
            names.update(files.read_json(told).get("best", []))
    for told in [*folder.glob(f"{STEP}_*.json"), *folder.glob(f"{BEST}_*.json")]:
        if told.with_suffix(ENDING).name not in names:
            told.unlink()
    clear(folder)


def discard(folder: Path, beyond: int) -> None:
    """Deletes what could not be gone on from: checkpoints of later steps than the one that a run goes on from."""
    for path in steps(folder):
        if path.name > name_of(beyond):
            path.with_suffix(".json").unlink()
    clear(folder)


def clear(folder: Path) -> None:
    """Deletes what has no manifest, or no file: left by a process that was killed while it saved or deleted."""
    for path in [*folder.glob(f"{STEP}_*"), *folder.glob(f"{BEST}_*")]:
        if not all(path.with_suffix(ending).exists() for ending in (ENDING, ".json")):
            path.unlink(missing_ok=True)
    files.clear(folder)
