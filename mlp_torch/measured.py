"""What is added to the judgement of a run: a user's own metrics, paired differences, importance of fields (ch. 7)."""

from collections.abc import Mapping
from functools import partial

import torch
from omegaconf import DictConfig
from torch import Tensor

from mlp_torch.configuration import built
from mlp_torch.head import Batch, Head
from mlp_torch.model import Model
from mlp_torch.problem.perspectives import named, try_out
from mlp_torch.reproducibility.intervals import mean_interval
from mlp_torch.responsible.importance import Importance, Permutation, fields_of
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import directions, labelled
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs


def add_metrics(cfg: DictConfig, data: Data, head: Head) -> None:
    """Gives a head the metrics that the configuration adds to its own, each tried on a few training rows.

    Raises:
        ConfigError: for one that does not fit.
    """
    train = data.tables["train"]
    known = labelled(train.y)
    best = head.constant(train.y[known], train.weight[known])
    entries = {
        name: built(node, refused=(RuntimeError, AssertionError))
        for name, node in cfg.metric.items()
        if node is not None
    }
    head.perspectives = named(entries, head, best)
    try_out(head.perspectives, head, train.y, best)


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
    find: Permutation = built(cfg.importance)
    say = partial(outputs, task)
    epoch = len(data.tables["train"].y)
    return find(task.model, columns, data.held, data.crossed, outputs=say, metric=metric, epoch=epoch)


@torch.inference_mode()
def paired(model: tuple[Model, Tensor], others: Mapping[str, tuple[Head, Tensor]], table: Batch) -> list[str]:
    """By how much the loss of each contender exceeds the model's on the same rows, with bootstrap intervals.

    Args:
        model: and its `out` of the rows.
        others: by name, each with the head that judges it and its `out`.
        table: the rows.
    """
    known = labelled(table.y)
    if int(known.sum()) < 2 or not others:
        return []
    rows = Batch({}, table.y[known], table.weight[known], table.row[known])
    ours, weight = model[0].loss(model[1][known], rows).double(), rows.weight.double() / rows.weight.double().mean()
    told = []
    for name, (head, out) in others.items():
        found = mean_interval((head.loss(out[known], rows).double() - ours) * weight)
        told.append(f"{name} {number(found.value)} ({number(found.low)} to {number(found.high)})")
    text = "Loss on test above the model's, with 95 % of a paired bootstrap"
    return [f"{text}: {', '.join(told)}."]
