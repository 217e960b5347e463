"""What was found so far in a block of rows: problems, changed cells, rows dropped with the reason.

>>> tally = Tally(Block(pa.table({"age": [3, -3]})))
>>> tally.drop("age: out_of_range", np.array([False, True]))
>>> tally.dropped(), tally.keep
({'age: out_of_range': 1}, array([0]))
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLE_LENGTH, MAX_EXAMPLES, MAX_ROWS, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.cells import Mask

MORE = MAX_EXAMPLE_LENGTH + 1  # characters: messages say by "…" that there are more
LISTS = (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar)  # a map is one of pairs
UNSHOWN = ("missing_value", "missing_field", "cell_too_large")  # where the cells tell nothing


@dataclass
class Tally:
    """What was found so far in a block.

    Args:
        block: the rows.
        skip: whether a row with a bad cell is dropped instead of refused.
    """

    block: Block
    skip: bool = False
    problems: list[Problem] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    lacking: dict[str, Mask] = field(default_factory=dict)  # by field that drops together: (N,) cells without a value
    reason: NDArray[np.int64] = field(init=False)  # (N,) why a row is dropped, by its first reason; -1 = kept

    def __post_init__(self) -> None:
        self.reason = np.full(len(self.block.table), -1)

    @property
    def keep(self) -> NDArray[np.int64]:
        """(K,) the rows that are not dropped."""
        return np.flatnonzero(self.reason < 0)

    def refuse(self, code: str, text: str, column: tuple[str, pa.Array], bad: Mask, key: str | None) -> None:
        """Notes a problem of some cells, or drops their rows."""
        name, array = column
        if self.skip:
            self.drop(f"{name}: {code}", bad)
            return
        at = np.flatnonzero(bad)
        rows, unit = self.block.places.of(at[:MAX_ROWS]), self.block.places.unit
        found = examples(array, at) if code not in UNSHOWN else ()
        self.problems.append(Problem(code, text, (name,), len(at), self.block.total, rows, found, key, unit))

    def drop(self, reason: str, bad: Mask) -> None:
        """Drops rows; a row counts under the first reason only."""
        self.reason[bad & (self.reason < 0)] = len(self.reasons)
        self.reasons.append(reason)

    def drop_together(self) -> None:
        """Drops rows in which all fields that drop together have no value."""
        if self.lacking:
            self.drop(f"{', '.join(self.lacking)}: missing_value", np.logical_and.reduce(list(self.lacking.values())))

    def change(self, name: str, changed: Mapping[str, int]) -> None:
        """Counts cells that were read as something else."""
        self.changed.update({f"{name}: {what}": count for what, count in changed.items() if count})

    def dropped(self) -> dict[str, int]:
        """Rows dropped, by reason."""
        counts = {reason: int((self.reason == i).sum()) for i, reason in enumerate(self.reasons)}
        counts |= {"wrong_field_count": len(self.block.torn)} if self.skip else {}
        return {reason: count for reason, count in counts.items() if count}


def examples(array: pa.Array, at: NDArray[np.int64]) -> tuple[str, ...]:
    """The first distinct values at some rows, as text."""
    found: dict[str, None] = {}
    for i in at[:1000]:
        found[shown(array[int(i)])] = None
        if len(found) == MAX_EXAMPLES:
            break
    return tuple(found)


def shown(scalar: Any) -> str:
    """A value as text, of a long one its beginning."""
    scalar = scalar.value if isinstance(scalar, pa.UnionScalar) else scalar
    try:
        value = first_of(scalar) if isinstance(scalar, LISTS) and scalar.is_valid else scalar.as_py()
        return str(value[:MORE] if isinstance(value, bytes) else value)[:MORE]
    except UnicodeDecodeError:  # text that is not UTF-8
        return str(scalar.as_buffer().to_pybytes())
    except (ValueError, OverflowError):  # a time beyond Python's
        return f"{getattr(scalar, 'value', '?')} as {scalar.type}"


def first_of(scalar: Any) -> list[Any]:
    """The first members of a list, or pairs of a map, which may have a million."""
    found: list[Any] = scalar.values[:MAX_EXAMPLE_LENGTH].to_pylist()
    return [tuple(pair.values()) for pair in found] if isinstance(scalar, pa.MapScalar) else found
