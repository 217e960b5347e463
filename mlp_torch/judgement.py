"""The judgement of a run: model and contenders on validation and test rows, and what fields are important."""

import logging
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from omegaconf import DictConfig
from torch import Tensor

from mlp_torch import files
from mlp_torch.build import own_head
from mlp_torch.configuration import built
from mlp_torch.errors import MissingExtra, how_many
from mlp_torch.head import Batch, Head
from mlp_torch.model import Model, predicted
from mlp_torch.problem.prior_correction import uncorrected
from mlp_torch.reproducibility.intervals import mean_interval
from mlp_torch.responsible.entries import worst_entry
from mlp_torch.responsible.importance import Importance, Permutation, fields_of
from mlp_torch.responsible.reference import BestMember
from mlp_torch.responsible.report import Report, number
from mlp_torch.responsible.verdict import directions, judge, labelled, row_scores
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs

log = logging.getLogger("mlp_torch")

FEW = 100  # rows of which metrics say something


def evaluate(cfg: DictConfig, task: Task, data: Data, folder: Path, stages: Mapping[str, Model]) -> Report:
    """Model, constant, look-up and trees on validation and test rows, by the same metrics; predictions as Parquet."""
    head = task.eval().model.head
    report = Report(directions(task.model))
    outs = {split: outputs(task, data.judged[split]) for split in ("val", "test")}
    rivals, report.notes = competitors(cfg, stages)
    if rivals and outs["val"].dim() == 3:  # of members
        rivals["best member"] = BestMember(task.model)
    report.notes += data.prepared.looked_at
    for name, rival in rivals.items():
        log.info("baseline %s", name)
        report.notes += rival.fit(head, data.judged)
    held = data.judged["calibration"]
    # trees want rows to answer
    learned = {name: rival.out(held.features) if len(held.y) else None for name, rival in rivals.items()}
    heads = {name: own_head(head, out, held) for name, out in learned.items()}
    for split, out in outs.items():
        table = data.judged[split]
        add_model(report, task, data, split, out)
        answers = {name: (heads[name], rival.out(table.features)) for name, rival in rivals.items()}
        for name, (own, said) in answers.items():
            report.add(name, split, judge(own, said, table.y, weight=table.weight).values)
        found = predictions(task, data, split, out)
        files.write(folder / "predictions" / f"{split}.parquet", partial(pq.write_table, found))
        if split == "test":
            if split in data.split.same:
                report.notes += worst_entry(found, found.column_names[: len(data.keys[split])], split)
            report.notes += paired((task.model, out), answers, table, groups=data.prepared.groups.get(split))
    return report


def add_model(report: Report, task: Task, data: Data, split: str, out: Tensor) -> None:
    """Adds the model's metrics on a split, and those of its parts that are told of: unseen, each label, uncorrected."""
    table = data.judged[split]
    judged = judge(task.model, out, table.y, weight=table.weight)
    report.add("model", split, judged.values)
    report.notes += [f"{name} on {split} is not defined: {why}" for name, why in judged.undefined.items()]
    report.notes += judge_unseen(report, task, split, table, out)
    report.add_labels(split, task.model.head.by_label(predicted(task.model, out), task.model.labels(table.y)))
    if data.rebalancing:
        report.notes += judge_uncorrected(report, task, split, table, out)


def judge_unseen(report: Report, task: Task, split: str, table: Batch, out: Tensor) -> list[str]:
    """Adds the model's metrics on rows with a category that training never showed; tells them beside those of all rows.

    Of less than 100 rows nothing is told: chance alone would speak.

    Args:
        report: that has the model's metrics on the whole split.
        task: trained.
        split: its name.
        table: its rows.
        out: (N, …) what the model says of them.
    """
    unseen = {name: rows for name, rows in task.transform.unseen(table.features).items() if rows.any()}
    rows = torch.stack([torch.zeros(len(table.y), dtype=torch.bool), *unseen.values()]).any(dim=0)  # (N,)
    if rows.sum() < FEW:
        return []
    values = judge(task.model, out[rows], table.y[rows], weight=table.weight[rows]).values
    report.add_slice("unseen", split, values)
    whole = report.of("model", split)
    shown = {name: value for name, value in values.items() if name != "loss"}
    told = ", ".join(f"{name} {number(value)} (all rows {number(whole.get(name))})" for name, value in shown.items())
    fields = ", ".join(f"{name} {int(new.sum()):,}" for name, new in unseen.items())
    return [f"On {int(rows.sum()):,} {split} rows with a category that training never showed ({fields}): {told}."]


