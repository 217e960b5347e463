"""Pictures of numbers before and after their columns' `encode`, for TensorBoard.

One set of axes a figure, with a histogram of raw values on the left and of what became of them on the right, a field a
row: a set of axes a histogram would take ten times as long.

Shape: by raw field two (n,), the values and what became of each.

>>> import torch
>>> (figure,) = figures({"age": (torch.tensor([1.0, 2.0, 4.0]), torch.tensor([-1.0, 0.0, 1.0]))}).values()
>>> [text.get_text() for text in figure.axes[0].texts]
['raw values', 'encoded', 'age', '1', '4', '-1', '1']
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from mlp_torch.ingest.reads import Inputs
from mlp_torch.profile.plots import BINS, LARGEST, window
from mlp_torch.reproducibility.transform import Transform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pairs = Mapping[str, tuple[Tensor, Tensor]]
ROWS = 20  # fields a figure
NAME = 40  # characters
COLORS = ("#3b6ea5", "#3ba58a")


def pairs(transform: Transform, inputs: Inputs) -> dict[str, tuple[Tensor, Tensor]]:
    """What the columns have to show of some rows; a field that two of them read is told with the column.

    Args:
        transform: fitted.
        inputs: numbers and times of some rows.
    """
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, column in transform.named_columns().items():
        if {read.key for read in column.reads.values()} <= inputs.keys():
            shown = column.before_after(inputs)
            found |= {f"{field} ({name})" if field in found else field: pair for field, pair in shown.items()}
    return found


def figures(shown: Pairs) -> "dict[str, Figure]":
    """Figures by name, of at most twenty fields each."""
    names = list(shown)
    parts = [names[at : at + ROWS] for at in range(0, len(names), ROWS)]
    return {
        "before and after" + f" {number}" * (len(parts) > 1): grid({name: shown[name] for name in part})
        for number, part in enumerate(parts, 1)
    }


def grid(shown: Pairs) -> "Figure":
    """A row a field: its name, its values and what became of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.7 * len(shown) + 0.35), dpi=72)
    axes = figure.add_axes((0.02, 0.0, 0.96, 1.0))
    axes.set_axis_off()
    axes.set(xlim=(0, 3), ylim=(-len(shown), 0.4))
    for left, title in enumerate(("raw values", "encoded"), 1):
        write(axes, left, 0.2, title)
    for row, (name, both) in enumerate(shown.items(), 1):
        label = "".join(char if char.isascii() and char.isprintable() else "?" for char in name[:NAME])
        write(axes, 0, 0.5 - row, label)
        for column, (values, color) in enumerate(zip(both, COLORS, strict=True), 1):
            draw(axes, values, left=column, bottom=-row, color=color)
    return figure


def draw(axes: Any, x: Tensor, *, left: float, bottom: float, color: str) -> None:
    """A histogram in a cell of the axes, with the ends of its window below it."""
    values, counts = np.unique(x.double().numpy(), return_counts=True)
    low, high = window(values, counts)
    if low == high or max(abs(low), abs(high)) > LARGEST:
        return
    edges = np.unique(np.linspace(low, high, min(BINS, len(values)) + 1))
    heights, _ = np.histogram(values.clip(low, high), edges, weights=counts)
    places = left + 0.9 * (edges - edges[0]) / (edges[-1] - edges[0])
    base = bottom + 0.3
    axes.stairs(base + 0.65 * heights / heights.max(), places, baseline=base, fill=True, color=color)
    write(axes, left, base, f"{low:.4g}", va="top")
    write(axes, left + 0.9, base, f"{high:.4g}", va="top", ha="right")


def write(axes: Any, x: float, y: float, text: str, *, va: str = "center", ha: str = "left") -> None:
    """A text as it is: a name may hold what matplotlib takes for mathematics."""
    axes.text(x, y, text, va=va, ha=ha, fontsize=8, parse_math=False)
