"""A table that is larger than memory: memory and CPU time of preparing it and of one epoch, beside the in-memory path.

    python benchmarks/larger.py [--rows 10_000_000] [--beside 1_000_000] [--folder FOLDER]

Writes a table of 21 columns (7 of text, 10 numbers, 2 times, a key and the target) as Parquet shards, a million rows at
a time, then in a process each: prepares it and trains one epoch from shards, without encoded rows to begin with; the
same again, which uses them; and the same of a smaller table, in memory. One thread, batches of 1,024, MLP 256-128, no
baselines. CPU seconds are those of the process, user and system. Resident memory is the kernel's: its peak (VmHWM), and
at the end of the epoch how much is the process's own and how much are pages of mapped files, which the kernel may take
back. Disk: about 1 KB a row, half of it while preparing only.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from mlp_torch.notebook import (
    AtLeast,
    Binary,
    Bucketized,
    ByFingerprint,
    Calendar,
    Crossed,
    Cyclical,
    Data,
    Embedding,
    Hashed,
    Parquet,
    Scaled,
    fit,
)
from mlp_torch.training.table.shards import Shards

PART = 1_000_000  # rows of a file
NUMBERS = 10


def part(first: int, rows: int) -> pa.Table:
    """Rows of the table, the same ones each time."""
    draw = np.random.default_rng(first)
    words = {f"c{i}": draw.zipf(1.3, rows) % size for i, size in enumerate((5, 50, 500, 5_000, 50_000))}
    x = draw.normal(size=(NUMBERS, rows)).astype(np.float64)
    x[1:3] = np.exp(x[1:3])
    start = np.datetime64("2024-01-01", "s")
    times = {name: start + draw.integers(0, 86_400 * 365, rows).astype("m8[s]") for name in ("ordered", "sent")}
    delay = 10 * x[0] + 5 * (words["c0"] == 1) + 3 * (words["c2"] % 3) + draw.normal(0, 10, rows)
    return pa.table(
        {
            "id": [f"order-{i:09}" for i in range(first, first + rows)],
            **{name: [f"{name}-{value}" for value in values.tolist()] for name, values in words.items()},
            "from": [f"city {i}" for i in draw.integers(0, 300, rows).tolist()],
            "to": [f"city {i}" for i in draw.integers(0, 300, rows).tolist()],
            **times,
            **{f"x{i}": pa.array(x[i], mask=draw.random(rows) < 0.02) for i in range(NUMBERS)},
            "delay": delay,
        }
    )


def write(folder: Path, rows: int) -> None:
    """The table as files of a million rows."""
    folder.mkdir(parents=True)
    for first in range(0, rows, PART):
        path = folder / f"part-{first // PART:04}.parquet"
        pq.write_table(part(first, min(PART, rows - first)), path, row_group_size=131_072)


def data(source: Any) -> Data:
    """Columns of each kind."""
    columns = {
        **{f"c{i}": Embedding(f"c{i}", dim=8) for i in range(4)},
        "c4": Hashed("c4", buckets=1000, dim=8),
        "route": Crossed(["from", "to"], buckets=1000, dim=8),
        "hour": Calendar("ordered", "hour"),
        "weekday": Calendar("ordered", "weekday"),
        "sent": Cyclical("sent", 86400, kind="time"),
        **{f"x{i}": Scaled(f"x{i}") for i in range(NUMBERS - 1)},
        "x9": Bucketized("x9", buckets=20, dim=8),
    }
    split = ByFingerprint(["id"], val=0.05, test=0.05, calibration=0.02)
    return Data(source, columns, AtLeast("delay", 5), split, key=["id"])


def status() -> dict[str, float]:
    """Resident megabytes: the peak so far; now, the process's own of that, and pages of files.

    getrusage's peak would be that of the parent process where that was larger.
    """
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}


def measured(source: Any) -> dict[str, Any]:
    """Prepares and trains one epoch in this process."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"peak_before": status()["VmHWM"]}
    wall, cpu = time.perf_counter(), time.process_time()
    made = data(source).prepare()
    rows = sum(made.counts["splits"].values())
    found |= {"rows": rows, "prepare": time.process_time() - cpu, "prepare_wall": time.perf_counter() - wall}
    found |= {"peak_prepared": status()["VmHWM"], "notes": made.notes()}
    wall, cpu = time.perf_counter(), time.process_time()
    fit(made, head=Binary, epochs=1, progress_bar=False)
    found |= {"epoch": time.process_time() - cpu, "epoch_wall": time.perf_counter() - wall}
    return found | {"trained": len(made.tables["train"].y), **status()}


def alone(table: Path, cache: Path | None) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(table), *([str(cache)] if cache else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def lines(name: str, found: dict[str, Any]) -> Iterator[str]:
    """What was measured, for people."""
    prepare, epoch = 1e6 * found["prepare"] / found["rows"], 1e6 * found["epoch"] / found["trained"]
    yield f"{name}: {found['rows']:,} rows"
    yield f"  prepare {prepare:6.2f} µs CPU a row, {found['prepare_wall']:.0f} s; peak {found['peak_prepared']:,.0f} MB"
    yield f"  epoch   {epoch:6.2f} µs CPU a training row, {found['epoch_wall']:.0f} s; peak {found['VmHWM']:,.0f} MB"
    split = f"own {found['RssAnon']:,.0f}, pages of files {found['RssFile']:,.0f}"
    yield f"  resident at the end {found['VmRSS']:,.0f} MB: {split}; {found['peak_before']:,.0f} MB after the imports"


def main() -> None:
    """Writes, measures, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--beside", type=int, default=1_000_000, help="rows of the table in memory")
    parser.add_argument(
        "--folder", type=Path, help="for tables and encoded rows; emptied at the end; default: a new one"
    )
    parser.add_argument("--measure", nargs="+", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        table, *cache = chosen.measure
        print(json.dumps(measured(Shards(Parquet(table), cache[0]) if cache else Parquet(table))))
        return
    folder = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        write(folder / "large", chosen.rows)
        write(folder / "small", chosen.beside)
        found = {}
        for name, table, cache in (
            ("in memory", "small", None),
            ("larger than memory", "large", folder / "cache"),
            ("encoded rows used again", "large", folder / "cache"),
            ("the small table on disk", "small", folder / "cache"),
            ("in memory, again", "small", None),
        ):
            found[name] = alone(folder / table, cache)
            print("\n".join([*lines(name, found[name]), *(f"  {line}" for line in found[name]["notes"])]), flush=True)
        for what, rows in (("prepare", "rows"), ("epoch", "trained")):
            taken = {name: item[what] / item[rows] for name, item in found.items()}
            base = (taken["in memory"] + taken["in memory, again"]) / 2
            print(f"{what}: {taken['larger than memory'] / base:.2f} of the CPU time a row in memory")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
