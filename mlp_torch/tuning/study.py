"""The next trial for this process, and what became of it.

Which parameters trial k has is a function of the sampler's seed, k and the trials before: the sampler is made anew for
each trial, with a seed of its own, and asked on a copy of the study. What it says is stored in one step, so that no
moment of a kill leaves half of it.
"""

import copy
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlp_torch.configuration import built
from mlp_torch.errors import ModelError
from mlp_torch.training.pruning import connected
from mlp_torch.tuning.plan import Plan
from mlp_torch.tuning.space import Choice, distributions, parsed
from mlp_torch.tuning.storage import (
    CLAIMS,
    DEFINITION,
    STUDY,
    alone,
    check_same,
    intact,
    kept,
    remember,
    taken,
)

Direction = Literal["minimize", "maximize"]
FIXED = "fixed_params"  # where Optuna looks for a waiting trial's parameters


class Outcome(NamedTuple):
    """What a trial's process left; a failed one leaves none.

    Args:
        pruned: whether it was ended before its time.
        value: of the best epoch.
        epoch: the best one, from 1.
        epochs: trained.
        seconds: of its last process.
    """

    pruned: bool
    value: float
    epoch: int
    epochs: int
    seconds: float


class Study:
    """A study, shared with all processes that were started by the same command.

    Args:
        plan: of the command.
        study: of Optuna.
    """

    def __init__(self, plan: Plan, study: optuna.Study):
        self.plan, self.study, self.folder = plan, study, plan.folder
        self.ranges = distributions(plan.space)

    @classmethod
    def opened(cls, plan: Plan, direction: Callable[[], Direction]) -> Self:
        """The study of a plan, which is begun if there is none.

        Args:
            plan: checked.
            direction: tells whether less or more is better; it takes seconds.

        Raises:
            ConfigError: for one that was begun otherwise.
            ModelError: for a storage that cannot be used.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        known = (plan.folder / STUDY).exists()
        if known and kept(plan.folder) != (plan.storage, plan.name):
            where, name = kept(plan.folder)
            raise ModelError(f"{plan.folder} must keep {plan.name} in {plan.storage}, however: {name} is in {where}")
        aim = None if known else direction()
        plan.folder.mkdir(parents=True, exist_ok=True)
        with alone(plan.folder), intact(plan.storage):
            storage = connected(plan.storage)
            names = optuna.get_all_study_names(storage)
            if known and plan.name not in names:
                text = f"{plan.storage} holds no study {plan.name}"
                raise ModelError(f"{text}, however: {plan.folder / STUDY} says so; delete {plan.folder}")
            study = optuna.create_study(storage=storage, study_name=plan.name, direction=aim, load_if_exists=True)
            own = cls(plan, study)
            own.begin()
            remember(plan.folder, plan.storage, plan.name)
        return own

    @property
    def direction(self) -> Direction:
        """What is done to the monitored value."""
        return "maximize" if self.study.direction.name == "MAXIMIZE" else "minimize"

    def begin(self) -> None:
        """Notes what the study is, after its first trial: the experiment as it stands, if the space has it."""
        wanted = self.plan.definition(self.direction)
        if DEFINITION not in self.study.user_attrs and all(is_waiting(trial) for trial in self.study.trials):
            if not self.study.trials and (params := self.untuned()):
                self.study.enqueue_trial(params)
            self.study.set_user_attr(DEFINITION, wanted)
        check_same(self.study, wanted, self.plan.storage)

    def untuned(self) -> dict[str, Any] | None:
        """The experiment's own parameters; None where they are not all in the search space."""
        params: dict[str, Any] = {}
        for key, values in self.plan.space.items():
            value = OmegaConf.select(self.plan.base, key)
            plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            found: Any
            if isinstance(values, Choice):
                found = next((text for text in values.values if written(text) == plain), None)
            else:
                found = plain if isinstance(plain, int | float) and self.has(key, plain) else None
            if found is None:
                return None
            params[key] = found
        return params

    def has(self, key: str, value: float) -> bool:
        """Whether a number is in the search space."""
        return bool(self.ranges[key]._contains(self.ranges[key].to_internal_repr(value)))

    def trials(self) -> list[FrozenTrial]:
        """All, as they are now."""
        with intact(self.plan.storage):
            return self.study.get_trials(deepcopy=False)

    def claim(self, stack: ExitStack, *, more: bool) -> FrozenTrial | None:
        """A trial for this process until the stack is closed: one that was left, else a new one; None after the last.

        Args:
            stack: that lets go of it.
            more: whether there may be a new one.
        """
        with alone(self.folder):
            trials = self.trials()
            for trial in trials:
                if trial.state == TrialState.RUNNING and self.taken(stack, trial.number):
                    return self.whole(trial.number)
            begun = sum(not is_waiting(trial) for trial in trials)
            if not more or begun >= self.plan.options.n_trials:
                return None
            if not any(is_waiting(trial) for trial in trials):
                self.draw(trials)
            number = self.study.ask(self.ranges).number
            self.taken(stack, number)
        return self.trials()[number]

    def taken(self, stack: ExitStack, number: int) -> bool:
        """Whether a trial is ours."""
        claim = self.folder / CLAIMS / str(number)
        claim.mkdir(parents=True, exist_ok=True)
        return taken(stack, claim)

    def draw(self, trials: list[FrozenTrial]) -> None:
        """Stores the next trial's parameters, in one step; what the sampler keeps of it comes with them."""
        twin = optuna.create_study(direction=self.direction, sampler=self.sampler(len(trials)))
        twin.add_trials(copy.deepcopy(trials))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            drawn = twin.ask(self.ranges)
        system = twin.get_trials(deepcopy=False)[drawn.number].system_attrs
        self.study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={**system, FIXED: drawn.params}))

    def sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler of one trial."""
        node = self.plan.options.sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if node.get("seed") is None:
                made = built(node)
            else:
                made = built(node, seed=int(np.random.SeedSequence([node.seed, number]).generate_state(1)[0]))
        assert isinstance(made, optuna.samplers.BaseSampler)
        return made

    def whole(self, number: int) -> FrozenTrial:
        """A trial that was left, with all of its parameters: they are set one by one, and a kill may come between."""
        for key, ranges in self.ranges.items():
            self.trial(number)._suggest(key, ranges)  # what asks for any distribution is private
        return self.trials()[number]

    def trial(self, number: int) -> optuna.Trial:
        """A trial that is running."""
        return optuna.Trial(self.study, self.trials()[number]._trial_id)

    def tell(self, number: int, outcome: Outcome | None) -> FrozenTrial:
        """Stores what became of a trial; None = it failed."""
        with intact(self.plan.storage):
            if outcome is None:
                return self.study.tell(number, state=TrialState.FAIL)
            for name, value in outcome._asdict().items():
                self.trial(number).set_user_attr(name, value)
            if outcome.pruned:
                return self.study.tell(number, state=TrialState.PRUNED)
            return self.study.tell(number, outcome.value)


def is_waiting(trial: FrozenTrial) -> bool:
    """Whether no process has begun a trial."""
    return bool(trial.state == TrialState.WAITING)


def written(text: str) -> Any:
    """What an override's value means."""
    return parsed(f"key={text}").value()
