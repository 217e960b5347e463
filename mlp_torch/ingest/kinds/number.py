"""Numbers: any binary number, or text that is one as a whole. Shape: N cells -> (N,) float64, NaN = missing.

>>> cells = Number().of_text(pa.array(["12", "twelve", None]), Read("age"), Field("age", ("number",)), How())
>>> cells.values, cells.bad["not_a_number"]
(array([12., nan, nan]), array([False,  True, False]))
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch.ingest.cells import LARGEST, Cells, Floats, How, Mask, is_number, listed, matches, present
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.reads import Inputs, Read, Words

SPELLED = "text read as number"
EXPONENT = r"([eE][+-]?[0-9]+)?$"


class Number(Kind):
    """A number; booleans are 0 and 1."""

    coded = False
    forms = ("scalar",)
    faults = {  # noqa: RUF012
        "not_a_number": "a number field holds text that is no number",
        "not_finite": "infinity is no value",
        "out_of_range": "a number lies outside the valid range",
    }

    def absent(self, item: Read, n: int) -> Floats:
        return np.full(n, np.nan)

    def of_text(self, text: pa.Array, item: Read, field: Field, how: How) -> Cells:
        return spelled(text, field, how.decimal)

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        if pa.types.is_decimal(array.type):
            text = pc.replace_substring_regex(array.cast(pa.large_string()), r"\.0+$", "")  # 5.0 is a whole number
            return spelled(text, field, ".")._replace(changed={})  # rounded once, as text is
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.uint8())
        if not is_number(array.type):
            return refused(array, "wrong_type", self.absent(item, len(array)))
        return measured(array, field)

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        return torch.from_numpy(np.array(array.to_numpy()))  # a copy: Arrow's memory must not be written to

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        middle = median(inputs[item.key])
        return int(middle) if middle is not None and middle.is_integer() and abs(middle) <= 2**53 else middle

    def reader(self, policy: Field, item: Read) -> Reader:
        return NumberReader(policy, item)


class NumberReader(Reader):
    """A number: a tensor of any real type, NaN = missing."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        if self.field not in tensors:
            raise RuntimeError(f'field "{self.field}" must be given in `tensors`: numbers of shape (B,), NaN = missing')
        values, bad = self.numbers(tensors[self.field])
        return values, bad, values.isnan()


def spelled(text: pa.Array, field: Field, decimal: str) -> Cells:
    """Numbers in text, by the grammar `-?digits[.digits][e…]`."""
    na = listed(text, field)
    fraction = r"([.][0-9]+)?" if decimal == "." else r"(,[0-9]+)?"
    is_spelled = matches(text, r"^-?[0-9]+" + fraction + EXPONENT) & ~na
    plain = pc.replace_substring(pc.if_else(is_spelled, text, None), ",", ".")
    values: Floats = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    large = too_large(text, values)
    infinite = np.isinf(values) & ~large
    bad = {"not_a_number": ~is_spelled & ~na & present(text), "too_large_integer": large, "not_finite": infinite}
    values = without_na(np.where(large | infinite, np.nan, values), field)
    return Cells(values, bad, {SPELLED: int(is_spelled.sum()), "na_values read as missing": int(na.sum())})


def too_large(text: pa.Array, values: Floats) -> Mask:
    """Whole numbers in text beyond ±2^53: float64 would round them in silence."""
    large: Mask = (np.abs(values) >= LARGEST) & matches(text, "^-?[0-9]+$")
    for i in np.flatnonzero(large & (np.abs(values) == LARGEST)):  # 2^53 itself, or 2^53 + 1 rounded
        large[i] = text[int(i)].as_py().lstrip("-").lstrip("0") != str(LARGEST)
    return large


def measured(array: pa.Array, field: Field) -> Cells:
    """Arrow numbers as float64."""
    if pa.types.is_floating(array.type):
        values: Floats = np.require(array.cast(pa.float64()).to_numpy(zero_copy_only=False), requirements="W")
        bad = {"not_finite": np.isinf(values)}
    else:
        whole = array.fill_null(0).to_numpy(zero_copy_only=False)
        values = np.where(present(array), whole.astype(np.float64), np.nan)
        bad = {"too_large_integer": (whole > LARGEST) | (whole < -LARGEST)}
    for wrong in bad.values():
        values[wrong] = np.nan
    return Cells(without_na(values, field), bad, {})


def without_na(values: Floats, field: Field) -> Floats:
    """Numbers that mean missing, as NaN."""
    return np.where(np.isin(values, field.na_numbers), np.nan, values) if field.na_numbers else values


def median(x: Tensor) -> float | None:
    """The middle of the values of (N,) that are there, the lower of two so that whole numbers stay whole."""
    found = x[~x.isnan()]
    return float(found.kthvalue((len(found) - 1) // 2 + 1).values) if len(found) else None
