"""Which numbers and which backbone for how many rows: the recipes that `init` could write, on real tables.

    python benchmarks/recipes.py [TABLE:ROWS …] [--seeds N]     e.g. california:2000 california:13000 flights:20000

ROWS training rows are those with the smallest fingerprints; validation and test rows are the table's own, all of them.
Columns are those of configs/data/TABLE.yaml; of the numbers among them each recipe makes something else. Epochs,
patience, widths and batch size are those that `init` proposes for so many rows, the optimizer is its AdamW. A line is a
recipe: the metric on validation and test rows, mean ± standard deviation over seeds, and the CPU time of one run. Trees
(LightGBM, as in a run's report) see the same columns with numbers as z-scores.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.optim import AdamW

from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.tabm import TabM
from mlp_torch.column import Column
from mlp_torch.configuration import built, composed
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.fingerprint import arrow_fingerprints
from mlp_torch.ingest.inputs import to_inputs, words_of
from mlp_torch.ingest.schema import Schema
from mlp_torch.notebook import fit
from mlp_torch.profile.chains import chains_of
from mlp_torch.profile.facts import look
from mlp_torch.proposal.recipe import recipe
from mlp_torch.representation.normality import CHAINS, PLAIN
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.numerical_embeddings import Periodic, PiecewiseLinear
from mlp_torch.representation.steps import ZScore
from mlp_torch.reproducibility.split import TRAIN
from mlp_torch.responsible.baselines import Trees
from mlp_torch.responsible.verdict import judge
from mlp_torch.training.data import Data

Columns = dict[str, Column]
Numbers = dict[str, pa.Array]  # training values by field
NUMBER = "mlp_torch.representation.numbers.Scaled"
TABLES = {  # what is predicted, and the metric that is shown
    "california": (
        ["data=california", "head=regression", "experiment=regression"],
        {"_target_": "mlp_torch.target.Number", "field": "MedHouseVal"},
        "rmse",
    ),
    "flights": (["data=flights", "experiment=quickstart"], None, "auroc"),
    "kdd04": (
        ["data=kdd04", "head=binary", "experiment=quickstart"],
        {"_target_": "mlp_torch.target.Category", "field": "target", "classes": ["0", "1"]},
        "average_precision",
    ),
}


@dataclass
class Fewer:
    """A table of which only so many training rows are left."""

    block: Block
    train: np.ndarray[Any, np.dtype[np.int64]]  # by fingerprint of their numbers
    others: np.ndarray[Any, np.dtype[np.int64]]
    rows: int = 0

    @classmethod
    def of(cls, cfg: Any) -> "Fewer":
        """The whole table of a configuration, split by it."""
        block, split = built(cfg.data.source).read(), built(cfg.data.split)
        reads = [*split.reads.values(), *built(cfg.data.target).reads.values()]
        named = {read.field for read in reads}
        policies = {str(name): dict(policy) for name, policy in cfg.data.fields.items() if name in named}
        checked = Schema.of(reads, policies).check(block, training=True)
        index = split.assign(to_inputs(checked, reads), words_of(checked)).numpy()
        names = arrow_fingerprints(pa.array(checked.keep).cast(pa.large_string()), field="the row's number").numpy()
        train = checked.keep[index == TRAIN]
        return cls(block, train[names[index == TRAIN].argsort()], checked.keep[index > TRAIN])

    def read(self) -> Block:
        """The chosen training rows and all others, in the table's order."""
        keep = np.sort(np.r_[self.train[: self.rows], self.others])
        return Block(self.block.table.take(pa.array(keep)), name=self.block.name)

    def numbers(self, fields: list[str]) -> Numbers:
        """The training values of some fields."""
        table = self.block.table.select(fields).take(pa.array(self.train[: self.rows]))
        return {name: table[name].combine_chunks() for name in fields}


def scaled(numbers: Numbers) -> Columns:
    return {name: Scaled(name, clip=10) for name in numbers}


def chained(numbers: Numbers) -> Columns:
    found: Columns = {}
    for name, array in numbers.items():
        chains = chains_of(look(name, array))
        is_plain = chains is None or chains.advised == PLAIN
        found[name] = Scaled(name, clip=10, steps=None if is_plain else [CHAINS[chains.advised](), ZScore()])
    return found


def piecewise_linear(numbers: Numbers) -> Columns:
    return {"numbers": PiecewiseLinear(list(numbers), dim=12)}


def periodic(numbers: Numbers) -> Columns:
    return {"numbers": Periodic(list(numbers))}


