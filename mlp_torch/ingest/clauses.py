"""The clause of a problem: the rule that cells break, with what is known of their column; and how long cells are.

>>> column, wrong = pa.array(["2", "two"]), np.array([False, True])
>>> clause("not_a_number", wrong, column, Field("age", ("number",)), reads=[Read("age")], block=Block(pa.table({})))
'a number field holds text that is no number'
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.cells import Mask, is_text
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.read import FAULTS, KINDS
from mlp_torch.ingest.kinds.rows import ragged
from mlp_torch.ingest.layouts import decoded, parts_of
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.tally import examples

RULES = FAULTS | {
    "too_large_integer": "float64 cannot hold whole numbers beyond 2^53 exactly; read such ids as string, from text",
    "not_whole": "a category must be text or a whole number; a continuous number needs a column that reads numbers, "
    "or as the target mlp_torch.target.Number with head=regression",
    "aware_time": "a time must be wall clock without a time zone; convert to local time and drop the zone first",
    "wrong_type": "cells of this type cannot be read",
    "invalid_unicode": "text must be UTF-8, without lone surrogates",
    "nested_value": "a cell must hold text, a number, true, false or null",
    "missing_field": "a field that some rows have must be in all, null where it is missing",
}
TYPES = ("wrong_type", "aware_time", "nested_value")


def clause(code: str, bad: Mask, array: pa.Array, policy: Field, *, reads: list[Read], block: Block) -> str:
    """The clause.

    Args:
        code: of the problem.
        bad: (N,) which cells have it.
        array: the column.
        policy: of its field.
        reads: as what it is read.
        block: where it stands.
    """
    if code == "cell_too_large":
        return f"a cell must have at most {most_bytes(reads, block):,} bytes, however: {sizes(array).max():,}"
    rule = rule_of(code, reads)
    if code == "out_of_range":
        return f"{rule} {policy.range}"
    if code in TYPES:
        return rule if pa.types.is_union(array.type) else f"{rule}, however: {array.type}"
    shown = examples(array, np.flatnonzero(bad)) if code in FAULTS else ()
    if "" in shown:
        return f'{rule}; "" means missing with na_values: [""]'
    if code == "not_a_number" and block.decimal == "." and any(map(has_comma, shown)):
        return f"{rule}; a decimal comma needs data.source.decimal: ','"
    return rule


def rule_of(code: str, reads: list[Read]) -> str:
    """The rule in words; of a kind that takes more than others what it takes, and with a read's options."""
    for item in reads:
        kind = KINDS[item.kind]
        if code in kind.faults:
            return kind.faults[code].format(**item._asdict())
        if code in TYPES and kind.takes:
            return f"a cell that is read as {item.kind.partition('_')[0]} must be {kind.takes}"
    return RULES[code]


def has_comma(text: str) -> bool:
    """Whether text is digits and commas."""
    return "," in text and text.replace(",", "").isdigit()


def too_large(array: pa.Array, most: int) -> dict[str, Mask]:
    """Which texts, lists of texts, or names of maps are longer than allowed."""
    if not (is_text(array.type) or pa.types.is_nested(array.type)):
        return {}
    large = sizes(array) > most
    return {"cell_too_large": large} if large.any() else {}


def most_bytes(reads: Iterable[Read], block: Block) -> int:
    """How many bytes a cell of a field may have."""
    return max([block.max_cell_bytes, *(KINDS[item.kind].most_bytes for item in reads)])


def sizes(array: pa.Array) -> NDArray[np.int64]:
    """(N,) bytes of each text, of all texts of a list, or of all names of a map; other cells have none."""
    found = np.zeros(len(array), np.int64)
    if is_text(array.type):
        found = pc.binary_length(array.cast(pa.large_string())).fill_null(0).to_numpy()
    elif isinstance(array.type, pa.SparseUnionType):
        for _, at, part in parts_of(array):
            found[at] = sizes(part)
    elif pa.types.is_map(array.type) or isinstance(array.type, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        is_map = pa.types.is_map(array.type)
        lengths, members = ragged(array if is_map else array.cast(pa.large_list(array.type.value_type)))
        words = decoded(members.field(0) if is_map else members)
        np.add.at(found, np.repeat(np.arange(len(array)), lengths), sizes(words))
    return found
