"""Every Column with its layer, every backbone and Head goes through ONNX. A new one joins as in the other contracts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from test_contracts import Make, at, every_column, fitted, nasty, read
from test_contracts_backbones import built, every_backbone
from test_contracts_backbones import rows as vectors
from test_contracts_heads import Averaging, Predicting, every_head, rows
from test_contracts_heads import calibrated as fitted_head
from torch import Tensor, nn

from mlp_torch.head import Head
from mlp_torch.ingest.reads import Inputs
from mlp_torch.model import Encoder
from mlp_torch.serving import onnx_file
from mlp_torch.serving.portable import alike

pytest.importorskip("onnxruntime", reason="pip install 'mlp_torch[onnx]'")


class Read(nn.Module):
    """Inputs of one column to its feature and its vector."""

    def __init__(self, transform: nn.Module, encoder: nn.Module):
        super().__init__()
        self.transform, self.encoder = transform, encoder

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        features = self.transform(inputs)
        return {"feature": features["x"], "vector": self.encoder(features)}


class Named(nn.Module):
    """A module of one tensor, as one of Inputs."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found = self.module(inputs["x"])
        return {"out": found} if isinstance(found, Tensor) else found


class Side(nn.Module):
    """A head alone beside one of two members."""

    def __init__(self, one: nn.Module, two: nn.Module):
        super().__init__()
        self.one, self.two = one, two

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {f"one_{name}": x for name, x in self.one(inputs["one"]).items()}
        return found | {f"two_{name}": x for name, x in self.two(inputs["two"]).items()}


def check(module: nn.Module, inputs: Inputs, folder: Path, sizes: Sequence[int]) -> None:
    """ONNX Runtime makes of these rows, and of fewer, what the module makes of them."""
    module = module.eval().requires_grad_(False)
    inputs = {key: x.contiguous() for key, x in inputs.items()}
    shapes = ({key: {0: torch.export.Dim("rows")} for key in inputs},)
    program = torch.export.export(module, (inputs,), dynamic_shapes=shapes)
    names = list(module(inputs))
    content = onnx_file.content(program, list(inputs), names, codes=[], notes={})
    (folder / "model.onnx").write_bytes(content)
    answer = onnx_file.answers(folder / "model.onnx", names)
    for n in sizes:
        some = at(inputs, slice(0, n))
        found, wanted = answer(some), module(some)
        for name in names:
            assert alike(found[name], wanted[name]), (name, n)


@every_column
def test_a_column_is_the_same_in_onnx_bit_for_bit_where_it_gives_codes(make: Make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    transform = fitted(make)
    column = transform.named_columns()["x"]
    encoder = Encoder({"x": column})
    for parameter in encoder.parameters():
        nn.init.normal_(parameter)
    check(Read(transform, encoder), read(column, nasty()), tmp_path, (1000, 31, 17, 1))


@every_head
def test_a_head_is_the_same_in_onnx(kind: type[Head], options: dict[str, Any], tmp_path: Path) -> None:
    data = rows(kind, 40)
    one, two = (fitted_head(kind, options, data, members=members) for members in (1, 2))
    h = {"one": data.x, "two": torch.stack([data.x, -data.x], dim=1)}
    check(Side(Predicting(one), Averaging(two)), h, tmp_path, (40, 3, 1))


@every_backbone
def test_a_backbone_is_the_same_in_onnx(kind: type[nn.Module], options: dict[str, Any], tmp_path: Path) -> None:
    check(Named(built(kind, options)), {"x": vectors(40)}, tmp_path, (40, 3, 1))
