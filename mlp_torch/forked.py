"""A process of its own that need not import for seconds: a server that has imported, and done no more, is forked.

This process is not, whose threads a fork would lose.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")


def forked(target: Callable[..., Any], *arguments: Any, imports: Sequence[str] = ("mlp_torch.run",)) -> BaseProcess:
    """A process that is yet to be started.

    Args:
        target: what it does; a function of a module.
        arguments: of the function.
        imports: what the server imports, which the first of all these processes starts.
    """
    # Python 3.11 and 3.12 do not tell the server where their own modules are: it could find another mlp_torch
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
    CONTEXT.set_forkserver_preload(list(imports))
    return CONTEXT.Process(target=target, args=arguments)
