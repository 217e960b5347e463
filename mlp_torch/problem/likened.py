"""What others say of a number, likened to what a head says: point predictions with residuals, and quantiles.

So a regression, boosted trees and a quantile regression are judged by the same scores as a distribution over bins. One
row more is spread over the bins as training rows are, so that no bin is impossible.

Shape: edges (n - 1,), prior (n,) the training rows' shares -> (N, n) float64 probabilities; or levels (M,) -> (N, M).

>>> of_quantiles(torch.tensor([0.25, 0.75]), torch.tensor([[0.0, 10.0]]), torch.tensor([0.0, 5.0]), torch.ones(3) / 3)
tensor([[0.2500, 0.2500, 0.4999]], dtype=torch.float64)
"""

import torch
from torch import Tensor

MAX_RESIDUALS = 2000
CHUNK = 4096


def of_residuals(points: Tensor, residuals: Tensor, edges: Tensor, prior: Tensor) -> Tensor:
    """Points (N,) or (N, 1), each with the residuals (M,) of rows that were not learned from around it."""
    known = sample(residuals.double())
    found: list[Tensor] = []
    for chunk in torch.split(points.reshape(-1, 1).double(), CHUNK):  # (c, 1)
        below = torch.searchsorted(known, edges - chunk)  # (c, n - 1): residuals below an edge
        counts = torch.cat([torch.zeros_like(chunk), below, torch.full_like(chunk, len(known))], dim=1).diff(dim=1)
        found.append((counts + prior) / (len(known) + 1))
    return torch.cat(found)


def of_quantiles(levels: Tensor, values: Tensor, edges: Tensor, prior: Tensor) -> Tensor:
    """Quantiles (N, L) of rising levels (L,): the density is even between two of them, and falls off exponentially
    below the first and above the last from what it is beside them.

    Raises:
        ValueError: if levels do not rise between 0 and 1, or fewer than two.
    """
    levels, found = checked(levels), []
    for chunk in torch.split(values.double().sort(dim=1).values, CHUNK):  # (c, L); levels that cross are sorted
        below = reached(levels, chunk, edges.double())  # (c, n - 1)
        ends = torch.zeros_like(chunk[:, :1])
        mass = torch.cat([ends, below, 1 + ends], dim=1).diff(dim=1).clamp(min=0)
        found.append((mass * MAX_RESIDUALS + prior) / (MAX_RESIDUALS + 1))
    return torch.cat(found)


def reached(levels: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """The distribution function of quantiles (c, L) at (m,) places: (c, m)."""
    x = at.expand(len(values), -1).contiguous()  # (c, m)
    right = torch.searchsorted(values.contiguous(), x, right=True).clamp(1, len(levels) - 1)  # (c, m)
    low, high = values.gather(1, right - 1), values.gather(1, right)
    part = ((x - low) / (high - low).clamp(min=torch.finfo(torch.float64).tiny)).clamp(0, 1)
    between = levels[right - 1] + (levels[right] - levels[right - 1]) * part
    below, above = tails(levels, values)
    first = levels[0] * torch.exp(-(values[:, :1] - x).clamp(min=0) / below)
    last = 1 - (1 - levels[-1]) * torch.exp(-(x - values[:, -1:]).clamp(min=0) / above)
    return torch.where(x < values[:, :1], first, torch.where(x >= values[:, -1:], last, between))


def tails(levels: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The scales below and above quantiles (c, L) at which the density goes on without a step: (c, 1) each, above 0."""
    steps, gaps = values.diff(dim=1), levels.diff()
    least = 1e-12 * (1 + values.abs().amax(dim=1, keepdim=True))  # where quantiles are equal
    below = (levels[0] * steps[:, :1] / gaps[0]).maximum(least)
    return below, ((1 - levels[-1]) * steps[:, -1:] / gaps[-1]).maximum(least)


def at_levels(wanted: Tensor, levels: Tensor, values: Tensor) -> Tensor:
    """The same distribution's quantiles at other levels: (M,), (L,), (N, L) -> (N, M) float64.

    Raises:
        ValueError: as `of_quantiles`.
    """
    wanted, levels, values = wanted.double(), checked(levels), values.double().sort(dim=1).values
    right = torch.searchsorted(levels, wanted).clamp(1, len(levels) - 1)  # (M,)
    part = ((wanted - levels[right - 1]) / (levels[right] - levels[right - 1])).clamp(0, 1)
    between = values[:, right - 1] + (values[:, right] - values[:, right - 1]) * part  # (N, M)
    below, above = tails(levels, values)
    first, last = (wanted / levels[0]).clamp(max=1).log(), ((1 - wanted) / (1 - levels[-1])).clamp(max=1).log()
    return between + below * first - above * last


def checked(levels: Tensor) -> Tensor:
    """Levels that make a distribution, float64.

    Raises:
        ValueError: if they do not rise between 0 and 1, or are fewer than two.
    """
    levels = levels.double()
    if len(levels) < 2 or not bool((levels.diff() > 0).all() and levels[0] > 0 and levels[-1] < 1):
        raise ValueError(f"levels must be two at least and rise between 0 and 1, however: {levels.tolist()}")
    return levels


def sample(values: Tensor) -> Tensor:
    """At most 2,000 of the known values, sorted, each from the middle of an equal share of them: (m,)."""
    known = values[~values.isnan()].sort().values
    m = min(len(known), MAX_RESIDUALS)
    middles = torch.arange(m, dtype=torch.float64, device=known.device) + 0.5
    return known[(middles * len(known) / max(m, 1)).long()]
