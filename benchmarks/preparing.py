"""Preparing the flights (checks, fit, encode) against a hand-written numpy and torch preparation of the same columns.

    python benchmarks/preparing.py

One thread, 327,346 rows with a label and the quickstart's 16 columns, contenders in turn, median of 7 after a warm-up,
CPU seconds. Both begin with the same joined Arrow table and end with one table of tensors a split. By hand nothing is
checked, counted or kept for later: no policies, row identities, words or schema. Goal: at most 2 times its CPU time.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import farmhash
import numpy as np
import pyarrow as pa
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from torch import Tensor

from mlp_torch.configuration import composed
from mlp_torch.ingest.block import Block

ROUNDS = 7
NUMBERS = ["distance", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
SPLITS = ("train", "val", "test")


class Kept:
    """A source that has been read already."""

    def __init__(self, block: Block):
        self.block = block

    def read(self) -> Block:
        return self.block


def by_hand(table: pa.Table) -> dict[str, dict[str, Tensor]]:
    """What one writes without a framework: the tensors of each split, by column."""
    table = table.filter(table["arr_delay"].is_valid())
    seconds = table["scheduled"].cast(pa.int64()).to_numpy()
    days, minutes = seconds // 86400, seconds // 60 % 1440
    month = table["scheduled"].to_numpy().astype("M8[M]").astype(int) % 12
    split = np.select([month == 9, month > 9], [1, 2], 0)
    train = split == 0
    origin, dest = coded(table["origin"], train), coded(table["dest"], train)
    columns: dict[str, NDArray[Any]] = {
        "tailnum": hashed(table["tailnum"], 1000),
        "carrier": coded(table["carrier"], train),
        "origin": origin,
        "dest": dest,
        "weekday_hour": (days + 3) % 7 * 24 + minutes // 60,
        "route": origin * (int(dest.max()) + 1) + dest,
        "minute_of_day": circle(minutes.astype(np.float64), 1440),
        "wind_dir": circle(table["wind_dir"].to_numpy(), 360),
    }
    for name in NUMBERS:
        x = table[name].to_numpy().astype(np.float64)
        if name == "wind_speed":
            x[(x < 0) | (x > 200)] = np.nan
        columns[name] = scaled(x, train)
    columns["y"] = (table["arr_delay"].to_numpy() >= 15).astype(np.float32)
    tables = {}
    for i, name in enumerate(SPLITS):
        rows = np.flatnonzero(split == i)
        tables[name] = {key: torch.from_numpy(x[rows]) for key, x in columns.items()}
    return tables


def coded(words: pa.ChunkedArray, train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Codes of the words of training rows; 0 unknown, 1 missing."""
    array = words.combine_chunks().dictionary_encode()
    codes = array.indices.fill_null(-1).to_numpy()
    known = np.unique(codes[train])
    table = np.zeros(len(array.dictionary) + 1, np.int64)
    table[known] = np.arange(2, len(known) + 2)
    table[-1] = 1
    return table[codes]


def hashed(words: pa.ChunkedArray, buckets: int) -> NDArray[np.int64]:
    """Buckets of the words' fingerprints."""
    array = words.combine_chunks().dictionary_encode()
    table = [farmhash.fingerprint64(word) % buckets for word in array.dictionary.to_pylist()]
    return np.array([*table, 0], np.int64)[array.indices.fill_null(-1).to_numpy()]


def circle(x: NDArray[np.float64], period: float) -> NDArray[np.float32]:
    """Sine and cosine, 0 where missing, and whether it is."""
    angle = x * (2 * np.pi / period)
    parts = [np.nan_to_num(np.sin(angle)), np.nan_to_num(np.cos(angle)), np.isnan(x)]
    return np.stack(parts, axis=1).astype(np.float32)


def scaled(x: NDArray[np.float64], train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Standard scores, 0 where missing, and whether it is."""
    seen = x[train]
    z = (x - np.nanmean(seen)) / np.nanstd(seen)
    return np.stack([np.nan_to_num(z), np.isnan(x)], axis=1).astype(np.float32)


def main() -> None:
    """Prints a line a contender."""
    torch.set_num_threads(1)
    cfg = composed(["trainer.accelerator=cpu"])
    block = instantiate(cfg.data.source).read()
    seconds: dict[str, list[float]] = {"hand-written": [], "mlp_torch": []}
    for _ in range(ROUNDS + 1):
        data = instantiate(cfg.data, _convert_="all")
        data.source = Kept(block)
        contenders: list[Callable[[], object]] = [partial(by_hand, block.table), data.prepare]
        for taken, contender in zip(seconds.values(), contenders, strict=True):
            started = time.process_time()
            contender()
            taken.append(time.process_time() - started)
    base = statistics.median(seconds["hand-written"][1:])
    for name, taken in seconds.items():
        median = statistics.median(taken[1:])  # the first one warms up
        print(f"{name:<14} {median:6.3f} CPU seconds, {median / base:.2f} of the hand-written preparation")


if __name__ == "__main__":
    main()
