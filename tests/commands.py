"""train.py in a process of its own."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

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
