"""How far a batch is: a bar on a terminal; in a log a line every ten seconds, so that short runs leave none.

>>> Lines(4_000).text(1_000, rate=500.0)
'1,000 of about 4,000 rows (25 %), 500 rows/s, 00:06 left'
"""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

EVERY = 10.0  # seconds between lines


class Progress(Protocol):
    """What is told of rows that are done."""

    def update(self, n: int) -> object:
        """So many more rows are done."""


class Lines:
    """A line now and then.

    Args:
        total: rows, about.
    """

    def __init__(self, total: int):
        self.total, self.done, self.told, self.at = total, 0, 0, time.monotonic()

    def update(self, n: int) -> None:
        """So many more rows are done; the rate is that since the last line, since a restarted run passes over many."""
        self.done += n
        passed = time.monotonic() - self.at
        if passed < EVERY:
            return
        text = self.text(self.done, rate=(self.done - self.told) / max(passed, 1e-9))
        print(text, file=sys.stderr, flush=True)
        self.told, self.at = self.done, time.monotonic()

    def text(self, done: int, *, rate: float) -> str:
        """The line; `rate` in rows per second."""
        left = tqdm.format_interval(max(self.total - done, 0) / max(rate, 1e-9))
        share = min(100 * done // max(self.total, 1), 100)
        return f"{done:,} of about {self.total:,} rows ({share} %), {rate:,.0f} rows/s, {left} left"


def shown(total: int) -> AbstractContextManager[Progress]:
    """A bar where there is a terminal, else lines."""
    if sys.stderr.isatty():
        bar: AbstractContextManager[Progress] = tqdm(total=total, unit=" rows", unit_scale=True)
        return bar
    return nullcontext(Lines(total))
