"""The field that names a row, or the one that would if not for a few rows.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> customer = look("customer", pa.array([f"c{i}" for i in range(300)] + ["c7"]))
>>> identity([customer]) is None, near_identity([customer]).name
(True, 'customer')
>>> print(not_a_key(customer, Places("line", 2)))
near_key: "customer": would name a row, but for cells that are there twice or empty, line 302; 1 of 301 rows; \
e.g. "c7"; data.key stays empty, so predictions carry the row's number; mend the file, then write data.key: ["customer"]
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, quote
from mlp_torch.ingest.block import Places
from mlp_torch.ingest.cells import matches
from mlp_torch.ingest.notice import ID_ROWS, ID_SHARE
from mlp_torch.profile.content import ID_NAME
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding

BLANKS = 0.5  # share of cells with blanks from which on text is no name of a row


def readable(fields: list[Facts]) -> list[Facts]:
    """Fields that training can read as text, with the same outcome as here."""
    return [facts for facts in fields if facts.kind in ("text", "number", "time") and facts.texts is not None]


def identity(fields: list[Facts]) -> Facts | None:
    """The field that names a row: unique, never missing, a word or a whole number; one with a header before others."""
    known = [f for f in readable(fields) if f.unique and not f.missing and (is_word(f) or f.whole)]
    return min(known, key=lambda facts: (not facts.name, facts.kind != "text"), default=None)


def near_identity(fields: list[Facts]) -> Facts | None:
    """The field that would name a row if not for a few: words, or whole numbers that are called ids."""
    known = [
        facts
        for facts in readable(fields)
        if facts.rows >= ID_ROWS and ID_SHARE * facts.rows <= facts.distinct < facts.rows
        if (facts.whole and ID_NAME.search(facts.name)) or is_word(facts)
    ]
    return max(known, key=lambda facts: facts.distinct, default=None)


def is_word(facts: Facts) -> bool:
    """Whether cells are text without blanks, as names of rows are and sentences are not."""
    if facts.kind != "text":
        return False
    return float(np.mean(matches(facts.values.cast(pa.large_string()).drop_null(), r"\s"))) < BLANKS


def not_a_key(facts: Facts, places: Places) -> Finding:
    """The finding of a field that names all rows but a few, with where those are."""
    rows = again(facts.codes)
    text = f"would name a row, but for cells that are there twice or empty, {places.listed(rows)}"
    assert facts.texts is not None  # as `readable` says
    words = tuple(dict.fromkeys(facts.texts.take(rows[:MAX_EXAMPLES]).drop_null().to_pylist()))
    advice = (
        "data.key stays empty, so predictions carry the row's number; mend the file, then write "
        f"data.key: [{quote(facts.name)}]"
    )
    return Finding("near_key", (facts.name,), text, len(rows), facts.rows, "rows", words, advice, loud=True)


def again(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows, in order, whose value is missing or was there before."""
    _, first = np.unique(codes, return_index=True)
    fresh = np.zeros(len(codes), bool)
    fresh[first] = True
    return np.flatnonzero(~fresh | (codes < 0))
