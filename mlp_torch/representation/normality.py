"""How near to normal each chain of steps brings a number (ch. 2): the correlation of a normal probability plot.

>>> skewed = torch.exp(torch.linspace(-3, 3, 200, dtype=torch.float64))
>>> [(name, round(score, 2)) for name, score in ranked(skewed)[-2:]]
[('SquareRoot', 0.87), ('as it is', 0.71)]
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mlp_torch.representation.curves import Log, Log1p, Power, Quantile, SquareRoot
from mlp_torch.representation.statistics import knots
from mlp_torch.representation.steps import Identity, Step

POINTS = 1000  # quantiles that are looked at
# simplest first; a `ZScore` after each changes no score
CHAINS: dict[str, Callable[[], Step]] = {
    "as it is": Identity,
    "SquareRoot": SquareRoot,
    "Log": Log,
    "Log1p": Log1p,
    "Power": Power,
    "Quantile": lambda: Quantile(output="normal"),
}


def normality(x: Tensor) -> float:
    """The squared correlation of (N,) values with those expected of a normal distribution, from 0 to 1 = normal.

    0 where values do not differ, or where float64 cannot tell.
    Source: S. S. Shapiro and R. S. Francia, An approximate analysis of variance test for normality, JASA 67 (1972).
    """
    values = knots(x.sort().values, min(len(x), POINTS))
    n = len(values)
    if not values[0] < values[-1]:
        return 0.0
    rank = torch.arange(1, n + 1, dtype=torch.float64)
    expected = torch.special.ndtri((rank - 0.375) / (n + 0.25))  # Blom's approximation
    far = (values - values.mean()) / values.std(correction=0)
    found = float((far * expected).mean() / expected.square().mean().sqrt()) ** 2
    return found if 0 <= found <= 2 else 0.0  # no comparison holds of NaN


def ranked(x: Tensor) -> list[tuple[str, float]]:
    """Chains by the normality of what they make of (N,) values without NaN, best first; ties in favour of the simpler.

    A chain that the values rule out, such as a logarithm of negative ones, is left out.
    """
    scores = []
    for name, make in CHAINS.items():
        step = make()
        try:
            step.fit(x)
        except ValueError:
            continue
        scores.append((name, normality(step(x.clone()))))
    return sorted(scores, key=lambda score: -score[1])
