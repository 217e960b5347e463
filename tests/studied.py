"""A study of the tiny experiment without its runs: what became of a trial is a function of its parameters."""

import math
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import tiny

from mlp_torch.tuning.plan import Plan, planned
from mlp_torch.tuning.study import Outcome, Study
from mlp_torch.verbs.train import check

OVERRIDES = (
    "hparams_search=default",
    "backbone.hidden=choice([8],[16,8])",
    "hparams_search.n_trials=8",
    "+hparams_search.sampler.n_startup_trials=4",
)


@cache
def checked(*more: str) -> Plan:
    """The plan of a study; composing it takes a second."""
    return planned(["experiment=tiny", *OVERRIDES, *more], home() / "configs", check)


@cache
def home() -> Path:
    """The experiment and its table, the same ones for all studies."""
    folder = Path(mkdtemp())
    tiny.experiment(folder)
    return folder


def plan(folder: Path, *more: str) -> Plan:
    """The plan of a study below a folder."""
    found = checked(*more)
    base = found.base.copy()
    base.runs = str(folder / "runs")
    return found._replace(base=base)


def opened(folder: Path, *more: str) -> Study:
    """The study, which less is better in."""
    return Study.opened(plan(folder, *more), lambda: "minimize")


def value(params: dict[str, Any]) -> float:
    """Least at a rate of 0.003."""
    return abs(math.log10(params["optimizer.lr"] / 0.003)) + (params["backbone.hidden"] == "[8]")


def step(study: Study) -> bool:
    """One trial, from claim to outcome; whether there was one."""
    with ExitStack() as stack:
        trial = study.claim(stack, more=True)
        if trial is None:
            return False
        study.tell(trial.number, Outcome(False, value(trial.params), 1, 2, 0.1))
    return True


def params(study: Study) -> list[dict[str, Any]]:
    """Of all trials, in their order."""
    return [trial.params for trial in study.trials()]
