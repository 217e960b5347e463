"""The tensor port against Google's C++ (pyfarmhash), on bytes of every kind."""

import doctest

import farmhash as google
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlp_torch.ingest import farmhash
from mlp_torch.ingest.farmhash import fingerprint_bytes
from mlp_torch.script import script

LONGEST = 300


class Hash(nn.Module):
    def forward(self, content: Tensor, lengths: Tensor) -> Tensor:
        return fingerprint_bytes(content, lengths)


@pytest.fixture(scope="module", params=["eager", "scripted"])
def hashed(request: pytest.FixtureRequest):
    return Hash() if request.param == "eager" else script(Hash())


def random_rows(n: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of random bytes, random also beyond each row's length; every length from 0 to the width, in random order."""
    generator = torch.Generator().manual_seed(seed)
    content = torch.randint(0, 256, (n, width), generator=generator, dtype=torch.uint8)
    lengths = torch.arange(n)[torch.randperm(n, generator=generator)] % (width + 1)
    return content, lengths


def expected(content: Tensor, lengths: Tensor) -> Tensor:
    rows = zip(content.numpy(), lengths.tolist(), strict=True)
    return torch.from_numpy(
        np.array([google.fingerprint64(r[:n].tobytes()) for r, n in rows], np.uint64).view(np.int64)
    )


def test_the_data_sheet_runs():
    assert doctest.testmod(farmhash).attempted > 0
    assert doctest.testmod(farmhash).failed == 0


def test_every_length_agrees_with_google(hashed):
    content, lengths = random_rows(20 * (LONGEST + 1), LONGEST)
    assert lengths.unique().tolist() == list(range(LONGEST + 1))
    assert torch.equal(hashed(content, lengths), expected(content, lengths))
    # the comparison can fail: another length of the same bytes is another string
    assert not (hashed(content, (lengths + 1) % (LONGEST + 1)) == expected(content, lengths)).any()


@pytest.mark.parametrize("width", [0, 1, 3, 4, 7, 8, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 127, 128, 129, 192])
def test_every_width_of_the_table_agrees_with_google(hashed, width):
    content, lengths = random_rows(2 * (width + 1), width, seed=width)
    assert torch.equal(hashed(content, lengths), expected(content, lengths))


@pytest.mark.parametrize("size", [1000, 4095, 4096, 4097, 65536])
def test_long_strings_agree_with_google(hashed, size):
    content, _ = random_rows(2, size, seed=size)
    lengths = torch.tensor([size, size // 2])
    assert torch.equal(hashed(content, lengths), expected(content, lengths))


def test_no_rows_give_no_fingerprints(hashed):
    for width in (0, 5, 100):
        none = hashed(torch.zeros(0, width, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
        assert none.shape == (0,)
        assert none.dtype == torch.int64


def test_the_empty_string_is_farmhashs_k2(hashed):
    empty = hashed(torch.zeros(1, 0, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    assert empty.tolist() == [0x9AE16A3B2F90404F - 2**64]


def test_bytes_after_the_end_do_not_matter_and_each_byte_before_it_does(hashed):
    content, lengths = random_rows(LONGEST + 1, LONGEST, seed=1)
    inside = torch.arange(LONGEST) < lengths.unsqueeze(1)  # (N, L)
    before = hashed(content, lengths)
    assert torch.equal(hashed(torch.where(inside, content, 0), lengths), before)
    assert torch.equal(hashed(content ^ torch.where(inside, 0, 255).to(torch.uint8), lengths), before)
    for byte in range(LONGEST):
        changed = content.clone()
        changed[:, byte] ^= 1
        assert torch.equal(hashed(changed, lengths) != before, inside[:, byte]), byte


def test_a_row_does_not_depend_on_its_neighbours(hashed):
    content, lengths = random_rows(LONGEST + 1, LONGEST, seed=2)
    together = hashed(content, lengths)
    alone = torch.cat([hashed(content[i : i + 1], lengths[i : i + 1]) for i in range(len(lengths))])
    assert torch.equal(together, alone)
    assert together.unique().numel() == LONGEST + 1


def test_inputs_are_left_as_they_were(hashed):
    content, lengths = random_rows(LONGEST + 1, LONGEST, seed=3)
    copies = content.clone(), lengths.clone()
    hashed(content, lengths)
    assert torch.equal(content, copies[0])
    assert torch.equal(lengths, copies[1])
