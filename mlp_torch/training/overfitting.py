"""Useful overfitting (ch. 4): a look at what goes in, and whether a handful of rows can be learned by heart.

A model that cannot learn 32 rows has a fault that no amount of data mends: no gradient, a wrong loss, a dead layer.
"""

import torch
from torch import nn

from mlp_torch.head import Batch
from mlp_torch.model import Model
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data

ROWS = 32
STEPS = 500
LEARNED = 0.1  # of the constant's loss on these rows


def overview(data: Data, model: Model) -> str:
    """Columns, parameters by part, first loss beside the constant's, and the loss after learning 32 rows by heart."""
    return "\n".join([*columns(data), "", *parameters(model), "", *first_loss(model, data), *by_heart(model, data)])


def columns(data: Data) -> list[str]:
    """For each column three training rows: raw values → features → width."""
    lines = ["column: raw values → features → width"]
    for name, column in data.transform.named_columns().items():
        raw = [", ".join(data.raw(read, row) for read in column.reads.values()) for row in range(3)]
        encoded = data.tables["train"].features[name][:3].tolist()
        lines += [f"  {name}: {type(column).__name__}, width {column.dim}"]
        lines += [f"    {value} → {shown(feature)}" for value, feature in zip(raw, encoded, strict=False)]
    return lines


def shown(feature: object) -> str:
    """A code, or numbers to three digits."""
    if isinstance(feature, list):
        return "[" + ", ".join(f"{value:.3g}" for value in feature) + "]"
    return str(feature)


def parameters(model: nn.Module) -> list[str]:
    """How many numbers each part learns."""
    lines = ["parameters"]
    for name, part in model.named_children():
        lines.append(f"  {name:<10} {sum(p.numel() for p in part.parameters()):>12,}")
    return [*lines, f"  {'in all':<10} {sum(p.numel() for p in model.parameters()):>12,}"]


@torch.no_grad()
def first_loss(model: Model, data: Data) -> list[str]:
    """The untrained model's loss beside that of the best constant, near which it should start."""
    table = data.tables["train"]
    table = select(table, slice(0, 8192))
    model.eval()
    first = float(model.loss(model(table.features), table).mean())
    constant = model.constant(data.tables["train"].y, data.tables["train"].weight)
    expected = float(model.head.loss(constant.expand(len(table.y), -1), table).mean())
    return [f"first loss {first:.4f}; expected {expected:.4f}, that of the best constant"]


def by_heart(model: Model, data: Data) -> list[str]:
    """Trains on 32 rows, without dropout and hiding, until their loss is near its floor."""
    table = select(data.tables["train"], slice(0, ROWS))
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=3e-3)
    model.eval()
    before = loss_of(model, table)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, table)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    after = float(loss_of(model, table).detach())
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    learned = after <= LEARNED * float(before.detach())
    verdict = "yes" if learned else "NO: look for rows that are equal but for the target, a wrong loss, or dead units"
    lines = [f"{ROWS} rows by heart: {verdict}; loss {float(before.detach()):.4f} → {after:.4f} in {STEPS} steps"]
    return lines + ([f"  no gradient reaches {', '.join(silent)}"] if silent else [])


def loss_of(model: Model, table: Batch) -> torch.Tensor:
    """Mean loss of the rows."""
    return model.loss(model(table.features), table).mean()
