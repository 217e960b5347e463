"""Maps by signed hashing, against scikit-learn's arithmetic of a hashed vector times a matrix."""

import pytest
import torch

from mlp_torch.column import Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.representation.maps import HashedMap


def fitted(names: torch.Tensor, numbers: torch.Tensor, buckets: int = 50) -> HashedMap:
    column = HashedMap("m", buckets, max_names=names.shape[1], dim=4)
    column.fit(Sample(dict(zip(column.keys, (names, numbers), strict=True)), torch.zeros(len(names)), lambda r: []))
    column.resize()
    return column


def test_a_row_is_the_hashed_vector_times_the_table() -> None:
    draw = torch.Generator().manual_seed(0)
    known = fingerprints([f"name {i}" for i in range(500)])
    names = known[torch.randint(500, (64, 8), generator=draw)]
    numbers = torch.randn(64, 8, dtype=torch.float64, generator=draw)
    column = fitted(names, numbers)
    layer = column.layer()
    torch.nn.init.normal_(layer.table.weight)
    hashed = torch.zeros(64, 50, dtype=torch.float64)  # as scikit-learn's FeatureHasher gives it
    for row in range(64):
        for name, number in zip(names[row].tolist(), numbers[row].tolist(), strict=True):
            hashed[row, abs(name) % 50] += number * (-1 if name >> 40 & 1 else 1) / float(column.scale)
    found = layer(column.encode(dict(zip(column.keys, (names, numbers), strict=True))))
    assert torch.allclose(found, hashed.float() @ layer.table.weight, atol=1e-5)


def test_signs_are_even_in_every_bucket() -> None:
    names = fingerprints([f"name {i}" for i in range(20_000)]).unsqueeze(1)
    numbers = torch.ones(20_000, 1, dtype=torch.float64)
    for buckets in (16, 50):
        column = fitted(names, numbers, buckets)
        bucket, number = column.encode(dict(zip(column.keys, (names, numbers), strict=True)))[:, 0].unbind(1)
        sums = torch.zeros(buckets).scatter_add(0, bucket.long(), number)
        assert sums.abs().max() < 5 * (20_000 / buckets) ** 0.5  # five standard deviations


def test_names_that_training_never_had_change_nothing_before_they_are_learned() -> None:
    column = fitted(torch.tensor([[7]]), torch.tensor([[2.0]]).double())
    asked = dict(zip(column.keys, (torch.tensor([[8]]), torch.tensor([[1e308]], dtype=torch.float64)), strict=True))
    assert column.encode(asked).isfinite().all()
    assert column.layer()(column.encode(asked)).tolist() == [[0, 0, 0, 0]]


def test_what_cannot_be_fitted_is_refused() -> None:
    for numbers in ([[0.0]], [[3.0]]):
        with pytest.raises(ValueError, match=r"must have a number other than 0 in training rows, however: all are "):
            fitted(torch.tensor([[0 if numbers == [[3.0]] else 7]]), torch.tensor(numbers).double())
    for buckets in (1, 2**24 + 1):
        with pytest.raises(ValueError, match="buckets must be from 2 to 16,777,216, however: buckets="):
            HashedMap("m", buckets)


def test_numbers_as_large_as_float64_holds_do_not_overflow() -> None:
    column = fitted(torch.tensor([[7], [8]]), torch.tensor([[1.7e308], [1.7e308]], dtype=torch.float64))
    assert float(column.scale) == pytest.approx(1.7e308)


def test_numbers_next_to_zero_have_a_scale_too() -> None:
    names, numbers = torch.tensor([[7], [8], [9]]), torch.tensor([[5e-324], [0.0], [0.0]], dtype=torch.float64)
    column = fitted(names, numbers)
    assert column.encode(dict(zip(column.keys, (names, numbers), strict=True))).isfinite().all()


def hashed(names: torch.Tensor, numbers: torch.Tensor, buckets: int, *, signed: bool = True) -> torch.Tensor:
    """(N, buckets): each row's numbers in their buckets, as its layer sees them; without signs as a control."""
    column = fitted(names, numbers, buckets)
    x = column.encode(dict(zip(column.keys, (names, numbers), strict=True)))
    held = x[:, :, 1] if signed else x[:, :, 1].abs()
    return torch.zeros(len(names), buckets).scatter_add(1, x[:, :, 0].long(), held) * column.scale.float()


@pytest.mark.parametrize("signed", [True, False])
def test_signed_hashing_keeps_dot_products_on_average_and_without_signs_it_does_not(signed: bool) -> None:
    # Weinberger et al. 2009, Lemma 2: E <h(x), h(y)> = <x, y>, over hash functions; here over sets of names
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(30, dtype=torch.float64, generator=draw) + 0.5 for _ in range(2))
    errors = []
    for trial in range(2000):
        names = fingerprints([f"{trial} {i}" for i in range(45)])
        pair = torch.stack([names[:30], names[15:]])  # half of the names are in both
        a, b = hashed(pair, torch.stack([x, y]), 20, signed=signed)
        errors.append(float(a @ b) - float(x[15:] @ y[:15]))
    mean, deviation = torch.tensor(errors).mean().item(), torch.tensor(errors).std().item() / 2000**0.5
    assert (abs(mean) < 4 * deviation) == signed


def test_names_unlimited_in_number_share_few_buckets() -> None:
    names = fingerprints([f"name {i}" for i in range(100_000)]).reshape(-1, 10)
    rows = hashed(names, torch.ones(10_000, 10, dtype=torch.float64), 64)
    assert rows.shape == (10_000, 64)
    assert float((rows**2).sum(dim=1).mean()) == pytest.approx(10, rel=0.05)  # E |h(x)|² = |x|²
