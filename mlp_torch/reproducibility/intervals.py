"""Bootstrap intervals: how far a figure would move with other rows (ch. 6: what is reproducible beyond these rows).

Rows are drawn with replacement, with a seed, some hundred times; the interval holds the middle 95 % of the figures.
Where rows belong together (those of one day, one customer) whole groups are drawn: rows of a group are no independent
witnesses. Of two contenders on the same rows the difference is drawn, which moves less than either figure.

Cost: of a mean of the rows' scores, and of an AUROC, all draws are made at once; any other metric is computed anew of
each draw.

NOTE: `scipy.stats.bootstrap` draws no groups, and knows metrics only as functions of arrays.

Shape: predictions and labels (N, …) -> numbers.

>>> mean_interval(torch.tensor([1.0, 2.0, 3.0, 4.0]), seed=0)
Interval(value=2.5, low=1.5, high=3.5, undefined=0)
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import Metric

TIMES = 300
SHARE = 0.95
BLOCK = 4_000_000  # counts at once


class Interval(NamedTuple):
    """A figure and where it lies between.

    Attributes:
        value: on all rows.
        low: NaN where fewer than half of the draws have a figure, or where there is one row, or one group of them.
        high: as `low`.
        undefined: draws without a figure, such as an AUROC of rows of one class; they are left out.
    """

    value: float
    low: float
    high: float
    undefined: int = 0

    def to_json(self) -> list[float] | None:
        """`[low, high]`, or nothing."""
        return [self.low, self.high] if math.isfinite(self.low) else None


def draws(n: int, *, times: int = TIMES, seed: int = 0, groups: Tensor | None = None) -> Iterator[Tensor]:
    """The row numbers of each draw: as many rows as there are, or as many groups with all of their rows.

    Args:
        n: rows.
        times: draws.
        seed: of the draws.
        groups: (N,) which rows belong together, any numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is None:
        for _ in range(times):
            yield torch.randint(n, (n,), generator=generator)
        return
    order, starts, sizes = members(groups)
    for _ in range(times):
        drawn = torch.randint(len(sizes), (len(sizes),), generator=generator)
        at = torch.repeat_interleave(starts[drawn], sizes[drawn])  # where each drawn row's group starts
        ends = sizes[drawn].cumsum(0)
        within = torch.arange(len(at)) - torch.repeat_interleave(ends - sizes[drawn], sizes[drawn])
        yield order[at + within]


