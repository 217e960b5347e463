"""What is learned of numbers that stand side by side: piecewise-linear and periodic layers, one product for all fields.

Source: Gorishniy et al. 2022, On Embeddings for Numerical Features in Tabular Deep Learning; version B, Gorishniy et
al. 2024, TabM; the shared layer of periodic ones, Gorishniy et al. 2023, TabR.

Shape: (B, F + M) float32, F numbers and M flags of missing cells -> (B, F · d) float32, or the encoding alone.

>>> PiecewiseLinearEncoding([3, 1], flagged=[1], reach=1.0)(torch.tensor([[1.5, 0.25, 1.0]]))
tensor([[1.0000, 0.5000, 0.0000, 0.2500, 1.0000]])
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PiecewiseLinearEncoding(nn.Module):
    """A component a bin: 1 above it, 0 below it, in it the share that is passed. Nothing is learned.

    Equation 1 of Gorishniy et al. 2022. The outermost bins go on beyond the outermost edges, as far as `reach`.

    Args:
        bins: how many each field has.
        flagged: the fields with a flag of missing cells, which stands behind their components.
        reach: in widths of a bin.
    """

    source: Tensor
    start: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, bins: Sequence[int], *, flagged: Sequence[int], reach: float):
        super().__init__()
        source: list[int] = []
        parts: list[Tensor] = []
        for i, n in enumerate(bins):
            source += [i] * n
            parts.append(limits(n, reach=reach))  # (3, n)
            if i in flagged:
                source.append(len(bins) + list(flagged).index(i))
                parts.append(limits(1, reach=0.0))
        start, low, high = torch.cat(parts, dim=1)
        constants = {"source": torch.tensor(source), "start": start, "low": low, "high": high}
        for name, x in constants.items():
            self.register_buffer(name, x, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x.index_select(1, self.source) - self.start).clamp(self.low, self.high)  # (B, D)


def limits(n: int, *, reach: float, most: int = 0) -> Tensor:
    """Of a field's components: the place where each starts, its least and its largest value: (3, most or n).

    Components after the n-th are 0.
    """
    start, low, high = torch.arange(max(n, most)).float(), torch.zeros(max(n, most)), torch.zeros(max(n, most))
    high[:n] = 1
    low[0] -= reach
    high[n - 1] += reach
    return torch.stack([start, low, high])


class Absent(nn.Module):
    """Adds a learned vector where a field's cell was missing; it starts at 0.

    Args:
        flagged: the fields with a flag.
        fields: how many there are.
        d: width of a field's vector.

    Shape: (B, F, d) and flags (B, M) -> (B, F, d).
    """

    owner: Tensor

    def __init__(self, flagged: Sequence[int], *, fields: int, d: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(len(flagged), d))
        self.register_buffer("owner", torch.eye(fields)[list(flagged)], persistent=False)  # (M, F)

    def forward(self, h: Tensor, flags: Tensor) -> Tensor:
        return h + (flags @ self.owner).unsqueeze(-1) * (self.owner.t() @ self.weight)


class PiecewiseLinearEmbedding(nn.Module):
    """A linear layer a field on its piecewise-linear encoding.

    Version A: act(W e + b). Version B: W e + w z + b, where z is the number in standard deviations; W starts at 0, so
    that at first the whole is linear in the number. z is itself linear in e, so both are one product.

    NOTE: `rtdl_num_embeddings` has a ReLU on W e of version B too, if asked. There it learns nothing: ReLU has no slope
    at 0, where all of it starts.

    Args:
        edges: the edges of each field's bins in standard deviations from the mean, (n + 1,) each.
        flagged: the fields with a flag of missing cells.
        d: width of a field's vector.
        version: A or B.
        activation: whether act, of version A, is ReLU; else it is nothing.
        reach: how far the outermost bins go on, in their widths.
    """

    start: Tensor
    low: Tensor
    high: Tensor
    first: Tensor
    size: Tensor

    def __init__(
        self, edges: Sequence[Tensor], *, flagged: Sequence[int], d: int, version: str, activation: bool, reach: float
    ):
        super().__init__()
        self.fields, most = len(edges), max(map(len, edges)) - 1
        start, low, high = torch.stack([limits(len(x) - 1, reach=reach, most=most) for x in edges]).unbind(1)
        size = torch.stack([nn.functional.pad(x.diff(), [0, most + 1 - len(x)]) for x in edges])
        first = torch.stack([x[:1] for x in edges])
        constants = {"start": start, "low": low, "high": high, "first": first.float(), "size": size.float()}
        for name, x in constants.items():
            self.register_buffer(name, x, persistent=False)
        self.weight = nn.Parameter(torch.zeros(self.fields, most, d))
        self.bias = nn.Parameter(torch.empty(self.fields, d))
        self.slope = nn.Parameter(torch.empty(self.fields, d)) if version == "B" else None
        for parameter in (self.bias, self.slope) if version == "B" else (self.weight, self.bias):
            bound = (d if version == "B" else most) ** -0.5
            nn.init.uniform_(parameter, -bound, bound)  # type: ignore[arg-type]
        self.activation = activation
        self.absent = Absent(flagged, fields=self.fields, d=d) if flagged else None

    def forward(self, x: Tensor) -> Tensor:
        places = x[:, : self.fields].unsqueeze(-1)  # (B, F, 1)
        e = (places - self.start).clamp(self.low, self.high)  # (B, F, n)
        slope = self.slope
        if slope is None:
            h = by_field(e, self.weight, self.training) + self.bias  # (B, F, d)
            h = h.relu() if self.activation else h
        else:
            linear = self.size.unsqueeze(-1) * slope.unsqueeze(1)  # (F, n, d): what a bin adds to w z
            h = by_field(e, self.weight + linear, self.training) + (self.bias + self.first * slope)
        if self.absent is not None:
            h = self.absent(h, x[:, self.fields :])
        return h.flatten(1)  # (B, F · d)


class PeriodicEmbedding(nn.Module):
    """ReLU of a linear layer on cosines and sines of the numbers at learned frequencies (PLR; PLR-lite if shared).

    Args:
        fields: how many.
        flagged: the fields with a flag of missing cells.
        d: width of a field's vector.
        n_frequencies: how many a field has.
        sigma: standard deviation of the frequencies at the start, which are cut off at three of them.
        lite: whether the linear layer is one for all fields.
    """

    def __init__(self, fields: int, *, flagged: Sequence[int], d: int, n_frequencies: int, sigma: float, lite: bool):
        super().__init__()
        self.fields, self.lite = fields, lite
        self.frequency = nn.Parameter(torch.empty(fields, n_frequencies))
        nn.init.trunc_normal_(self.frequency, 0.0, sigma, a=-3 * sigma, b=3 * sigma)
        bound = (2 * n_frequencies) ** -0.5
        self.weight = nn.Parameter(torch.empty(1 if lite else fields, 2 * n_frequencies, d).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(1 if lite else fields, d).uniform_(-bound, bound))
        self.absent = Absent(flagged, fields=fields, d=d) if flagged else None

    def forward(self, x: Tensor) -> Tensor:
        angle = (2 * math.pi * self.frequency) * x[:, : self.fields].unsqueeze(-1)  # (B, F, k)
        waves = torch.cat([angle.cos(), angle.sin()], dim=-1)  # (B, F, 2k)
        if self.lite:
            h = by_field(waves.reshape(-1, 1, waves.shape[2]), self.weight, self.training)  # (B · F, 1, d)
            h = h.view(waves.shape[0], self.fields, h.shape[2])
        else:
            h = by_field(waves, self.weight, self.training)
        h = (h + self.bias).relu()  # (B, F, d)
        if self.absent is not None:
            h = self.absent(h, x[:, self.fields :])
        return h.flatten(1)  # (B, F · d)


def by_field(x: Tensor, weight: Tensor, training: bool) -> Tensor:
    """A product a field: (B, F, n) times (F, n, d) -> (B, F, d)."""
    if training:
        return torch.bmm(x.transpose(0, 1), weight).transpose(0, 1)
    # with fewer than 16 outputs, BLAS may let a row's last bits depend on the rows beside it
    wide = nn.functional.pad(weight, [0, 16])  # (F, n, d + 16)
    return torch.bmm(x.transpose(0, 1), wide).transpose(0, 1)[:, :, : weight.shape[2]]
