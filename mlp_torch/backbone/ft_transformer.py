"""FT-Transformer: each column is a token, and tokens attend to each other (Gorishniy et al. 2021, section 3.3).

Shape: (B, sum of widths) float32 -> (B, d_out) float32.

>>> import torch
>>> FTTransformer({"age": 2, "city": 6}, blocks=1, d_token=16).eval()(torch.zeros(3, 8)).shape
torch.Size([3, 16])
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class FTTransformer(nn.Module):
    """Tokens → blocks of attention and feed-forward → what the token [CLS] has gathered, normalized, through ReLU.

    Defaults: those of the authors' package for three blocks; it gives one block d_token 96, attention_dropout .1, and
    dropout 0, two blocks 128, .15 and .05.

    Args:
        widths: width of each column's vector, by name.
        blocks: how many.
        d_token: width of a token, a multiple of `heads`.
        heads: of attention.
        d_hidden: width inside the feed-forward part; by default ⁴⁄₃ · d_token.
        attention_dropout: share of a token's attention dropped in training.
        dropout: share of hidden units of the feed-forward part dropped in training.
    """

    def __init__(
        self,
        widths: dict[str, int],
        *,
        blocks: int = 3,
        d_token: int = 192,
        heads: int = 8,
        d_hidden: int | None = None,
        attention_dropout: float = 0.2,
        dropout: float = 0.1,
    ):
        super().__init__()
        d_hidden = int(d_token * 4 / 3) if d_hidden is None else d_hidden
        for name, size in (("blocks", blocks), ("d_token", d_token), ("heads", heads), ("d_hidden", d_hidden)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, however: {name}={size}")
        if d_token % heads:
            raise ValueError(f"d_token must be a multiple of heads, however: {d_token=}, {heads=}")
        for name, share in (("attention_dropout", attention_dropout), ("dropout", dropout)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, however: {name}={share}")
        self.tokens = Tokens(widths, d_token)
        self.blocks = nn.ModuleList(
            Block(d_token, heads, d_hidden, attention_dropout=attention_dropout, dropout=dropout, first=i == 0)
            for i in range(blocks)
        )
        self.exit = nn.Sequential(nn.LayerNorm(d_token), nn.ReLU())
        self.last = blocks - 1
        self.d_out = d_token

    def forward(self, vectors: Tensor) -> Tensor:
        h: Tensor = self.tokens(vectors)  # (B, T, d)
        for i, block in enumerate(self.blocks):
            # Of the last one, nobody reads more than [CLS]; of a view with gaps TorchScript gives other last bits.
            h = block(h[:, :1].contiguous() if i == self.last else h, h)
        out: Tensor = self.exit(h[:, 0])
        return out  # (B, d)


class Tokens(nn.Module):
    """A token of each column's vector by a linear layer of its own, behind the learned token [CLS].

    Weights start uniform in ±1/√d, as the authors': a number, a one-hot vector and an embedding of length 1 give tokens
    of the same size.

    Args:
        widths: width of each column's vector, by name.
        d: width of a token.

    Shape: (B, sum of widths) -> (B, 1 + columns, d).
    """

    def __init__(self, widths: dict[str, int], d: int):
        super().__init__()
        self.widths = list(widths.values())
        self.layers = nn.ModuleList(nn.Linear(width, d) for width in self.widths)
        self.cls = nn.Parameter(torch.empty(d))
        for weight in self.parameters():
            nn.init.uniform_(weight, -(d**-0.5), d**-0.5)

    def forward(self, vectors: Tensor) -> Tensor:
        parts = torch.split(vectors, self.widths, dim=1)
        tokens = [self.cls.expand(vectors.shape[0], -1)]
        for i, layer in enumerate(self.layers):
            tokens.append(layer(parts[i]))
        return torch.stack(tokens, dim=1)  # (B, T, d)


class Block(nn.Module):
    """h + attention(normalized h), then h + feed-forward(normalized h), with ReGLU: a · ReLU(b).

    The first one's attention reads the tokens as they are, which the authors found decisive.

    Shape: queries (B, 1 or T, d) and tokens (B, T, d) -> (B, 1 or T, d).
    """

    def __init__(
        self, d: int, heads: int, d_hidden: int, *, attention_dropout: float, dropout: float, first: bool = False
    ):
        super().__init__()
        self.before = nn.Identity() if first else nn.LayerNorm(d)
        self.attention = Attention(d, heads, dropout=attention_dropout)
        self.between = nn.LayerNorm(d)
        self.up = nn.Linear(d, 2 * d_hidden)
        self.dropout = nn.Dropout(float(dropout))  # TorchScript takes no int here
        self.down = nn.Linear(d_hidden, d)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        h = queries + self.attention(self.before(queries), self.before(tokens))
        a, b = self.up(self.between(h)).chunk(2, dim=-1)  # (B, T, d_hidden) each
        out: Tensor = h + self.down(self.dropout(a * relu(b)))
        return out  # (B, T, d)


class Attention(nn.Module):
    """Attention of several heads, without masks. Keys have no bias: it would cancel in the softmax."""

    def __init__(self, d: int, heads: int, *, dropout: float):
        super().__init__()
        self.heads, self.size = heads, d // heads
        self.query, self.value, self.out = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.key = nn.Linear(d, d, bias=False)
        self.dropout = nn.Dropout(float(dropout))
        for layer in (self.query, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = self.split(self.query(queries)), self.split(self.key(tokens)), self.split(self.value(tokens))
        agreement = q @ k.transpose(2, 3) / math.sqrt(self.size)  # (B, heads, T of queries, T)
        mixed = self.dropout(agreement.softmax(dim=-1)) @ v  # (B, heads, T of queries, d / heads)
        h: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return h  # (B, T of queries, d)

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, self.size).transpose(1, 2)  # (B, heads, T, d / heads)
