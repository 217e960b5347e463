"""The Transform as it is shipped: scaled numbers side by side, as one operation for all.

A table has many numbers, and with few rows an operation takes about a microsecond however many values it has. Each
value goes through the same arithmetic as alone, so the bits are the same. Shape: as Transform.

>>> from mlp_torch.column import Sample
>>> rows = {"age": torch.tensor([1.0, 3.0]).double(), "size": torch.tensor([5.0, 9.0]).double()}
>>> transform = Transform({name: Scaled(name) for name in rows}).fit(Sample(rows, torch.zeros(2), lambda read: []))
>>> Stacked(transform)({"age": rows["size"], "size": rows["age"]})
{'age': tensor([[3.],
        [7.]]), 'size': tensor([[-3.],
        [-2.]])}
"""

import copy
from collections.abc import Hashable, Mapping

import torch
from torch import Tensor, nn

from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.steps import ZScore
from mlp_torch.reproducibility.transform import Transform


class Stacked(nn.Module):
    """All columns' `encode`: z-scores of one form together, others one by one.

    Args:
        transform: fitted.
    """

    def __init__(self, transform: Transform):
        super().__init__()
        columns = transform.named_columns()
        plain = {name: x for name, x in columns.items() if type(x) is Scaled}  # what derives from it may differ
        numbers = {name: x for name, x in plain.items() if [type(step) for step in x.chain] == [ZScore]}
        alike = together({name: (x.limit, x.indicator) for name, x in numbers.items()})
        self.stacks = nn.ModuleList([Numbers({name: numbers[name] for name in names}) for names in alike])
        done = {name for names in alike for name in names}
        self.columns = nn.ModuleDict({name: column for name, column in columns.items() if name not in done})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        for stack in self.stacks:
            features.update(stack(inputs))
        for name, column in self.columns.items():
            features[name] = column.encode(inputs)  # type: ignore[operator]
        return features


class Numbers(nn.Module):
    """Scaled numbers as a single one, whose parameters are theirs, one below the other: (n, 1).

    Args:
        columns: fitted, by name, z-scores alone; their limit is the same, and whether they have an indicator.
    """

    def __init__(self, columns: dict[str, Scaled]):
        super().__init__()
        self.names, self.keys = list(columns), [column.key for column in columns.values()]
        self.scaled = copy.deepcopy(next(iter(columns.values())))
        self.scaled.key = "stack"
        self.scaled.fill = torch.stack([x.fill for x in columns.values()]).unsqueeze(1)
        for name in ("mean", "scale"):
            each = torch.stack([getattr(x.chain[0], name) for x in columns.values()])
            setattr(self.scaled.chain[0], name, each.unsqueeze(1))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        values: list[Tensor] = []
        for key in self.keys:
            values.append(inputs[key])
        found = self.scaled.encode({"stack": torch.stack(values)}).unbind()  # n of (B, 1 or 2)
        features: dict[str, Tensor] = {}
        for i, name in enumerate(self.names):
            features[name] = found[i]
        return features


def together(forms: Mapping[str, Hashable]) -> list[list[str]]:
    """The names of each form that several have."""
    names: dict[Hashable, list[str]] = {}
    for name, form in forms.items():
        names.setdefault(form, []).append(name)
    return [some for some in names.values() if len(some) > 1]
