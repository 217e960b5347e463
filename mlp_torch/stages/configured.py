"""The configuration of a stage: that of the run, but for what the stage says; and what is refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import check_targets
from mlp_torch.errors import ConfigError, near
from mlp_torch.verbs.folders import moved

# by what a stage says; of AMENDED only the keys that it names
REPLACED = ("head", "backbone", "model", "scheduler")
AMENDED = ("optimizer", "trainer", "callback")
KEYS = ("target", "columns", "rows", "folds", "seed", *REPLACED, *AMENDED)


def check(cfg: DictConfig) -> None:
    """Refuses stages that cannot be, before anything is read.

    Raises:
        ConfigError: naming the stage.
    """
    earlier: list[str] = []
    for name, own in cfg.stages.items():
        with of_stage(name):
            if unknown := [str(key) for key in own if key not in KEYS]:
                raise ConfigError(f"a key must exist, however: {unknown[0]}; {near(unknown[0], KEYS)}")
            known = [column for column, node in cfg.data.columns.items() if node is not None]
            if unknown := [column for column in own.get("columns") or [] if column not in known]:
                text = f"columns must be those of data.columns, however: {unknown[0]}"
                raise ConfigError(f"{text}; {near(unknown[0], known)}")
            check_rows(cfg, own.get("rows"), earlier)
            check_targets(configured(cfg, name, ""))
        earlier.append(name)


def check_rows(cfg: DictConfig, rows: DictConfig | None, earlier: list[str]) -> None:
    """Refuses rows that no earlier stage with folds chooses."""
    if rows is None:
        return
    if set(rows) != {"stage", "label"}:
        raise ConfigError(f"rows must say stage and label, however: {', '.join(map(str, rows))}")
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


def configured(cfg: DictConfig, name: str, folder: str, member: str | None = None) -> DictConfig:
    """The configuration of one fit of a stage: the run's, but for what the stage says."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    own = plain.pop("stages")[name]
    plain = moved(plain, str(cfg.folder), folder) | {"folder": folder, "stages": {}, "baseline": {}}
    plain["model"] = {"_target_": "mlp_torch.parts.alone", "_partial_": True}
    for key in set(own) & {"seed", *REPLACED}:
        plain[key] = own[key]
    if "head" in own or "target" in own:  # metrics of a user's choice are of what the run predicts
        plain["metric"] = {}
    merged = OmegaConf.merge(OmegaConf.create(plain), {key: own[key] for key in AMENDED if key in own})
    if member and "progress" in merged.callback and merged.callback.progress is not None:
        merged.callback.progress.member = f"{cfg.member}, {member}" if cfg.member else member
    assert isinstance(merged, DictConfig)
    return merged
