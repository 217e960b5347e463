"""Batches as slices of a permutation of the encoded table: no Python per row.

The order is a pure function of (seed, pass), so that nothing random is stored and nothing can get out of step. Where
rows are drawn with replacement (ch. 3, Rebalancing), so are the draws: an epoch has as many as the table has rows.

A table on disk is shuffled in two levels, so that it is read in runs and little of it is in memory: runs of 4,096 rows
are permuted, 64 of them at a time are copied into a buffer, and the rows of a buffer are permuted. Any batch of it is
found without those before. A table that fits into one buffer has the very order that it would have in memory. Draws are
shared out among the buffers by what their rows weigh.

A GPU holds the table, or the buffer in use, in its own memory: no step waits for rows from the host. The order is the
one that a CPU has.

>>> table = Batch({"x": torch.arange(5)}, torch.zeros(5), torch.ones(5), torch.arange(5))
>>> [batch.features["x"].tolist() for batch in Batches(table, size=2)]
[[0, 1], [2, 3], [4]]
>>> [batch.row.tolist() for batch in Batches(table, size=2, at=lambda: (0, 1), seed=7)] == [
...     batch.row.tolist() for batch in Batches(table, size=2, at=lambda: (0, 0), seed=7)][1:]
True
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from mlp_torch.head import Batch
from mlp_torch.model import CPU

RUN = 4096  # rows that are read together: 32 KB of codes
BUFFER = 64 * RUN  # rows that are shuffled with each other


def seed_of(*numbers: int) -> int:
    """One 63-bit seed from several numbers; neighbours give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def permutation(n: int, *numbers: int) -> Tensor:
    """(n,) int64, by a seed made of several numbers."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed_of(*numbers)))


def each(table: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """A table with every tensor changed in the same way."""
    features = {name: change(x) for name, x in table.features.items()}
    return Batch(features, change(table.y), change(table.weight), change(table.row))


def select(table: Batch, index: Tensor | slice) -> Batch:
    """The rows of a table at an index, (B,) int64 or a slice."""
    if isinstance(index, slice):
        return each(table, lambda x: x[index])
    return each(table, lambda x: x.index_select(0, index))  # half the time of x[index]


def placed(table: Batch, device: torch.device) -> Batch:
    """A table in a device's memory; itself where it is there already."""
    return each(table, lambda x: x.to(device))


def size_of(table: Batch) -> int:
    """Bytes of a table."""
    return sum(x.nbytes for x in [*table.features.values(), *table[1:]])


def joined(tables: Sequence[Batch]) -> Batch:
    """Tables one below the other."""
    features = {name: torch.cat([table.features[name] for table in tables]) for name in tables[0].features}
    return Batch(features, *(torch.cat(parts) for parts in zip(*(table[1:] for table in tables), strict=True)))


def drawn(weight: Tensor, size: int, *numbers: int) -> Tensor:
    """(size,) int64: rows drawn with replacement, each as often as its weight says, by a seed made of several numbers.

    By inversion of the cumulated weights: `torch.multinomial` takes at most 2^24 rows.

    Args:
        weight: (N,), at least 0, some more.
        size: draws.
        numbers: of the seed.
    """
    ends = weight.double().cumsum(0)  # (N,)
    generator = torch.Generator().manual_seed(seed_of(*numbers))
    at = torch.rand(size, dtype=torch.float64, generator=generator) * ends[-1]
    last = int(torch.searchsorted(ends, ends[-1]))  # where rounding reaches the end, the last row that weighs anything
    return torch.searchsorted(ends, at, right=True).clamp(max=last)


