"""Which backbone for how many rows: the quickstart, trained on a random part of its training rows.

    python benchmarks/backbones_by_size.py [ROWS …]

Fields, validation and test rows are those of the whole, the encoding is fitted on the whole; batch size, epochs and
patience are those that `mlp_torch init` proposes for so many rows. AUROC, mean ± standard deviation of seeds 1, 2, 3.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import copy
import statistics
import sys
import time
from dataclasses import replace
from functools import partial

import torch
from hydra.utils import instantiate
from torch import nn
from torch.optim import AdamW

from mlp_torch.configuration import built, composed
from mlp_torch.notebook import fit
from mlp_torch.problem.classification import Binary
from mlp_torch.proposal.recipe import recipe
from mlp_torch.run import quiet
from mlp_torch.training.batches import permutation, select
from mlp_torch.training.data import Data

SEEDS = (1, 2, 3)
ONE_BLOCK = [f"backbone.{option}" for option in ("blocks=1", "d_token=96", "attention_dropout=0.1", "dropout=0.0")]
CONTENDERS: dict[str, tuple[list[str], float]] = {  # overrides, learning rate
    "mlp": ([], 1e-3),
    "wide_and_deep": (["backbone.wide=[route,weekday_hour]"], 1e-3),
    "dcn": ([], 1e-3),
    "dcn, parallel": (["backbone.structure=parallel"], 1e-3),
    "resnet": ([], 1e-3),
    "ft_transformer, one block": (ONE_BLOCK, 1e-4),
    "tabm_mini, 16 × 128": (["backbone.k=16", "backbone.d_block=128", "backbone.start=signs"], 1e-3),
}


def part(data: Data, rows: int, seed: int) -> Data:
    """The same data with so many training rows, drawn by a seed."""
    train = select(data.tables["train"], permutation(len(data.tables["train"].y), seed)[:rows])
    smaller = copy.copy(data)
    smaller.prepared = replace(
        data.prepared, tables=data.tables | {"train": train}, judged=data.judged | {"train": train}
    )
    return smaller


def auroc(name: str, data: Data, rows: int, seed: int) -> tuple[float, float]:
    """On validation and test rows."""
    effort = recipe(rows)
    overrides, rate = CONTENDERS[name]
    cfg = composed([f"backbone={name.partition(',')[0]}", *overrides])
    if "hidden" in cfg.backbone:
        cfg.backbone.hidden = effort.hidden
    backbone: partial[nn.Module] = built(cfg.backbone)
    optimizer = partial(AdamW, lr=rate, weight_decay=0.01, fused=True)
    fitted = fit(
        part(data, rows, seed),
        head=Binary,
        backbone=backbone,
        optimizer=optimizer,
        epochs=effort.epochs,
        patience=effort.patience,
        seed=seed,
        progress_bar=False,
    )
    return fitted.evaluate("val")["auroc"], fitted.evaluate("test")["auroc"]


def main(sizes: list[int]) -> None:
    """Prints one line of a table a size and backbone."""
    torch.set_num_threads(1)
    quiet()
    print("| training rows | backbone | validation | test | CPU seconds a run |\n|---|---|---|---|---|", flush=True)
    for rows in sizes:
        batch_size = recipe(rows).batch_size
        data = instantiate(composed([f"data.batch_size={batch_size}"]).data, _convert_="all").prepare()
        for name in CONTENDERS:
            started = time.process_time()
            found = [auroc(name, data, rows, seed) for seed in SEEDS]
            seconds = (time.process_time() - started) / len(SEEDS)
            cells = [f"{statistics.mean(x):.4f} ± {statistics.stdev(x):.4f}" for x in zip(*found, strict=True)]
            print(f"| {rows:,} | {name} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [2000, 20_000])
