"""Processes that need not import for seconds: each is forked from a server that has imported, and done no more.

A fork of this process itself would be without the threads that it may have.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")


def forked(target: Callable[..., Any], *arguments: Any, imports: Sequence[str] = ("mlp_torch.run",)) -> BaseProcess:
    """A process that is yet to be started; like the server it does not hear Ctrl-C, which is its parent's affair.

    Args:
        target: what it does; a function of a module.
        arguments: of the function.
        imports: what the server imports. The first call starts it; later ones change nothing of that.
    """
    # Python 3.11 and 3.12 do not tell the server where their own modules are: it could find another mlp_torch
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
    CONTEXT.set_forkserver_preload(list(imports))
    resource_tracker.ensure_running()  # it would unblock what is blocked here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return CONTEXT.Process(target=target, args=arguments)


def end_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Has a process that was started by another one ended when that is gone: nobody would know of what it does.

    Args:
        by: the signal; SIGTERM only asks, so that a run may save.
    """
    threading.Thread(target=wait_for_parent, args=(by,), daemon=True).start()


def wait_for_parent(by: signal.Signals) -> None:
    """What a thread of the process does."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), by)
