"""What hashing did to the categories of training rows: how full the buckets are, and how many values share one.

Of n values in m buckets, m · (1 - 1/m)^n buckets are expected to stay empty, and n - m · (1 - (1 - 1/m)^n) values to
fall in a bucket that is taken: what an ideal hash would do. Far more collisions than that would speak against the hash.

Shape: (n,) int64 buckets of distinct values and (n,) how many training rows hold each.

>>> loads = Loads(4)
>>> loads.fit(torch.tensor([0, 0, 3]), torch.tensor([5, 1, 4]))
>>> found = loads.report()
>>> found["empty"], found["collisions"], round(found["collisions_expected"], 3), round(found["rows_shared"], 3)
(2, 1, 0.688, 0.6)
"""

import math

import torch
from torch import Tensor, nn


class Loads(nn.Module):
    """Values and training rows of each bucket.

    Args:
        buckets: how many.
    """

    values: Tensor
    rows: Tensor
    alike: Tensor

    def __init__(self, buckets: int):
        super().__init__()
        self.register_buffer("values", torch.zeros(buckets, dtype=torch.int32))
        self.register_buffer("rows", torch.zeros(buckets, dtype=torch.int64))
        self.register_buffer("alike", torch.tensor(-1))  # values that share both buckets with an earlier one

    def fit(self, buckets: Tensor, rows: Tensor, second: Tensor | None = None) -> None:
        """Counts.

        Args:
            buckets: (n,) int64, of distinct values.
            rows: (n,) int64, how many training rows hold each.
            second: (n,) int64, their buckets by a second hash.
        """
        size = len(self.values)
        self.values = torch.bincount(buckets, minlength=size).int()
        self.rows = torch.zeros(size, dtype=torch.int64).index_add(0, buckets, rows)
        if second is not None:
            self.alike = torch.tensor(len(buckets) - len(torch.unique(buckets * size + second)))

    def report(self) -> dict[str, float]:
        """Values, buckets, values of the emptiest, the median and the fullest one, empty ones, collisions, rows."""
        n, m = int(self.values.sum()), len(self.values)
        empty = int((self.values == 0).sum())
        found: dict[str, float] = {"values": n, "buckets": m, "least": int(self.values.min())}
        found |= {"median": int(self.values.median()), "most": int(self.values.max()), "empty": empty}
        found |= {"empty_expected": m - n + collisions(n, m), "collisions": n - (m - empty)}
        found["collisions_expected"] = collisions(n, m)
        found["rows_shared"] = float(self.rows[self.values > 1].sum() / self.rows.sum().clamp(min=1))
        if self.alike >= 0:
            found |= {"collisions_of_both": int(self.alike), "collisions_of_both_expected": collisions(n, m**2)}
        return found

    def note(self, of: str = "values") -> str:
        """The same in a sentence; `of` says what the values are."""
        x = self.report()
        parts = [
            f"{x['values']:,} {of} in {x['buckets']:,} buckets",
            f"{x['least']:,} to {x['most']:,} in one, median {x['median']:,}",
            f"{x['empty']:,} empty ({x['empty_expected']:,.0f} expected)",
            f"{x['collisions']:,} collisions ({x['collisions_expected']:,.0f} expected)",
            f"{x['rows_shared']:.1%} of rows in a shared one",
        ]
        if self.alike >= 0:
            expected = f"{x['collisions_of_both_expected']:,.1f} expected"
            parts.append(f"{x['collisions_of_both']:,} collisions in both buckets ({expected})")
        return ", ".join(parts)


def collisions(n: int, m: int) -> float:
    """How many of n values are expected in one of m buckets that is taken: n - m · (1 - (1 - 1/m)^n)."""
    return n + m * math.expm1(n * math.log1p(-1 / m))  # exact where 1/m is tiny
