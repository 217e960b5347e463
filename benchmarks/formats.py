"""model.onnx and model.pt2 against model.pt: how far answers differ on all flights, and how long they take.

    python train.py export=all
    python benchmarks/formats.py runs/quickstart/latest/model

Inputs to predictions: fingerprints are there, so strings cost nothing in any of them. One thread, contenders in turn,
median of 15 rounds: of 200 calls with one row each, and of 20,480 rows in batches of 1,024, both in CPU seconds.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from mlp_torch import files
from mlp_torch.datasets.flights import Flights
from mlp_torch.ingest.inputs import to_inputs
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema

CALLS, ROWS, BATCH, ROUNDS = 200, 20_480, 1024, 15

Answer = Callable[[Inputs], dict[str, np.ndarray]]


def by_torchscript(folder: Path) -> Answer:
    """model.pt, from Inputs."""
    module = torch.jit.load(str(folder / "model.pt")).eval()
    return lambda inputs: {name: x.numpy() for name, x in module.predict(inputs).items()}


def by_onnx(folder: Path) -> Answer:
    """model.onnx in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(
        zip(names, session.run(names, {key: x.numpy() for key, x in inputs.items()}), strict=True)
    )


def by_export(folder: Path) -> Answer:
    """model.pt2, its graph run operation by operation."""
    module = torch.export.load(folder / "model.pt2").module()
    return lambda inputs: {name: x.numpy() for name, x in module(inputs).items()}


CONTENDERS = {"model.pt": by_torchscript, "model.onnx": by_onnx, "model.pt2": by_export}


def batches(inputs: Inputs, rows: int, size: int) -> list[Inputs]:
    """The first rows in batches of one size."""
    return [{key: x[at : at + size].clone() for key, x in inputs.items()} for at in range(0, rows, size)]


def seconds(answer: Answer, parts: list[Inputs]) -> float:
    """CPU seconds that the batches take."""
    started = time.process_time()
    for part in parts:
        answer(part)
    return time.process_time() - started


def medians(answers: dict[str, Answer], parts: list[Inputs]) -> dict[str, float]:
    """CPU seconds of each contender, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(ROUNDS):
        for name, answer in answers.items():
            taken[name].append(seconds(answer, parts))
    return {name: statistics.median(found) for name, found in taken.items()}


def difference(answer: Answer, wanted: Answer, parts: list[Inputs]) -> str:
    """The largest relative difference of a prediction, and how many integers differ."""
    worst, others, rows = 0.0, 0, 0
    for part in parts:
        for name, x in wanted(part).items():
            found = answer(part)[name]
            if x.dtype.kind == "f":
                worst = max(worst, float((np.abs(found - x) / np.abs(x)).max()))
            else:
                others += int((found != x).sum())
        rows += len(next(iter(part.values())))
    return f"largest relative difference {worst:.1e}; {others} of {rows:,} rows with another class"


@torch.inference_mode()
def main() -> None:
    """Prints a line for each figure."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    schema = Schema.from_json(files.read_json(folder / "schema.json"))
    checked = schema.check(Flights().read().table, training=True)
    inputs = to_inputs(checked, schema.reads.values())
    rows = len(next(iter(inputs.values())))
    answers = {name: load(folder) for name, load in CONTENDERS.items()}
    for name in ("model.onnx", "model.pt2"):
        print(f"{name:<12} {difference(answers[name], answers['model.pt'], batches(inputs, rows, 8192))}")
    for answer in answers.values():  # what is compiled on the first calls is not counted
        for size in (1, BATCH):
            seconds(answer, batches(inputs, 3 * size, size))
    single, many = medians(answers, batches(inputs, CALLS, 1)), medians(answers, batches(inputs, ROWS, BATCH))
    for name in answers:
        print(
            f"{name:<12} one row {single[name] / CALLS * 1e6:6.0f} µs ({single[name] / single['model.pt']:.2f}), "
            f"{ROWS / many[name]:10,.0f} rows per CPU second ({many['model.pt'] / many[name]:.2f})"
        )


if __name__ == "__main__":
    main()
