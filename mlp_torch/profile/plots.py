"""The distribution of a field's numbers or times as a picture that an HTML page can hold.

Words never come into a picture: fonts lack some of their letters, and a page shows them better.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> picture = histogram(look("age", pa.array([31, 27, 45])))
>>> picture.startswith("data:image/svg+xml;base64,")
True
"""

import base64

import numpy as np
from numpy.typing import NDArray

from mlp_torch.ingest.times import iso
from mlp_torch.profile.chains import Chains, after
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.table import shares_of
from mlp_torch.representation.normality import PLAIN

Floats = NDArray[np.float64]
BINS = 40
LARGEST = 1e300  # beyond, distances overflow
BLUE = "#3b6ea5"
WIDTH, HEIGHT = 432, 156  # pixels; between the bars and their edges:
LEFT, RIGHT, TOP, BOTTOM = 9, 423, 8, 124


def histogram(facts: Facts) -> str:
    """A data URI of a histogram; "" where there is nothing to draw.

    The outermost bars hold what lies beyond the window: further out than the middle 98 % of the cells are wide.
    """
    values, _, counts = facts.levels
    return pictured(values, counts, bins=BINS, is_time=facts.kind == "time")


def histogram_after(facts: Facts, chains: Chains | None) -> str:
    """The same of what the chain that is taken makes of them; "" where none is."""
    if chains is None or chains.advised == PLAIN:
        return ""
    return pictured(after(facts, chains), facts.levels[2], bins=BINS // 2)


def pictured(values: Floats, counts: NDArray[np.int64], *, bins: int, is_time: bool = False) -> str:
    """A data URI of a histogram; "" where there is nothing to draw.

    Args:
        values: distinct, in order.
        counts: cells of each.
        bins: how many bars at most.
        is_time: whether they are seconds.
    """
    low, high = window(values, counts)
    if low == high or max(abs(low), abs(high)) > LARGEST:
        return ""
    edges = np.unique(np.linspace(low, high, min(bins, len(values)) + 1))  # neighbours in float64 may meet
    heights, _ = np.histogram(values.clip(low, high), edges, weights=counts)
    return drawn(heights, edges, is_time=is_time)


def window(values: Floats, counts: NDArray[np.int64]) -> tuple[float, float]:
    """The range that is drawn, in the field's unit; empty where there is none."""
    found = shares_of(values, counts, (0, 0.01, 0.99, 1))
    if not found:
        return 0.0, 0.0
    least, low, high, most = found
    with np.errstate(over="ignore"):
        wide = (np.float64(high) - low) or (np.float64(most) - least)
        return float(max(least, low - wide)), float(min(most, high + wide))


def drawn(heights: Floats, edges: Floats, *, is_time: bool) -> str:
    """Bars as SVG: the same bars are the same bytes."""
    x = LEFT + (RIGHT - LEFT) * ((edges - edges[0]) / (edges[-1] - edges[0]))
    y = BOTTOM - (BOTTOM - TOP) * heights / heights.max()
    bars = "".join(f"V{top:.1f}H{right:.1f}" for top, right in zip(y, x[1:], strict=True))
    places = ((LEFT, "start"), ((LEFT + RIGHT) / 2, "middle"), (RIGHT, "end"))
    ticks = "".join(f"M{at:.1f},{BOTTOM}v4" for at, _ in places)
    texts = "".join(
        f'<text x="{at:.1f}" y="{BOTTOM + 18}" text-anchor="{anchor}">{label}</text>'
        for (at, anchor), label in zip(places, labels(edges, is_time=is_time), strict=True)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" style="font: 12px sans-serif">'
        f'<path d="M{LEFT},{BOTTOM}{bars}V{BOTTOM}Z" fill="{BLUE}"/>'
        f'<path d="M{LEFT},{BOTTOM}H{RIGHT}{ticks}" stroke="black" fill="none"/>{texts}</svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def labels(edges: Floats, *, is_time: bool) -> list[str]:
    """Of both ends and the middle."""
    at = [edges[0], (edges[0] + edges[-1]) / 2, edges[-1]]
    days = edges[-1] - edges[0] > 3 * 86_400
    return [iso(second)[: 10 if days else 19] for second in at] if is_time else [f"{value:.4g}" for value in at]
