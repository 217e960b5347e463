"""The distribution of a field's numbers or times as a picture that an HTML page can hold.

Words never come into a picture: fonts lack some of their letters, and a page shows them better.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> picture = histogram(look("age", pa.array([31, 27, 45])))
>>> picture.startswith("data:image/svg+xml;base64,")
True
"""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_torch.ingest.times import iso
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.table import quantiles

Floats = NDArray[np.float64]
BINS = 40
LARGEST = 1e300  # matplotlib adds numbers up
BLUE = "#3b6ea5"


def histogram(facts: Facts) -> str:
    """A data URI of a histogram; "" where there is nothing to draw.

    The outermost bars hold what lies beyond the window: further out than the middle 98 % of the cells are wide.
    """
    low, high = window(facts)
    if low == high or max(abs(low), abs(high)) > LARGEST:
        return ""
    values, _, counts = facts.levels
    edges = np.unique(np.linspace(low, high, min(BINS, facts.distinct) + 1))  # neighbours in float64 may meet
    heights, _ = np.histogram(values.clip(low, high), edges, weights=counts)
    return drawn(heights, edges, is_time=facts.kind == "time")


def window(facts: Facts) -> tuple[float, float]:
    """The range that is drawn, in the field's unit; empty where there is none."""
    found = quantiles(facts, (0, 0.01, 0.99, 1))
    if not found:
        return 0.0, 0.0
    least, low, high, most = found
    with np.errstate(over="ignore"):
        wide = (np.float64(high) - low) or (np.float64(most) - least)
        return float(max(least, low - wide)), float(min(most, high + wide))


def drawn(heights: Floats, edges: Floats, *, is_time: bool) -> str:
    """Bars as SVG: the same bars are the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "mlp_torch", "font.size": 7}):
        figure = Figure(figsize=(3.6, 1.3))
        axes = figure.add_axes((0.02, 0.2, 0.96, 0.75))
        axes.stairs(heights, edges, fill=True, color=BLUE)
        axes.spines[["left", "top", "right"]].set_visible(False)
        axes.set_yticks([])
        ticked(axes, edges, is_time=is_time)
        canvas, buffer = FigureCanvasSVG(figure), io.BytesIO()
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def ticked(axes: Any, edges: Floats, *, is_time: bool) -> None:
    """Three ticks: both ends and the middle."""
    at = [edges[0], (edges[0] + edges[-1]) / 2, edges[-1]]
    days = edges[-1] - edges[0] > 3 * 86_400
    labels = [iso(second)[: 10 if days else 19] for second in at] if is_time else [f"{value:.4g}" for value in at]
    axes.set_xticks(at, labels)
    for label, side in zip(axes.get_xticklabels(), ("left", "center", "right"), strict=True):
        label.set_horizontalalignment(side)
