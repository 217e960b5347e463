"""Targets that break what is not careful, on every head for a number: constant, one row, huge, far-tailed, whole."""

from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch, Head
from mlp_torch.problem.bin_targets import Ordinal, Smooth
from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.quantiles import Quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.target import Number

N = 500
LEVELS = torch.tensor([0.02, 0.3, 0.5, 0.8]).double()
HEADS: dict[str, tuple[type[Head], dict[str, Any]]] = {
    "squared": (Regression, {}),
    "absolute": (Regression, {"loss": "absolute"}),
    "log1p": (Regression, {"transform": "log1p", "smearing": True}),
    "poisson": (Regression, {"loss": "poisson"}),
    "bounds": (Regression, {"bounds": (0, 1)}),  # see `made`
    "gaussian": (Gaussian, {"thresholds": {"over_3": 3.0}}),
    "quantiles": (Quantiles, {}),
    "reframed": (Reframed, {"thresholds": {"over_3": 3.0}}),
    "uniform": (Reframed, {"edges": "uniform"}),
    "smooth": (Reframed, {"targets": Smooth(0.75, unit="bins")}),
    "ordinal": (Reframed, {"targets": Ordinal()}),
}
every_number = pytest.mark.parametrize("name", HEADS)


def draw(kind: str) -> Tensor:
    random = numpy.random.default_rng(0)
    values = {
        "constant": numpy.full(N, 5.0),
        "huge": 1e15 + random.normal(0, 1e14, N),
        "far tails": abs(random.standard_cauchy(N)),
        "whole": random.poisson(2, N).astype(float),
        "two values": random.integers(0, 2, N).astype(float),
        "tiny": abs(random.normal(1e-12, 1e-13, N)),
    }
    return torch.from_numpy(values[kind])


def made(name: str, y: Tensor) -> Head:
    kind, options = HEADS[name]
    if "bounds" in options:
        options = {"bounds": (0, 2 * float(y.max()))}
    torch.manual_seed(0)
    return kind(4, Number("y"), members=2, **options)


def check(head: Head, y: Tensor) -> None:
    """Fit, loss with its gradient, calibration, average, predictions, metrics: nothing is NaN or infinite."""
    n, draws = len(y), torch.Generator().manual_seed(0)
    head.fit(y, torch.ones(n))
    h = torch.randn(n, 2, 4, generator=draws)
    outs = head(h)
    loss = head.loss(outs[:, 0], Batch({}, y, torch.ones(n), torch.arange(n)))
    loss.sum().backward()
    assert bool(loss.isfinite().all())
    assert all(bool(parameter.grad.isfinite().all()) for parameter in head.parameters())
    out = head.average(outs.detach())
    head.calibrate(out, y, torch.ones(n))
    for some in (
        out,
        head.constant(y, torch.ones(n)).expand_as(out),
        head.from_scores(head.teach(y), head.teach(y), y),
        head.from_quantiles(LEVELS, y.unsqueeze(1) + (LEVELS - 0.5) * y.std(correction=0)),
    ):
        found, labels = head.predict(some), head.labels(y)
        assert [key for key, x in found.items() if not x.isfinite().all()] == []
        for key, (prediction, label, metric) in head.metrics().items():
            value = float(metric(found[prediction], labels[label]))
            assert value == value or key == "r2" or "auroc" in key, key
    assert set(head.pictures(found, labels))


@every_number
@pytest.mark.parametrize("kind", ["huge", "far tails", "whole", "two values", "tiny"])
def test_nothing_is_nan(name: str, kind: str) -> None:
    y = draw(kind)
    check(made(name, y), y)


@every_number
@pytest.mark.parametrize("n", [1, N])
def test_a_constant_target_is_learned_or_refused(name: str, n: int) -> None:
    y = draw("constant")[:n]
    head = made(name, y)
    if isinstance(head, Reframed):
        with pytest.raises(DataError, match="constant_target"):
            check(head, y)
        return
    check(head, y)
    best = head.constant(y, torch.ones(n)).expand(n, -1)
    head.calibrate(best, y, torch.ones(n))
    assert head.predict(best)[head.point][0].item() == pytest.approx(5, rel=1e-5)


@every_number
def test_two_rows_are_enough(name: str) -> None:
    y = torch.tensor([1.0, 2.0]).double()
    check(made(name, y), y)
