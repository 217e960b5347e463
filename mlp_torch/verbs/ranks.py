"""Several processes that train one run together: `trainer=ddp` (ch. 4, distribution strategy).

The process of the command holds the run's folder, starts the others and waits. The first of them writes checkpoints and
curves, and the report and the export once all have trained; the others end there. When one dies, the rest cannot go on
without it and are ended; the run goes on by `resume=`, as after any kill.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from omegaconf import DictConfig

from mlp_torch.errors import ConfigError
from mlp_torch.interruption import Interrupted, interruptible
from mlp_torch.stages.configured import wanted
from mlp_torch.verbs import sweep
from mlp_torch.verbs.closing import closing
from mlp_torch.verbs.folders import reopened, store

LOST = ("Connection closed by peer", "Connection reset by peer")  # what gloo says where another process has died
GRACE = 10.0  # seconds that the others have to end by themselves


def number(cfg: DictConfig) -> int:
    """How many processes a run asks for."""
    return cfg.trainer.devices if type(cfg.trainer.devices) is int else 1


def check(cfg: DictConfig) -> None:
    """Refuses what several processes cannot train together. Raises ConfigError, naming the key."""
    if number(cfg) < 2:
        return
    if cfg.trainer.get("strategy", "auto") != "ddp":
        raise ConfigError(f"trainer.devices={number(cfg)} needs trainer=ddp, however: strategy is not ddp")
    for key, used in (("stages", wanted(cfg)), ("unfreeze", cfg.unfreeze)):
        if used:
            raise ConfigError(f"trainer.devices must be 1 for a run with {key}, however: {number(cfg)}")


def check_same(fit: DictConfig, cfg: DictConfig) -> None:
    """Refuses a stage, or a run before, that other processes would train than those of the run. Raises ConfigError."""
    if number(fit) != number(cfg):
        raise ConfigError(f"trainer.devices must be that of the run, {number(cfg)}, however: {number(fit)}")


def together(cfg: DictConfig, folder: Path, hint: str) -> None:
    """Trains in several processes, and waits for them.

    Args:
        cfg: of the run.
        folder: of the run.
        hint: how it goes on.

    Raises:
        SystemExit: with the exit code of the first that did not come to its end.
        Interrupted: by a signal that all of them were passed.
    """
    store(cfg, folder)
    n, port = number(cfg), free_port()
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = [context.Process(target=member, args=(folder, i, n, port)) for i in range(n)]
    try:
        for process in processes:
            process.start()
        if failed := first_failed(processes):
            say(processes.index(failed), n, failed.exitcode or 0, hint)
            sys.exit(max(failed.exitcode or 0, 1))
    except Interrupted:
        end(processes, signal.SIGTERM, seconds=None)
        raise
    finally:
        end(processes, signal.SIGKILL)


def first_failed(processes: Sequence[BaseProcess]) -> BaseProcess | None:
    """Waits until all have ended, or one has not come to its end; the others are given a moment then."""
    running = list(processes)
    while running:
        wait([process.sentinel for process in running])
        if any(process.exitcode for process in running):
            for process in running:
                process.join(GRACE)
            failed = (process for process in processes if process.exitcode)
            return min(failed, key=lambda process: process.exitcode or 0)  # one that was killed; the others lost it
        running = [process for process in running if process.exitcode is None]
    return None


def end(processes: Sequence[BaseProcess], signum: int, seconds: float | None = GRACE) -> None:
    """Sends a signal to those that run, and waits."""
    for process in processes:
        if process.pid and process.exitcode is None:
            os.kill(process.pid, signum)
    for process in processes:
        if process.pid:
            process.join(seconds)


def say(which: int, of: int, code: int, hint: str) -> None:
    """Which of the processes was killed, and how the run goes on; of other ends they have told themselves."""
    if code < 0:
        killed = f"process {which} of {of} was killed by {signal.Signals(-code).name}; the others ended."
        print(f"\n{killed} {hint}", file=sys.stderr)


def free_port() -> int:
    """One at which the processes can find each other."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def member(folder: Path, rank: int, world: int, port: int) -> None:
    """What each of the processes does."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    sweep.train(folder, partial(trained, rank=rank))


def trained(folder: Path, rank: int) -> None:
    """Trains; the first process reports and exports."""
    from mlp_torch.run import learn, quiet, ready, train  # lightning takes seconds

    quiet()
    cfg, here = reopened(folder)  # stored by the process that has started this one
    try:
        with interruptible():
            if rank == 0:
                closing(cfg, here, train(cfg, here))
                return
            logging.getLogger("mlp_torch").setLevel(logging.ERROR)  # the first tells it
            data, origin = ready(cfg, here)
            learn(cfg, data, here, origin)
    except Interrupted as stopped:
        sys.exit(stopped.code)
    except RuntimeError as error:
        if not any(text in str(error) for text in LOST):
            raise
        sys.exit(1)  # the process of the command tells which one it was
