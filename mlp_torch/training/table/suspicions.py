"""What is suspicious about rows once they are split and labelled: rows that two splits share, classes of one row.

Shape: Inputs of N rows, `y` (N,) float64, `index` (N,) into `SPLITS`, -1 = in no split.
"""

import torch
from torch import Tensor, nn

from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, DataError, Problem, quote
from mlp_torch.ingest.fingerprint import cat, cross
from mlp_torch.ingest.reads import Inputs
from mlp_torch.reproducibility.split import SPLITS, TEST, TRAIN, VAL
from mlp_torch.target import Target
from mlp_torch.training.table.definition import Definition

JUDGED = ("val", "test")  # splits whose rows must be new to the model
CHANCE = 0.001  # equal rows that independent columns would make: from here on it is no copy but a common row
FEW = 5  # equal rows that may be copies of one; where there are more, its values are common
LOOK = 1000  # rows by which columns are ordered: those with the most values among them are compared first
SAME = "rows equal to a training row in the label and in all that columns read"
REMEDY = "split by a field that keeps copies together"


def same_rows(wanted: Definition, inputs: Inputs, y: Tensor, index: Tensor, *, strict: bool) -> list[str]:
    """A sentence for each of validation and test that holds rows of training: a model may know them by heart.

    Keys and the fields of the split do not count, unless columns read them: copies differ in these. Nor do rows whose
    values are so common that chance makes equal ones, such as those of two categories.

    Raises:
        DataError: `same_rows`, if `strict`.
    """
    read = {read.key: inputs[read.key] for read in wanted.transform.reads}.values()
    columns = [x if x.dim() == 1 else hashed(x) for x in (*read, y)]
    copied = copies_of(columns, index == TRAIN, (index == VAL) | (index == TEST))
    if not copied.any():
        return []
    sizes = {name: int((index == SPLITS.index(name)).sum()) for name in JUDGED}
    again = {name: copied & (index == SPLITS.index(name)) for name in JUDGED}
    found = {name: copies for name, copies in again.items() if copies.any()}
    if strict and found:
        fields = tuple(dict.fromkeys(read.field for read in [*wanted.transform.reads, *wanted.target.reads.values()]))
        raise DataError([problem(name, fields, copies, sizes[name]) for name, copies in found.items()])
    return [
        f"same_rows: {int(copies.sum()):,} of {sizes[name]:,} {name} {SAME}; {REMEDY}" for name, copies in found.items()
    ]


def problem(name: str, fields: tuple[str, ...], copies: Tensor, total: int) -> Problem:
    """The refusal of a split's copies, (N,) bool."""
    rows = tuple(copies.nonzero().squeeze(1)[:MAX_ROWS].tolist())
    text = f"{name} {SAME}; {REMEDY}"
    return Problem("same_rows", text, fields, int(copies.sum()), total, rows, key="data.source.strict")


def copies_of(columns: list[Tensor], known: Tensor, asked: Tensor) -> Tensor:
    """(N,) bool: which of the rows asked for equal a known one in all columns, and not by chance.

    Args:
        columns: (N,) int64 or float64 each.
        known: (N,) bool.
        asked: (N,) bool.

    >>> x, new = torch.tensor([5, 6, 7, 5]), torch.tensor([False, False, True, True])
    >>> copies_of([x], ~new, new)
    tensor([False, False, False,  True])
    """
    at = equals(sorted(columns, key=lambda x: -len(set(bits(x[:LOOK]).tolist()))), known, asked)  # (n,)
    found = torch.zeros_like(asked)
    if len(at):
        row = cross([bits(x) for x in columns])
        copies = occurrences(row, at).clamp(max=FEW)  # left out, so that copies do not make their own values common
        chance = torch.full((len(at),), float(len(row)), dtype=torch.float64)
        for column in columns:
            chance *= (occurrences(bits(column), at) - copies) / len(row)
        found[at] = chance < CHANCE
    return found


def equals(columns: list[Tensor], known: Tensor, asked: Tensor) -> Tensor:
    """(n,) the rows asked for that equal a known one in all columns; one by one, these soon rule out most."""
    old, new = known.nonzero().squeeze(1), asked.nonzero().squeeze(1)
    was, now = torch.zeros_like(old), torch.zeros_like(new)
    for number, x in enumerate(columns):
        was, now = cat(was, bits(x.index_select(0, old))), cat(now, bits(x.index_select(0, new)))
        if number == 0:
            continue  # one column alone rules out too few to pay
        likely = perhaps_within(now, was)
        new, now = new[likely], now[likely]
        if not len(new):
            return new
        likely = perhaps_within(was, now)
        old, was = old[likely], was[likely]
    return new[within(now, was)]


def perhaps_within(x: Tensor, values: Tensor) -> Tensor:
    """(N,) bool: False only where a hash is not among some (W,); by W / 8 bits of each, in a fifth of the time."""
    size = 8 * 2 ** len(values).bit_length()
    marked = torch.zeros(size, dtype=torch.bool)
    marked[values & (size - 1)] = True
    return marked[x & (size - 1)]


def within(x: Tensor, values: Tensor) -> Tensor:
    """(N,) bool: which are among some values; in a quarter of the time of `torch.isin`."""
    if not len(values):
        return torch.zeros_like(x, dtype=torch.bool)
    ascending = values.sort().values
    return ascending[torch.searchsorted(ascending, x).clamp(max=len(values) - 1)] == x


def occurrences(x: Tensor, at: Tensor) -> Tensor:
    """(n,) how many of all rows hold the value of each row in `at`."""
    _, which, counts = x.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    found: Tensor = counts[which[at]]
    return found


def hashed(x: Tensor) -> Tensor:
    """(N, …) of any type -> (N,) int64: one number for all values of a row; of pixels eight make one value."""
    if x.dtype == torch.uint8:
        flat = x.reshape(len(x), -1)
        x = nn.functional.pad(flat, [0, -flat.shape[1] % 8]).view(torch.int64)
    return cross([bits(column) for column in x.reshape(len(x), -1).unbind(1)])


def bits(x: Tensor) -> Tensor:
    """(N,) integers as they are; of floats the bits: all NaN are alike, and so are 0 and -0."""
    return torch.where(x.isnan(), torch.nan, x.double() + 0.0).view(torch.int64) if x.is_floating_point() else x.long()


def rare_classes(target: Target, y: Tensor) -> list[str]:
    """A sentence on the classes that one training row alone shows.

    Args:
        target: fitted.
        y: (n,) or (n, k) of training rows.
    """
    if not target.classes:
        return []
    marks = y.dim() == 2
    counts = ((y == 1).sum(dim=0) if marks else torch.bincount(y.long(), minlength=len(target.classes))).tolist()
    rare = [name for name, count in zip(target.classes, counts, strict=True) if count == 1]
    if not rare:
        return []
    fields = ", ".join(quote(read.field) for read in target.reads.values())
    named = ", ".join(quote(name) for name in rare[:MAX_EXAMPLES]) + (", …" if len(rare) > MAX_EXAMPLES else "")
    return [
        f"rare_class: column {fields} has {len(rare):,} of {len(counts):,} classes with 1 training row each: {named}; "
        "merge them, or drop their rows"
    ]