def members(groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row numbers group after group, and where each group starts and how many it has."""
    _, index, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    return index.argsort(stable=True), sizes.cumsum(0) - sizes, sizes


def metric_interval(
    metric: Metric,
    prediction: Tensor,
    label: Tensor,
    *,
    times: int = TIMES,
    seed: int = 0,
    groups: Tensor | None = None,
) -> Interval:
    """Any metric of torchmetrics that gives one number, over the labelled rows (N, …).

    Args:
        metric: any.
        prediction: of each row.
        label: of each row.
        times: draws.
        seed: of the draws.
        groups: (N,) which rows belong together.
    """
    own = metric.clone()

    def figure(rows: Tensor | slice) -> float:
        return computed(own, prediction[rows], label[rows])

    return interval(figure, len(label), times=times, seed=seed, groups=groups)


def difference_interval(
    metric: Metric,
    one: Tensor,
    other: Tensor,
    label: Tensor,
    *,
    times: int = TIMES,
    seed: int = 0,
    groups: Tensor | None = None,
) -> Interval:
    """By how much one contender's metric exceeds another's on the same rows; each draw is the same for both.

    Args:
        metric: any.
        one: its predictions.
        other: its predictions.
        label: of each row.
        times: draws.
        seed: of the draws.
        groups: (N,) which rows belong together.
    """
    own = metric.clone()

    def figure(rows: Tensor | slice) -> float:
        return computed(own, one[rows], label[rows]) - computed(own, other[rows], label[rows])

    return interval(figure, len(label), times=times, seed=seed, groups=groups)


def computed(metric: Metric, prediction: Tensor, label: Tensor) -> float:
    """A metric of these rows alone; NaN where it says that they are too few."""
    metric.reset()
    metric.update(prediction, label)
    try:
        return float(metric.compute())
    except ValueError:
        return math.nan


def interval(
    figure: Callable[[Tensor | slice], float],
    n: int,
    *,
    times: int = TIMES,
    seed: int = 0,
    groups: Tensor | None = None,
) -> Interval:
    """The interval of any figure of rows, which are given by their numbers.

    Args:
        figure: of some rows, NaN where it is not defined.
        n: rows.
        times: draws.
        seed: of the draws.
        groups: (N,) which rows belong together.
    """
    value = figure(slice(None))
    if n < 2:
        return Interval(value, math.nan, math.nan)
    found = [figure(rows) for rows in draws(n, times=times, seed=seed, groups=groups)]
    return middle(value, torch.tensor(found, dtype=torch.float64))


def mean_interval(scores: Tensor, *, times: int = TIMES, seed: int = 0, groups: Tensor | None = None) -> Interval:
    """The mean of the rows' scores, (N,), or of the differences of two contenders' scores: all draws at once.

    Args:
        scores: finite.
        times: draws.
        seed: of the draws.
        groups: (N,) which rows belong together.
    """
    values = scores.double()
    if groups is None:
        sums, sizes = values, torch.ones_like(values)
    else:
        _, index, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
        sums, sizes = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, index, values), sizes.double()
    if len(sums) < 2:
        return Interval(float(values.mean()), math.nan, math.nan)
    means = [counts @ sums / (counts @ sizes) for counts in counted(len(sums), times, seed)]
    return middle(float(values.mean()), torch.cat(means))


def auroc_interval(probability: Tensor, label: Tensor, *, times: int = TIMES, seed: int = 0) -> Interval:
    """The area under the ROC curve, (N,) and (N,) of 0 and 1: rows are sorted once for all draws.

    Of each draw it is the share of pairs, one of either class, that are in the right order, a tie being half of one.
    torchmetrics takes no weights, and would sort each draw anew.

    Args:
        probability: or any score that orders the rows.
        label: 1 or 0.
        times: draws.
        seed: of the draws.
    """
    if len(label) < 2:
        return Interval(math.nan, math.nan, math.nan)
    order = probability.argsort()
    _, sizes = torch.unique_consecutive(probability[order], return_counts=True)
    ends = sizes.cumsum(0) - 1  # of each group of ties
    positive = (label[order] == 1).double()  # (N,)

    def areas(counts: Tensor) -> Tensor:
        above = (counts * positive).cumsum(1)[:, ends]  # (m, groups): how many of class 1 up to each group
        below = counts.cumsum(1)[:, ends] - above
        heights = nn.functional.pad(below, [1, 0])
        right = (nn.functional.pad(above, [1, 0]).diff(dim=1) * (heights[:, 1:] + heights[:, :-1]) / 2).sum(1)
        return right / (below[:, -1] * above[:, -1])  # (m,), NaN where a class is missing

    whole = float(areas(torch.ones(1, len(label), dtype=torch.float64)))
    return middle(whole, torch.cat([areas(counts[:, order]) for counts in counted(len(label), times, seed)]))


def counted(n: int, times: int, seed: int) -> Iterator[Tensor]:
    """How often each of n is drawn, (m, n) float64 for m draws at a time."""
    generator, most = torch.Generator().manual_seed(seed), max(1, BLOCK // n)
    for start in range(0, times, most):
        m = min(most, times - start)
        drawn = torch.randint(n, (m, n), generator=generator)
        yield torch.zeros(m, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(m, n, dtype=torch.float64))


def middle(value: float, found: Tensor) -> Interval:
    """The percentiles of the draws that have a figure."""
    known = found[found.isfinite()]
    undefined = len(found) - len(known)
    if 2 * undefined > len(found) or not len(known):
        return Interval(value, math.nan, math.nan, undefined)
    ends = torch.tensor([(1 - SHARE) / 2, (1 + SHARE) / 2], dtype=torch.float64)
    low, high = known.quantile(ends).tolist()
    return Interval(value, low, high, undefined)