def judge_uncorrected(report: Report, task: Task, split: str, table: Batch, out: Tensor) -> list[str]:
    """Adds what the metrics would be without the correction of the prior, and tells where they differ.

    Args:
        report: that has the model's metrics on the split.
        task: trained with rebalanced rows.
        split: its name.
        table: its rows, as they are.
        out: (N, …) what the model says of them.
    """
    values = judge(uncorrected(task.model), out, table.y, weight=table.weight).values
    report.add_slice("uncorrected", split, values)
    whole = report.of("model", split)
    told = [
        f"{name} {number(value)} → {number(whole.get(name))}"
        for name, value in values.items()
        if name != "loss" and number(value) != number(whole.get(name))
    ]
    return [f"Prior correction on {split}, without → with: {', '.join(told) or 'no metric changes'}."]


def competitors(cfg: DictConfig, stages: Mapping[str, Model]) -> tuple[dict[str, Any], list[str]]:
    """What the report sets beside the model, and what is left out because its package is not installed."""
    rivals, notes = {}, []
    for name, rival in cfg.baseline.items():
        try:
            if rival is not None:
                rivals[name] = built(rival)
                if "stage" in rival:
                    rivals[name].model = stages[rival.stage].eval()
        except MissingExtra as error:
            notes.append(f"{name} left out: {error}")
    return rivals, notes


@torch.inference_mode()
def predictions(task: Task, data: Data, split: str, out: Tensor) -> pa.Table:
    """Key, target, what was predicted and the loss of each row of a split."""
    table = data.judged[split]
    losses = task.model.loss(out, Batch({}, table.y, table.weight, table.row))
    columns: dict[str, Any] = {"target": table.y.numpy() if table.y.dim() == 1 else table.y.tolist()}
    for name, value in predicted(task.model, out).items():
        columns[name] = value.numpy() if value.dim() == 1 else value.tolist()
    columns["loss"] = losses.numpy()
    keys = {f"key_{name}" if name in columns else name: values for name, values in data.keys[split].items()}
    return pa.table({**keys, **columns})


def importance(cfg: DictConfig, task: Task, data: Data) -> Importance | None:
    """Which fields the model uses, by loss and by the metric that is monitored, else the first of the table.

    None where that is switched off, and where there is one field, which nothing is compared with.
    """
    columns = data.transform.named_columns()
    if cfg.importance is None or len(fields_of(columns)) < 2:
        return None
    telling = [name for name, more in directions(task.model).items() if more is not None]
    monitors = [str(node.monitor).removeprefix("val/") for node in cfg.callback.values() if node and "monitor" in node]
    metric = next((name for name in monitors if name in telling), telling[0])
    log.info("importance of %s", how_many(len(fields_of(columns)), "field"))
    find: Permutation = built(cfg.importance)
    say = partial(outputs, task)
    epoch = len(data.tables["train"].y)
    return find(task.model, columns, data.held, data.crossed, outputs=say, metric=metric, epoch=epoch)


@torch.inference_mode()
def paired(
    model: tuple[Model, Tensor],
    others: Mapping[str, tuple[Head, Tensor]],
    table: Batch,
    *,
    groups: Tensor | None = None,
) -> list[str]:
    """By how much the score of each contender exceeds the model's on the same rows, with bootstrap intervals.

    Args:
        model: and its `out` of the rows.
        others: by name, each with the head that judges it and its `out`.
        table: the rows.
        groups: (N,) which of them belong together, as those of a day do: they are no independent witnesses.
    """
    known = labelled(table.y)
    together = None if groups is None else groups[known]
    if int(known.sum()) < 2 or (together is not None and len(torch.unique(together)) < 2) or not others:
        return []
    rows = Batch({}, table.y[known], table.weight[known], table.row[known])
    score, ours = of_rows(model[0], model[1][known], rows)
    # as in the table: metrics count each row once, the loss by its weight
    weight = rows.weight.double() / rows.weight.double().mean() if score == "loss" else torch.ones_like(ours)
    told = []
    for name, (head, out) in others.items():
        found = mean_interval((of_rows(head, out[known], rows)[1] - ours) * weight, groups=together)
        shown = f"{number(found.value)} ({number(found.low)} to {number(found.high)})"
        told.append(f"{name} {shown if math.isfinite(found.value) else 'not finite'}")
    text = f"{score} on test above the model's, with 95 % of a paired bootstrap"
    return [f"{text}: {', '.join(told)}."]


def of_rows(by: Head | Model, out: Tensor, rows: Batch) -> tuple[str, Tensor]:
    """The first of the metrics that scores single rows, such as CRPS, and each row's; else the loss: (N,) float64."""
    return row_scores(by, predicted(by, out), rows.y) or ("loss", by.loss(out, rows).double())
