"""What a model must beat: the best constant, the best look-up table over one or two columns, boosted trees.

Book: ch. 7, Heuristic Benchmark. Each gives an `out` as a model does, so that `judge` judges all of them by the very
same loss, predictions and metrics of the head; nothing here knows the problem. A table of encoded rows is a Batch.

Each learns from the tables of the splits, `fit(head, tables)`, which returns notes for the report, and answers
`out(features)` for any rows.

Shape: Features by name, (N,) int64 codes or (N, w) float32 -> `out` (N, n).

>>> from mlp_torch.problem.classification import Binary
>>> from mlp_torch.target import AtLeast
>>> constant(Binary(1, AtLeast("delay", 15)), torch.tensor([1.0, 0.0]), torch.ones(2), n=3)
tensor([[0.],
        [0.],
        [0.]])
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlp_torch.errors import DataError, MissingExtra, Problem, how_many
from mlp_torch.head import Batch, Head
from mlp_torch.model import Model
from mlp_torch.responsible.columns import Columns
from mlp_torch.responsible.tables import Factor, Table, factor, is_category, join, matrix, tabulate
from mlp_torch.responsible.verdict import labelled, mean_loss

Matrix = NDArray[Any]


def constant(by: Head | Model, y: Tensor, weight: Tensor, n: int) -> Tensor:
    """The best `out` that looks at no feature, for n rows: (n, …). y (N,) and weight (N,) are of training rows."""
    known = labelled(y)
    best = by.constant(y[known], weight[known])
    return best.expand(n, *best.shape)


def with_label(table: Batch, split: str) -> Batch:
    """The labelled rows of a split, which must have some."""
    known = labelled(table.y)
    if not known.any():
        raise DataError(Problem("empty_split", f"{split} must have labelled rows, however: 0 of {len(known):,}"))
    features = {name: x[known] for name, x in table.features.items()}
    return Batch(features, table.y[known], table.weight[known], table.row[known])


class Constant:
    """The best answer that looks at no feature."""

    best: Tensor

    def fit(self, head: Head, tables: Mapping[str, Batch]) -> list[str]:
        """Learns from training rows; no notes."""
        self.best = constant(head, tables["train"].y, tables["train"].weight, 1)  # (1, n)
        return []

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        n = len(next(iter(features.values())))
        return self.best.expand(n, *self.best.shape[1:])


class LookUp:
    """The best look-up table over one or two columns, what a colleague with a spreadsheet would find.

    Each group of training rows gets the head's best constant. All single columns are tried, then the pairs of the best
    five; the table with the lowest mean loss on validation rows is kept, be it better than the constant or not.

    Args:
        bins: most groups of a column of numbers, of about equal size.
        smallest: rows of a group that is believed; others, and unseen codes, get the constant of all rows.
        best: how many columns are tried in pairs.

    Attributes:
        table: what is looked up; `table.name` is "hour" or "hour × carrier".
    """

    table: Table

    def __init__(self, *, bins: int = 20, smallest: int = 100, best: int = 5):
        self.bins, self.smallest, self.best = bins, smallest, best

    def fit(self, head: Head, tables: Mapping[str, Batch]) -> list[str]:
        """Learns tables from training rows, chooses one on validation rows, and notes its columns.

        Raises:
            DataError: `empty_split`.
        """
        train, val = with_label(tables["train"], "train"), with_label(tables["val"], "val")
        self.columns = Columns(train.features)
        columns, val_columns = self.columns(train.features), self.columns(val.features)
        factors = [factor(name, x, self.bins) for name, x in columns.items()]
        # Each column is cut once, whatever tables it is part of.
        cut = {each.name: (each.groups(columns), each.groups(val_columns)) for each in factors}
        default = head.constant(train.y, train.weight)  # (n,)

        def say(rows: Tensor) -> Tensor:
            return head.constant(train.y[rows], train.weight[rows])

        def scored(factors: tuple[Factor, ...]) -> tuple[float, Table]:
            groups, asked = (join(factors, [cut[each.name][i] for each in factors]) for i in range(2))
            table = Table(factors, *tabulate(groups, self.smallest, default, say))
            loss = mean_loss(head, table.say(asked), val.y, val.weight)
            return (loss if math.isfinite(loss) else math.inf), table

        singles = sorted((scored((each,)) for each in factors), key=loss_of)
        best = {table.name for _, table in singles[: self.best]}
        pairs = [scored(pair) for pair in combinations([each for each in factors if each.name in best], 2)]
        self.table = min(singles + pairs, key=loss_of)[1]
        if not len(self.table.groups):
            return [f"The look-up table is the constant: no group has {self.smallest:,} training rows."]
        part = " ([i]: a column's number i, from 0; of a text its words of code i)" if "[" in self.table.name else ""
        return [f"The look-up table is over {self.table.name}, {how_many(len(self.table.groups), 'group')}{part}."]

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        return self.table.out(self.columns(features))


def loss_of(scored: tuple[float, Table]) -> float:
    """What tables are ordered by; among equals the first stays the first."""
    return scored[0]


class Trees:
    """LightGBM on the same features, a rival to respect: four ways of fitting, the best on validation rows.

    Codes of at most 255 values are categories or numbers, whichever is better; codes of more values are numbers, since
    LightGBM overfits such categories. Each way stops early on validation rows. The same seed gives the same trees on
    any number of threads.

    Args:
        seed: of the features drawn for each tree.
        num_threads: 0 = one a core.
        rounds: most trees.
        patience: trees without gain on validation rows before it stops.

    Raises:
        MissingExtra: if LightGBM is not installed, or lacks a library.
    """

    def __init__(self, *, seed: int = 0, num_threads: int = 0, rounds: int = 2000, patience: int = 50):
        try:
            import lightgbm  # noqa: F401
        except ImportError:
            raise MissingExtra("boosted trees need LightGBM: pip install 'mlp_torch[trees]'") from None
        except OSError as error:  # such as a missing libgomp.so.1
            raise MissingExtra(f"LightGBM is installed, yet cannot be loaded: {error}") from None
        self.options = {"seed": seed, "num_threads": num_threads, "deterministic": True, "force_row_wise": True}
        self.rounds, self.patience = rounds, patience

    def fit(self, head: Head, tables: Mapping[str, Batch]) -> list[str]:
        """Learns from training rows, chooses on validation rows, and notes what was chosen.

        Scores become an `out` with the help of rows that the trees have not seen: the calibration split, or validation
        rows where that has no labels.

        Raises:
            DataError: `empty_split`.
        """
        train, val = with_label(tables["train"], "train"), with_label(tables["val"], "val")
        calibration = tables["calibration"]
        self.head, held = head, with_label(calibration, "held") if labelled(calibration.y).any() else val
        self.columns = Columns(train.features)
        x, x_val, x_held = (matrix(self.columns(table.features)) for table in (train, val, held))
        self.held = held.y, x_held
        best = math.inf
        for way, options, categories in ways(self.columns(train.features)):
            boosters = [
                self.boost({**options, **self.options}, categories, *pair)
                for pair in zip(labels_of(head, train, x), labels_of(head, val, x_val), strict=True)
            ]
            loss = mean_loss(head, self.answer(boosters, x_val), val.y, val.weight)
            if loss < best:
                best, self.boosters, chosen = loss, boosters, way
        count = sum(booster.num_trees() for booster in self.boosters)
        return [f"The boosted trees are {chosen}: {count:,} of them."]

    def boost(self, options: dict[str, float], categories: list[int], train: "Rows", val: "Rows") -> Any:
        """One booster, stopped early."""
        import lightgbm

        # LightGBM wants the number of classes where there are several, and 1 elsewhere.
        n = len(self.head.target_classes) if self.head.objective == "multiclass" else 1
        given = {"objective": self.head.objective, "num_class": n, "verbosity": -1, **options}
        learned, watched = (
            lightgbm.Dataset(rows.x, rows.y, weight=rows.weight, categorical_feature=categories, params=given)
            for rows in (train, val)
        )
        watched.set_reference(learned)
        stop = lightgbm.early_stopping(self.patience, verbose=False)
        return lightgbm.train(given, learned, self.rounds, valid_sets=[watched], callbacks=[stop])

    def answer(self, boosters: list[Any], x: Matrix) -> Tensor:
        """(N, n) `out` of the boosters."""
        y, x_held = self.held
        return self.head.from_scores(scores(boosters, x), scores(boosters, x_held), y)

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        return self.answer(self.boosters, matrix(self.columns(features)))


class Rows(NamedTuple):
    """What one booster learns from: (N, columns), (N,), (N,)."""

    x: Matrix
    y: Matrix
    weight: Matrix


def labels_of(head: Head, table: Batch, x: Matrix) -> list[Rows]:
    """The rows for each booster: as a rule one, of several labels a row one a label, of rows that it is known of."""
    taught = head.teach(table.y)
    found = []
    for y in taught.reshape(len(taught), -1).unbind(1):
        known = ~y.isnan().numpy()
        found.append(Rows(x[known], y.numpy()[known], table.weight.numpy()[known]))
    return found


def scores(boosters: list[Any], x: Matrix) -> Tensor:
    """(N, n or 1) float64, raw, of the best number of trees; of several boosters one after the other."""
    parts = [booster.predict(x, raw_score=True).reshape(len(x), -1) for booster in boosters]
    return torch.from_numpy(np.concatenate(parts, axis=1))


def ways(columns: dict[str, Tensor]) -> list[tuple[str, dict[str, float], list[int]]]:
    """Name, LightGBM's options and the columns that are categories, for each way of fitting."""
    # Gentle trees win where noise is large (the flights' log-loss on validation rows is .4462, with LightGBM's own
    # options .4479), the others where there is little.
    gentle = {"learning_rate": 0.05, "num_leaves": 15, "feature_fraction": 0.5}
    gentle["min_data_in_leaf"] = max(20, len(next(iter(columns.values()))) // 1000)
    few = [i for i, x in enumerate(columns.values()) if is_category(x)]
    codes = {"codes as categories": few, "codes as numbers": []} if few else {"numbers": []}
    trees = {"gentle": gentle, "plain": {}}
    return [(f"{a}, {b}", options, columns) for a, options in trees.items() for b, columns in codes.items()]
