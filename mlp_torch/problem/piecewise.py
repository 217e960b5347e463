"""A density that is even within bins and exponential beyond the outermost edges, and its proper scores.

n probabilities have n - 1 edges. The first bin lies below all edges and the last above; their densities fall off as
exp(-d / s) with the distance d from the edge and a scale s of each side, so that a value further out than any training
row has a density, a rank and a score as all others have.

Shape: probabilities (B, n), y (B,), `edges` (n - 1,), `tails` (2,) the scales below and above -> (B,) float64, in the
unit of y (`crps`) or in nats.

>>> p, edges, tails = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.0, 1.0]), torch.ones(2)
>>> crps(p, torch.tensor([0.5]), edges=edges, tails=tails)  # uniform: 1/3 - y(1 - y)
tensor([0.0833], dtype=torch.float64)
"""

import torch
from torch import Tensor

from mlp_torch.problem import scores


def bin_of(y: Tensor, edges: Tensor) -> Tensor:
    """The bin [edges[i - 1], edges[i]) that holds y: (B,) int64."""
    return torch.bucketize(y.to(edges.dtype), edges, right=True)


def widths(edges: Tensor, tails: Tensor) -> Tensor:
    """What a bin's probability is divided by to give its density, in a tail the density at its edge: (n,)."""
    return torch.cat([tails[:1], edges[1:] - edges[:-1], tails[1:]])


def beyond(y: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """How far y lies below the first and above the last edge: (B,) each, 0 where it does not."""
    y = y.to(edges.dtype)
    return (edges[0] - y).clamp(min=0), (y - edges[-1]).clamp(min=0)


def log_loss(probabilities: Tensor, y: Tensor, *, edges: Tensor, tails: Tensor) -> Tensor:
    """-log of the density at y; the unit of y enters, so that only distributions of the same y are comparable."""
    edges, tails = edges.to(y.device), tails.to(y.device)
    index = bin_of(y, edges)
    below, above = beyond(y, edges)
    return (
        scores.log_loss(probabilities, index) + widths(edges, tails)[index].log() + below / tails[0] + above / tails[1]
    )


def inside(y: Tensor, edges: Tensor) -> Tensor:
    """How much of each bin between edges lies below y, from 0 to 1: (B, n - 2)."""
    return ((y.to(edges.dtype).unsqueeze(1) - edges[:-1]) / edges.diff()).clamp(0, 1)


def cdf(probabilities: Tensor, y: Tensor, *, edges: Tensor, tails: Tensor) -> Tensor:
    """P(value ≤ y), which is uniform over rows where the distributions are right (PIT)."""
    edges, tails, p = edges.to(y.device), tails.to(y.device), probabilities.double()
    below, above = beyond(y, edges)
    first = p[:, 0] * (-below / tails[0]).exp()
    last = -p[:, -1] * torch.expm1(-above / tails[1])
    return first + (p[:, 1:-1] * inside(y, edges)).sum(dim=1) + last


def crps(probabilities: Tensor, y: Tensor, *, edges: Tensor, tails: Tensor) -> Tensor:
    """Continuous ranked probability score, ∫ (F(x) - 1{x ≥ y})² dx, exact: piece by piece.

    That of a point forecast is its absolute error. Source: Gneiting & Raftery 2007, "Strictly Proper Scoring Rules,
    Prediction, and Estimation", (20).
    """
    edges, tails, p = edges.double().to(y.device), tails.double().to(y.device), probabilities.double()
    p = p / p.sum(dim=1, keepdim=True)
    above = p.cumsum(dim=1)[:, 1:-1]  # (B, n - 2): F at the upper end of each bin between edges
    mass = p[:, 1:-1]
    below = above - mass
    part = inside(y, edges)  # 1 in bins below y, 0 in bins above it
    at = below + mass * part  # F at y in its bin, else at the bin's end
    left = part * (below**2 + below * at + at**2)
    right = (1 - part) * ((1 - at) ** 2 + (1 - at) * (1 - above) + (1 - above) ** 2)
    between = ((left + right) * edges.diff() / 3).sum(dim=1)
    low, high = beyond(y, edges)
    return between + tail(p[:, 0], low, tails[0]) + tail(p[:, -1], high, tails[1])


def tail(p: Tensor, distance: Tensor, scale: Tensor) -> Tensor:
    """The integral over a tail of mass p in which y lies at a distance from the edge, 0 where it lies in no tail: (B,).

    ∫₀^d (1 - p e^(-u/s))² du + ∫_d^∞ (p e^(-u/s))² du.
    """
    return distance + 2 * p * scale * torch.expm1(-distance / scale) + p**2 * scale / 2


def quantiles(p: Tensor, levels: Tensor, edges: Tensor, tails: Tensor) -> Tensor:
    """Where the distribution function reaches each level, all float64: (B, n), (L,) -> (B, L). Must script."""
    reached = p.cumsum(dim=1)  # (B, n): at the upper end of each bin
    # Counting instead of `searchsorted`, which ONNX has not.
    at = (reached.unsqueeze(1) < levels.unsqueeze(1)).sum(dim=2).clamp(max=p.shape[1] - 1)  # (B, L)
    mass = p.gather(1, at).clamp(min=1e-30)
    part = (levels - (reached.gather(1, at) - mass)) / mass
    low, high = torch.cat([edges[:1], edges])[at], torch.cat([edges, edges[-1:]])[at]  # (B, L), alike in the tails
    found = low + (high - low) * part.clamp(0.0, 1.0)
    below = tails[0] * (levels / mass).clamp(max=1.0).log()
    above = -tails[1] * ((1 - levels) / mass).clamp(max=1.0).log()
    zero = torch.zeros_like(found)
    return found + torch.where(at == 0, below, zero) + torch.where(at == p.shape[1] - 1, above, zero)
