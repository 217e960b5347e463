"""Features as single columns, which is what look-up tables and boosted trees read.

Of a bag of words, codes in which -1 stands for none, the most frequent ones are a mark each; of a map the numbers of
the most frequent names; of an image the means of small patches. Which ones is chosen on training rows.

Shape: Features by name, (N, …) -> by name of a column (N,) int64 or float32.

>>> features = {"hour": torch.tensor([7, 8]), "tags": torch.tensor([[5, 3], [5, -1]])}
>>> Columns(features)(features)
{'hour': tensor([7, 8]), 'tags[3]': tensor([1, 0]), 'tags[5]': tensor([1, 1])}
"""

import numpy as np
import torch
from torch import Tensor, nn

MOST = 100  # marks of a bag, numbers of a map
PATCHES = 14  # of an image, in height and in width


class Columns:
    """What training rows show of features that are no single columns.

    Args:
        features: of training rows.
    """

    def __init__(self, features: dict[str, Tensor]):
        self.frequent: dict[str, list[int]] = {}
        for name, x in features.items():
            if is_bag(x):
                self.frequent[name] = most_frequent(x[x >= 0])
            elif is_map(x):
                self.frequent[name] = most_frequent(x[:, :, 0][x[:, :, 1] != 0].long())

    def __call__(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every single column; those of a wider feature are called "name[0]", "name[1]", …"""
        columns: dict[str, Tensor] = {}
        for name, x in features.items():
            if name in self.frequent:
                columns |= {f"{name}[{code}]": amount(x, code) for code in self.frequent[name]}
            elif x.dim() == 1:
                columns[name] = x
            else:
                wide = patches(x) if x.dim() == 4 else x.flatten(1)  # (N, w)
                single = wide.shape[1] == 1
                columns |= {name if single else f"{name}[{i}]": column for i, column in enumerate(wide.unbind(1))}
        return columns


def is_bag(x: Tensor) -> bool:
    """Whether a feature is codes of a cell's words, -1 where there is none."""
    return x.dim() == 2 and not x.is_floating_point() and bool((x == -1).any())


def is_map(x: Tensor) -> bool:
    """Whether a feature is (N, M, 2) pairs of a bucket and a number."""
    return x.dim() == 3 and x.shape[2] == 2


def most_frequent(codes: Tensor) -> list[int]:
    """The codes of (n,) that are there most often, in ascending order; ties in favour of the smaller."""
    found, counts = np.unique(codes.numpy(), return_counts=True)
    return sorted(found[np.argsort(-counts, kind="stable")[:MOST]].tolist())


def amount(x: Tensor, code: int) -> Tensor:
    """(N,) whether a bag has a code, or the sum of a map's numbers in a bucket."""
    if x.dim() == 2:
        return (x == code).any(dim=1).long()
    return (x[:, :, 1] * (x[:, :, 0] == code)).sum(dim=1)


def patches(x: Tensor) -> Tensor:
    """The mean of each patch of images: (N, C, H, W) uint8 -> (N, C · h · w) float32."""
    size = (min(PATCHES, x.shape[2]), min(PATCHES, x.shape[3]))
    return torch.cat(
        [nn.functional.adaptive_avg_pool2d(part.float(), size).flatten(1) for part in torch.split(x, 8192)]
    )
