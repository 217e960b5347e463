"""Useful overfitting (ch. 4): can a handful of rows be learned by heart, and if not, why?

A model that cannot learn 32 rows has a fault that no amount of data mends: no gradient, a wrong loss, a dead layer,
rows that contradict each other, features of a huge scale, too much that is frozen. One that can, but says of other rows
no more than a constant does, may have been given shuffled labels.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlp_torch.head import Batch
from mlp_torch.model import Model
from mlp_torch.responsible.baselines import constant
from mlp_torch.training import causes
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import Plan

ROWS = 32
STEPS = 500
RATE = 3e-3
LEARNED = 0.1  # of the loss at the start, or of the constant's if that is less
MOST, HELD = 2048, 1024  # rows that are learned for the hint, and others that it looks at
LEAST = 2000  # training rows: of fewer, luck says as much as most labels do
BATCH, CHECKS, BETWEEN = 128, 25, 5  # as many rows in all as are learned by heart
LUCK = 2.0  # standard errors


class Learned(NamedTuple):
    """What came of learning: the loss before and after, what a gradient ever reached, and the step that broke it."""

    before: float
    after: float
    reached: set[str]
    broken: int | None


def by_heart(model: Model, data: Data, plan: Plan | None = None) -> list[str]:
    """Trains on a few rows, without dropout and hiding, until their loss is near its floor; names what is wrong."""
    train = data.tables["train"]
    order = train.row.argsort()  # whatever the order of the file, rows from all of it
    table = select(train, order[:ROWS])
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not parameters:
        return [f"{len(table.y)} rows by heart: NO: every parameter is frozen"]
    model.eval()
    begun = {name: x.clone() for name, x in model.state_dict().items()}
    off = causes.units_off(model, table.features)
    found = learn(model, table, parameters)
    lines = [*silent(found, parameters), *causes.noise(table, classes=bool(data.target.classes))]
    is_learned = found.after <= LEARNED * min(found.before, constants_loss(model, data, table))
    if is_learned:
        verdict = "yes"
        model.load_state_dict(begun)
        lines += hint(model, data, order[ROWS:])
    else:
        lines += causes.dead(off, causes.units_off(model, table.features))
        lines += [*causes.frozen(model, plan or Plan()), *causes.scales(table), *breaks(found)]
        verdict = "NO: see below" if lines else "NO: look for a wrong loss, or a head that sees no feature"
    if not math.isfinite(found.after):
        verdict = "NO: the loss is not finite"
    told = f"loss {found.before:.4f} → {found.after:.4f} in {STEPS} steps"
    return [f"{len(table.y)} rows by heart: {verdict}; {told}", *lines]


def silent(found: Learned, parameters: dict[str, nn.Parameter]) -> list[str]:
    """Parameters that no gradient reaches."""
    names = [name for name in parameters if name not in found.reached]
    if not names or found.broken == 1:
        return []
    return [
        f"  no gradient reaches {', '.join(names)}: in vain, or for what these rows do not hold, as a missing picture"
    ]


def breaks(found: Learned) -> list[str]:
    """From which step on the loss is no number."""
    if found.broken is None:
        return []
    if found.broken == 1:
        return ["  the loss is not finite from the start: look at the values of features and of the target"]
    return [f"  the loss is not finite from step {found.broken} on: look for a scale that is too large to learn"]


def learn(model: Model, table: Batch, parameters: dict[str, nn.Parameter]) -> Learned:
    """Learns the rows, as long as their loss is finite."""
    optimizer = torch.optim.Adam(parameters.values(), lr=RATE)
    reached: set[str] = set()
    before = float(loss_of(model, table).detach())
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = loss_of(model, table)
        if not loss.isfinite():
            return Learned(before, float(loss.detach()), reached, step)
        if not loss.requires_grad:  # no parameter takes part in it
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # in any step: a last layer that starts at zero lets none through in the first, a loss of zero in the last
        reached |= {name for name in parameters.keys() - reached if has_gradient(parameters[name])}
    return Learned(before, float(loss_of(model, table).detach()), reached, None)


def has_gradient(parameter: nn.Parameter) -> bool:
    """Whether the last backward pass left any slope."""
    return parameter.grad is not None and bool(parameter.grad.any())


def loss_of(model: Model, table: Batch) -> Tensor:
    """Mean loss of the rows."""
    return model.loss(model(table.features), table).mean()


@torch.no_grad()
def constants(model: Model, data: Data, table: Batch) -> Tensor:
    """(B,) the loss of the best constant of all training rows."""
    train = data.tables["train"]
    return model.head.loss(constant(model.head, train.y, train.weight, len(table.y)), table)


def constants_loss(model: Model, data: Data, table: Batch) -> float:
    """The mean of that."""
    return float(constants(model, data, table).mean())


def hint(model: Model, data: Data, rest: Tensor) -> list[str]:
    """That other rows stay at the constant's loss, whatever is learned: no failure, but what shuffled labels look like.

    Nothing is said of a small table.

    Args:
        model: untrained.
        data: prepared.
        rest: (n,) training rows in an order that says nothing.
    """
    if len(rest) < LEAST:
        return []
    train, n = data.tables["train"], min(HELD, len(rest) // 2)
    held, learned = select(train, rest[:n]), rest[n : n + MOST]
    fixed = constants(model, data, held)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)
    for check in range(CHECKS):
        for step in range(check * BETWEEN, (check + 1) * BETWEEN):
            optimizer.zero_grad()
            rows = learned[torch.arange(step * BATCH, (step + 1) * BATCH) % len(learned)]
            loss_of(model, select(train, rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if is_better(model, held, fixed):
            return []
    text = f"  hint: after {len(learned):,} rows were learned, {n:,} others stay at the constant's loss:"
    return [text, "    labels look shuffled, or what columns read tells next to nothing of them"]


@torch.no_grad()
def is_better(model: Model, held: Batch, fixed: Tensor) -> bool:
    """Whether rows have a smaller loss than the constant's by more than luck; or none that can be compared."""
    gain = (fixed - model.loss(model(held.features), held)).double()  # (B,)
    error = gain.std() / math.sqrt(len(gain))
    return not bool(gain.mean() <= LUCK * error)
