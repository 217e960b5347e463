"""Several runs, one after the other: `train -m seed=1,2,3`, `train folds=5`, or both, as a plain product.

Each run is a process of its own, so that it has the bits that it has alone and its end is not that of the others. All
configurations are written before the first one begins: what goes on after a kill is what was begun.

RUNS/NAME/DATE_TIME-sweep/  sweep.json (what was asked for, each member)  metrics.json (each member, mean and deviation)
seed-1/ seed-2/ … (a run's folder each; RUNS/NAME/latest points to the newest of them)
"""

import os
import re
import shlex
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from mlp_torch import files, foreign
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.files import held
from mlp_torch.forked import end_with_parent, forked
from mlp_torch.interruption import Interrupted, interruptible
from mlp_torch.overrides import key_of
from mlp_torch.responsible.report import is_nested, stored
from mlp_torch.responsible.spread import Spread
from mlp_torch.verbs.closing import command, guarded, outcome
from mlp_torch.verbs.folders import (
    CONFIG,
    has_trained,
    is_finished,
    placed,
    point,
    point_back,
    pointed,
    stamped,
    store,
    stored_configuration,
)
from mlp_torch.verbs.plan import PLAN, Member, begun, members_of

METRICS = "metrics.json"
REPEATED = ("seed", "fold")  # runs that differ in nothing else are repetitions of one setting
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes of a run that was asked to stop


class Planned(NamedTuple):
    """A run that is to be: what tells it from the others, as `key=value`, and its configuration."""

    varied: list[str]
    cfg: DictConfig

    @property
    def name(self) -> str:
        """What it is called: `seed=2, fold=0`."""
        return ", ".join(self.varied)

    @property
    def setting(self) -> str:
        """What runs share that are repetitions of each other: `optimizer.lr=0.01`."""
        return ", ".join(text for text in self.varied if key_of(text) not in REPEATED)

    @property
    def folder(self) -> str:
        """`seed-2_fold-0`: characters that no shell, URL or Hydra takes for its own."""
        short = []
        for text in self.varied:
            value = re.sub(r"[^A-Za-z0-9_.-]+", ".", text.partition("=")[2]).strip(".")
            short.append(f"{key_of(text).rpartition('.')[2]}-{value}")
        return "_".join(short)[:100].strip(".-")


def folded(cfg: DictConfig, varied: list[str]) -> Iterator[Planned]:
    """The run that a configuration describes, or one for each fold."""
    if cfg.folds is None or cfg.fold is not None:
        yield Planned(varied, cfg)
        return
    for fold in range(cfg.folds):
        each = cfg.copy()
        each.fold = fold
        yield Planned([*varied, f"fold={fold}"], each)


def check(runs: list[Planned]) -> None:
    """Refuses runs that are not told apart, and a look at several."""
    names = [run.folder for run in runs]
    if twice := [run.name for run in runs if names.count(run.folder) > 1]:
        raise ConfigError(f"runs must differ in what names them, however: {twice[0]} and {twice[-1]}")
    if len(runs) > 1 and any(run.cfg.debug for run in runs):
        raise ConfigError(f"debug=true looks at one run, however: {len(runs)} of them; choose one, as {runs[0].name}")


def begin(runs: list[Planned], arguments: list[str]) -> None:
    """A new sweep; one of which no run comes to training leaves no folder, and `latest` where it was.

    Raises:
        ConfigError: in that case.
        SystemExit: as in `proceed`.
    """
    parent = Path(runs[0].cfg.runs) / str(runs[0].cfg.name)
    latest = parent / "latest"
    before = pointed(latest)
    folder = stamped(parent, "-sweep")
    for i, (run, name) in enumerate((run, run.folder) for run in runs):
        run.cfg.member = f"{run.name} ({i + 1} of {len(runs)})"
        store(run.cfg, folder / name)
    members = [{"name": run.name, "setting": run.setting, "folder": run.folder} for run in runs]
    files.write_json(folder / PLAN, {"arguments": arguments, "members": members})
    allow = sorted({name for run in runs for name in foreign.own(OmegaConf.to_container(run.cfg))})  # composed just now
    failed = through(folder, allow)
    if len(failed) == len(runs) and not any(has_trained(folder / run.folder) for run in runs):
        shutil.rmtree(folder)
        point_back(latest, before)
        raise ConfigError(f"none of {len(runs)} runs came to training; each has said above why")
    end(folder, failed, allow)


def meant(overrides: list[str], *, several: bool) -> Path | None:
    """The sweep that `resume` names: its folder, or a member's with the arguments that the sweep was begun with.

    Raises:
        ConfigError: for other arguments than those.
    """
    own = [text for text in overrides if key_of(text) in ("resume", "allow")]
    rest = [text for text in overrides if text not in own]
    given = Path(str(composed(own).resume))
    folder = next((path for path in (given, given.resolve().parent) if (path / PLAN).is_file()), None)
    if folder is None:
        return None
    known = begun(folder)
    if folder != given and not several and sorted(rest) != sorted(known):
        return None  # the member alone
    if rest and sorted(rest) != sorted(known):
        raise ConfigError(f"runs go on as they were begun, by {' '.join(known)}, however: {' '.join(rest)}")
    return Path(os.path.relpath(folder.resolve()))


def proceed(folder: Path, allow: Sequence[str]) -> None:
    """Runs what is not finished, and tells what all runs have in common.

    Args:
        folder: the sweep's.
        allow: classes of a user's own that the runs' configurations may name.

    Raises:
        SystemExit: 130 or 143 where it was stopped, 1 where a run failed.
    """
    end(folder, through(folder, allow), allow)


