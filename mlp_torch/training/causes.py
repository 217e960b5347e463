"""Why rows cannot be learned by heart (ch. 4, Useful Overfitting): each cause that can be seen, by its name.

Shape: a batch of N rows, features (N, …) by column name, y (N,) or (N, k).

>>> batch = Batch({"age": torch.tensor([[1.0], [2e6]])}, torch.zeros(2), torch.ones(2), torch.arange(2))
>>> scales(batch)
['  huge scale: features of age reach 2e+06; take a column that scales, such as Scaled']
"""

import math
from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from mlp_torch.head import Batch
from mlp_torch.model import Model, Single
from mlp_torch.training.freezing import Plan

DEAD = 0.9  # of a layer's units: half of them are often off in a sound layer, if rows differ little
FROZEN = 0.9  # of all numbers
HUGE = 1e3  # of a feature; those of our columns are about 1
NEAR = 1e-3  # of a feature's standard deviation
OTHER = 0.5  # of the target's


@torch.no_grad()
def units_off(model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """By layer of the backbones, (units,) bool: those whose activation is 0 for all rows, members and tokens.

    A layer is what has no parameters, such as ReLU; dropout, which hands on what it is given, stands for a function
    before it, unless that was a layer. A backbone as a whole is one if all of its units are off: some may be inputs, as
    a wide part's are.
    """
    seen: list[Tensor] = []
    found: dict[str, Tensor] = {}
    hooks = [module.register_forward_hook(partial(note, found, seen, name)) for name, module in layers(model)]
    try:
        model(features)
    finally:
        for hook in hooks:
            hook.remove()
    whole = {name for name, module in backbones(model)}
    return {name: off for name, off in found.items() if name not in whole or off.all()}


def layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers of all backbones by name, and the backbones."""
    for path, backbone in backbones(model):
        for name, module in backbone.named_modules(prefix=path):
            if name == path or not any(True for _ in (*module.parameters(), *module.children())):
                yield name, module


def backbones(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """By name; a model of models has several."""
    for path, module in model.named_modules():
        if isinstance(module, Single):
            yield f"{path}.backbone".lstrip("."), module.backbone


def note(
    found: dict[str, Tensor], seen: list[Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor
) -> None:
    """Which units of a layer's output are off, unless an earlier layer had the same output."""
    if not any(out is other for other in seen):
        seen.append(out)
        found[name] = (out == 0).flatten(0, -2).all(dim=0)


def dead(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """Layers of which nearly all units are off once the rows were trained on."""
    told = []
    for name, off in after.items():
        if off.double().mean() >= DEAD:
            at_start = int(before[name].sum()) if name in before else 0
            text = f"{int(off.sum())} of {len(off)} units are 0 for all rows; at the start {at_start}"
            told.append(f"  dead units: {name}: {text}")
    return told


def contradictions(table: Batch) -> int:
    """How many rows have a twin with the same features and another target: their loss cannot fall to nothing."""
    rows = torch.cat([x.reshape(len(x), -1).double() for x in table.features.values()], dim=1)  # (N, d)
    group = torch.unique(rows, dim=0, return_inverse=True)[1]  # (N,)
    y = table.y.double().reshape(len(table.y), -1)  # (N, k)
    group = group.unsqueeze(1).expand_as(y)
    low = torch.full_like(y, math.inf).scatter_reduce(0, group, y, "amin")
    high = torch.full_like(y, -math.inf).scatter_reduce(0, group, y, "amax")
    return int((low.gather(0, group) < high.gather(0, group)).any(dim=1).sum())


def near_contradictions(table: Batch, *, classes: bool) -> int:
    """How many rows have a neighbour that is nearly but not quite equal in all features, and whose target is another.

    Args:
        table: some rows; all pairs of them are compared.
        classes: whether targets are classes; of numbers those count that lie half a standard deviation apart.
    """
    y = table.y.double().reshape(len(table.y), -1)  # (N, k)
    other = apart(y) > (0.0 if classes else OTHER * float(y.std(unbiased=False)))  # (N, N)
    near, equal = torch.ones_like(other), torch.ones_like(other)
    for x in table.features.values():
        flat = x.reshape(len(x), -1).double()  # (N, d)
        spread = flat.std(dim=0, unbiased=False) if x.is_floating_point() else torch.ones(flat.shape[1])
        distance = apart(flat / torch.where(spread > 0, spread, 1.0))
        near &= distance <= (NEAR if x.is_floating_point() else 0.0)
        equal &= distance == 0
    return int((near & ~equal & other).any(dim=1).sum())


def apart(x: Tensor) -> Tensor:
    """(N, d) -> (N, N) the largest difference in any of the d."""
    return torch.cdist(x, x, p=math.inf)


def noise(table: Batch, *, classes: bool) -> list[str]:
    """Rows that contradict each other."""
    equal, near = contradictions(table), near_contradictions(table, classes=classes)
    told = [f"  {equal} of the rows are equal to another in all features but not in the target"] if equal else []
    if near:
        told.append(
            f"  target noise: {near} of the rows are nearly equal to another in all features, not in the target"
        )
    return told


def frozen(model: nn.Module, plan: Plan) -> list[str]:
    """Which globs of `freeze` froze how much, where next to nothing is left to learn."""
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    still = {name for name, p in model.named_parameters() if not p.requires_grad}
    count, total = sum(sizes[name] for name in still), sum(sizes.values())
    if count < FROZEN * total:
        return []
    by = {f"freeze {glob}": still.intersection(names) for glob, names in plan.globs.items()}
    by["without a glob"] = still.difference(*by.values())
    parts = [f"{glob}: {sum(sizes[name] for name in names):,}" for glob, names in by.items() if names]
    return [f"  frozen: {count:,} of {total:,} numbers do not learn ({', '.join(parts)})"]


def scales(table: Batch) -> list[str]:
    """Columns whose features are not finite, or so large that steps of the usual size do not do."""
    told = []
    for name, x in table.features.items():
        if not x.is_floating_point():
            continue
        if broken := int((~x.isfinite()).reshape(len(x), -1).any(dim=1).sum()):
            told.append(f"  not finite: features of {name} in {broken} of the rows")
        elif x.numel() and (top := float(x.abs().max())) > HUGE:
            told.append(f"  huge scale: features of {name} reach {top:.3g}; take a column that scales, such as Scaled")
    return told
