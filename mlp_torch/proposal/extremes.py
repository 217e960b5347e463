"""Numbers near the end of float64: whether a column of them can be trained, asked of the column itself.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> from mlp_torch.proposal.entry import node_of
>>> unlearnable(look("x", pa.array([1.7e308, -1.7e308, 0.5])), [Entry("", node_of("numbers.Scaled", "x"), "")], None)
'x must have a finite spread (else bound it by min and max in data.fields), however: values from -1.7e+308 to 1.7e+308'
"""

from collections.abc import Iterable

import numpy as np
import torch
from hydra.utils import instantiate

from mlp_torch.column import Sample
from mlp_torch.ingest.cells import Mask
from mlp_torch.profile.chains import known
from mlp_torch.profile.facts import Facts
from mlp_torch.proposal.entry import Entry

LARGE = 1e150  # float64 does not have the squares of numbers beyond


def unlearnable(facts: Facts, entries: Iterable[Entry], train: Mask | None) -> str:
    """Why training would refuse a column of numbers near the end of float64, in its own words; "" where it would not.

    Args:
        facts: of the field.
        entries: its columns.
        train: (N,) the training rows; by default all.
    """
    x = known(facts, train)
    if not len(x) or np.abs(x).max() < LARGE:
        return ""
    sample = Sample({facts.name: torch.from_numpy(x)}, torch.zeros(len(x)), lambda _: [])
    try:
        for entry in entries:
            if entry.active:
                instantiate(entry.node, _convert_="all").fit(sample)
    except ValueError as error:
        return str(error)
    return ""
