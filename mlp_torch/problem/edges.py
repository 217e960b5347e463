"""Where the edges of bins lie, so that a distribution over a fixed number of bins says most about y.

Shape: `y` (N,) float64, `weight` (N,) -> `edges` (bins + 1,) float64, strictly increasing, in the unit of y.

>>> quantile_edges(torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 90.0]), torch.ones(6), 4)
tensor([ 0.0000,  0.5000,  1.5000, 46.0000, 90.0000], dtype=torch.float64)
"""

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from itertools import pairwise

import torch
from torch import Tensor

from mlp_torch.errors import DataError, Problem


def quantile_edges(y: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Edges at weighted quantiles, closer together where values are spread.

    The bin of the greatest mass² · width is cut at its weighted median until there are `bins`: that product bounds
    what a bin of even density adds to the CRPS, and bins of equal mass alone would leave one that is as wide as all
    others together at the end of a long tail. Edges lie halfway between neighbouring values, so that ties stay
    together; where y has fewer distinct values than there are bins, the widest bins are halved.
    Source of the idea: Panter & Dite 1951, "Quantization Distortion in Pulse-Count Modulation with Nonuniform Spacing".

    Raises:
        DataError: `constant_target`, where y has one value only.
    """
    values, place = torch.unique(y.double(), return_inverse=True)  # sorted
    mass = torch.bincount(place, weight.double(), minlength=len(values))
    below = [0.0, *(mass / mass.sum()).cumsum(0).tolist()]  # mass below each value, then 1
    cuts = [*values[:1].tolist(), *((values[1:] + values[:-1]) / 2).tolist(), *values[-1:].tolist()]
    heap = [cost(below, cuts, 0, len(values))]
    heapify(heap)
    while len(heap) < bins and heap[0][0] < 0:
        _, low, high = heappop(heap)
        middle = median(below, low, high)
        heappush(heap, cost(below, cuts, low, middle))
        heappush(heap, cost(below, cuts, middle, high))
    return halved([cuts[low] for low in sorted(low for _, low, _ in heap)] + cuts[-1:], bins)


def cost(below: list[float], cuts: list[float], low: int, high: int) -> tuple[float, int, int]:
    """What cutting the bin of the values low … high - 1 would gain, negative for the heap; a single value cannot be."""
    gain = (below[high] - below[low]) ** 2 * (cuts[high] - cuts[low]) if high - low > 1 else 0.0
    return -gain, low, high


def median(below: list[float], low: int, high: int) -> int:
    """The place between two values that halves the mass of the values low … high - 1 most evenly."""
    half = (below[low] + below[high]) / 2
    at = bisect_left(below, half, low + 1, high - 1)
    nearer = at - 1 if at - 1 > low and half - below[at - 1] < below[at] - half else at
    return max(low + 1, min(nearer, high - 1))


def halved(edges: list[float], bins: int) -> Tensor:
    """The edges, with the widest bins halved until there are `bins`."""
    require_spread(edges)
    heap = [(low - high, low, high) for low, high in pairwise(edges)]
    heapify(heap)
    while len(heap) < bins:
        _, low, high = heappop(heap)
        middle = (low + high) / 2
        heappush(heap, (low - middle, low, middle))
        heappush(heap, (middle - high, middle, high))
    found = sorted(low for _, low, _ in heap) + edges[-1:]
    require_spread(found)
    return torch.tensor(found, dtype=torch.float64)


def uniform_edges(y: Tensor, bins: int) -> Tensor:
    """Edges at equal distances from the least to the greatest value.

    Raises:
        DataError: `constant_target`, where y has one value only.
    """
    low, high = float(y.min()), float(y.max())
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    require_spread(edges.tolist())
    return edges


def require_spread(edges: list[float]) -> None:
    """Refuses edges that float64 cannot tell apart."""
    if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
        text = f"a distribution needs values that differ, training rows hold {edges[0]:g} to {edges[-1]:g}"
        raise DataError(Problem("constant_target", text, key="data.target"))
