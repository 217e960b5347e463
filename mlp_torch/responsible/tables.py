"""Look-up tables: columns cut into groups, and what is said for each group.

Book: ch. 7, Heuristic Benchmark: the rule of thumb that a colleague with a spreadsheet would find.

Shape: single columns by name, see `columns` -> groups (N,) int64 -> `out` (N, n).

>>> factor("hour", torch.tensor([7, 9, 7]), bins=20).groups({"hour": torch.tensor([9, 8])})
tensor([1, 2])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

MAX_CATEGORIES = 255  # LightGBM's bins of a feature; a feature with more codes than that is numbers to it


def matrix(columns: dict[str, Tensor]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(N, columns) float64, which holds codes exactly."""
    return torch.stack([x.double() for x in columns.values()], dim=1).numpy()


def is_category(x: Tensor) -> bool:
    """Whether a column has codes that LightGBM takes as a category's: few, and not negative, which mean missing."""
    return not x.is_floating_point() and int(x.min()) >= 0 and len(np.unique(x.numpy())) <= MAX_CATEGORIES


class Factor(NamedTuple):
    """One column cut into groups: of one code each, or of one bin each.

    Args:
        name: of the column.
        points: (k,) ascending: the codes of training rows, or where bins after the first begin.
    """

    name: str
    points: Tensor

    @property
    def size(self) -> int:
        """Number of groups; the last is of codes that training rows never have, or of NaN."""
        return len(self.points) + 2 if self.points.is_floating_point() else len(self.points) + 1

    def groups(self, columns: dict[str, Tensor]) -> Tensor:
        """(N,) int64, the group of each row."""
        x = columns[self.name]
        if not x.is_floating_point():
            return find(self.points, x.contiguous())
        return torch.where(x.isnan(), self.size - 1, torch.bucketize(x.contiguous(), self.points, right=True))


def find(points: Tensor, x: Tensor) -> Tensor:
    """(N,) the place of x among the ascending points; their number where it is not among them."""
    at = torch.searchsorted(points, x).clamp(max=max(len(points) - 1, 0))
    return torch.where(points[at] == x, at, len(points)) if len(points) else torch.zeros_like(x)


def factor(name: str, x: Tensor, bins: int) -> Factor:
    """A column's groups as training rows have them: their codes, their few distinct numbers, or bins of equal size."""
    points = np.unique(x.numpy()[~x.isnan().numpy()])
    if x.is_floating_point() and len(points) > bins:
        quantiles = np.quantile(x.numpy()[~x.isnan().numpy()], np.arange(1, bins) / bins)
        points = np.unique(quantiles.astype(points.dtype))
    return Factor(name, torch.from_numpy(points))


class Table(NamedTuple):
    """What is said for each group of one or two factors.

    Args:
        factors: whose groups are looked up, one or more.
        groups: (g,) ascending: the groups that are large enough.
        outs: (g + 1, n): the `out` of each, then that of all other rows.
    """

    factors: tuple[Factor, ...]
    groups: Tensor
    outs: Tensor

    @property
    def name(self) -> str:
        """The columns, "hour" or "hour × carrier"."""
        return " × ".join(factor.name for factor in self.factors)

    def out(self, columns: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        return self.say(join(self.factors, [factor.groups(columns) for factor in self.factors]))

    def say(self, groups: Tensor) -> Tensor:
        """(N,) joined groups -> (N, n)."""
        return self.outs[find(self.groups, groups)]


def join(factors: tuple[Factor, ...], groups: list[Tensor]) -> Tensor:
    """(N,) each: one number for the groups of a row in all factors."""
    joint = groups[0]
    for each, group in zip(factors[1:], groups[1:], strict=True):
        joint = joint * each.size + group
    return joint


def tabulate(groups: Tensor, smallest: int, default: Tensor, say: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The groups of at least `smallest` rows and their `out`, with that of all other rows at the end.

    Args:
        groups: (N,) of training rows.
        smallest: rows of a group that is believed.
        default: (n,) for other groups.
        say: the rows of a group, as indices, -> (n,).
    """
    order = groups.argsort(stable=True)  # so that the rows of a group lie side by side
    found, counts = torch.unique_consecutive(groups[order], return_counts=True)
    large = counts >= smallest
    members = [rows for rows in torch.split(order, counts.tolist()) if len(rows) >= smallest]
    return found[large], torch.stack([*map(say, members), default])
