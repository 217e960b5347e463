"""A study from its start, or from where it stopped, to its table: trials one by one, each in a process of its own."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from optuna.trial import FrozenTrial

from mlp_torch.errors import UserError, how_many
from mlp_torch.files import LOCK
from mlp_torch.interruption import Interrupted, interruptible
from mlp_torch.responsible.report import number
from mlp_torch.tuning.outcome import closing, shown
from mlp_torch.tuning.plan import Plan
from mlp_torch.tuning.storage import alone, discard
from mlp_torch.tuning.study import Study
from mlp_torch.tuning.trial import direction, outcome_of, store_trial, tried
from mlp_torch.verbs.sweep import STOPPED, run


def search(plan: Plan) -> None:
    """Tries until the study has its trials or its time is up, and tells what came out.

    Raises:
        SystemExit: 130 or 143 where it was stopped; 1 where no trial has a value.
    """
    started = time.monotonic()
    study = Study.opened(plan, lambda: direction(plan.base))
    try:
        with interruptible():
            while tried_one(
                study, more=plan.options.timeout is None or time.monotonic() - started < plan.options.timeout
            ):
                pass
    except Interrupted as asked:
        stopped(plan, asked.code)
    sys.exit(closing(study))


def stopped(plan: Plan, code: int) -> None:
    """Says how to go on."""
    print(f"\nStopped; what is finished is kept. Go on with:  {plan.again()}", file=sys.stderr)
    sys.exit(code)


def tried_one(study: Study, *, more: bool) -> bool:
    """One trial, from the claim to what became of it; whether there was one to try."""
    with ExitStack() as stack:
        trial = study.claim(stack, more=more)
        if trial is None:
            return False
        folder = study.folder / f"trial_{trial.number}"
        print(f"\ntrial {trial.number} of {study.plan.options.n_trials}: {shown(study, trial)}", flush=True)
        free(folder)
        code = 0 if outcome_of(folder) else attempt(study, trial, folder)
        if code in STOPPED:
            stopped(study.plan, code)
        told(study, study.tell(trial.number, outcome_of(folder)), code)
        discard(folder)
    return True


def free(folder: Path) -> None:
    """Waits for a trial's process whose parent was killed; it has been asked to stop."""
    if (folder / LOCK).exists():
        with alone(folder):
            pass


def attempt(study: Study, trial: FrozenTrial, folder: Path) -> int:
    """A trial's process, which goes on from its last checkpoint if there is one; its exit code."""
    try:
        store_trial(study.plan, trial.number, trial.params, folder)
    except UserError as error:
        print(error.told(), file=sys.stderr)
        return 2
    return run(folder, tried, imports=["mlp_torch.run", "mlp_torch.tuning.trial"])


def told(study: Study, trial: FrozenTrial, code: int) -> None:
    """A line on what became of a trial."""
    if trial.state.name == "FAIL":
        print(f"trial {trial.number} failed, exit code {code}; the others go on", file=sys.stderr, flush=True)
        return
    own = trial.user_attrs
    how = ("pruned after " if own["pruned"] else "") + how_many(own["epochs"], "epoch")
    what = f"{study.plan.monitor} {number(own['value'])}, best epoch {own['epoch']}"
    print(f"trial {trial.number}: {what}, {how}, {own['seconds']} s", flush=True)
