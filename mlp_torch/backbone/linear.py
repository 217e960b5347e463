"""No hidden layer: the head alone, a linear or logistic regression of the columns' vectors.

What a last model of a stack needs as a rule (ch. 3, Ensembles), and what a deeper network must beat.

Shape: (B, sum of widths) float32 -> the same.

>>> import torch
>>> Linear({"age": 2, "city": 6})(torch.zeros(3, 8)).shape
torch.Size([3, 8])
"""

from torch import Tensor, nn


class Linear(nn.Module):
    """The vectors as they are; the head's output layer is all that learns from them.

    Args:
        widths: width of each column's vector, by name.
    """

    def __init__(self, widths: dict[str, int]):
        super().__init__()
        self.d_out = sum(widths.values())

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors
