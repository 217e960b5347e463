"""Distribution strategy (ch. 4): several processes train one model, each on its share of every batch.

A batch of B rows a process is one of world · B rows, of which process r has the rows r, r + world, …; their loss is
weighed so that the mean over processes, which is what gradients are averaged to, is the mean over the whole batch, also
of a last one that cannot be shared evenly. So two processes learn what one learns from batches of twice the size.

Which process this is stands in its environment, as `torchrun` and Lightning have it.

>>> import torch
>>> table = Batch({"x": torch.arange(5)}, torch.arange(5.0), torch.ones(5), torch.arange(5))
>>> one, other = (weighed(share(table, rank, 2), n=5, of=2) for rank in range(2))
>>> one.y.tolist(), other.y.tolist(), [round(float(part.weight.sum()), 1) for part in (one, other)]
([0.0, 2.0, 4.0], [1.0, 3.0], [3.6, 1.6])
"""

import os
from collections.abc import Iterator, Sequence

from torch import Tensor, distributed

from mlp_torch.head import Batch
from mlp_torch.training.batches import Batches


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def share(batch: Batch, which: int, of: int) -> Batch:
    """A process's rows of a batch."""
    features = {name: x[which::of] for name, x in batch.features.items()}
    return Batch(features, batch.y[which::of], batch.weight[which::of], batch.row[which::of])


def weighed(part: Batch, n: int, of: int) -> Batch:
    """A process's rows, with weights such that the mean over processes is that over the n rows of the batch."""
    return part._replace(weight=part.weight * (len(part.y) * of / n))


class OfProcess:
    """What this process gets of a table's batches: its rows of each.

    Args:
        batches: of all processes.
        weighed: whether their weights are to be those of `weighed`, for training.
    """

    def __init__(self, batches: Batches, *, weighed: bool):
        self.batches, self.weighed = batches, weighed

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        which, of = rank(), world()
        for batch in self.batches:
            part = share(batch, which, of)
            yield weighed(part, len(batch.y), of) if self.weighed else part

    # as of Batches: Lightning takes a loader for resumable if it has these two
    def state_dict(self) -> dict[str, int]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing."""


def own(batches: Batches, *, weighed: bool) -> Batches | OfProcess:
    """What this process gets of a table's batches: all of them where it is alone."""
    return OfProcess(batches, weighed=weighed) if world() > 1 else batches


def leave() -> None:
    """Ends what processes have in common: from here on each is on its own."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def gathered(held: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """What all processes have made of their rows of each batch, in the order of the batch's rows."""
    of = world()
    if of == 1:
        return list(held)
    found: list[list[tuple[Tensor, ...]]] = [[] for _ in range(of)]
    distributed.all_gather_object(found, [tuple(x.cpu() for x in parts) for parts in held])
    return [tuple(map(interleaved, zip(*parts, strict=True))) for parts in zip(*found, strict=True)]


def interleaved(parts: Sequence[Tensor]) -> Tensor:
    """Rows r, r + n, … from part r of n.

    >>> import torch
    >>> interleaved([torch.tensor([0, 2, 4]), torch.tensor([1, 3])])
    tensor([0, 1, 2, 3, 4])
    """
    whole = parts[0].new_empty((sum(map(len, parts)), *parts[0].shape[1:]))
    for which, part in enumerate(parts):
        whole[which :: len(parts)] = part
    return whole