def through(folder: Path, allow: Sequence[str]) -> list[str]:
    """Runs the members that are not finished, in turn; the names of those that failed."""
    members, failed = members_of(folder), []
    for i, member in enumerate(members, 1):
        print(f"\n{member.name} ({i} of {len(members)}): {member.folder}", flush=True)
        if is_finished(member.folder):
            print("is finished", flush=True)
            continue
        point(folder.parent / "latest", member.folder)
        code = run(member.folder, partial(trained, allow=allow))
        if code in STOPPED:
            print(f"\nStopped in {member.name}. Go on with:  {again(folder, allow)}", file=sys.stderr)
            sys.exit(code)
        if not is_finished(member.folder):
            print(f"\n{member.name} failed, exit code {code}; the others go on", file=sys.stderr, flush=True)
            failed.append(member.name)
        write(folder, members)
    return failed


def again(folder: Path, allow: Sequence[str]) -> str:
    """The command that goes on with a sweep."""
    own = f" {foreign.in_overrides(allow)}" if allow else ""
    return f"{command('train')} resume={shlex.quote(str(folder))}{own}"


def end(folder: Path, failed: list[str], allow: Sequence[str]) -> None:
    """Tells what the runs have in common, and which of them failed."""
    members = members_of(folder)
    tell(folder, members)
    if failed:
        text = f"{len(failed)} of {len(members)} runs failed: {'; '.join(failed)}."
        print(f"\n{text} Try them again with:  {again(folder, allow)}", file=sys.stderr)
        sys.exit(1)


def run(folder: Path, work: Callable[[Path], None], *, imports: Sequence[str] = ("mlp_torch.run",)) -> int:
    """Trains in a process of its own; its exit code. A signal that asks this process to stop is passed on to it."""
    process: BaseProcess | None = None
    with interruptible():
        try:
            process = forked(train, folder, work, imports=imports)
            process.start()
            process.join()
        except Interrupted as stopped:
            if process and process.pid:  # it may wait for the server's imports still
                process.terminate()
                process.join()
            return stopped.code
        except (EOFError, ConnectionError):  # the server was killed while it imported; the next run has a new one
            return 1
        finally:
            if process and process.pid and process.is_alive():  # who waits was interrupted a second time
                process.kill()
    return process.exitcode or 0


def train(folder: Path, work: Callable[[Path], None]) -> None:
    """What a member's process does: a run that goes on, from its start or from its last checkpoint."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to both; the parent passes it on
    end_with_parent()
    sys.exit(guarded(lambda: work(folder)))


def trained(folder: Path, allow: Sequence[str]) -> None:
    """Trains, and prints the table."""
    from mlp_torch.run import quiet, train  # lightning takes seconds, which the parent need not wait for

    quiet()
    try:
        cfg, here = placed(stored_configuration(folder / CONFIG), folder, allow)
        with held(here), interruptible():
            outcome(train(cfg, here))
    except Interrupted as stopped:
        sys.exit(stopped.code)


def settings(members: list[Member]) -> dict[str, list[Member]]:
    """The finished members by what they are repetitions of."""
    found: dict[str, list[Member]] = {}
    for member in members:
        if is_finished(member.folder):
            found.setdefault(member.setting, []).append(member)
    return found


def spread_of(members: list[Member]) -> Spread:
    """What finished members have in common."""
    paths = {member.name: member.folder / "report.json" for member in members}
    return Spread({name: stored(files.read_json(path), path) for name, path in paths.items()})


def write(folder: Path, members: list[Member]) -> None:
    """metrics.json: each member, and by setting the mean and the deviation of what their metrics.json hold."""
    told: list[dict[str, Any]] = []
    for member in members:
        done = is_finished(member.folder)
        metrics = {"metrics": figures(member)} if done else {}
        state = "finished" if done else "unfinished"
        told.append({"name": member.name, "folder": member.folder.name, "state": state, **metrics})
    several = []
    for setting, same in settings(members).items():
        spread, found = spread_of(same), [figures(member) for member in same]
        mean, deviation = spread.mean.flat(), spread.deviation.flat()
        for name in ("epoch", "seconds"):
            if any(name not in values for values in found):  # of a last model with nothing to train
                continue
            mean[name] = statistics.fmean(values[name] for values in found)
            if len(found) > 1:
                deviation[name] = statistics.stdev(values[name] for values in found)
        several.append({"setting": setting, "runs": len(found), "mean": mean, "standard_deviation": deviation})
    files.write_json(folder / METRICS, {"settings": several, "members": told})


def figures(member: Member) -> dict[str, float]:
    """A finished member's metrics.json."""
    found = files.read_json(member.folder / METRICS)
    if not is_nested(found, 1):
        raise ModelError(f"{member.folder / METRICS} is damaged: it must have numbers by name")
    return {name: value for name, value in found.items() if name != "format"}


def tell(folder: Path, members: list[Member]) -> None:
    """A table a setting, what it says, and where all lies."""
    write(folder, members)
    for setting, same in settings(members).items():
        spread = spread_of(same)
        title = f"mean ± standard deviation of {len(same)} runs" if len(same) > 1 else "one run"
        print(f"\n{setting}{': ' if setting else ''}{title}\n\n{spread.table()}\n")
        for line in spread.findings():
            print(line)
    print(f"\nruns      {shlex.quote(str(folder))}\nfigures   {shlex.quote(str(folder / METRICS))}")
    print(f"watch     tensorboard --logdir {shlex.quote(str(folder))}")
    latest = folder.parent / "latest"
    if latest.resolve().parent == folder.resolve():
        print(f"model     {shlex.quote(str(latest))}/model is that of one run alone: {latest.readlink().name}")
