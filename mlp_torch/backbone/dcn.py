"""DCN V2, deep and cross network: explicit products of features up to a bounded degree (Wang et al. 2021).

What a feature cross does for the values of categories, learned, for all dimensions of all columns.

Shape: (B, sum of widths) float32 -> (B, d_out) float32.

>>> import torch
>>> DCNv2({"age": 2, "city": 6}, hidden=[16], structure="parallel")(torch.zeros(3, 8)).shape
torch.Size([3, 24])
"""

import torch
from torch import Tensor, nn

from mlp_torch.backbone.mlp import MLP


class DCNv2(nn.Module):
    """Cross layers and an MLP, one after the other or side by side.

    Weights start as in the paper: normal, of standard deviation √(2 / d_in), biases at 0.

    Args:
        widths: width of each column's vector, by name.
        crosses: number of cross layers; products have at most one factor more.
        hidden: width of each layer of the MLP.
        structure: "stacked", the MLP sees what the crosses give, or "parallel", both see the vectors.
        dropout: share of the MLP's hidden units dropped in training.
    """

    def __init__(
        self,
        widths: dict[str, int],
        *,
        crosses: int = 2,
        hidden: list[int],
        structure: str = "stacked",
        dropout: float = 0.0,
    ):
        super().__init__()
        if crosses < 1:
            raise ValueError(f"crosses must be at least 1, however: {crosses=}")
        if structure not in ("stacked", "parallel"):
            raise ValueError(f"structure must be stacked or parallel, however: {structure=}")
        d = sum(widths.values())
        self.crosses = nn.ModuleList(Cross(d) for _ in range(crosses))
        self.deep = MLP(widths, hidden=hidden, dropout=dropout)
        self.parallel = structure == "parallel"
        self.d_out = self.deep.d_out + (d if self.parallel else 0)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        x = vectors
        for cross in self.crosses:
            x = cross(vectors, x)  # (B, d)
        if self.parallel:
            return torch.cat([x, self.deep(vectors)], dim=1)  # (B, d + last of hidden)
        h: Tensor = self.deep(x)
        return h  # (B, last of hidden)


class Cross(nn.Module):
    """x₀ ⊙ (W x + b) + x: equation 1 of the paper.

    Args:
        d: width of the vectors.
    """

    def __init__(self, d: int):
        super().__init__()
        self.linear = nn.Linear(d, d)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        weight, bias = self.linear.weight, self.linear.bias
        if self.training or bias.shape[0] >= 16:
            return first * nn.functional.linear(x, weight, bias) + x  # (B, d)
        # with fewer than 16 outputs, BLAS may let a row's last bits depend on the rows beside it
        wide = nn.functional.pad(weight, [0, 0, 0, 16])  # (d + 16, d)
        return first * (nn.functional.linear(x, wide)[:, : bias.shape[0]] + bias) + x  # (B, d)
