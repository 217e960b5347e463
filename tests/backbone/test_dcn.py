"""DCN V2."""

import math

import pytest
import torch
from torch import Tensor

from mlp_torch.backbone.dcn import Cross, DCNv2
from mlp_torch.backbone.mlp import MLP

WIDTHS = {"age": 1, "city": 2}
X = torch.tensor([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


def test_a_cross_of_ones_gives_what_the_authors_test_expects() -> None:
    cross = Cross(3)
    cross.linear.weight.data.fill_(1)
    cross.linear.bias.data.fill_(0)
    # tensorflow_recommenders, layers/feature_interaction/dcn_test.py, test_full_matrix
    found = cross(torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([[0.4, 0.5, 0.6]]))
    assert torch.allclose(found, torch.tensor([[0.55, 0.8, 1.05]]), atol=1e-6)


def crossed(dcn: DCNv2) -> Tensor:
    """What two cross layers of known weights give, beside an MLP."""
    weight = torch.arange(9.0).view(3, 3) / 10 - 0.3
    for cross, w, b in zip(dcn.crosses, (weight, -2 * weight.T), ([0.1, 0.2, 0.3], [-0.5, 0.0, 0.5]), strict=True):
        cross.linear.weight.data, cross.linear.bias.data = w, torch.tensor(b)
    out: Tensor = dcn(X)
    return out[:, :3]


@pytest.mark.parametrize("training", [True, False])
def test_two_crosses_give_what_torchrec_gives(training: bool) -> None:
    dcn = DCNv2(WIDTHS, crosses=2, hidden=[4], structure="parallel").train(training)
    # torchrec 1.0.0, modules/crossnet.py, CrossNet(3, 2) with these weights
    golden = torch.tensor([[1.025, -3.16, 1.0675], [0.3371875, 6.6975, -3.11625]])
    assert torch.allclose(crossed(dcn), golden, rtol=1e-5, atol=1e-5)


def test_stacked_the_mlp_sees_the_crosses_and_parallel_the_vectors() -> None:
    torch.manual_seed(0)
    mlp = MLP(WIDTHS, hidden=[5, 4])
    for structure, width in (("stacked", 4), ("parallel", 7)):
        dcn = DCNv2(WIDTHS, crosses=1, hidden=[5, 4], structure=structure)
        mlp.load_state_dict(dcn.deep.state_dict())
        x1 = X * (X @ dcn.crosses[0].linear.weight.T) + X
        wanted = mlp(x1) if structure == "stacked" else torch.cat([x1, mlp(X)], dim=1)
        assert dcn.d_out == width
        assert torch.allclose(dcn(X), wanted, atol=1e-6)


def test_its_weights_start_as_in_the_paper() -> None:
    torch.manual_seed(0)
    dcn = DCNv2({"x": 128}, hidden=[256])
    for layer in (dcn.crosses[0].linear, dcn.crosses[1].linear, dcn.deep.layers[0]):
        assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / 128), rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"crosses": 0}, "crosses must be at least 1, however: crosses=0"),
        ({"structure": "both"}, "structure must be stacked or parallel, however: structure='both'"),
        ({"hidden": []}, "hidden must name at least one width"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DCNv2(WIDTHS, **{"hidden": [4], **options})  # type: ignore[arg-type]