class Batches:
    """The batches of a table, in order or, where `at` is given, shuffled.

    Args:
        table: all rows of a split.
        size: rows in a batch; the last one holds what is left.
        at: tells, when the first batch is asked for, the epoch and the number of batches of it that are done already.
        seed: of the order.
        release: of a table on disk: gives the memory of the pages that were read back.
        draw: (N,) where rows are drawn with replacement instead of shuffled: how often, in proportion.
        rows: of an epoch, where that is no pass over the table (ch. 4, virtual epochs): passes follow each other, and
            each epoch goes on where the one before ended.
        device: in whose memory the batches are.
    """

    def __init__(
        self,
        table: Batch,
        size: int,
        *,
        at: Callable[[], tuple[int, int]] | None = None,
        seed: int = 0,
        release: Callable[[], None] | None = None,
        draw: Tensor | None = None,
        rows: int | None = None,
        device: torch.device = CPU,
    ):
        if size < 1:
            raise ValueError(f"batch_size must be at least 1, however: batch_size={size}")
        self.table = table if release else placed(table, device)  # one on disk a buffer at a time
        self.size, self.at, self.seed, self.release, self.device = size, at, seed, release, device
        self.draw, self.rows = draw, len(table.y) if rows is None else rows

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def __iter__(self) -> Iterator[Batch]:
        if self.at is not None:
            epoch, done = self.at()
            yield from self.shuffled(epoch, done * self.size)
            return
        for start in range(0, len(self.table.y), self.size):
            yield placed(select(self.table, slice(start, start + self.size)), self.device)
            if self.release:
                self.release()

    def shuffled(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from its row `first` on; one that a buffer cannot fill goes on in the next."""
        left = placed(select(self.table, slice(0, 0)), self.device)
        for found, chosen in self.stream(epoch * self.rows + first, (epoch + 1) * self.rows):
            begin, table, order = 0, placed(found, self.device), chosen.to(self.device)
            if len(left.y):
                begin = min(self.size - len(left.y), len(order))
                left = joined([left, select(table, order[:begin])])
                if len(left.y) < self.size:
                    continue
                yield left
            end = begin + (len(order) - begin) // self.size * self.size  # of the last whole batch
            for start in range(begin, end, self.size):
                yield select(table, order[start : start + self.size])
            left = select(table, order[end:])
        if len(left.y):
            yield left

    def stream(self, first: int, stop: int) -> Iterator[tuple[Batch, Tensor]]:
        """Tables and the order of their rows: of all passes over the table, end to end, the rows `first` to `stop`."""
        n = len(self.table.y)
        while first < stop:
            number, start = divmod(first, n)
            first = min((number + 1) * n, stop)
            yield from self.buffers(number, start, first - number * n)

    def buffers(self, epoch: int, first: int, stop: int) -> Iterator[tuple[Batch, Tensor]]:
        """Tables and the order of their rows, which together are the rows `first` to `stop` of a pass."""
        n = len(self.table.y)
        if self.release is None or n <= BUFFER:
            yield self.table, self.order([slice(0, n)], n, self.seed, epoch)[first:stop]
            return
        runs = torch.arange(0, n, RUN)[permutation(-(-n // RUN), self.seed, epoch)]
        parts = [
            [slice(start, min(start + RUN, n)) for start in starts.tolist()]
            for starts in torch.split(runs, BUFFER // RUN)
        ]
        begin = 0
        for number, (slices, rows) in enumerate(zip(parts, self.shares(parts, epoch), strict=True)):
            if begin + rows > first and begin < stop:
                order = self.order(slices, rows, self.seed, epoch, number + 1)
                yield self.buffer(slices), order[max(0, first - begin) : stop - begin]
            begin += rows

    def shares(self, parts: list[list[slice]], epoch: int) -> list[int]:
        """How many rows of the epoch come from each buffer: all of its rows, or as many as are drawn by weight."""
        if self.draw is None:
            return [sum(rows.stop - rows.start for rows in slices) for slices in parts]
        totals = torch.stack([weights_of(self.draw, slices).double().sum() for slices in parts])
        chance = np.random.Generator(np.random.PCG64(seed_of(self.seed, epoch, 0)))
        found: list[int] = chance.multinomial(len(self.table.y), (totals / totals.sum()).numpy()).tolist()
        return found

    def order(self, slices: list[slice], rows: int, *numbers: int) -> Tensor:
        """(rows,) int64: which rows of a buffer come in which order."""
        if self.draw is None:
            return permutation(rows, *numbers)
        return drawn(weights_of(self.draw, slices), rows, *numbers)

    def buffer(self, slices: list[slice]) -> Batch:
        """Runs of the table in memory."""
        found = each(self.table, lambda x: torch.cat([x[rows] for rows in slices]))
        if self.release:
            self.release()
        return found

    # Lightning takes a loader for resumable if it has these two; the position comes from `at`, so there is no state.
    def state_dict(self) -> dict[str, int]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing."""


def weights_of(weight: Tensor, slices: list[slice]) -> Tensor:
    """The weights of some runs of rows, one after the other."""
    return weight[slices[0]] if len(slices) == 1 else torch.cat([weight[rows] for rows in slices])
