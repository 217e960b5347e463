"""Days of times, which are what a split or a fold of times keeps whole.

Shape: (N,) float64 seconds of wall clock from 1970 -> (N,) int64.

>>> day_of(torch.tensor([0.0, 86_400.0, float("nan")], dtype=torch.float64))
tensor([0, 1, 0])
"""

import numpy as np
import torch
from torch import Tensor

from mlp_torch.ingest.fingerprint import fingerprints, tensorflow_bucket

DAY = 86_400  # seconds


def day_of(time: Tensor) -> Tensor:
    """Days from 1970; that of a missing time is 0."""
    return (time.nan_to_num() / DAY).floor().long()


def day_buckets(time: Tensor, buckets: int) -> Tensor:
    """The bucket of the fingerprint of the day's ISO date."""
    days = day_of(time)
    first = int(days.min()) if len(days) else 0  # the calendar has 3.7 million days in all
    known = torch.bincount(days - first).nonzero().squeeze(1)
    dates = np.datetime_as_string((known + first).numpy().astype("datetime64[D]")).tolist()
    found = torch.zeros(int(known[-1]) + 1 if len(known) else 0, dtype=torch.int64)
    found[known] = tensorflow_bucket(fingerprints(dates), buckets)
    return found[days - first]
