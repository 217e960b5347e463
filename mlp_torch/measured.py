"""What a configuration adds to the judgement of a run: further metrics, and the importance of fields (ch. 7)."""

from functools import partial

from omegaconf import DictConfig

from mlp_torch.configuration import built
from mlp_torch.head import Head
from mlp_torch.problem.perspectives import named, try_out
from mlp_torch.responsible.importance import Importance, Permutation, fields_of
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
