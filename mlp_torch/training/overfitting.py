"""Useful overfitting (ch. 4): a look at what goes in, before the rows are learned by heart (`by_heart`).

>>> shown(torch.tensor([0.12345, -1.0])), shown(torch.tensor(7)), shown(torch.zeros(1, 28, 28))
('[0.123, -1]', '7', '1×28×28')
"""

import torch
from torch import Tensor, nn

from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.times import iso
from mlp_torch.model import Model
from mlp_torch.responsible.baselines import constant
from mlp_torch.responsible.verdict import mean_loss
from mlp_torch.training.batches import select
from mlp_torch.training.by_heart import by_heart
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import Plan

FAR = 0.5  # of the constant's loss
NUMBERS, WIDTH = 6, 60  # of a feature, and characters of its raw values


def overview(data: Data, model: Model, plan: Plan | None = None) -> str:
    """Columns, parameters by part, first loss beside the constant's, and the loss after learning 32 rows by heart.

    The model is trained by it, as it is in its first epoch; nothing is written.
    """
    learns = parameters(model) + [f"  {line}" for line in (plan or Plan()).notes()]
    return "\n".join([*columns(data), "", *learns, "", *first_loss(model, data), *by_heart(model, data, plan)])


def columns(data: Data) -> list[str]:
    """For each column three training rows: raw values → features → width."""
    lines = ["column: raw values → features → width"]
    for name, column in data.transform.named_columns().items():
        reads = {read.key: read for read in column.reads.values()}  # two parts of a cross may read one field
        values = [", ".join(raw(data, read, row) for read in reads.values()) for row in range(3)]
        encoded = data.tables["train"].features[name][:3]
        lines += [f"  {name}: {type(column).__name__}, width {column.dim}"]
        lines += [f"    {cut(value)} → {shown(feature)}" for value, feature in zip(values, encoded, strict=False)]
    return lines


def cut(value: str) -> str:
    """A text that fits into a line."""
    return value if len(value) <= WIDTH else value[: WIDTH - 1] + "…"


def raw(data: Data, read: Read, row: int) -> str:
    """What ingestion made of a field in a training row, as text; for people to look at."""
    if row >= len(data.samples[read.key]):
        return ""
    value = data.samples[read.key][row].as_py()
    if value is None or value != value:  # NaN
        return "missing"
    if read.kind == "time":
        return iso(value)
    return (
        f"{value:.10g}"
        if read.kind == "number"
        else "×".join(map(str, read.size))
        if read.kind == "image"
        else repr(value)
    )


def shown(feature: Tensor) -> str:
    """A code, the first numbers to three digits, or the shape of what has several dimensions."""
    if feature.dim() > 1:
        return "×".join(map(str, feature.shape))
    if feature.dim():
        more = f", … {len(feature)}" if len(feature) > NUMBERS else ""
        return "[" + ", ".join(f"{value:.3g}" for value in feature[:NUMBERS].tolist()) + more + "]"
    return str(feature.item())


def parameters(model: nn.Module) -> list[str]:
    """How many numbers each part learns, and how many are frozen."""
    parts = {**dict(model.named_children()), "in all": model}
    width = max(map(len, parts))
    lines = ["parameters"]
    for name, part in parts.items():
        frozen = sum(p.numel() for p in part.parameters() if not p.requires_grad)
        learned = sum(p.numel() for p in part.parameters()) - frozen
        lines.append(f"  {name:<{width}} {learned:>12,}" + (f"  and {frozen:,} frozen" if frozen else ""))
    return lines


@torch.no_grad()
def first_loss(model: Model, data: Data) -> list[str]:
    """The untrained model's loss beside that of the best constant, near which it should start."""
    train = data.tables["train"]
    table = select(train, slice(0, 8192))
    first = mean_loss(model, model.eval()(table.features), table.y, table.weight)
    best = constant(model.head, train.y, train.weight, len(table.y))
    expected = mean_loss(model.head, best, table.y, table.weight)
    far = abs(first - expected) > FAR * abs(expected)
    hint = "; they should be near: look for features of a huge scale, or a head that was not fitted" if far else ""
    return [f"first loss {first:.4f}; expected {expected:.4f}, that of the best constant{hint}"]
