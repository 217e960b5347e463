"""What a command that tunes asks for, checked before anything is read."""

import re
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, open_dict

from mlp_torch.configuration import check_targets, composed, flat, options
from mlp_torch.errors import ConfigError, MissingExtra
from mlp_torch.overrides import check_group, check_key, key_of, opened
from mlp_torch.tuning.space import OWN, Values, parsed, space
from mlp_torch.tuning.storage import DATABASE
from mlp_torch.verbs.closing import command

GROUP = "hparams_search"


class Plan(NamedTuple):
    """A study that is to be, or to go on.

    Args:
        arguments: as typed.
        configs: a folder of the user's own groups.
        fixed: the overrides that all trials have.
        base: the configuration that they make.
        space: what varies, by key.
        options: of `hparams_search`.
    """

    arguments: list[str]
    configs: Path | None
    fixed: list[str]
    base: DictConfig
    space: dict[str, Values]
    options: DictConfig

    @property
    def folder(self) -> Path:
        """Where the trials' folders go."""
        return Path(self.base.runs) / str(self.base.name) / f"study_{self.options.study}"

    @property
    def name(self) -> str:
        """The study's, in its storage."""
        return f"{self.base.name}/{self.options.study}"

    @property
    def storage(self) -> str:
        """A URL, or the whole path of a file."""
        where = self.options.storage
        if where is None:
            return str((self.folder / DATABASE).resolve())
        return str(where) if "://" in str(where) else str(Path(str(where)).resolve())

    @property
    def monitor(self) -> str:
        """What trials are compared by."""
        return str(self.base.callback.best.monitor)

    def definition(self, direction: str) -> dict[str, Any]:
        """What a command that goes on must have in common with the one that began."""
        ranges = {key: repr(values) for key, values in self.space.items()}
        base = flat(self.base, (*OWN, "threads"))
        return {"monitor": self.monitor, "direction": direction, "space": ranges, "base": base}

    def trial(self, params: dict[str, Any]) -> DictConfig:
        """The configuration of a trial."""
        texts = [opened(f"{key}={self.space[key].text(value)}") for key, value in params.items()]
        return composed([*self.fixed, *texts], self.configs)

    def again(self) -> str:
        """The command that goes on."""
        return command_of(self.configs, ["-m", *self.arguments])


def command_of(configs: Path | None, arguments: list[str]) -> str:
    """A command that trains."""
    folder = ["--config-dir", str(configs)] if configs else []
    return f"{command('train')} {shlex.join([*folder, *arguments])}"


def planned(arguments: list[str], configs: Path | None, check: Callable[[DictConfig], None]) -> Plan:
    """The study that a command asks for.

    Args:
        arguments: overrides as typed.
        configs: a folder of the user's own groups.
        check: of a run's configuration.

    Raises:
        MissingExtra: without Optuna.
        ConfigError: naming the key.
    """
    is_installed(GROUP)
    plain = [text for text in arguments if not parsed(text).is_sweep_override()]
    cfg = composed(plain, configs)
    own = cfg[GROUP]
    check_options(own)
    with open_dict(cfg):
        cfg.pop(GROUP)
    found = space(OmegaConf.to_container(own.params, resolve=True), arguments)  # type: ignore[arg-type]  # a table
    fixed = [text for text in plain if key_of(text).partition(".")[0] not in (GROUP, "from_study")]
    plan = Plan(arguments, configs, fixed, cfg, found, own)
    check_base(cfg)
    check(cfg)
    check_space(plan)
    return plan


def is_installed(key: str) -> None:
    """Refuses what needs Optuna where there is none.

    Raises:
        MissingExtra: naming the extra.
    """
    if find_spec("optuna") is None:
        raise MissingExtra(f"{key} needs optuna, however: not installed; pip install 'mlp_torch[tune]'")


def check_options(own: DictConfig) -> None:
    """Refuses a study without trials, and one whose name can be no folder."""
    if type(own.n_trials) is not int or own.n_trials < 1:
        raise ConfigError(f"{GROUP}.n_trials must be a whole number of at least 1, however: {own.n_trials}")
    if own.timeout is not None and not (isinstance(own.timeout, int | float) and own.timeout > 0):
        raise ConfigError(f"{GROUP}.timeout must be null or seconds, however: {own.timeout}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(own.study)):
        raise ConfigError(f"{GROUP}.study must be made of letters, digits, _ . and -, however: {own.study}")
    if not isinstance(own.params, DictConfig):
        raise ConfigError(f"{GROUP}.params must be by key, as in {{optimizer.lr: …}}, however: {own.params}")
    if not isinstance(own.sampler, DictConfig):
        raise ConfigError(f"{GROUP}.sampler must have a _target_, however: {own.sampler}")
    check_targets(OmegaConf.create({GROUP: OmegaConf.to_container(own, resolve=True)}))


def check_base(cfg: DictConfig) -> None:
    """Refuses what is no single run, and a best epoch that is not chosen on validation rows."""
    if cfg.debug:
        raise ConfigError(f"debug=true looks at one run, however: a study has many; leave {GROUP} out")
    if cfg.from_study is not None:
        raise ConfigError(f"from_study is for the run after a study, however: {GROUP} begins one; leave one out")
    if cfg.folds is not None and cfg.fold is None:
        raise ConfigError(f"a trial is one run, however: folds={cfg.folds}; choose one of them by fold=0")
    best = cfg.callback.get("best")
    if best is None or not str(best.monitor).startswith("val/"):
        monitor = "null" if best is None else f"callback.best.monitor={best.monitor}"
        raise ConfigError(f"trials must be compared on validation rows, however: {monitor}; take a val/… metric")


def check_space(plan: Plan) -> None:
    """Refuses parameters that the experiment does not have, and values that they do not take.

    Raises:
        ConfigError: for none, and naming the key.
    """
    if not plan.space:
        raise ConfigError(f"a study must vary something, however: {GROUP}.params is empty; as optimizer.lr=1e-3,1e-2")
    known = options(plan.configs)
    for key, values in plan.space.items():
        check_key(opened(f"{key}=0"), plan.base, known)
        for text in values.values_to_try():
            if key in known:
                check_group(f"{key}={text}", known)
            check_targets(composed([*plan.fixed, opened(f"{key}={text}")], plan.configs))
