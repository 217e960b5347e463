"""Batch prediction against a hand-written loop over the same scripted model, Parquet to Parquet.

    python benchmarks/batch.py [--model DIR]

The quickstart's columns and network, untrained, on its flights, repeated. The loop does what one writes without a
framework: batches of the columns that the model reads, its fingerprints, `predict`, a ParquetWriter; it checks nothing
and cannot be restarted. One thread, contenders in turn, median of 5; the figure is rows per CPU second, as a ratio to
the loop, loading the model included. Memory is the greatest resident size of a process of its own.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from mlp_torch import files
from mlp_torch.datasets.flights import Flights
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Parquet
from mlp_torch.serving.batch import predict
from mlp_torch.serving.scorer import Policies

ROUNDS = 5
MILLION = 1_000_000
BATCH, AT_ONCE = 65_536, 4096  # rows that the loop reads, and those that it scores, at once: the fastest of those tried


def quickstart(folder: Path) -> Path:
    """A model of the quickstart's shape."""
    from hydra.utils import instantiate

    from mlp_torch.build import ship
    from mlp_torch.configuration import composed
    from mlp_torch.fitting import build, optimization
    from mlp_torch.training.task import Task

    cfg = composed(["trainer.accelerator=cpu"])
    data = instantiate(cfg.data, _convert_="all").prepare()
    task = Task(data.transform, data.target, build(cfg, data), **optimization(cfg))
    return ship(task, data, folder, name="quickstart", metrics={})


def flights(path: Path, rows: int) -> Path:
    """The flights as often as it takes, each row with a number of its own."""
    table = Flights().read().table
    with pq.ParquetWriter(path, table.schema.append(pa.field("id", pa.int64()))) as writer:
        for first in range(0, rows, len(table)):
            part = table.slice(0, rows - first)
            writer.write_table(part.append_column("id", pa.array(range(first, first + len(part)))))
    return path


def by_hand(model: Path, rows: Path, output: Path) -> None:
    """What one writes without a framework."""
    module = torch.jit.load(str(model / "model.pt")).eval()
    reads = list(Schema.from_json(files.read_json(model / "schema.json")).reads.values())
    classes = {name: pa.array(words) for name, words in dict(module.names).items()}
    needed, writer = list({read.field for read in reads} | {"id"}), None
    for batch in pq.ParquetFile(rows, pre_buffer=False).iter_batches(BATCH, columns=needed, use_threads=False):
        inputs = {read.key: tensor(batch.column(read.field), read.kind) for read in reads}
        with torch.inference_mode():
            parts = [
                module.predict({key: x[at : at + AT_ONCE] for key, x in inputs.items()})
                for at in range(0, len(batch), AT_ONCE)
            ]
        columns = {name: pa.array(torch.cat([part[name] for part in parts]).numpy()) for name in parts[0]}
        labels = {name.removesuffix("class") + "label": words.take(columns[name]) for name, words in classes.items()}
        table = pa.table({"id": batch.column("id"), **columns, **labels})
        writer = writer or pq.ParquetWriter(output, table.schema)
        writer.write_table(table)
    assert writer
    writer.close()


def tensor(column: pa.Array, kind: str) -> torch.Tensor:
    """A column as the model wants it."""
    if kind == "string":
        return arrow_fingerprints(column)
    if kind == "time":
        column = column.cast(pa.int64())
    return torch.from_numpy(np.array(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()))


def by_package(model: Path, rows: Path, output: Path, *, key: str | None, repeated_keys: str = "error") -> None:
    """What `mlp_torch predict` runs."""
    policies = Policies(key, repeated_keys)  # type: ignore[arg-type]
    predict(model, Parquet(rows), output, policies=policies, overwrite=True)


CONTENDERS: dict[str, Callable[[Path, Path, Path], None]] = {
    "hand-written loop": by_hand,
    "predict": partial(by_package, key=None),
    "predict, key kept": partial(by_package, key="id", repeated_keys="keep"),
    "predict, key checked": partial(by_package, key="id"),
}


def seconds(contender: Callable[[Path, Path, Path], None], model: Path, rows: Path, folder: Path) -> float:
    """CPU seconds that a contender takes."""
    output = folder / "out.parquet"
    output.unlink(missing_ok=True)
    started = time.process_time()
    contender(model, rows, output)
    return time.process_time() - started


def memory(name: str, model: Path, rows: Path, folder: Path) -> float:
    """The greatest resident size of a contender in a process of its own, in MB."""
    output = folder / "out.parquet"
    output.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--memory", name, str(model), str(rows), str(output)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """Prints one line a contender, and the memory for one and for five million rows."""
    options = argparse.ArgumentParser()
    options.add_argument("--model", type=Path)
    options.add_argument("--memory", nargs=4, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    if chosen.memory:
        CONTENDERS[chosen.memory[0]](*map(Path, chosen.memory[1:]))
        status = Path("/proc/self/status").read_text()  # getrusage would tell of the process that started this one
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = chosen.model or quickstart(folder / "model")
        million, five = (flights(folder / f"{n}.parquet", n * MILLION) for n in (1, 5))
        taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):
            for name, contender in CONTENDERS.items():
                taken[name].append(seconds(contender, model, million, folder))
        base = statistics.median(taken["hand-written loop"])
        for name, found in taken.items():
            median = statistics.median(found)
            print(f"{name:<22} {MILLION / median:>9,.0f} rows per CPU second, {base / median:.3f} of the loop")
        for name in CONTENDERS:
            found = [memory(name, model, rows, folder) for rows in (million, five)]
            print(f"{name:<22} {found[0]:,.0f} MB for 1 million rows, {found[1]:,.0f} MB for 5 million")


if __name__ == "__main__":
    main()
