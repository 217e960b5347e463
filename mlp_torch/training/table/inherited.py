"""What columns of another run were fitted to, for a run that begins with its weights (ch. 4, Transfer Learning).

A row of an embedding means a word, a number the distance from a mean: weights keep their meaning only if codes, bins
and scales do. So these columns are restored before a row is encoded, and never fitted again. It is part of a table's
`Definition`, and so of the name under which encoded rows are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inherited:
    """Fitted state of another run.

    Args:
        columns: the `state_dict` of each column that is restored, by its name.
        grow: whether vocabularies take up the words of the training rows that they lack.
    """

    columns: Mapping[str, Mapping[str, Tensor]]
    grow: bool = True
