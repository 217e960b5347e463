"""Useful overfitting (ch. 4): a look at what goes in, and whether a handful of rows can be learned by heart.

A model that cannot learn 32 rows has a fault that no amount of data mends: no gradient, a wrong loss, a dead layer,
rows that contradict each other.

>>> shown(torch.tensor([0.12345, -1.0])), shown(torch.tensor(7)), shown(torch.zeros(1, 28, 28))
('[0.123, -1]', '7', '1×28×28')
"""

import math

import torch
from torch import Tensor, nn

from mlp_torch.head import Batch
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.times import iso
from mlp_torch.model import Model
from mlp_torch.responsible.baselines import constant
from mlp_torch.responsible.verdict import mean_loss
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import Plan

ROWS = 32
STEPS = 500
LEARNED = 0.1  # of the loss at the start
FAR = 0.5  # of the constant's loss
NUMBERS, WIDTH = 6, 60  # of a feature, and characters of its raw values


def overview(data: Data, model: Model, plan: Plan | None = None) -> str:
    """Columns, parameters by part, first loss beside the constant's, and the loss after learning 32 rows by heart.

    The model is trained by it, as it is in its first epoch; nothing is written.
    """
    learns = parameters(model) + [f"  {line}" for line in (plan or Plan()).notes()]
    return "\n".join([*columns(data), "", *learns, "", *first_loss(model, data), *by_heart(model, data)])


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


def by_heart(model: Model, data: Data) -> list[str]:
    """Trains on a few rows, without dropout and hiding, until their loss is near its floor; names what is wrong."""
    train = data.tables["train"]
    table = select(train, train.row.argsort()[:ROWS])  # whatever the order of the file, rows from all of it
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not parameters:
        return [f"{len(table.y)} rows by heart: NO: every parameter is frozen"]
    model.eval()
    before, after, reached = learn(model, table, parameters)
    silent = [name for name in parameters if name not in reached]
    equal = contradictions(table)
    unused = "in vain, or for what these rows do not hold, as a missing picture"
    lines = [f"  no gradient reaches {', '.join(silent)}: {unused}"] if silent else []
    if equal:
        lines.append(f"  {equal} of the rows are equal to another in all features but not in the target")
    if after <= LEARNED * before:
        verdict = "yes"
    elif not math.isfinite(after):
        verdict = "NO: the loss is not finite"
    else:
        verdict = "NO: see below" if lines else "NO: look for a wrong loss, dead units, or a head that sees no feature"
    found = f"{len(table.y)} rows by heart: {verdict}; loss {before:.4f} → {after:.4f} in {STEPS} steps"
    return [found, *lines]


def learn(model: Model, table: Batch, parameters: dict[str, nn.Parameter]) -> tuple[float, float, set[str]]:
    """The loss of the rows before and after, and the names of the parameters that a gradient ever reached."""
    optimizer = torch.optim.Adam(parameters.values(), lr=3e-3)
    reached: set[str] = set()
    before = float(loss_of(model, table).detach())
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, table)
        if not loss.requires_grad:  # no parameter takes part in it
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # in any step: a last layer that starts at zero lets none through in the first, a loss of zero in the last
        reached |= {name for name in parameters.keys() - reached if has_gradient(parameters[name])}
    return before, float(loss_of(model, table).detach()), reached


def has_gradient(parameter: nn.Parameter) -> bool:
    """Whether the last backward pass left any slope."""
    return parameter.grad is not None and bool(parameter.grad.any())


def loss_of(model: Model, table: Batch) -> Tensor:
    """Mean loss of the rows."""
    return model.loss(model(table.features), table).mean()


def contradictions(table: Batch) -> int:
    """How many rows have a twin with the same features and another target: their loss cannot fall to nothing."""
    rows = torch.cat([x.reshape(len(x), -1).double() for x in table.features.values()], dim=1)  # (N, d)
    group = torch.unique(rows, dim=0, return_inverse=True)[1]  # (N,)
    y = table.y.double().reshape(len(table.y), -1)  # (N, k)
    group = group.unsqueeze(1).expand_as(y)
    low = torch.full_like(y, math.inf).scatter_reduce(0, group, y, "amin")
    high = torch.full_like(y, -math.inf).scatter_reduce(0, group, y, "amax")
    return int((low.gather(0, group) < high.gather(0, group)).any(dim=1).sum())
