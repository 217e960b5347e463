"""The fits of all stages, one after the other, and what later models read of them."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from omegaconf import DictConfig
from torch import Tensor

from mlp_torch import files
from mlp_torch.errors import DataError, ModelError, Problem
from mlp_torch.fitting import build, fit
from mlp_torch.head import Batch
from mlp_torch.model import Model, answers, predicted
from mlp_torch.reproducibility.groups import fold_of
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import judge, labelled
from mlp_torch.stages.configured import configured, of_stage, wanted
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data, part
from mlp_torch.training.table.prepared import Digest
from mlp_torch.training.task import Task, outputs

log = logging.getLogger("mlp_torch")

TOLD = 6  # metrics of a stage in its line; stage.json has all


class Stage(NamedTuple):
    """A stage that is done.

    Args:
        model: trained on all rows of the stage.
        hash: of what it has learned, sha256.
        out_of_fold: predictions of all training rows by name, each by a model that has not seen it; none without folds.
        predictions: of the model, of the rows of the other splits that have some.
    """

    model: Model
    hash: str
    out_of_fold: dict[str, Tensor]
    predictions: dict[str, dict[str, Tensor]]


def trained_stages(cfg: DictConfig, data: Data, folder: Path) -> dict[str, Stage]:
    """All stages of a run, trained in the order in which they stand."""
    done: dict[str, Stage] = {}
    for name in wanted(cfg):
        with of_stage(name):
            done[name] = trained(cfg, name, data, folder / name, done)
    return done


def trained(cfg: DictConfig, name: str, data: Data, folder: Path, done: Mapping[str, Stage]) -> Stage:
    """One stage: its folds, then all its rows."""
    own = cfg.stages[name]
    reads = {own.rows.stage: done[own.rows.stage].hash} if own.get("rows") else {}
    check_reads(folder / "stage.json", f"stage {name}", reads)
    view = labelled_view(name, data)
    keep = {split: labelled(table.y) for split, table in view.tables.items()}
    whole = only(view, keep)
    if own.get("rows"):
        keep |= {split: keep[split] & routed for split, routed in taken(own.rows, done).items()}
    rows = only(view, keep)
    check_sizes(rows, own.get("rows"))
    out_of_fold = by_folds(cfg, name, view, keep, folder) if own.get("folds") else {}
    task = fitted(cfg, name, rows, whole, folder / "whole", f"stage {name}")
    others = {split: table for split, table in view.tables.items() if split != "train" and len(table.y)}
    predictions = {split: said(task.model, table) for split, table in others.items()}
    learned = digest(task.model.state_dict() | out_of_fold)
    val = rows.tables["val"]
    figures = judge(task.model, outputs(task, val), val.y, weight=val.weight).values
    files.write_json(folder / "stage.json", {"hash": learned, "reads": reads, "val": figures})
    told = ", ".join(f"{metric} {number(figures[metric])}" for metric in [*figures][:TOLD])
    log.info("stage %s on its %s validation rows: %s", name, f"{len(val.y):,}", told)
    return Stage(task.model, learned, out_of_fold, predictions)


def labelled_view(name: str, data: Data) -> Data:
    """All rows with the stage's own labels as y; NaN where a row has none."""
    tables = dict(data.tables)
    if name in data.others:
        tables = {split: table._replace(y=data.prepared.others[name][split]) for split, table in tables.items()}
    view = part(data, tables, data.others.get(name, data.target))
    view.rebalancing = view.sampling = None  # it is of the run's own labels, for its last model
    return view


def only(view: Data, keep: Mapping[str, Tensor]) -> Data:
    """Some rows: by split (N,) bool."""
    tables = {split: select(table, keep[split].nonzero().squeeze(1)) for split, table in view.tables.items()}
    return part(view, tables, view.target)


def taken(rows: DictConfig, done: Mapping[str, Stage]) -> dict[str, Tensor]:
    """By split (N,) bool: the rows that an earlier stage takes for those of a class; training rows out of fold."""
    gate = done[rows.stage]
    index = gate.model.head.names["class"].index(rows.label)
    by_split = {"train": gate.out_of_fold, **gate.predictions}
    return {split: found["class"] == index for split, found in by_split.items()}


