"""Multilayer perceptron: linear layers, a non-linearity and dropout, one after the other.

Shape: (B, sum of widths) float32 -> (B, d_out) float32.

>>> import torch
>>> MLP({"age": 2, "city": 6}, hidden=[16, 4])(torch.zeros(3, 8)).shape
torch.Size([3, 4])
"""

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear → ReLU → dropout, once for each entry of `hidden`.

    Args:
        widths: width of each column's vector, by name.
        hidden: width of each layer.
        dropout: share of hidden units dropped in training.
    """

    def __init__(self, widths: dict[str, int], *, hidden: list[int], dropout: float = 0.0):
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden must name at least one width of at least 1, however: {hidden=}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, however: {dropout=}")
        layers: list[nn.Module] = []
        d = sum(widths.values())
        for width in hidden:
            layers += [nn.Linear(d, width), nn.ReLU(), nn.Dropout(float(dropout))]  # TorchScript takes no int here
            d = width
        self.layers = nn.Sequential(*layers)
        self.d_out = d

    def forward(self, vectors: Tensor) -> Tensor:
        h: Tensor = self.layers(vectors)
        return h  # (B, d_out)
