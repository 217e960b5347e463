"""Class names beside class indices, and the names of a row's labels beside the marks of all labels.

>>> label_name("gate/class"), worded([1, 0], ["no", "yes"])
('gate/label', ['yes', 'no'])
>>> label_name("classes"), worded([[1, 0, 1], [0, 0, 0]], ["drama", "comedy", "war"])
('labels', [['drama', 'war'], []])
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def label_name(prediction: str) -> str:
    """What the names beside a prediction are called: `label` beside `class`, `labels` beside `classes`."""
    if prediction.endswith("classes"):
        return prediction.removesuffix("classes") + "labels"
    return prediction.removesuffix("class") + "label"


def worded(values: Sequence[Any], classes: Sequence[str]) -> list[Any]:
    """By row the name of its class, or of its marks the names."""
    if len(values) and isinstance(values[0], list):
        return [[name for name, mark in zip(classes, row, strict=True) if mark] for row in values]
    return [classes[index] for index in values]


def arrow_words(values: pa.Array, classes: Sequence[str]) -> pa.Array:
    """The same of Arrow values."""
    if pa.types.is_integer(values.type):
        return pa.array(classes, pa.string()).take(values)
    return pa.array(worded(values.to_pylist(), classes), pa.list_(pa.string()))
