"""Stages before any of them has learned: what does not fit together is refused now, not after hours; and a look."""

from collections.abc import Mapping

from omegaconf import DictConfig

from mlp_torch.errors import ConfigError, near
from mlp_torch.fitting import build, learns, monitored
from mlp_torch.model import Model
from mlp_torch.responsible.verdict import labelled
from mlp_torch.stages.configured import configured, of_stage, wanted
from mlp_torch.stages.training import Stage, check_sizes, labelled_view, only, said, with_predictions
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data
from mlp_torch.training.overfitting import overview
from mlp_torch.training.table.shards import Shards

FEW = 32  # rows whose predictions stand for those of all


def check_table(data: Data) -> None:
    """Refuses, before it is read, a table whose rows will be in files, and columns that would see all labels."""
    if isinstance(data.source, Shards):
        text = "stages need a table in memory, however: data.source encodes it into files"
        raise ConfigError(f"{text}; see data=csv_in_memory and data=parquet_in_memory")
    if seen := [name for name, column in data.transform.named_columns().items() if column.uses_y]:
        text = "stages need columns that are fitted without the target, since folds share them, however: data.columns."
        raise ConfigError(text + seen[0])


def rehearse(cfg: DictConfig, data: Data) -> Model:
    """Builds all models of a run; the last one, of stages that have learned nothing.

    Raises:
        ConfigError: for labels, monitors and models that do not fit together.
        DataError: for a stage without labelled rows.
    """
    done: dict[str, Stage] = {}
    for name, own in wanted(cfg).items():
        with of_stage(name):
            check_label(own, done)
            model = untrained(cfg, name, data)
            heard = said(model, select(data.tables["train"], slice(0, FEW))) if own.get("folds") else {}
            done[name] = Stage(model, "", heard, {})
    models = {name: stage.model for name, stage in done.items()}
    model = build(cfg, with_predictions(data, done), stages=models)
    if learns(model):
        monitored(cfg, model)
    return model


def untrained(cfg: DictConfig, name: str, data: Data) -> Model:
    """The model of a stage."""
    own = configured(cfg, name, "")
    model = build(own, labelled_rows(name, data), columns=wanted(cfg)[name].get("columns"))
    monitored(own, model)
    return model


def labelled_rows(name: str, data: Data) -> Data:
    """The rows that a stage has labels of, which must be some."""
    view = labelled_view(name, data)
    rows = only(view, {split: labelled(table.y) for split, table in view.tables.items()})
    check_sizes(rows, None)
    return rows


def check_label(own: DictConfig, done: Mapping[str, Stage]) -> None:
    """Refuses rows of a class that the stage which chooses them does not know."""
    if own.get("rows"):
        names = done[own.rows.stage].model.head.names.get("class", [])
        if own.rows.label not in names:
            text = f"rows.label must be a class of {own.rows.stage}, however: {own.rows.label}"
            raise ConfigError(f"{text}; {near(str(own.rows.label), names)}")


def looked(cfg: DictConfig, data: Data) -> str:
    """The overview of each stage, on all rows with its label."""
    rehearse(cfg, data)
    told = []
    for name in wanted(cfg):
        with of_stage(name):
            told.append(f"stage {name}\n{overview(labelled_rows(name, data), untrained(cfg, name, data))}")
    return "\n\n".join(told)