def check_sizes(data: Data, rows: DictConfig | None) -> None:
    """Refuses a stage without rows.

    Raises:
        DataError: `empty_split`.
    """
    sizes = {split: len(table.y) for split, table in data.tables.items()}
    if not sizes["train"] or not sizes["val"]:
        told = ", ".join(f"{split} {size:,}" for split, size in sizes.items())
        chosen = f" that stage {rows.stage} takes for {rows.label}" if rows else ""
        raise DataError(
            Problem("empty_split", f"a stage must have training and validation rows{chosen}, however: {told}")
        )


def by_folds(cfg: DictConfig, name: str, view: Data, keep: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """What the model of each fold says of all training rows of it, having learned from the other folds' alone."""
    n, table = cfg.stages[name].folds, view.tables["train"]
    fold = fold_of(view.prepared.groups["train"], n)  # (N,)
    found: dict[str, Tensor] = {}
    for i in range(n):
        rows = only(view, {**keep, "train": keep["train"] & (fold != i)})
        check_sizes(rows, None)
        task = fitted(cfg, name, rows, rows, folder / f"fold_{i}", f"stage {name}, fold {i + 1} of {n}")
        held = (fold == i).nonzero().squeeze(1)
        for key, value in said(task.model, select(table, held)).items():
            found.setdefault(key, value.new_zeros((len(fold), *value.shape[1:])))[held] = value
    columns = {key: value.numpy() if value.dim() == 1 else value.tolist() for key, value in found.items()}
    written = pa.table({"row": table.row.numpy(), "fold": fold.numpy(), **columns})
    files.write(folder / "out_of_fold.parquet", partial(pq.write_table, written))
    return found


def fitted(cfg: DictConfig, name: str, data: Data, whole: Data, folder: Path, title: str) -> Task:
    """One fit; its head is fitted on `whole`, so that what the heads of several branches say is in the same units."""
    own, stage = configured(cfg, name, str(folder), title), cfg.stages[name]
    log.info("%s: %s rows", title, f"{len(data.tables['train'].y):,}")
    model = build(own, whole, columns=stage.get("columns"))
    # a branch is a part of a model that is calibrated as a whole
    return fit(own, data, model, folder, calibrated=not stage.get("rows")).task


@torch.inference_mode()
def said(model: Model, table: Batch) -> dict[str, Tensor]:
    """A model's predictions of a table's rows."""
    return {key: value.clone() for key, value in predicted(model, answers(model, table.features)).items()}


def check_reads(path: Path, name: str, reads: Mapping[str, str]) -> None:
    """Refuses to go on with a model that has learned from what stages said which were trained again; notes them.

    Raises:
        ModelError: naming the folder to delete.
    """
    known = files.read_json(path).get("reads", {}) if path.exists() else reads
    if known != reads:
        other = next(stage for stage in {**known, **reads} if known.get(stage) != reads.get(stage))
        text = f"{name} must learn from what the present stage {other} says, however: {other} was trained"
        raise ModelError(f"{text} again since then; delete {path.parent} to train {name} again too")
    if not path.exists():
        files.write_json(path, {"hash": None, "reads": dict(reads)})


def digest(tensors: Mapping[str, Any]) -> str:
    """sha256 of named tensors."""
    found = Digest()
    found.update({name: x.cpu() for name, x in tensors.items() if isinstance(x, Tensor)})
    return found.hex()


def with_predictions(data: Data, stages: Mapping[str, Stage]) -> Data:
    """The rows of the last model: training rows with what the stages say of them out of fold, as `STAGE.PREDICTION`."""
    table = data.tables["train"]
    folded = {name: stage for name, stage in stages.items() if stage.out_of_fold}
    points = {name: stage.model.head.point for name, stage in folded.items()}
    added = {f"{name}.{point}": folded[name].out_of_fold[point] for name, point in points.items()}
    if not added:
        return data
    tables = {**data.tables, "train": table._replace(features={**table.features, **added})}
    return part(data, tables, data.target)
