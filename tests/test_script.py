"""What TorchScript makes of a module is that module's own."""

import torch
from torch import Tensor, nn

from mlp_torch.script import script


class SideBySide(nn.Module):
    """What each layer makes of the same rows, in the order of their names."""

    def __init__(self, layers: dict[str, nn.Module]):
        super().__init__()
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> Tensor:
        parts: list[Tensor] = []
        for _name, layer in self.layers.items():
            parts.append(layer(x))
        return torch.cat(parts, dim=1)


def test_modules_that_differ_in_the_order_of_names_alone_are_compiled_each_for_itself() -> None:
    layers = {"a": nn.Linear(3, 1), "order": nn.Linear(3, 1)}
    one, other = SideBySide(layers), SideBySide(dict(reversed(layers.items())))
    x = torch.randn(4, 3)
    assert not torch.equal(one(x), other(x))
    for module in (one, other):
        assert torch.equal(script(module)(x), module(x))
