"""Signals that ask a process to stop: Ctrl-C, and the SIGTERM of `kill`, of containers and of job schedulers.

>>> import os
>>> with interruptible():
...     os.kill(os.getpid(), signal.SIGTERM)
Traceback (most recent call last):
mlp_torch.interruption.Interrupted: SIGTERM
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """A signal asked this process to stop; `except Exception` is not meant to see it.

    Args:
        signum: which one.
    """

    def __init__(self, signum: int):
        self.signum = signum
        super().__init__(signal.Signals(signum).name)

    @property
    def code(self) -> int:
        """The exit code of a process that a signal stopped: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signum


def interrupt(signum: int, frame: FrameType | None) -> None:
    """Stops at once."""
    raise Interrupted(signum)


def listen(way: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Hears both signals in this way; gives the ways before, for `leave`.

    One that is ignored stays so: the process of a sweep's member gets Ctrl-C together with its parent, which passes it
    on. Threads beside the main one hear nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: one for number, one in before.items() if one != signal.SIG_IGN}
    for number in before:
        signal.signal(number, way)
    return before


def leave(before: dict[int, Any]) -> None:
    """Hears signals in the ways before again."""
    for number, way in before.items():
        signal.signal(number, way)


@contextmanager
def interruptible() -> Iterator[None]:
    """Either signal raises `Interrupted` in here, unless somebody listens in another way."""
    before = listen(interrupt)
    try:
        yield
    finally:
        leave(before)
