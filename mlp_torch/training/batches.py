"""Batches as slices of a permutation of the encoded table: no Python per row.

The order is a pure function of (seed, epoch), so that nothing random is stored and nothing can get out of step.

>>> table = Batch({"x": torch.arange(5)}, torch.zeros(5), torch.ones(5), torch.arange(5))
>>> [batch.features["x"].tolist() for batch in Batches(table, size=2)]
[[0, 1], [2, 3], [4]]
>>> [batch.row.tolist() for batch in Batches(table, size=2, at=lambda: (0, 1), seed=7)] == [
...     batch.row.tolist() for batch in Batches(table, size=2, at=lambda: (0, 0), seed=7)][1:]
True
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from mlp_torch.head import Batch


def seed_of(*numbers: int) -> int:
    """One 63-bit seed from several numbers; neighbours give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def select(table: Batch, index: Tensor | slice) -> Batch:
    """The rows of a table at an index, (B,) int64 or a slice."""

    def take(x: Tensor) -> Tensor:
        return x[index] if isinstance(index, slice) else x.index_select(0, index)  # half the time of x[index]

    features = {name: take(x) for name, x in table.features.items()}
    return Batch(features, take(table.y), take(table.weight), take(table.row))


class Batches:
    """The batches of a table, in order or, where `at` is given, shuffled.

    Args:
        table: all rows of a split.
        size: rows in a batch; the last one holds what is left.
        at: tells, when the first batch is asked for, the epoch and the number of batches of it that are done already.
        seed: of the order.
    """

    def __init__(self, table: Batch, size: int, *, at: Callable[[], tuple[int, int]] | None = None, seed: int = 0):
        if size < 1:
            raise ValueError(f"batch_size must be at least 1, however: batch_size={size}")
        self.table, self.size, self.at, self.seed = table, size, at, seed

    def __len__(self) -> int:
        return -(-len(self.table.y) // self.size)

    def order(self, epoch: int) -> Tensor:
        """The permutation of an epoch, (N,) int64."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, epoch))
        return torch.randperm(len(self.table.y), generator=generator)

    def __iter__(self) -> Iterator[Batch]:
        if self.at is None:
            for start in range(0, len(self.table.y), self.size):
                yield select(self.table, slice(start, start + self.size))
            return
        epoch, done = self.at()
        order = self.order(epoch)
        for start in range(done * self.size, len(order), self.size):
            yield select(self.table, order[start : start + self.size])

    # Lightning takes a loader for resumable if it has these two; the position comes from `at`, so there is no state.
    def state_dict(self) -> dict[str, int]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing."""
