"""What a study tells at its end: its best trials, what their parameters matter, and the command that comes next."""

import shlex
import warnings
from collections import Counter
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlp_torch.errors import how_many
from mlp_torch.overrides import key_of
from mlp_torch.responsible.report import number
from mlp_torch.tuning.plan import command_of
from mlp_torch.tuning.study import Study

SHOWN = 10  # trials of the table
FEW = 10  # complete trials that say something of what parameters matter
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def shown(study: Study, trial: FrozenTrial) -> str:
    """A trial's parameters as overrides, numbers short."""
    return " ".join(f"{key}={short(trial.params[key])}" for key in study.plan.space if key in trial.params)


def short(value: Any) -> str:
    """Four digits of a number."""
    return number(value) if isinstance(value, float) else str(value)


def closing(study: Study) -> int:
    """Prints the closing text; the exit code."""
    trials = study.trials()
    done = best_first(study, trials)
    print(f"\n{title(study, trials)}\n")
    if not done:
        print("No trial has a value: each has said above why. Nothing is to be trained by this study.")
        return 1
    print("\n".join(table(study, done)))
    print(f"\n{importance(study)}")
    folder = shlex.quote(str(study.folder))
    print(f"\ntrials    {folder}\nwatch     tensorboard --logdir {folder}, page HParams")
    print(f"next      {following(study)}")
    return 0


def title(study: Study, trials: list[FrozenTrial]) -> str:
    """How many trials came to what."""
    counted = Counter(STATES[trial.state.name] for trial in trials)
    told = ", ".join(f"{count} {state}" for state in STATES.values() if (count := counted[state]))
    way = "less" if study.direction == "minimize" else "more"
    others = "; other processes are at work on what is running" if counted["running"] else ""
    return (
        f"study {study.plan.options.study}: {told}; by {study.plan.monitor} of validation rows, {way} is better{others}"
    )


def best_first(study: Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have a value: complete ones before pruned ones."""
    sign = 1 if study.direction == "minimize" else -1
    found = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    return sorted(found, key=lambda trial: (trial.state == TrialState.PRUNED, sign * trial.user_attrs["value"]))


def table(study: Study, trials: list[FrozenTrial]) -> list[str]:
    """A line a trial, the best first."""
    keys = list(study.plan.space)
    head = ["trial", study.plan.monitor, "state", "epoch", "epochs", "seconds", *keys]
    rows = [
        [
            str(trial.number),
            number(trial.user_attrs["value"]),
            STATES[trial.state.name],
            *(str(trial.user_attrs[name]) for name in ("epoch", "epochs", "seconds")),
            *(short(trial.params[key]) for key in keys),
        ]
        for trial in trials[:SHOWN]
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in [head, *rows]]
    return [*lines, f"… and {len(trials) - SHOWN} more"] if len(trials) > SHOWN else lines


def importance(study: Study) -> str:
    """How much of what values differ by is each parameter's (fANOVA), or that there are too few trials to tell."""
    complete = [trial for trial in study.trials() if trial.state == TrialState.COMPLETE]
    if len(complete) < FEW or len({trial.value for trial in complete}) < 2:
        counted = how_many(len(complete), "complete trial")
        return f"How much each parameter matters: {counted}, of which that cannot be told; it takes {FEW}."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(study.study, evaluator=evaluator)
    told = ", ".join(f"{key} {share:.0%}" for key, share in found.items())
    return f"Share of each parameter in what validation values differ by (fANOVA, {len(complete)} trials): {told}."


def following(study: Study) -> str:
    """The command that trains the best trial's parameters, with all else that the trials had."""
    fixed = [text for text in study.plan.fixed if key_of(text) != "from_study"]
    return command_of(study.plan.configs, [*fixed, f"from_study={study.plan.options.study}"])
