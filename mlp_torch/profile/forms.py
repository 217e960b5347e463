"""Numbers and times in spellings that the schema does not read.

>>> import pyarrow as pa
>>> words = pa.array(["2024-05-01", "1/5/2024", "31.5.2024", "soon"])
>>> time_forms(words, np.array([10, 2, 1, 1]))
{'YYYY-MM-DD[(T| )HH:MM[:SS]]': 10, 'NN/NN/YYYY': 2, 'NN.NN.YYYY': 1}
"""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import quote
from mlp_torch.ingest.cells import matches

PLAIN_NUMBERS = {  # by decimal mark
    ".": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
    ",": r"^-?[0-9]+(,[0-9]+)?([eE][+-]?[0-9]+)?$",
}
OTHER_NUMBER = r"^\s*[-+]?\s*[$€£]?\s*(\d{1,3}([, '.]\d{3})+|\d+)?([.,]\d*)?\s*(%|[$€£]|[kM])?\s*$"
FRACTIONS = {".": r"^-?\d+\.\d+$", ",": r"^-?\d+,\d+$"}  # by decimal mark
ISO = "YYYY-MM-DD[(T| )HH:MM[:SS]]"  # the one that the schema reads
TIMES = {
    ISO: r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$",
    "YYYY-MM-DDTHH:MM:SS with fractions or a time zone": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}.+$",
    "YYYY/MM/DD": r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?$",
    "NN/NN/YYYY": r"^\d{1,2}/\d{1,2}/(\d{4}|\d{2})([T ].*)?$",
    "NN.NN.YYYY": r"^\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})([T ].*)?$",
    "NN-NN-YYYY": r"^\d{1,2}-\d{1,2}-(\d{4}|\d{2})([T ].*)?$",
    "the month as a word": r"^\d{1,2}[ .-]+[A-Za-z]{3,9}[ .-]+(\d{4}|\d{2})$|^[A-Za-z]{3,9}\.? \d{1,2},? \d{4}$",
}


def time_forms(words: pa.Array, sizes: NDArray[np.int64]) -> dict[str, int]:
    """How many cells are times in each form.

    Args:
        words: distinct words.
        sizes: cells of each.
    """
    found = {}
    rest = np.ones(len(words), bool)
    for name, form in TIMES.items():
        here = matches(words, form) & rest
        rest &= ~here
        found[name] = int(sizes[here].sum())
    return {name: cells for name, cells in found.items() if cells}


def no_days(words: Iterable[str]) -> str:
    """A clause on a word that has the form which the schema reads, but names no day or time that there is.

    >>> no_days(["2023-02-28", "soon", "2023-02-31"])
    '; "2023-02-31" has the form but is no day of the calendar'
    """
    for word in words:
        if re.match(TIMES[ISO], word):
            try:
                datetime.fromisoformat(word)
            except ValueError:
                return f"; {quote(word)} has the form but is no day of the calendar"
    return ""


def day_and_month(words: Iterable[str], form: str) -> str:
    """A clause on which of two numbers is the day, where that is a question."""
    if not form.startswith("NN"):
        return ""
    pairs = [re.split(r"[/.-]", word)[:2] for word in words if re.match(TIMES[form], word)]
    first, second = (any(int(pair[i]) > 12 for pair in pairs) for i in (0, 1))
    if first and second:
        return ", the day now first, now second"
    return "" if first or second else "; nothing tells day from month"


def spells_dates(values: NDArray[np.float64]) -> bool:
    """Whether whole numbers are dates written YYYYMMDD."""
    year, month, day = values // 10_000, values // 100 % 100, values % 100
    likely = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(len(values) and likely.all())
