"""A sample that each row decides by itself."""

import math

import pytest
import torch

from mlp_torch.ingest.fingerprint import fingerprints, tensorflow_bucket
from mlp_torch.training.table.smallest import LARGEST, Smallest, rank_error

ROWS = fingerprints([f"r{i}" for i in range(5000)])


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_the_bound_is_that_of_the_sorted_numbers_whatever_pieces_they_come_in(pieces):
    smallest = Smallest(300)
    for part in ROWS.chunk(pieces):
        smallest.add(part)
    assert smallest.bound() == ROWS.sort()[0][299]
    assert (smallest.bound() >= ROWS).sum() == 300


def test_the_bound_does_not_depend_on_the_order_of_rows():
    forward, backward = Smallest(300), Smallest(300)
    forward.add(ROWS)
    backward.add(ROWS.flip(0))
    assert forward.bound() == backward.bound()


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_few_rows_are_all_in_the_sample(rows):
    smallest = Smallest(300)
    smallest.add(ROWS[:rows])
    assert smallest.bound() == LARGEST


def test_rows_of_one_key_are_in_the_sample_together():
    smallest = Smallest(10)
    smallest.add(torch.cat([ROWS, ROWS]))
    sample = torch.cat([ROWS, ROWS]) <= smallest.bound()
    assert torch.equal(sample[:5000], sample[5000:])


def test_memory_stays_bounded():
    smallest = Smallest(10)
    for part in ROWS.chunk(500):
        smallest.add(part)
        assert len(smallest.values) <= 20


def test_the_sample_is_even_over_the_splits_that_fingerprints_make():
    row = fingerprints([f"r{i}" for i in range(20000)])
    sampled = row <= row.sort()[0][3999]
    share = sampled[tensorflow_bucket(row, 10_000) < 1000].double().mean()
    assert abs(share - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 2000)


def test_the_rank_error_is_what_drawing_shows_and_not_twice_of_it():
    draw = torch.Generator().manual_seed(0)
    table = torch.arange(10_000)
    m, worst = 400, []
    for _ in range(400):
        sample = table[torch.randperm(len(table), generator=draw)[:m]].sort()[0]
        rank = (sample + 1) / len(table)
        worst.append(float((rank - torch.arange(1, m + 1) / m).abs().max()))
    assert sorted(worst)[396] <= rank_error(m) < 2 * sorted(worst)[396]
    assert rank_error(2_000_000) == pytest.approx(0.00115, abs=1e-5)
