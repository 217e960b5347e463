"""The library call: one row as a dict to its prediction, and what the import of the predict path takes.

    python benchmarks/library_call.py [--model DIR]

The quickstart's columns and network, untrained, or the model in DIR. One thread. Rows take turns, 200 calls each, 15
rounds; a figure is the median of the rounds' medians of wall time. Warm is the schema's example again and again; cold
is the same row with words that no call has had before; the bare call is the graph's `predict` on Inputs that are
there, filled up as the library fills them up. Imports are fresh processes in turn, 9 of each; the figures are ratios
of medians.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from batch import quickstart

import mlp_torch
from mlp_torch.ingest import fingerprint
from mlp_torch.serving.predictor import Predictor

CALLS, ROUNDS, PROCESSES = 200, 15, 9
GOALS = {"warm": 500, "cold": 2000}  # µs
IMPORT_GOAL = 1.3


def contenders(predictor: Predictor) -> dict[str, Callable[[], object]]:
    """Calls by name."""
    row, numbers = dict(predictor.schema.example), itertools.count()
    words = [read.field for read in predictor.schema.reads.values() if read.kind == "string"]
    words = [field for field in words if isinstance(row[field], str)]
    inputs, _, _ = predictor.read(row)

    def cold() -> object:
        number = next(numbers)
        return predictor.predict({**row, **{field: f"{field} {number}" for field in words}})

    def by_validator() -> object:
        return predictor.predict({**row, "a column that no model reads": 0})

    @torch.inference_mode()
    def bare() -> object:
        return predictor.module.predict(inputs)

    return {
        "warm": lambda: predictor.predict(row),
        "cold": cold,
        "bare": bare,
        "warm, with warnings": lambda: predictor.answer(row),
        "warm, by the validator": by_validator,
    }


def microseconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median wall time of each call."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            fingerprint._memo.clear()  # a full memo would start anew in the middle of a round
            call()
            taken[name].append(statistics.median(seconds(call) for _ in range(CALLS)) * 1e6)
    return {name: statistics.median(found) for name, found in taken.items()}


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def process(code: str) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh process."""
    started = time.perf_counter()
    _, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code]), 0)
    assert status == 0
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def imports() -> None:
    """The import of the predict path against that of torch."""
    codes = ("import torch", "import mlp_torch.serving.predictor")
    taken: dict[str, list[tuple[float, float]]] = {code: [] for code in codes}
    for _ in range(PROCESSES):
        for code, found in taken.items():
            found.append(process(code))
    for i, kind in enumerate(("wall", "CPU")):
        torch_alone, ours = (statistics.median(both[i] for both in found) for found in taken.values())
        spent = f"{ours:.2f} s, torch {torch_alone:.2f} s"
        name = f"import, {kind} seconds"
        print(f"{name:<24} {ours / torch_alone:7.2f} of `import torch` (goal: at most {IMPORT_GOAL}); {spent}")


def main() -> None:
    """Prints a line for each figure."""
    options = argparse.ArgumentParser()
    options.add_argument("--model", type=Path)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        model = chosen.model or quickstart(Path(name) / "model")
        started = time.perf_counter()
        predictor = mlp_torch.load(model)
        print(f"{'load':<24} {(time.perf_counter() - started) * 1e3:7.0f} ms")
    first = seconds(lambda: predictor.predict(predictor.schema.example)) * 1e6
    print(f"{'first call':<24} {first:7.0f} µs")
    for name, found in microseconds(contenders(predictor)).items():
        print(f"{name:<24} {found:7.0f} µs" + (f" (goal: at most {GOALS[name]:,})" if name in GOALS else ""))
    imports()


if __name__ == "__main__":
    main()