def mlp(widths: dict[str, int], *, hidden: list[int]) -> nn.Module:
    return MLP(widths, hidden=hidden, dropout=0.2)


def tabm(widths: dict[str, int], *, hidden: list[int]) -> nn.Module:
    return TabM(widths, k=16, blocks=len(hidden), d_block=hidden[0], mini=True)


RECIPES: dict[str, tuple[Callable[[Numbers], Columns], Callable[..., nn.Module]]] = {
    "z-scores, MLP": (scaled, mlp),
    "chains, MLP": (chained, mlp),
    "piecewise-linear, MLP": (piecewise_linear, mlp),
    "PLR-lite, MLP": (periodic, mlp),
    "piecewise-linear, TabM-mini": (piecewise_linear, tabm),
}


def main(settings: list[str], seeds: int, recipes: list[str]) -> None:
    """Prints a table a setting."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*deprecated.*")
    whole: dict[str, Fewer] = {}
    print(
        "| table | training rows | recipe | metric | validation | test | CPU seconds |\n" + "|---" * 7 + "|", flush=True
    )
    for setting in settings:
        name, _, text = setting.partition(":")
        overrides, target, metric = TABLES[name]
        cfg = composed(overrides)
        if target:
            cfg.data.target = target
        if name not in whole:
            whole[name] = Fewer.of(cfg)
        source = whole[name]
        source.rows = min(int(text), len(source.train))
        for label, val, test, seconds in lines(cfg, source, metric, seeds=seeds, recipes=recipes):
            print(f"| {name} | {source.rows:,} | {label} | {metric} | {val} | {test} | {seconds:.0f} |", flush=True)


def lines(
    cfg: Any, source: Fewer, metric: str, *, seeds: int, recipes: list[str]
) -> Iterator[tuple[str, str, str, float]]:
    """What each recipe and the trees reach."""
    for label in recipes:
        make, backbone = RECIPES[label]
        data = prepared(cfg, source, make)
        started = time.process_time()
        found = [reached(cfg, data, backbone, metric, seed=seed, rows=source.rows) for seed in range(seeds)]
        yield label, *map(spread, zip(*found, strict=True)), (time.process_time() - started) / seeds
    data, started = prepared(cfg, source, scaled), time.process_time()
    found = [boosted(cfg, data, metric, seed=seed) for seed in range(seeds)]
    yield "trees", *map(spread, zip(*found, strict=True)), (time.process_time() - started) / seeds


def prepared(cfg: Any, source: Fewer, make: Callable[[Numbers], Columns]) -> Data:
    """The data with the numbers of a recipe, fitted on the chosen training rows."""
    nodes = cfg.data.columns
    fields = [str(node.field) for node in nodes.values() if node._target_ == NUMBER]
    columns = {str(key): built(node) for key, node in nodes.items() if node._target_ != NUMBER}
    columns |= make(source.numbers(fields))
    policies = {str(name): dict(policy) for name, policy in cfg.data.fields.items()}
    data = Data(
        source,
        columns,
        built(cfg.data.target),
        built(cfg.data.split),
        fields=policies,
        batch_size=recipe(source.rows).batch_size,
    )
    return data.prepare()


def reached(
    cfg: Any, data: Data, backbone: Callable[..., nn.Module], metric: str, *, seed: int, rows: int
) -> tuple[float, float]:
    """The metric on validation and test rows."""
    effort = recipe(rows)
    fitted = fit(
        data,
        head=built(cfg.head),
        backbone=partial(backbone, hidden=effort.hidden),
        optimizer=partial(AdamW, lr=1e-3, weight_decay=0.01, fused=True),
        epochs=effort.epochs,
        patience=effort.patience,
        seed=seed,
        progress_bar=False,
    )
    return fitted.evaluate("val")[metric], fitted.evaluate("test")[metric]


def boosted(cfg: Any, data: Data, metric: str, *, seed: int) -> tuple[float, float]:
    """The same of LightGBM."""
    head = built(cfg.head)(1, data.target)
    head.fit(data.tables["train"].y, data.tables["train"].weight)
    trees = Trees(seed=seed, num_threads=1)
    trees.fit(head, data.tables)
    val, test = (data.tables[name] for name in ("val", "test"))
    found = [judge(head, trees.out(table.features), table.y).values[metric] for table in (val, test)]
    return found[0], found[1]


def spread(values: tuple[float, ...]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "settings", nargs="*", default=["california:2000", "california:13210", "flights:2000", "flights:20000"]
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    given = parser.parse_args()
    main(given.settings, given.seeds, given.recipes)
