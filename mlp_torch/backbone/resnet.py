"""ResNet for tables: blocks whose output is added to what they were given (Gorishniy et al. 2021, section 3.2).

Shape: (B, sum of widths) float32 -> (B, d_out) float32.

>>> import torch
>>> ResNet({"age": 2, "city": 6}, blocks=1, d_block=16).eval()(torch.zeros(3, 8)).shape
torch.Size([3, 16])
"""

from torch import Tensor, nn
from torch.nn.functional import batch_norm


class ResNet(nn.Module):
    """Linear → blocks → normalization → ReLU; a block: h + dropout(linear(dropout(ReLU(linear(normalization(h)))))).

    Defaults: those that the authors' package shows.

    Args:
        widths: width of each column's vector, by name.
        blocks: how many.
        d_block: width of what goes in and out of a block.
        d_hidden: width inside a block; by default 2 · d_block.
        dropout: share of hidden units of a block dropped in training.
        residual_dropout: the same of what a block adds.
    """

    def __init__(
        self,
        widths: dict[str, int],
        *,
        blocks: int = 2,
        d_block: int = 192,
        d_hidden: int | None = None,
        dropout: float = 0.15,
        residual_dropout: float = 0.0,
    ):
        super().__init__()
        d_hidden = 2 * d_block if d_hidden is None else d_hidden
        for name, size in (("blocks", blocks), ("d_block", d_block), ("d_hidden", d_hidden)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, however: {name}={size}")
        for name, share in (("dropout", dropout), ("residual_dropout", residual_dropout)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, however: {name}={share}")
        self.entry = nn.Linear(sum(widths.values()), d_block)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                Normalization(d_block),
                nn.Linear(d_block, d_hidden),
                nn.ReLU(),
                nn.Dropout(float(dropout)),  # TorchScript takes no int here
                nn.Linear(d_hidden, d_block),
                nn.Dropout(float(residual_dropout)),
            )
            for _ in range(blocks)
        )
        self.exit = nn.Sequential(Normalization(d_block), nn.ReLU())
        self.d_out = d_block

    def forward(self, vectors: Tensor) -> Tensor:
        h: Tensor = self.entry(vectors)  # (B, d_block)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.exit(h)
        return out  # (B, d_out)


class Normalization(nn.BatchNorm1d):
    """Batch normalization; a row alone has no spread, so in training it is measured by the running statistics.

    An epoch's last batch may hold one row, which torch's own layer refuses.
    """

    def forward(self, input: Tensor) -> Tensor:
        measured = self.training and input.shape[0] > 1
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=measured,
            momentum=0.1,
            eps=self.eps,
        )
