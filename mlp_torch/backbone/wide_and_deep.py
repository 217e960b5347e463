"""Wide and deep: a linear model that memorises combinations beside a network that generalises (Cheng et al. 2016).

The head's output layer is linear, so it adds both up when their vectors stand side by side; they are trained together.
A wide column with `dim: 1` is one weight a code, as in the paper, and its `l1` makes the weights sparse.

Shape: (B, sum of widths) float32 -> (B, d_out) float32.

>>> import torch
>>> WideAndDeep({"age": 2, "route": 1}, wide=["route"], hidden=[16])(torch.zeros(3, 3)).shape
torch.Size([3, 17])
"""

import torch
from torch import Tensor, nn

from mlp_torch.backbone.mlp import MLP


class WideAndDeep(nn.Module):
    """[wide columns' vectors, MLP(all other columns' vectors)].

    Args:
        widths: width of each column's vector, by name.
        wide: names of the columns of the wide part, mostly crosses; what both parts shall see is two columns. Of a
            column of several parts, `numbers` is all of them, `numbers.age` one.
        hidden: width of each layer of the deep part; the paper's are 1024, 512, 256.
        dropout: share of hidden units dropped in training.
    """

    in_wide: Tensor
    in_deep: Tensor

    def __init__(self, widths: dict[str, int], *, wide: list[str], hidden: list[int], dropout: float = 0.0):
        super().__init__()
        named = {name for name in widths if name in wide or name.partition(".")[0] in wide}
        strange = set(wide) - named - {name.partition(".")[0] for name in named}
        if not wide or strange or len(named) == len(widths):
            columns = ", ".join(widths)
            raise ValueError(f"wide must name some of the columns ({columns}) and leave some, however: {wide=}")
        rest = {name: width for name, width in widths.items() if name not in named}
        owner = [name for name, width in widths.items() for _ in range(width)]  # of each of the vectors' dimensions
        for part, names in (("in_wide", named), ("in_deep", set(rest))):
            places = torch.tensor([i for i, name in enumerate(owner) if name in names])
            self.register_buffer(part, places, persistent=False)
        self.deep = MLP(rest, hidden=hidden, dropout=dropout)
        self.d_out = len(self.in_wide) + self.deep.d_out

    def forward(self, vectors: Tensor) -> Tensor:
        wide = vectors.index_select(1, self.in_wide)  # (B, width of the wide columns)
        deep = self.deep(vectors.index_select(1, self.in_deep))  # (B, last of hidden)
        return torch.cat([wide, deep], dim=1)  # (B, d_out)
