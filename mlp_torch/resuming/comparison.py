"""Two runs, bit for bit: what their newest checkpoints hold, their curves in TensorBoard, and the files they leave.

>>> import torch
>>> first_difference({"a": [1, torch.ones(2)]}, {"a": [1, torch.zeros(2)]})
'a[1]: tensors of 2 numbers, 2 of them other ones'
>>> first_difference({"a": 1.0}, {"a": 1.0})
''
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from mlp_torch.training.checkpoint_files import newest

CLOCK = {"rows_per_second"}  # curves whose values are of the machine's moment; their steps are compared


def differences(one: Path, other: Path) -> list[str]:
    """Where two runs' folders differ, a line each; none where they are the same in every bit."""
    return [*in_checkpoints(one, other), *in_curves(one, other), *in_files(one, other)]


def in_checkpoints(one: Path, other: Path) -> Iterator[str]:
    """Weights, optimizers, schedules, averages, counters: everything that a run goes on from."""
    for folder in sorted(one.rglob("checkpoints")):
        place = folder.relative_to(one)
        a, b = newest(folder), newest(other / place)
        if a is None or b is None:
            if a is not b:
                yield f"{place}: only one run has come to a checkpoint"
            continue
        found = first_difference(learned(a.content), learned(b.content))
        if found:
            yield f"{place}, {found}"


def learned(checkpoint: Mapping[str, Any]) -> Any:
    """All of a checkpoint but what its run was configured with and where it ran."""
    return anywhere({key: value for key, value in checkpoint.items() if key not in ("configuration", "environment")})


def anywhere(value: Any) -> Any:
    """Nested values without the place of their run in paths of checkpoints."""
    if isinstance(value, Mapping):
        return {anywhere(key): anywhere(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [anywhere(item) for item in value]
    if isinstance(value, str) and "/checkpoints" in value:
        return value.rpartition("/checkpoints")[2]
    return value


def first_difference(a: Any, b: Any, at: str = "") -> str:
    """Where two nested values differ first, and how; "" where every bit is the same."""
    if type(a) is not type(b):
        return f"{at}: {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, Mapping):
        if a.keys() != b.keys():
            return f"{at}: only one has {', '.join(map(str, sorted(a.keys() ^ b.keys(), key=str)))}"
        pairs = ((a[key], b[key], f"{at}.{key}".lstrip(".")) for key in a)
    elif isinstance(a, list | tuple):
        if len(a) != len(b):
            return f"{at}: {len(a)} and {len(b)} items"
        pairs = ((x, y, f"{at}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True)))
    elif isinstance(a, Tensor):
        return of_tensors(a, b, at)
    else:
        same = a == b or (a != a and b != b)  # NaN
        return "" if same else f"{at}: {a!r} and {b!r}"
    return next((found for x, y, where in pairs if (found := first_difference(x, y, where))), "")


def of_tensors(a: Tensor, b: Tensor, at: str) -> str:
    """How two tensors differ; NaN is equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{at}: {a.dtype} {tuple(a.shape)} and {b.dtype} {tuple(b.shape)}"
    other = (a != b) & ~((a != a) & (b != b))
    return f"{at}: tensors of {a.numel():,} numbers, {int(other.sum()):,} of them other ones" if other.any() else ""


def in_curves(one: Path, other: Path) -> Iterator[str]:
    """(tag, step, value) of every curve, once each."""
    for folder in sorted(path for path in one.rglob("tensorboard/*") if path.is_dir()):
        place = folder.relative_to(one)
        a, b = curves(folder), curves(other / place)
        if a.keys() != b.keys():
            yield f"{place}: only one has {', '.join(sorted(a.keys() ^ b.keys()))}"
        for tag in sorted(a.keys() & b.keys()):
            steps = [step for step, _ in b[tag]]
            if len(steps) != len(set(steps)):
                yield f"{place}, {tag}: a step is there twice"
            elif a[tag] != b[tag]:
                yield f"{place}, {tag}: {len(a[tag])} and {len(b[tag])} points, not the same ones"


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as TensorBoard shows them."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of what a stopped run leaves, and purges it
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, 0.0 if tag in CLOCK else event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def in_files(one: Path, other: Path) -> Iterator[str]:
    """Predictions, what stages have learned, and metrics; seconds apart, which are of the machine's moment."""
    for path in sorted([*one.glob("predictions/*.parquet"), *one.rglob("stages/*/*.parquet")]):
        place = path.relative_to(one)
        if not (other / place).is_file() or path.read_bytes() != (other / place).read_bytes():
            yield f"{place}: not the same bytes"
    for path in sorted([*one.glob("metrics.json"), *one.rglob("stages/*/stage.json")]):
        place = path.relative_to(one)
        a, b = (json.loads((run / place).read_text()) if (run / place).is_file() else {} for run in (one, other))
        found = first_difference({**a, "seconds": 0}, {**b, "seconds": 0})
        if found:
            yield f"{place}, {found}"
