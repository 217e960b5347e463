"""Blocks of a batch spread over processes; what comes of them is told in the order of the blocks.

Each process loads the model once and computes on one thread. A process that is killed ends the run with an error; when
the run itself is killed, its processes end.
"""

import signal
import warnings
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import torch

from mlp_torch.forked import end_with_parent
from mlp_torch.serving.pieces import Pieces, Stopped
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.scorer import Job, Policies, Scorer, Verdict

AHEAD = 2  # blocks that wait for each process: memory grows with them

scorers: list[Scorer] = []  # of a worker process: one


def spread(
    jobs: Iterable[Job], model: Path, output: Path, policies: Policies, *, processes: int
) -> Generator[tuple[Job, Verdict]]:
    """The verdicts on blocks, in order.

    Raises:
        Stopped: when a process dies.
    """
    context = get_context("spawn")  # a fork of torch's threads may hang
    pool = ProcessPoolExecutor(processes, context, initializer=begin, initargs=(model, output, policies))
    waiting: deque[tuple[Job, Future[Verdict]]] = deque()
    try:
        for job in jobs:
            waiting.append((job._replace(block=None), submitted(pool, job)))
            if len(waiting) > AHEAD * processes:
                yield first(waiting)
        while waiting:
            yield first(waiting)
    except BrokenProcessPool:
        text = "a process that scores ended by itself, as when memory is short; blocks that are done stay in"
        raise Stopped(f"{text} {Pieces(output).folder}, and the same command goes on from there") from None
    finally:
        pool.shutdown(cancel_futures=True)


def first(waiting: deque[tuple[Job, Future[Verdict]]]) -> tuple[Job, Verdict]:
    """The verdict that is next, once it is there."""
    job, future = waiting.popleft()
    return job, future.result()


def submitted(pool: ProcessPoolExecutor, job: Job) -> Future[Verdict]:
    """Hands a block to a process. Processes start here, and inherit that Ctrl-C is the parent's affair."""
    plain = (
        job if job.block is None else job._replace(block=job.block._replace(joined={}))
    )  # the default is unpicklable
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(work, plain)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(model: Path, output: Path, policies: Policies) -> None:
    """Makes a worker process ready."""
    end_with_parent(signal.SIGKILL)  # it would wait for its parent's queue without end
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the parent has loaded the model too, and warned
        scorers.append(Scorer(Predictor(model), Pieces(output), policies))


def work(job: Job) -> Verdict:
    """Does a block in a worker process."""
    return scorers[0](job)
