"""Vectors and what standardizes them."""

import pytest
import torch

from mlp_torch.representation.vectors import Standardized, Vector


def standardized(rows: list[list[float]]) -> Standardized:
    standard = Standardized()
    standard.fit(torch.tensor(rows, dtype=torch.float64), "v")
    standard.resize()
    return standard


def test_each_number_is_standardized_by_itself() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 3, generator=draw) * torch.tensor([1.0, 1e-6, 1e6]) + torch.tensor([0.0, 5.0, -3e6])
    z = standardized(x.tolist())(x.double())
    assert z.mean(dim=0).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert z.std(dim=0, correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_number_that_does_not_vary_gives_0_in_training_and_stays_finite_when_served_another() -> None:
    standard = standardized([[0.1, 1.0], [0.1, 2.0]])
    assert standard(torch.tensor([[0.1, 1.0]], dtype=torch.float64)).tolist() == [[0, -1]]
    assert standard(torch.tensor([[1e300, 1.0]], dtype=torch.float64)).isfinite().all()


def test_missing_vectors_are_told_where_training_had_some_and_take_the_mean_elsewhere() -> None:
    missing = [torch.nan, torch.nan]
    assert standardized([[1.0, 1.0], [3.0, 2.0], missing])(torch.tensor([missing])).tolist() == [[0, 0, 1]]
    assert standardized([[1.0, 1.0], [3.0, 2.0]])(torch.tensor([missing])).tolist() == [[0, 0]]


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="v must have a value in training rows, however: all are missing"):
        standardized([[torch.nan, 1.0]])
    with pytest.raises(ValueError, match="size must be at least 1, however: size=0"):
        Vector("v", 0)
