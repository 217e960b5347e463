"""The rows that a model is most wrong about, as a person would look them up: their place, what was said."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.errors import how_many, printable
from mlp_torch.evaluation.breakdown import Answers, aligned
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.layouts import decoded, joined
from mlp_torch.responsible.report import number
from mlp_torch.target import Target

LENGTH = 30  # characters of a cell that is printed


@dataclass(frozen=True)
class Worst:
    """Rows in order, the worst first.

    Args:
        score: what they are ordered by, e.g. log_loss.
        rows: place, key fields, target, predictions and score of each.
        shown: which of these are printed.
    """

    score: str
    rows: list[dict[str, Any]]
    shown: list[str]

    def lines(self) -> list[str]:
        """A table."""
        columns = [[name, *(told(row[name]) for row in self.rows)] for name in self.shown]
        return [f"the {how_many(len(self.rows), 'row')} with the largest {self.score}:", *aligned(columns)]


def told(value: Any) -> str:
    """A cell for a terminal."""
    text = number(value) if isinstance(value, float) else "–" if value is None else printable(str(value))
    return text[:LENGTH] + "…" * (len(text) > LENGTH)


def worst_rows(answers: Answers, target: Target, checked: Checked, table: pa.Table, key: list[str]) -> Worst:
    """The worst rows.

    Args:
        answers: to labelled rows.
        target: of these rows.
        checked: the rows, where they lie, and which were kept.
        table: as they were read.
        key: fields that name a row.
    """
    score, rows, values = answers.worst()
    at = checked.keep[rows.numpy()]
    named = [name for name in key if name in table.column_names]
    keys = {name: decoded(joined(table.column(name).take(pa.array(at)).chunks)).to_pylist() for name in named}
    said = predictions_of(answers, rows)
    unit = checked.places.unit
    found = [
        {
            unit: place,
            **{name: plain(cells[i]) for name, cells in keys.items()},
            "target": target_of(answers.y[row], target.classes),
            **{name: cells[i] for name, cells in said.items()},
            score: float(value),
        }
        for i, (place, row, value) in enumerate(zip(checked.places.of(at.tolist()), rows.tolist(), values, strict=True))
        if math.isfinite(value)
    ]
    point = [name for name in (*answers.head.names, answers.head.point) if name in said]
    return Worst(score, found, [unit, *named, "target", *point, score])


def plain(value: Any) -> Any:
    """A cell as JSON holds it: times and what else it does not know as text, and no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def predictions_of(answers: Answers, rows: Tensor) -> dict[str, list[Any]]:
    """What was said of some rows: numbers, and classes by their names; of a distribution its read-outs alone."""
    said: dict[str, list[Any]] = {}
    for name, x in answers.predictions.items():
        classes = answers.head.names.get(name)
        if classes:
            said[name] = [target_of(value, classes) for value in x[rows]]
        elif x.dim() == 1:
            said[name] = [plain(value) for value in x[rows].tolist()]
    return said


def target_of(value: Tensor, classes: list[str]) -> Any:
    """A label in words: a number, a class, or the names of several labels."""
    if value.dim():
        return ", ".join(classes[i] for i in torch.nonzero(value == 1)[:, 0].tolist())
    return classes[int(value)] if classes else float(value)
