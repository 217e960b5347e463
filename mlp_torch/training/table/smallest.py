"""A sample that each row decides by itself: those whose fingerprints are smallest.

It does not depend on the order of rows, nor on the blocks that they come in; rows of one key are in it together.

>>> import torch
>>> smallest = Smallest(2)
>>> smallest.add(torch.tensor([5, -3])); smallest.add(torch.tensor([9, 4]))
>>> smallest.bound()
4
"""

import math

import numpy as np
from torch import Tensor

LARGEST = 2**63 - 1


def rank_error(m: int, risk: float = 0.01) -> float:
    """How far a quantile of m sampled rows may be from the table's, as a share of the rows, except at this risk.

    Source: Dvoretzky, Kiefer & Wolfowitz 1956 with the constant of Massart 1990; drawing without putting back is no
    worse.
    """
    return math.sqrt(math.log(2 / risk) / (2 * m))


class Smallest:
    """Where the smallest `most` of many numbers end, in the memory of 3 · most.

    Args:
        most: how many.
    """

    def __init__(self, most: int):
        self.most, self.count, self.values = most, 0, np.zeros(0, np.int64)

    def add(self, values: Tensor) -> None:
        """More numbers, (N,) int64."""
        self.count += len(values)
        self.values = np.concatenate([self.values, values.numpy()])
        if len(self.values) > 2 * self.most:
            self.values = np.partition(self.values, self.most - 1)[: self.most]

    def bound(self) -> int:
        """The largest of the smallest; all numbers are below it where they are few."""
        return LARGEST if self.count <= self.most else int(np.partition(self.values, self.most - 1)[self.most - 1])
