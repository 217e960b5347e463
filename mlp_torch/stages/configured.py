"""The configuration of a stage: that of the run, but for what the stage says; and what is refused at once."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import built, check_targets
from mlp_torch.errors import ConfigError, DataError, near
from mlp_torch.reproducibility.folds import check_parts
from mlp_torch.resumption import moved

if TYPE_CHECKING:  # it imports torch, which mistyped keys need not wait for
    from mlp_torch.target import Target

# by what a stage says; of AMENDED only the keys that it names
REPLACED = ("head", "backbone", "model", "scheduler")
AMENDED = ("optimizer", "trainer", "callback")
KEYS = ("target", "columns", "rows", "folds", "seed", *REPLACED, *AMENDED)


def wanted(cfg: DictConfig) -> dict[str, DictConfig]:
    """The stages by name, in the order in which they are trained; null drops an inherited one."""
    return {str(name): own for name, own in (cfg.stages or {}).items() if own is not None}


def check(cfg: DictConfig) -> None:
    """Refuses stages that cannot be, before anything is read.

    Raises:
        ConfigError: naming the stage.
    """
    if not isinstance(cfg.stages, DictConfig | None):
        raise ConfigError(f"stages must be by name, as in {{gate: {{folds: 5}}}}, however: stages={cfg.stages}")
    if odd := [str(name) for name in cfg.stages or {} if not isinstance(name, str)]:
        raise ConfigError(f"stages must have names that are text, however: {odd[0]}; write '{odd[0]}'")
    earlier: list[str] = []
    for name, own in wanted(cfg).items():
        with of_stage(name):
            check_own(cfg, name, own)
            check_rows(cfg, own.get("rows"), earlier)
            check_targets(configured(cfg, name, ""))
        earlier.append(name)
    for name, rival in cfg.baseline.items():
        if rival is not None and "stage" in rival:
            if rival.stage not in earlier:
                text = f"baseline.{name}.stage must be one of stages, however: {rival.stage}"
                raise ConfigError(f"{text}; {near(str(rival.stage), earlier)}")
            check_target(cfg, str(rival.stage), f"baseline.{name}")
    for label, name in (cfg.model.get("branches") or {}).items():
        if name in earlier:
            check_target(cfg, str(name), f"model.branches.{label}")
    if teacher := cfg.model.get("teacher"):
        check_teacher(cfg, str(teacher), earlier)


def check_teacher(cfg: DictConfig, name: str, earlier: list[str]) -> None:
    """Refuses a teacher of the last model that is no stage, or whose answers would be those that it knows by heart."""
    if name not in earlier:
        raise ConfigError(f"model.teacher must be one of stages, however: {name}; {near(name, earlier)}")
    if not cfg.stages[name].get("folds"):
        text = "is learned from by what it says of rows that it has not seen, so it must have folds, e.g. 3"
        raise ConfigError(f"stage {name} {text}")
    check_target(cfg, name, "model.teacher")


def check_target(cfg: DictConfig, name: str, user: str) -> None:
    """Refuses a stage that stands for the run's own answer and predicts something else."""
    own = wanted(cfg)[name].get("target")
    if own is not None and own != cfg.data.target:
        raise ConfigError(f"{user} must predict what the run does, however: stage {name} has a target of its own")


def check_own(cfg: DictConfig, name: str, own: Any) -> None:
    """Refuses a name that can be no folder, and what no stage knows."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):  # it is a folder, and the first part of `gate.class`
        raise ConfigError("a name must be made of letters, digits, _ and -")
    if not isinstance(own, DictConfig):
        raise ConfigError(f"a stage must be {{KEY: VALUE, …}}, or {{}} where it is as the run, however: {own}")
    if unknown := [str(key) for key in own if key not in KEYS]:
        raise ConfigError(f"a key must exist, however: {unknown[0]}; {near(unknown[0], KEYS)}")
    if odd := [key for key in AMENDED if not isinstance(own.get(key, cfg[key]), DictConfig)]:
        raise ConfigError(f"{odd[0]} must be single keys of the run's, as in {{KEY: VALUE}}, however: {own[odd[0]]}")
    if own.get("folds") is not None:
        check_parts(own.folds)
    check_columns(own.get("columns"), [column for column, node in cfg.data.columns.items() if node is not None])


def check_columns(names: Any, known: Collection[str]) -> None:
    """Refuses columns that the run does not have."""
    if isinstance(names, str):
        raise ConfigError(f"columns must be a list of those of data.columns, however: {names}")
    if unknown := [name for name in names or [] if name not in known]:
        text = f"columns must be those of data.columns, however: {unknown[0]}"
        raise ConfigError(f"{text}; {near(unknown[0], known)}")


def check_rows(cfg: DictConfig, rows: DictConfig | None, earlier: list[str]) -> None:
    """Refuses rows that no earlier stage with folds chooses."""
    if rows is None:
        return
    if not isinstance(rows, DictConfig) or set(rows) != {"stage", "label"}:
        given = ", ".join(map(str, rows)) if isinstance(rows, DictConfig) else rows
        raise ConfigError(f"rows must say stage and label, however: {given}")
    if rows.stage not in earlier:
        raise ConfigError(f"rows.stage must be an earlier stage, however: {rows.stage}; {near(rows.stage, earlier)}")
    if not cfg.stages[rows.stage].get("folds"):
        raise ConfigError(f"stage {rows.stage} chooses rows by what it says of them, so it must have folds, e.g. 5")


@contextmanager
def of_stage(name: str) -> Iterator[None]:
    """Names the stage in what is refused."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"stages.{name}: {error}") from None
    except DataError as error:
        problems = [replace(problem, text=f"stages.{name}: {problem.text}") for problem in error.problems]
        raise DataError(problems) from None


def targets_of(cfg: DictConfig) -> "dict[str, Target]":
    """What stages predict, where it is not what the run predicts."""
    return {name: built(own.target) for name, own in wanted(cfg).items() if own.get("target")}


def configured(cfg: DictConfig, name: str, folder: str, member: str | None = None) -> DictConfig:
    """The configuration of one fit of a stage: the run's, but for what the stage says."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    own = plain.pop("stages")[name]
    if cfg.folder is not None:  # nor is there one where a run is only looked at
        plain = moved(plain, str(cfg.folder), folder)
    plain |= {"folder": folder, "stages": {}, "baseline": {}}
    plain |= {key: own.get(key) for key in ("columns", "rows", "folds")}  # so that a fit that goes on has the same
    plain["callback"].pop("pruning", None)  # a trial is judged by its last model
    plain["model"] = {"_target_": "mlp_torch.parts.alone", "_partial_": True}
    for key in set(own) & {"seed", *REPLACED}:
        plain[key] = own[key]
    if "target" in own:
        plain["data"]["target"] = own["target"]
    if "head" in own or "target" in own:  # metrics of a user's choice are of what the run predicts
        plain["metric"] = {}
    merged = OmegaConf.merge(OmegaConf.create(plain), {key: own[key] for key in AMENDED if key in own})
    if member and "progress" in merged.callback and merged.callback.progress is not None:
        merged.callback.progress.member = f"{cfg.member}, {member}" if cfg.member else member
    assert isinstance(merged, DictConfig)
    return merged
