"""Two runs on the rows that both have judged: by how much each row's score differs, with bootstrap intervals.

Rows are joined by key. Scores are such that more is worse: a metric of single rows that both heads have, the loss where
both have the same head, and the error of the prediction that says most in one number.
"""

from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.errors import ModelError, how_many
from mlp_torch.evaluation.evaluation import configuration, restored
from mlp_torch.evaluation.runs import Run
from mlp_torch.head import Head
from mlp_torch.reproducibility.intervals import Interval, mean_interval
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import labelled, row_scores


class Difference(NamedTuple):
    """What two runs say of the same rows.

    Args:
        rows: that both have, with the same label.
        only: how many rows the first alone has, and the other alone.
        relabelled: rows of both whose labels differ, or are missing; they are left out.
        scores: by name, by how much the other's mean exceeds the first's.
        why: nothing could be compared; "" otherwise.
    """

    rows: int
    only: tuple[int, int]
    relabelled: int
    scores: dict[str, Interval]
    why: str = ""

    def lines(self, one: str, other: str) -> list[str]:
        """In sentences."""
        if self.why:
            return [self.why]
        told = [f"{how_many(self.rows, 'row')} of both"]
        told += [
            f"{how_many(count, 'row')} of {name} alone" for count, name in zip(self.only, (one, other), strict=True)
        ]
        told += [f"{how_many(self.relabelled, 'row')} of other or no labels"] if self.relabelled else []
        lines = [", ".join(text for text in told if not text.startswith("0 "))]
        for name, found in self.scores.items():
            ends = found.to_json()
            between = f"{number(found.low)} to {number(found.high)}" if ends else "too few rows for an interval"
            sign = "better" if ends and found.high < 0 else "worse" if ends and found.low > 0 else "no clear difference"
            lines.append(f"{name}: {found.value:+.4g} ({between}): {other} is {sign}".replace("is no", "has no"))
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        scores = {name: {"difference": found.value, "interval": found.to_json()} for name, found in self.scores.items()}
        counts = {"rows": self.rows, "only_first": self.only[0], "only_other": self.only[1]}
        return {**counts, "other_labels": self.relabelled, "scores": scores, "why": self.why}


def difference(one: Run, other: Run, split: str) -> Difference:
    """By how much another run's scores of a split's rows exceed the first's."""
    tables = [run.predictions(split) for run in (one, other)]
    rows, why = joined(one, other, tables)
    if rows is None:
        return Difference(0, (len(tables[0]), len(tables[1])), 0, {}, why)
    if not len(rows):
        return Difference(0, (len(tables[0]), len(tables[1])), 0, {}, f"no {split} row is in both runs, by data.key")
    taken = [table.take(rows[name]) for table, name in zip(tables, ("at", "other_at"), strict=True)]
    y = [values(table["target"]) for table in taken]
    same = (y[0] == y[1]).reshape(len(y[0]), -1).all(dim=1) & labelled(y[0]) if y[0].shape == y[1].shape else None
    only = (len(tables[0]) - len(rows), len(tables[1]) - len(rows))
    if same is None or not same.any():
        return Difference(0, only, len(rows), {}, f"no {split} row with the same label in both runs")
    kept = [table.filter(pa.array(same.numpy())) for table in taken]
    ours, theirs = (scores(run, table) for run, table in zip((one, other), kept, strict=True))
    if any(one.cfg[group] != other.cfg[group] for group in ("head", "model")):
        ours.pop("loss")
    gaps = {name: theirs[name] - ours[name] for name in ours if name in theirs}
    found = {name: mean_interval(gap[gap.isfinite()]) for name, gap in gaps.items() if gap.isfinite().any()}
    why = "" if found else "their heads have no score of single rows in common"
    return Difference(int(same.sum()), only, int((~same).sum()), found, why)


def joined(one: Run, other: Run, tables: list[pa.Table]) -> tuple[pa.Table | None, str]:
    """Where the rows of both are: columns `at` and `other_at`; or why they cannot be found."""
    keys = [keys_of(run, table) for run, table in zip((one, other), tables, strict=True)]
    if not keys[0] and not keys[1]:
        if one.fingerprint != other.fingerprint or len(tables[0]) != len(tables[1]):
            return None, "rows cannot be joined: data.key names none of them, and the data differ"
        place = pa.array(range(len(tables[0])))  # the same rows in the same order
        return pa.table({"at": place, "other_at": place}), ""
    types = [
        {name: table[column].type for name, column in key.items()} for key, table in zip(keys, tables, strict=True)
    ]
    if types[0] != types[1]:
        told = " against ".join(", ".join(key) or "none" for key in keys)
        return None, f"rows cannot be joined: data.key must be the same fields of the same types, however: {told}"
    found = []
    for key, table, at in zip(keys, tables, ("at", "other_at"), strict=True):
        named = pa.table({name: table[column].combine_chunks() for name, column in key.items()})
        if len(named.group_by(list(key)).aggregate([])) < len(named):
            return None, "rows cannot be joined: data.key names several of them by the same values"
        found.append(named.append_column(f"key {at}", pa.array(range(len(table)))))
    rows = found[0].join(found[1], list(keys[0]), join_type="inner").sort_by("key at")
    return pa.table({"at": rows["key at"], "other_at": rows["key other_at"]}), ""


def keys_of(run: Run, table: pa.Table) -> dict[str, str]:
    """The column of each key field; one that is called as a prediction is has a prefix."""
    fields = [str(name) for name in run.cfg.data.key]
    return {name: f"key_{name}" if f"key_{name}" in table.column_names else name for name in fields}


def scores(run: Run, table: pa.Table) -> dict[str, Tensor]:
    """(N,) float64 of each row by name, more is worse."""
    y = values(table["target"])
    found = {"loss": values(table["loss"]).double()}
    try:
        _, heads, _ = restored(configuration(run.folder / "model"), run.folder / "model")
    except ModelError:  # a model of several parts, whose head is none of configs/head
        return found
    head = heads["model"]
    said = {name: values(table[name]) for name in table.column_names}
    if scored := row_scores(head, said, y):
        found[scored[0]] = scored[1]
    return found | error(head, said, y)


def error(head: Head, said: dict[str, Tensor], y: Tensor) -> dict[str, Tensor]:
    """How far off the main prediction is, in the unit of y, or whether the class is wrong."""
    if "class" in said and "class" in head.labels(y):
        return {"error rate": (said["class"] != head.labels(y)["class"]).double()}
    point = said.get(head.point)
    if point is None or point.shape != y.shape or head.target_classes:
        return {}
    return {"absolute error": (point.double() - y.double()).abs()}


def values(column: pa.ChunkedArray) -> Tensor:
    """(N,) or (N, k) of numbers; text, which is in keys alone, gives none."""
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return torch.zeros(len(column), 0)
    if kind is column.type:
        return torch.tensor(column.to_numpy())
    return torch.tensor(column.to_pylist())
