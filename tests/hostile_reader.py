"""Opens files in processes of its own: a line of JSON in, {"reader": …, "run": …}; a line out, what came of it.

All that readers need is imported once; each file is opened in a fork, whose memory and time are bounded.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from hostile import HONEST

import mlp_torch
import mlp_torch.run  # here, and not in each fork
from mlp_torch import files, foreign
from mlp_torch.errors import ConfigError, DataError, ModelError
from mlp_torch.evaluation.evaluation import evaluate
from mlp_torch.responsible.report import stored
from mlp_torch.serving.predictor import stored_schema
from mlp_torch.training.checkpoint_files import manifest, read
from mlp_torch.verbs.folders import placed, resumed, stored_configuration
from mlp_torch.verbs.plan import begun, members_of
from mlp_torch.verbs.rows import trained

SECONDS = 5
MEMORY = 2 * 2**30  # bytes beyond what the process has before


def checkpoint(path: Path) -> dict[str, Any]:
    """Reads it beside a manifest that vouches for it, as a stranger's would."""
    if path.is_file() and path.stat().st_size < 2**24:
        path.with_suffix(".json").write_text(manifest(HONEST, files.sha256(path)))
    return read(path)


READERS: dict[str, Callable[[Path], object]] = {
    "a reader that waits": lambda run: (run / "pipe").read_bytes(),  # the controls of time and memory
    "a reader that takes too much": lambda run: bytearray(2 * MEMORY),
    "checkpoint": lambda run: checkpoint(run / "checkpoints" / "step_00000001.ckpt"),
    "load": lambda run: mlp_torch.load(run / "model"),
    "schema": lambda run: stored_schema(run / "model"),
    "evaluate": lambda run: evaluate(run / "model", run / "labelled.parquet"),
    "rows": lambda run: trained(run / "model"),
    "stored": lambda run: placed(stored_configuration(run / "config.yaml"), run),  # what resume and sweeps do
    "resume": lambda run: resumed([f"resume={run}"]),
    "sweep": lambda run: (begun(run), members_of(run)),
    "report": lambda run: stored(files.read_json(run / "report.json"), run / "report.json"),
}


def outcome(reader: str, run: str) -> dict[str, Any]:
    """What a reader says of a run's folder."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        READERS[reader](Path(run))
    except (ModelError, ConfigError, DataError) as error:
        said = {"refused": type(error).__name__, "says": str(error)}
    else:
        said = {"refused": None, "says": ""}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    return {**said, "seconds": time.monotonic() - started, "megabytes": grown}


def forked(reader: str, run: str) -> dict[str, Any]:
    """The same in a fork that is ended after five seconds, and has two gigabytes."""
    come, go = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)  # ends it
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        code = 1
        try:
            os.write(go, json.dumps(outcome(reader, run)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(go)
    with os.fdopen(come, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(said) if said else {"refused": None, "says": f"ended with {status}", "seconds": 0, "megabytes": 0}


if __name__ == "__main__":
    for module in foreign.NAMED:
        import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(forked(**json.loads(line))), flush=True)
