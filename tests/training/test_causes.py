"""Each cause on rows and models that have it, and on those that have not."""

from functools import partial

import pytest
import tiny
import torch
from torch import Tensor, nn

from mlp_torch.backbone.dcn import DCNv2
from mlp_torch.backbone.ft_transformer import FTTransformer
from mlp_torch.backbone.linear import Linear
from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.resnet import ResNet
from mlp_torch.backbone.tabm import TabM
from mlp_torch.backbone.wide_and_deep import WideAndDeep
from mlp_torch.head import Batch
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.training.causes import contradictions, dead, near_contradictions, scales, units_off

BACKBONES = {  # each with the layer whose bias turns all units off, and where that shows
    "mlp": (partial(MLP, hidden=[16, 8]), "layers.3.bias", "layers.4", 8),
    "resnet": (partial(ResNet, blocks=1, d_block=8), "blocks.0.1.bias", "blocks.0.2", 16),
    "dcn": (partial(DCNv2, hidden=[16]), "deep.layers.0.bias", "deep.layers.1", 16),
    "ft_transformer": (partial(FTTransformer, blocks=1, d_token=8, d_hidden=10), "blocks.0.up.bias", None, 10),
    "wide_and_deep": (partial(WideAndDeep, wide=["city"], hidden=[16]), "deep.layers.0.bias", "deep.layers.1", 16),
    "tabm": (partial(TabM, k=4, blocks=1, d_block=16), "layers.0.0.bias", "layers.0.1", 16),
}


@pytest.fixture(scope="module")
def data():
    return tiny.data()


def built(data, backbone) -> Single:
    """A model in evaluation mode."""
    torch.manual_seed(0)
    encoder = Encoder(data.transform.named_columns())
    made = backbone(encoder.widths)
    return Single(encoder, made, Binary(made.d_out, data.target, members=getattr(made, "members", 1))).eval()


def some(data) -> dict[str, Tensor]:
    return {name: x[:32] for name, x in data.tables["train"].features.items()}


@pytest.mark.parametrize("name", BACKBONES)
def test_units_that_are_off_are_found_in_every_backbone(data, name):
    backbone, bias, layer, width = BACKBONES[name]
    model = built(data, backbone)
    nn.init.constant_(model.backbone.get_parameter(bias), -1e6)
    off = units_off(model, some(data))
    told = dead(off, off)
    where = f"backbone.{layer or 'blocks.0.dropout'}"
    assert f"  dead units: {where}: {width} of {width} units are 0 for all rows; at the start {width}" in told


@pytest.mark.parametrize("name", [*BACKBONES, "linear"])
def test_a_sound_backbone_has_no_dead_layer(data, name):
    model = built(data, Linear if name == "linear" else BACKBONES[name][0])
    off = units_off(model, some(data))
    assert dead(off, off) == []
    assert all(not module._forward_hooks for module in model.modules())


def test_each_layer_is_counted_once(data):
    off = units_off(built(data, BACKBONES["mlp"][0]), some(data))
    assert {name: len(mask) for name, mask in off.items()} == {"backbone.layers.1": 16, "backbone.layers.4": 8}


def test_nine_of_ten_units_are_what_counts():
    off = torch.arange(10) > 0
    assert dead({"a": ~off}, {"a": off}) == ["  dead units: a: 9 of 10 units are 0 for all rows; at the start 1"]
    assert dead({}, {"a": torch.arange(10) > 1}) == []


def test_rows_are_contradictory_only_if_all_features_agree_and_targets_differ(data):
    table = data.tables["train"]
    assert contradictions(table) == 0
    features = {"a": torch.tensor([1, 1, 1, 2, 2]), "b": torch.tensor([[0.5], [0.5], [0.6], [1.0], [1.0]])}
    y = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0]).double()
    assert contradictions(table._replace(features=features, y=y)) == 2
    assert contradictions(table._replace(features=features, y=torch.zeros(5))) == 0


def batch(x: list[float], y: list[float], code: list[int]) -> Batch:
    n = len(y)
    return Batch({"x": torch.tensor(x), "code": torch.tensor(code)}, torch.tensor(y), torch.ones(n), torch.arange(n))


def test_rows_are_nearly_contradictory_if_features_nearly_agree_and_targets_differ():
    x, y = [0.0, 1e-5, 1.0, 1.0 + 1e-5, 2.0], [0.0, 1.0, 1.0, 1.0, 0.0]
    assert near_contradictions(batch(x, y, [0] * 5), classes=True) == 2
    assert near_contradictions(batch(x, y, [0, 1, 0, 0, 0]), classes=True) == 0  # another code is another row
    assert near_contradictions(batch([0.0, 0.1, 1.0, 1.1, 2.0], y, [0] * 5), classes=True) == 0
    assert near_contradictions(batch([0.0, 0.0, 1.0, 1.0, 2.0], y, [0] * 5), classes=True) == 0  # equal: told apart


def test_numbers_differ_from_half_a_standard_deviation_on():
    x = [0.0, 1e-5, 1.0, 2.0]
    assert near_contradictions(batch(x, [0.0, 0.1, 10.0, 20.0], [0] * 4), classes=False) == 0
    assert near_contradictions(batch(x, [0.0, 9.0, 10.0, 20.0], [0] * 4), classes=False) == 2


def test_features_are_huge_or_not_finite_by_their_column():
    table = batch([0.0, 999.0], [0.0, 1.0], [10**9, 5])
    assert scales(table) == []
    table.features["x"][0] = -2000.0
    assert scales(table) == ["  huge scale: features of x reach 2e+03; take a column that scales, such as Scaled"]
    table.features["x"][0] = torch.nan
    assert scales(table) == ["  not finite: features of x in 1 of the rows"]
