"""Cells that hold several words, as rows of equal length: the first words, then nothing.

>>> rows_of(pa.array([["a", "b", "c"], [], None], pa.large_list(pa.large_string())), 2, "tags").count_nonzero(dim=1)
tensor([2, 0, 0])
"""

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlp_torch.ingest.fingerprint import arrow_fingerprints

LISTS = pa.large_list(pa.large_string())


def ragged(lists: Any) -> tuple[Any, Any]:
    """How many members each of N lists has, (N,) int64, null as none; and all of them, one after the other."""
    lengths = np.diff(lists.offsets.to_numpy()).astype(np.int64)
    missing = lists.is_null().to_numpy(zero_copy_only=False)
    if (lengths[missing] > 0).any():  # a null may lie on members
        lists = lists.filter(lists.is_valid())
        lengths[missing] = 0
    first = lists.offsets[0].as_py() if len(lists) else 0
    return lengths, lists.values.slice(first, int(lengths.sum()))


def lists_of(array: Any, kind: pa.DataType) -> Any:
    """Lists of any length or of one as lists with members of a type; Arrow's own cast trips over lists of nulls."""
    is_fixed = pa.types.is_fixed_size_list(array.type)
    lengths, members = ragged(array.cast(pa.large_list(array.type.value_type)) if is_fixed else array)
    ends = pa.array(np.concatenate([[0], lengths.cumsum()]), pa.int64())
    return pa.LargeListArray.from_arrays(ends, members.cast(kind, safe=False), mask=array.is_null())


def filled(members: Tensor, lengths: Tensor, width: int) -> Tensor:
    """(M,) members of N lists as (N, width): the first ones of each, then 0. Must script."""
    begins = lengths.cumsum(0) - lengths
    row = torch.repeat_interleave(torch.arange(lengths.shape[0]), lengths)  # (M,)
    place = torch.arange(members.shape[0]) - begins[row]  # (M,) within its list
    kept = place < width
    found = torch.zeros([lengths.shape[0], width], dtype=members.dtype)
    found[row[kept], place[kept]] = members[kept]
    return found


def rows_with(x: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct fingerprints of (N,) or (N, L), ascending and without 0, and how many rows hold each.

    >>> rows_with(torch.tensor([[7, 7, 0], [9, 7, 0]]))
    (array([7, 9]), array([2, 1]))
    """
    rows = x.reshape(len(x), -1).sort(dim=1).values  # (N, L): what a row holds twice is side by side
    first = torch.cat([torch.ones_like(rows[:, :1], dtype=torch.bool), rows[:, 1:] != rows[:, :-1]], dim=1)
    return np.unique(rows[(rows != 0) & first].numpy(), return_counts=True)


def rows_of(lists: Any, width: int, field: str) -> Tensor:
    """(N, width) int64 fingerprints of N lists of words; what a list has beyond is left out."""
    lengths, words = ragged(lists)
    return filled(arrow_fingerprints(words, field=field), torch.from_numpy(lengths), width)


def members_of(lists: Any) -> list[Any]:
    """All members of lists that are in one piece or in several."""
    return [ragged(part)[1] for part in (lists.chunks if isinstance(lists, pa.ChunkedArray) else [lists])]


def beyond(lists: Any, width: int) -> Any:
    """(N,) bool: which lists have more members than are read."""
    return ragged(lists)[0] > width
