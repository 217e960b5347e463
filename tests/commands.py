"""train.py in a process of its own."""

import os
import pkgutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from mlp_torch.forked import forked

ROOT = Path(__file__).parents[1]


def start(arguments: list[str], folder: Path) -> "subprocess.Popen[str]":
    """train.py in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, str(ROOT / "train.py"), *arguments]
    return subprocess.Popen(
        program,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # a shell that runs these tests in the background has made them ignore SIGINT, and children inherit that
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def run(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and output of train.py."""
    process = start(arguments, folder)
    output = process.communicate()[0]
    return process.returncode, output


def dies_at(point: str, passes: int, arguments: list[str]) -> None:
    """Runs `mlp_torch train` in a process that kills itself at a point.

    Args:
        point: a function or method, by its path.
        passes: how often it is passed before.
        arguments: of the command.
    """
    process = forked(dying, point, passes, arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"exit code {process.exitcode} at {point}"


def dying(point: str, passes: int, arguments: list[str]) -> None:
    """What that process does."""
    path, _, name = point.rpartition(".")
    place, left = pkgutil.resolve_name(path), passes
    real = getattr(place, name)

    def dies(*given: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **options)

    setattr(place, name, dies)
    from mlp_torch.verbs.train import main

    sys.argv = ["train.py"]
    main(arguments)
