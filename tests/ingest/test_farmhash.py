"""The tensor port against Google's C++ (pyfarmhash), on bytes of every kind."""

import doctest

import farmhash as google
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlp_torch.ingest import farmhash
from mlp_torch.ingest.farmhash import fingerprint_flat
from mlp_torch.script import script

LONGEST = 300


class Hash(nn.Module):
    def forward(self, content: Tensor, lengths: Tensor) -> Tensor:
        """(N, L), (N,) -> (N,): of the first bytes of each row."""
        starts = torch.arange(content.shape[0]) * content.shape[1]
        return fingerprint_flat(content.flatten(), starts, lengths)


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


def test_a_string_may_end_where_the_bytes_end(hashed):
    content, _ = random_rows(1, LONGEST)
    for n in range(LONGEST + 1):
        lengths = torch.tensor([n])
        assert torch.equal(hashed(content[:, :n], lengths), expected(content, lengths))


def test_strings_may_lie_in_any_order_and_share_bytes():
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(0, 256, (LONGEST,), generator=generator, dtype=torch.uint8)
    starts, lengths = torch.randint(0, LONGEST // 2, (2, 5000), generator=generator)
    parts = zip(starts.tolist(), lengths.tolist(), strict=True)
    content = torch.stack([torch.nn.functional.pad(data[i : i + n], [0, LONGEST - n]) for i, n in parts])
    assert torch.equal(fingerprint_flat(data, starts, lengths), expected(content, lengths))


def test_more_rows_than_a_block_give_the_same(hashed):
    content, lengths = random_rows(70_000, 20, seed=5)
    found = hashed(content, lengths)
    assert torch.equal(found[-500:], expected(content[-500:], lengths[-500:]))
    pieces = zip(content.split(999), lengths.split(999), strict=True)
    assert torch.equal(found, torch.cat([hashed(*piece) for piece in pieces]))


def test_a_long_string_costs_its_own_rounds_and_no_others(monkeypatch):
    rounds: list[int] = []
    original = farmhash._round

    def recorded(state: Tensor, chunk: Tensor, mul: Tensor, weight: int) -> Tensor:
        rounds.append(state.shape[1])
        return original(state, chunk, mul, weight)

    monkeypatch.setattr(farmhash, "_round", recorded)
    lengths = torch.tensor([65, 6400, 64, 128, 129, 3, 0])
    fingerprint_flat(torch.zeros(6400, dtype=torch.uint8), torch.zeros_like(lengths), lengths)
    assert rounds == [4, 2, *[1] * 97, 4]  # a chunk of 64 bytes a round, and one over the last 64


def test_a_formula_that_no_string_needs_costs_nothing(monkeypatch):
    def never(data: Tensor, at: Tensor, n: Tensor) -> Tensor:
        raise AssertionError

    monkeypatch.setattr(farmhash, "_up_to_32", never)
    content, lengths = random_rows(500, LONGEST)
    lengths[(lengths > 16) & (lengths <= 32)] = 40
    assert torch.equal(Hash()(content, lengths), expected(content, lengths))
    with pytest.raises(AssertionError):
        Hash()(content, lengths.fill_(20))


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
