"""TabM: k networks in one, which share almost all weights and answer side by side (Gorishniy et al. 2024).

Each member is trained on its own error; what is served is their average, which the validation metrics judge too (all
but `loss`, the members' mean). Book: ch. 3, Ensembles.

Shape: (B, sum of widths) float32 -> (B, k, d_out) float32.

>>> import torch
>>> TabM({"age": 2, "city": 6}, k=4, blocks=1, d_block=16).eval()(torch.zeros(3, 8)).shape
torch.Size([3, 4, 16])
"""

from typing import Literal

import torch
from torch import Tensor, nn


class TabM(nn.Module):
    """k × (linear → ReLU → dropout) with one weight matrix a layer, which members scale in their own way.

    A member starts different by one random factor a column, that is by the weight that it gives to each column; all
    other scales start at 1, biases alike. Defaults: those of the authors' package with numerical embeddings; it takes
    3 blocks and `signs` without them.

    Args:
        widths: width of each column's vector, by name.
        k: members.
        blocks: linear layers.
        d_block: their width, at least 16.
        dropout: share of hidden units dropped in training.
        start: the random factors: `normal`, or `signs` for 1 and -1.
        mini: TabM-mini: members have these factors of their own and nothing else, which is as good and faster.
    """

    def __init__(
        self,
        widths: dict[str, int],
        *,
        k: int = 32,
        blocks: int = 2,
        d_block: int = 512,
        dropout: float = 0.1,
        start: Literal["normal", "signs"] = "normal",
        mini: bool = False,
    ):
        super().__init__()
        # with fewer than 16 outputs, BLAS may let a row's last bits depend on the rows beside it
        for name, least, size in (("k", 2, k), ("blocks", 1, blocks), ("d_block", 16, d_block)):
            if size < least:
                raise ValueError(f"{name} must be at least {least}, however: {name}={size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, however: {dropout=}")
        if start not in ("normal", "signs"):
            raise ValueError(f"start must be normal or signs, however: {start=}")
        self.start = nn.Parameter(factors(k, list(widths.values()), start))
        layers, d = [], sum(widths.values())
        for i in range(blocks):
            linear = nn.Linear(d, d_block) if mini else SharedLinear(d, d_block, k, scaled=i > 0)
            layers.append(nn.Sequential(linear, nn.ReLU(), nn.Dropout(float(dropout))))  # TorchScript takes no int here
            d = d_block
        self.layers = nn.Sequential(*layers)
        self.members, self.d_out = k, d_block

    def forward(self, vectors: Tensor) -> Tensor:
        h: Tensor = self.layers(vectors.unsqueeze(1) * self.start)
        return h  # (B, k, d_block)


class SharedLinear(nn.Module):
    """A linear layer that each member enters and leaves by scales of its own: s ⊙ (W (r ⊙ x)) + b (BatchEnsemble).

    Args:
        d_in: width of its input.
        d_out: width of its output.
        k: members.
        scaled: whether it has r; of the first layer that is what members start with.

    Shape: (B, k, d_in) -> (B, k, d_out).
    """

    def __init__(self, d_in: int, d_out: int, k: int, *, scaled: bool):
        super().__init__()
        linear = nn.Linear(d_in, d_out)
        self.weight = linear.weight
        self.r = nn.Parameter(torch.ones(k, d_in)) if scaled else None
        self.s = nn.Parameter(torch.ones(k, d_out))
        self.bias = nn.Parameter(linear.bias.detach().repeat(k, 1))

    def forward(self, x: Tensor) -> Tensor:
        r = self.r
        x = x if r is None else x * r
        return torch.addcmul(self.bias, nn.functional.linear(x, self.weight), self.s)  # (B, k, d_out)


def factors(k: int, widths: list[int], distribution: str) -> Tensor:
    """(k, sum of widths) random factors, one a member and column."""
    drawn = torch.randn(k, len(widths)) if distribution == "normal" else torch.randint(2, (k, len(widths))) * 2.0 - 1
    return drawn.repeat_interleave(torch.tensor(widths), dim=1)
