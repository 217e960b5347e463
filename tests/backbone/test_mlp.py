"""The multilayer perceptron."""

import pytest
import torch
from torch import nn

from mlp_torch.backbone.mlp import MLP
from mlp_torch.script import script

WIDTHS = {"age": 2, "city": 3}


def test_its_layers_are_linear_relu_dropout_in_the_order_of_hidden() -> None:
    mlp = MLP(WIDTHS, hidden=[7, 4], dropout=0.25)
    assert [type(layer) for layer in mlp.layers] == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    assert [(layer.in_features, layer.out_features) for layer in mlp.layers[::3]] == [(5, 7), (7, 4)]
    assert {layer.p for layer in mlp.layers[2::3]} == {0.25}
    assert mlp.d_out == 4


def test_it_computes_what_a_hand_does() -> None:
    mlp = MLP({"a": 1, "b": 1}, hidden=[2, 1])
    for layer, weight, bias in zip(
        mlp.layers[::3], ([[1.0, -1.0], [2.0, 0.0]], [[1.0, 3.0]]), ([0.0, -1.0], [0.5]), strict=True
    ):
        layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
    # relu(1 - 2) = 0, relu(2 - 1) = 1 -> 0 + 3 + 0.5;   relu(4 - 1) = 3, relu(8 - 1) = 7 -> 3 + 21 + 0.5
    assert mlp(torch.tensor([[1.0, 2.0], [4.0, 1.0]])).tolist() == [[3.5], [24.5]]


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_any_number_of_rows_goes_through_eager_scripted_and_exported(rows: int) -> None:
    torch.manual_seed(0)
    mlp = MLP(WIDTHS, hidden=[8, 6], dropout=0.5).eval().requires_grad_(False)
    x = torch.randn(9, 5)
    program = torch.export.export(mlp, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    wanted = mlp(x[:rows])
    assert wanted.shape == (rows, 6)
    assert torch.equal(script(mlp)(x[:rows]), wanted)
    assert torch.allclose(program.module()(x[:rows]), wanted, atol=1e-6)


def test_dropout_is_drawn_in_training_only() -> None:
    torch.manual_seed(0)
    mlp, x = MLP(WIDTHS, hidden=[64], dropout=0.5), torch.randn(4, 5)
    assert not torch.equal(mlp(x), mlp(x))
    mlp.eval()
    assert torch.equal(mlp(x), mlp(x))


def test_the_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    mlp = MLP(WIDTHS, hidden=[8, 6])
    mlp(torch.randn(32, 5)).sum().backward()
    assert all(bool((parameter.grad != 0).any()) for parameter in mlp.parameters())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hidden": []}, r"hidden must name at least one width of at least 1, however: hidden=\[\]"),
        ({"hidden": [4, 0]}, r"hidden must name .*, however: hidden=\[4, 0\]"),
        ({"hidden": [4], "dropout": 1.0}, "dropout must be at least 0 and less than 1, however: dropout=1.0"),
        ({"hidden": [4], "dropout": -0.1}, "dropout must be at least 0 and less than 1, however: dropout=-0.1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MLP(WIDTHS, **options)  # type: ignore[arg-type]
