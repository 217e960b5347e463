"""Fields that hold too little, or something else in each row: all that can be said whatever their kind.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> [finding.code for finding in of_field(look("ward", pa.array(["B7", "B8", "C1"] + [None] * 97)))]
['few_values', 'mostly_missing']
"""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mlp_torch.ingest.cells import is_text
from mlp_torch.ingest.notice import ID_ROWS, ID_SHARE
from mlp_torch.profile.facts import Facts, counted
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.numbers import of_numbers
from mlp_torch.profile.words import FORMS, of_words

ID_NAME = re.compile(r"(?i:(^|[^a-z])(id|key|uuid|guid|nr|no|num|number|index|idx))$|(Id|ID)$")
INDEX = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")  # as pandas names it
FEW_ROWS = 20
FEW_SHARE = 0.1
MOSTLY = 0.5


def of_field(facts: Facts, *, typed: bool = False) -> list[Finding]:
    """All findings on a field by itself.

    Args:
        facts: of the field.
        typed: whether the table's cells have types, so that numbers need not be text.
    """
    found = list(of_content(facts))
    if {"empty", "several", "unreadable", "constant"} & {finding.code for finding in found}:
        return found
    if typed and facts.kind == "number" and is_text(facts.array.type):
        text = "numbers stored as text, while other fields have types"
        found.append(Finding("numbers_as_text", (facts.name,), text, advice="store them as numbers"))
    more = list(of_words(facts) if facts.kind == "text" else of_numbers(facts))
    ids = [] if {*FORMS} & {finding.code for finding in more} else of_ids(facts)
    return [*found, *ids, *more]


def of_content(facts: Facts) -> Iterator[Finding]:
    """Unreadable, empty, constant, mostly missing."""
    name, rows = (facts.name,), facts.rows
    here = rows - facts.missing
    out = "leave it out"
    if facts.kind == "several":
        yield Finding("several", name, facts.why, rows, rows, advice="see docs/representation.md")
    elif facts.kind == "unreadable":
        yield Finding("unreadable", name, facts.why, rows, rows, advice="convert it")
    elif not here:
        yield Finding("empty", name, "no cell has a value", advice=out)
    elif facts.distinct == 1 and not facts.missing:
        examples = tuple(counted(facts.values)) if facts.kind == "text" else (facts.span.partition(" … ")[0],)
        yield Finding("constant", name, "the same value in all rows", rows, rows, "rows", examples, out)
    else:
        if here < min(FEW_ROWS, FEW_SHARE * rows):
            yield few_values(facts.name, here, rows)
        if facts.missing > MOSTLY * rows:
            text = "more than half of the cells have no value"
            yield Finding("mostly_missing", name, text, facts.missing, rows, "cells")


def few_values(name: str, here: int, rows: int) -> Finding:
    """The finding of a field that is all but empty."""
    return Finding("few_values", (name,), "only few cells have a value", here, rows, "cells", (), "leave it out")


def of_ids(facts: Facts) -> Iterator[Finding]:
    """Fields of which a row could only be learned by heart."""
    name, here, distinct = (facts.name,), facts.rows - facts.missing, facts.distinct
    if INDEX.fullmatch(facts.name) and distinct >= ID_SHARE * facts.rows:
        text = "the row's number, as pandas writes its index: it tells nothing about a new row"
        yield Finding("row_number", name, text, advice="leave it out")
    elif facts.kind == "text" and (distinct >= ID_SHARE * here if here >= ID_ROWS else distinct == here >= FEW_ROWS):
        each = "each" if distinct == here else "nearly each"
        text = f"an id: {each} row has a value of its own, which can only be learned by heart"
        yield Finding("id_like", name, text, distinct, here, "cells differ", examples(facts), "leave it out")
    elif facts.kind == "text" and here >= ID_ROWS and 2 * distinct > here:
        text = "near-unique: fewer than two cells a word, of which little but these rows can be learned"
        advice = "leave it out, or make fewer words of it"
        yield Finding("near_unique", name, text, distinct, here, "cells differ", examples(facts), advice)
    elif facts.whole and not facts.missing and facts.rows >= ID_ROWS and distinct >= ID_SHARE * facts.rows:
        with np.errstate(over="ignore"):
            dense = np.nanmax(facts.values) - np.nanmin(facts.values) < 1.1 * facts.rows
            rises = (np.diff(facts.values) > 0).all()
        if dense or rises or ID_NAME.search(facts.name):
            each = "each" if distinct == here else "nearly each"
            text = (
                f"an id by name or order: a whole number of its own in {each} row, which can only be learned by heart"
            )
            yield Finding("id_like", name, text, distinct, here, "cells differ", (), "leave it out")


def examples(facts: Facts) -> tuple[str, ...]:
    """The first words."""
    words: pa.Array = facts.values.drop_null()[:3]
    return tuple(words.to_pylist())
