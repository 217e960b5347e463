"""How near to normal each chain of steps brings a number (ch. 2): the correlation of a normal probability plot.

>>> skewed = torch.exp(torch.linspace(-3, 3, 200, dtype=torch.float64))
>>> found = ranked(skewed)
>>> [(name, round(score, 2)) for name, score in found[-2:]], advised(found)
([('SquareRoot', 0.87), ('as it is', 0.71)], 'Log')
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from mlp_torch.representation.curves import Log, Log1p, Power, Quantile, SquareRoot
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
PLAIN, RANKS = "as it is", "Quantile"
ENOUGH = 0.9  # so near to normal is left as it is: of 100 normal or uniform values 99 samples in 100 have .92 and more
GAIN = 0.05  # that a curve must bring
REACHED = 0.8  # that it must lead to; where half of the rows share a value none does, and a curve parts no equal values
NEAR = 0.02  # to the best; of those the simplest


def normality(x: Tensor) -> float:
    """The squared correlation of (N,) values with those expected of a normal distribution, from 0 to 1 = normal.

    0 where values do not differ, or where float64 cannot tell.
    Source: S. S. Shapiro and R. S. Francia, An approximate analysis of variance test for normality, JASA 67 (1972).
    """
    values = points(x.sort().values)
    if not values[0] < values[-1]:
        return 0.0
    expected = torch.special.ndtri(positions(len(values)))
    far = (values - values.mean()) / values.std(correction=0)
    found = float((far * expected).mean() / expected.square().mean().sqrt()) ** 2
    return found if 0 <= found <= 2 else 0.0  # no comparison holds of NaN


def positions(n: int) -> Tensor:
    """The shares of a distribution below its n ordered values, (n,), as Blom expects them."""
    return (torch.arange(1, n + 1, dtype=torch.float64) - 0.375) / (n + 0.25)


def points(values: Tensor) -> Tensor:
    """At most `POINTS` of (N,) ascending values, which stand for as many rows each.

    The outermost of many rows are not among them, so that a single wild value does not count as a thousandth.
    """
    return values if len(values) <= POINTS else values[(positions(POINTS) * len(values)).long()]


def with_ends(some: Tensor, x: Tensor) -> Tensor:
    """Some of (N,) values, and the least and the greatest of all."""
    return torch.cat([torch.stack(x.aminmax()), some])


def fitted(name: str, x: Tensor) -> Step:
    """A chain's step, fitted on quantiles of (N,) values that do not rule it out; a `ZScore` is to follow."""
    step = CHAINS[name]()
    step.fit(with_ends(points(x.sort().values), x))
    return step


def ranked(x: Tensor) -> list[tuple[str, float]]:
    """Chains by the normality of what they make of (N,) values without NaN, best first; ties in favour of the simpler.

    A chain that any value rules out, such as a logarithm of negative ones, is left out.
    """
    some = points(x.sort().values)
    scores = []
    for name, make in CHAINS.items():
        step = make()
        try:
            make().fit(with_ends(some, x))
            step.fit(some)
        except ValueError:
            continue
        scores.append((name, normality(step(some.clone()))))
    return sorted(scores, key=lambda score: -score[1])


def advised(scores: Iterable[tuple[str, float]]) -> str:
    """The chain to take of those that were ranked: as it is, unless a curve is clearly nearer to normal.

    Ranks, which forget all distances, are taken only where no curve will do and the number is far from normal.
    """
    known = dict(scores)
    plain = known.get(PLAIN, 1.0)
    curves = {name: score for name, score in known.items() if name != RANKS}
    for choice, enough in ((curves, ENOUGH), (known, REACHED)):
        best = max(choice.values(), default=0.0)
        if plain < enough and best >= max(REACHED, plain + GAIN):
            return next(name for name in CHAINS if choice.get(name, 0.0) >= best - NEAR)
    return PLAIN
