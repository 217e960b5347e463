"""The pretrained weights fit the network of the package that published them."""

import pytest
import torch
from real import needs

from mlp_torch.datasets.efficientnet import ORIGIN, weights

pytestmark = needs(ORIGIN)


def test_the_weights_are_those_of_the_published_network():
    network = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    found = weights()
    assert network.load_state_dict(found).missing_keys == []
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_652_008
    assert all(torch.isfinite(tensor).all() for tensor in found.values())
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 1000)
