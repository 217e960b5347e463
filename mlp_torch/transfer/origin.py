"""The run that another one begins with: its best weights and its fitted columns, of which the new run keeps a copy.

RUN/init_from.pt  state_dict, the definitions of columns, target and head, the folder that they are of
RUN/origin/{config.yaml,data.html,row_counts.json,tensorboard,checkpoints}  where it is trained by the new run itself

The copy is written before anything else happens, and read from then on: a run that goes on needs the other one no more,
and does not see what has become of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.errors import ConfigError
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.training.checkpoint_files import newest, read, save
from mlp_torch.training.data import Data
from mlp_torch.training.table.definition import below
from mlp_torch.training.transfer import Origin
from mlp_torch.transfer.configured import located
from mlp_torch.transfer.definitions import difference
from mlp_torch.verbs.folders import CONFIG, stored_configuration

KEPT = "init_from.pt"
OWN = "origin"  # the folder of the run that a run trains itself, to begin with it
DEFINED = ("data.columns", "data.target", "head")


def inherited(cfg: DictConfig, folder: Path | None, data: Data) -> Origin | None:
    """What a run begins with; the columns that it has fitted are restored when data are prepared.

    Args:
        cfg: of the new run.
        folder: of the new run; None where it is only looked at.
        data: of the new run, not prepared.

    Returns:
        None where it begins anew, and where the run before is yet to be trained by the run itself.

    Raises:
        ConfigError: where `init_from` names no run that has trained.
        ModelError: for damaged files.
    """
    if cfg.init_from is None or (folder is None and not isinstance(cfg.init_from, str)):
        return None
    origin = origin_of(cfg, kept(cfg, folder), data.transform)
    data.inherited = origin.inherited(data.transform, grow=cfg.init_grow)
    return origin


def origin_of(cfg: DictConfig, found: Mapping[str, Any], transform: Transform) -> Origin:
    """The run before, as one with these columns sees it.

    Args:
        cfg: of the new run.
        found: of the run before: `run`, `state_dict`, `config`.
        transform: of the new run, not fitted.
    """
    state, old = found["state_dict"], found["config"]
    new = definitions(cfg)
    columns = {name: node for name, node in old["data.columns"].items() if node is not None}
    own = {name: set(column.state_dict()) for name, column in transform.named_columns().items()}
    differs = {
        name: difference(columns.get(name), new["data.columns"][name])
        or other_state(set(below(state, f"transform.columns.{name}.")), keys)
        for name, keys in own.items()
    }
    return Origin(
        run=found["run"],
        state=state,
        columns=list(columns),
        differs={name: why for name, why in differs.items() if why},
        is_same_problem=old["head"]["_target_"] == new["head"]["_target_"]
        and difference(old["data.target"], new["data.target"]) is None,
    )


def kept(cfg: DictConfig, folder: Path | None) -> dict[str, Any]:
    """The copy, which is made now if it is not there yet; a run that is only looked at makes none."""
    if folder is None:
        return content(located(cfg.init_from))
    path = folder / KEPT
    if not is_kept(folder):
        run = located(cfg.init_from) if isinstance(cfg.init_from, str) else folder / OWN
        save(content(run), path)
    return read(path)


def is_kept(folder: Path) -> bool:
    """Whether a run has its copy: one that a kill left without a manifest is none."""
    return (folder / KEPT).with_suffix(".json").exists()


def content(run: Path) -> dict[str, Any]:
    """What is kept of another run: plain values and tensors."""
    checkpoint = read(best_checkpoint(run))
    config = definitions(stored_configuration(run / CONFIG))
    state = {
        key: x for key, x in checkpoint["state_dict"].items() if key.startswith(("model.", "transform.", "target."))
    }
    return {"format": checkpoint["format"], "run": str(run), "state_dict": state, "config": config}


def best_checkpoint(run: Path) -> Path:
    """The file with the best weights of a run.

    Raises:
        ConfigError: where there is none yet, or never will be: a cascade's own model has nothing to learn.
    """
    kept = newest(run / "checkpoints")
    if kept is None or kept.best is None:
        raise ConfigError(f"init_from must name a run that has trained, however: {run} has no best checkpoint")
    return kept.best


def definitions(cfg: DictConfig) -> dict[str, Any]:
    """The parts of a configuration that say what is fitted, as plain values."""
    return {key: OmegaConf.to_container(OmegaConf.select(cfg, key), resolve=True) for key in DEFINED}


def other_state(there: set[str], here: set[str]) -> str | None:
    """Why a column's state is not what the other run has of it, as that of another version of its class."""
    return None if there == here else f"it is of another version there: {', '.join(sorted(there ^ here))}"
