"""Real processes, killed at random moments (SIGKILL) and started again by the same command, `resume=auto`.

One run is left alone and gives the reference, and the moments at which training begins and all is done. Then the same
command runs in another folder and is killed at a moment between its start and that end, half of the time while it
trains, again and again; each time that a run comes to its end all the same it is compared, and the next one begins.
All processes have imported before they start, so that each moment falls into what a run does.
"""

import os
import random
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from mlp_torch.errors import ModelError
from mlp_torch.forked import end_with_parent, forked
from mlp_torch.resuming.comparison import differences
from mlp_torch.verbs.folders import is_finished

SHORT = (  # enough to be killed in, and no more
    "resume=auto",
    "trainer.max_epochs=3",
    "trainer.limit_train_batches=60",
    "trainer.limit_val_batches=1",
    "callback.last.every_n_steps=5",
    "baseline=none",
    "importance=null",
)
PHASES = ("before the first checkpoint", "in training", "after training")
WAIT = 0.02  # seconds between two looks


@dataclass
class Killed:
    """What came out.

    Args:
        name: what was killed.
        kills: how often, by phase.
        ended: how many runs came to their end.
        differing: where these were other than the one that was left alone.
    """

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    differing: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether some runs ended, and all of them with the same bits."""
        return self.ended > 0 and not self.differing

    def table(self) -> str:
        """For a terminal."""
        lines = [f"{self.name}: {self.kills.total()} kills"]
        lines += [f"  {phase:<28}{self.kills[phase]:>5}" for phase in PHASES]
        told = "all with the same bits" if self.is_exact else f"NOT the same: {'; '.join(self.differing)}"
        return "\n".join([*lines, f"  {'runs that ended':<28}{self.ended:>5}  {told}"])


@dataclass
class Attempt:
    """One process of the command.

    Args:
        arguments: of `mlp_torch train`.
        runs: where its runs go.
    """

    arguments: Sequence[str]
    runs: Path

    @property
    def said(self) -> Path:
        """Where the process says what it says."""
        return self.runs.with_suffix(".log")

    @contextmanager
    def started(self) -> Iterator[BaseProcess]:
        """The process, at work; it is killed where it has not ended then."""
        process = forked(command, [*self.arguments, *SHORT, f"runs={self.runs}"], self.said)
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    @property
    def latest(self) -> Path | None:
        """The newest run's folder."""
        links = list(self.runs.glob("*/latest"))
        return links[0].resolve() if links else None

    def phase(self) -> str:
        """How far the newest run has come."""
        folder = self.latest
        if folder is None or is_finished(folder) or not list(folder.rglob("checkpoints/step_*.json")):
            return PHASES[0]
        return PHASES[2] if (folder / "predictions").exists() else PHASES[1]

    def ends_before(self, seconds: float | None) -> bool:
        """Whether a process comes to its end before it is killed, after so many seconds; None = it is not killed."""
        with self.started() as process:
            process.join(seconds)
        self.check(process)
        return process.exitcode == 0

    def check(self, process: BaseProcess) -> None:
        """Refuses a process that failed by itself. Raises ModelError."""
        if process.exitcode not in (0, -signal.SIGKILL):
            last = "\n".join(self.said.read_text().splitlines()[-20:]) if self.said.exists() else ""
            raise ModelError(f"{' '.join(self.arguments)} must come to its end, however:\n{last}")


def killed(
    arguments: Sequence[str], place: Path, *, kills: int, seed: int = 0, tell: Callable[[str], None] = lambda line: None
) -> Killed:
    """Kills a command so often, and compares every run that comes to its end.

    Args:
        arguments: of `mlp_torch train`: the experiment, and what is to be other about it.
        place: an empty folder.
        kills: how many.
        seed: of the moments.
        tell: hears how it goes on.

    Raises:
        ModelError: if the command fails by itself.
    """
    draw, name = random.Random(seed), " ".join(arguments)
    warm_up()
    alone, attempt = Attempt(arguments, place / "alone"), Attempt(arguments, place / "killed")
    begins, seconds = left_alone(alone)
    assert alone.latest
    tell(f"{name}: {seconds:.1f} s when left alone, {begins:.1f} s of them before its first checkpoint")
    found, unfinished = Killed(name), True
    while found.kills.total() < kills or unfinished:
        last = found.kills.total() >= kills
        moment = None if last else draw.uniform(*draw.choice([(0, seconds), (begins, seconds)]))
        unfinished = not attempt.ends_before(moment)
        if unfinished:
            found.kills[attempt.phase()] += 1
            continue
        assert attempt.latest
        found.ended += 1
        found.differing += differences(alone.latest, attempt.latest)
        done = f"{found.kills.total()} of {kills} kills, {found.ended} runs ended"
        tell(f"  {done}, {len(found.differing)} differences")
    return found


def warm_up() -> None:
    """Has the server that processes are forked from import what they need, so that no moment falls into that."""
    process = forked(int)
    process.start()
    process.join()


def left_alone(attempt: Attempt) -> tuple[float, float]:
    """Seconds until the first checkpoint, and until the end."""
    started, begins = time.monotonic(), 0.0
    with attempt.started() as process:
        while process.exitcode is None:
            process.join(WAIT)
            if not begins and attempt.phase() != PHASES[0]:
                begins = time.monotonic() - started
    attempt.check(process)
    return begins, time.monotonic() - started


def command(arguments: Sequence[str], said: Path) -> None:
    """What a process does: the command `mlp_torch train`."""
    end_with_parent()
    told = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(told, stream)
    os.close(told)
    sys.argv = ["mlp_torch", "train", *arguments]
    runpy.run_module("mlp_torch", run_name="__main__")
