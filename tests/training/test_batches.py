"""The order of rows is a pure function of (seed, epoch), and every row is there once."""

import pytest
import torch

from mlp_torch.head import Batch
from mlp_torch.training.batches import Batches, seed_of, select


def table(n: int) -> Batch:
    """Rows that say in every tensor who they are."""
    row = torch.arange(n)
    return Batch({"x": row.float().unsqueeze(1), "code": row}, row.double(), row.float(), row)


def rows(batches: Batches) -> list[int]:
    return [row for batch in batches for row in batch.row.tolist()]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("size", [1, 4, 8, 1000])
def test_every_row_is_there_once_in_as_many_batches_as_promised(n, size):
    for at in (None, lambda: (0, 0)):
        batches = Batches(table(n), size, at=at)
        sizes = [len(batch.y) for batch in batches]
        assert sorted(rows(batches)) == list(range(n))
        assert len(sizes) == len(batches)
        assert sizes[:-1] == [size] * (len(sizes) - 1)
        assert 0 not in sizes


def test_the_parts_of_a_row_stay_together():
    for batch in Batches(table(100), 8, at=lambda: (0, 0)):
        for x in (batch.features["x"].squeeze(1), batch.features["code"], batch.y, batch.weight):
            assert torch.equal(x.long(), batch.row)


def test_each_epoch_has_its_own_order_and_the_same_one_each_time():
    first, second = (Batches(table(100), 8, at=lambda epoch=epoch: (epoch, 0), seed=3) for epoch in (0, 1))
    assert rows(first) == rows(first)
    assert rows(first) != rows(second)
    assert rows(first) != list(range(100))


def test_another_seed_gives_another_order():
    a, b = (Batches(table(100), 8, at=lambda: (0, 0), seed=seed) for seed in (0, 1))
    assert rows(a) != rows(b)


def test_drawing_random_numbers_elsewhere_changes_no_order():
    batches = Batches(table(100), 8, at=lambda: (0, 0))
    torch.manual_seed(1)
    expected = rows(batches)
    torch.manual_seed(2)
    torch.rand(3)
    state = torch.get_rng_state()
    assert rows(batches) == expected
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("done", [0, 1, 15, 16, 17, 50])
def test_an_epoch_goes_on_after_the_batches_that_are_done(done):
    whole = [batch.row.tolist() for batch in Batches(table(203), 4, at=lambda: (2, 0))]
    rest = [batch.row.tolist() for batch in Batches(table(203), 4, at=lambda: (2, done))]
    assert rest == whole[done:]


def test_an_epoch_that_is_done_gives_no_batch():
    assert rows(Batches(table(20), 4, at=lambda: (0, 5))) == []


# a table on disk


@pytest.fixture
def short_runs(monkeypatch):
    """Runs of 4 rows, 3 of them in a buffer."""
    monkeypatch.setattr("mlp_torch.training.batches.RUN", 4)
    monkeypatch.setattr("mlp_torch.training.batches.BUFFER", 12)


def on_disk(n: int, size: int, *, epoch: int = 0, done: int = 0, seed: int = 0) -> Batches:
    return Batches(table(n), size, at=lambda: (epoch, done), seed=seed, release=lambda: None)


@pytest.mark.parametrize("n", [0, 1, 11, 12, 13, 48, 101])
@pytest.mark.parametrize("size", [1, 4, 5, 12, 30, 1000])
@pytest.mark.usefixtures("short_runs")
def test_a_table_on_disk_gives_every_row_once_and_only_the_last_batch_is_short(n, size):
    batches = on_disk(n, size)
    sizes = [len(batch.y) for batch in batches]
    assert sorted(rows(batches)) == list(range(n))
    assert sizes == [size] * (n // size) + [n % size] * (n % size > 0)
    assert len(sizes) == len(batches)
    for batch in batches:
        for x in (batch.features["x"].squeeze(1), batch.features["code"], batch.y, batch.weight):
            assert torch.equal(x.long(), batch.row)


@pytest.mark.parametrize("size", [1, 5, 12, 30])
@pytest.mark.usefixtures("short_runs")
def test_its_epoch_goes_on_after_any_number_of_batches_within_and_between_buffers(size):
    whole = [batch.row.tolist() for batch in on_disk(101, size, epoch=2)]
    for done in range(len(whole) + 2):
        assert [batch.row.tolist() for batch in on_disk(101, size, epoch=2, done=done)] == whole[done:]


@pytest.mark.usefixtures("short_runs")
def test_buffers_before_the_position_are_not_read():
    read = []
    batches = Batches(table(101), 5, at=lambda: (0, 15), release=lambda: read.append(1))
    assert len(rows(batches)) == 101 - 75
    assert len(read) == 3  # 9 buffers, the batches before fill 6
    read.clear()
    assert len(rows(Batches(table(96), 12, at=lambda: (0, 3), release=lambda: read.append(1)))) == 60
    assert len(read) == 5  # a buffer begins here


@pytest.mark.usefixtures("short_runs")
def test_its_order_is_of_seed_and_epoch_and_of_no_other_random_numbers():
    first = rows(on_disk(101, 5))
    torch.rand(3)
    assert rows(on_disk(101, 5)) == first
    assert rows(on_disk(101, 5, epoch=1)) != first
    assert rows(on_disk(101, 5, seed=1)) != first


def test_the_rows_of_a_buffer_have_another_order_in_each_epoch(monkeypatch):
    monkeypatch.setattr("mlp_torch.training.batches.RUN", 50)
    monkeypatch.setattr("mlp_torch.training.batches.BUFFER", 50)
    orders = [tuple(row for row in rows(on_disk(51, 5, epoch=epoch)) if row < 50) for epoch in range(9)]
    assert len(set(orders)) == 9


@pytest.mark.usefixtures("short_runs")
def test_a_buffer_mixes_rows_of_distant_runs():
    found = rows(on_disk(101, 12))
    assert len({row // 4 for row in found[:12]}) == 3
    assert max(found[:12]) - min(found[:12]) > 12
    assert [row % 4 for row in found[:12]] != [0, 1, 2, 3] * 3


@pytest.mark.usefixtures("short_runs")
def test_a_table_that_fits_into_a_buffer_has_the_order_that_it_has_in_memory():
    for n in (11, 12):
        assert rows(on_disk(n, 5)) == rows(Batches(table(n), 5, at=lambda: (0, 0)))
    assert rows(on_disk(13, 5)) != rows(Batches(table(13), 5, at=lambda: (0, 0)))


@pytest.mark.usefixtures("short_runs")
def test_memory_is_given_back_after_every_buffer_and_every_batch_in_order():
    read = []
    for at, times in ((lambda: (0, 0), 9), (None, 21)):
        read.clear()
        list(Batches(table(101), 5, at=at, release=lambda: read.append(1)))
        assert len(read) == times


def test_the_position_is_asked_for_when_batches_are_and_not_before():
    place = [0, 0]
    batches = Batches(table(20), 4, at=lambda: (place[0], place[1]))
    place[1] = 3
    assert len(rows(batches)) == 8


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1, however: batch_size=0"):
        Batches(table(3), 0)


def test_rows_are_selected_by_index_and_by_slice():
    index = torch.tensor([4, 0])
    assert select(table(5), index).features["code"].tolist() == [4, 0]
    assert select(table(5), slice(1, 3)).y.tolist() == [1.0, 2.0]


def test_seeds_fit_into_63_bits_and_neighbours_share_no_pattern():
    seeds = [seed_of(0, epoch, batch) for epoch in range(30) for batch in range(30)]
    assert len(set(seeds)) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, 2) != seed_of(2, 1)
    ones = torch.tensor([[seed >> bit & 1 for bit in range(63)] for seed in seeds]).double().mean(dim=0)
    assert ((ones - 0.5).abs() < 0.1).all()  # 6 standard deviations


def test_a_loader_keeps_no_state_so_that_none_can_get_out_of_step():
    batches = Batches(table(20), 4, at=lambda: (0, 0))
    next(iter(batches))
    assert batches.state_dict() == {}
    batches.load_state_dict({"position": 3})
    assert len(rows(batches)) == 20


def drawn_rows(n: int, size: int = 8, *, epoch: int = 0, done: int = 0, seed: int = 0, disk: bool = False, weight=None):
    weight = torch.arange(n).float() if weight is None else weight
    release = (lambda: None) if disk else None
    return Batches(table(n), size, at=lambda: (epoch, done), seed=seed, release=release, draw=weight)


@pytest.mark.parametrize("disk", [False, True])
def test_rows_are_drawn_as_often_as_they_weigh(disk, monkeypatch):
    monkeypatch.setattr("mlp_torch.training.batches.RUN", 2)
    monkeypatch.setattr("mlp_torch.training.batches.BUFFER", 4)
    found = torch.zeros(11)
    for epoch in range(2000):
        drawn = rows(drawn_rows(11, epoch=epoch, disk=disk))
        assert len(drawn) == 11
        found += torch.bincount(torch.tensor(drawn), minlength=11)
    expected = 2000 * 11 * torch.arange(11) / 55
    assert found[0] == 0  # weighs nothing
    assert float(((found - expected) ** 2 / expected.clamp(min=1)).sum()) < 29.6  # chi², 10 degrees, 1 in 1,000


@pytest.mark.parametrize("disk", [False, True])
def test_draws_are_of_seed_and_epoch_and_go_on_where_they_stopped(disk, monkeypatch):
    monkeypatch.setattr("mlp_torch.training.batches.RUN", 4)
    monkeypatch.setattr("mlp_torch.training.batches.BUFFER", 16)
    whole = rows(drawn_rows(101, disk=disk))
    assert whole == rows(drawn_rows(101, disk=disk))
    assert whole != rows(drawn_rows(101, disk=disk, epoch=1))
    assert whole != rows(drawn_rows(101, disk=disk, seed=1))
    assert sorted(whole) != list(range(101))  # with replacement
    for done in range(14):
        assert rows(drawn_rows(101, disk=disk, done=done)) == whole[8 * done :]


def test_a_table_on_disk_that_fits_into_a_buffer_is_drawn_as_in_memory():
    assert rows(drawn_rows(50, disk=True)) == rows(drawn_rows(50))


def test_draws_of_more_rows_than_torch_multinomial_takes_never_hit_a_row_that_weighs_nothing():
    weight = torch.tensor([0.0, 1e-30, 0.0, 1.0, 0.0])
    found = torch.tensor(rows(drawn_rows(5, weight=weight, epoch=0)) + rows(drawn_rows(5, weight=weight, epoch=1)))
    assert set(found.tolist()) == {3}


# epochs that are no passes


@pytest.mark.parametrize("is_on_disk", [False, True])
@pytest.mark.parametrize("size", [1, 8, 70, 300])
@pytest.mark.parametrize("rows_per_epoch", [1, 70, 100, 101, 250])
@pytest.mark.usefixtures("short_runs")
def test_epochs_of_so_many_rows_are_cut_from_passes_end_to_end(rows_per_epoch, size, is_on_disk):
    release = (lambda: None) if is_on_disk else None
    passes = [row for i in range(8) for row in rows(Batches(table(100), 5, at=lambda i=i: (i, 0), release=release))]
    for epoch in range(3):
        epochs = Batches(table(100), size, at=lambda e=epoch: (e, 0), rows=rows_per_epoch, release=release)
        found = [batch.row.tolist() for batch in epochs]
        assert [row for batch in found for row in batch] == passes[
            epoch * rows_per_epoch : (epoch + 1) * rows_per_epoch
        ]
        assert [len(batch) for batch in found[:-1]] == [size] * (len(epochs) - 1)
        for done in range(len(found) + 1):
            rest = Batches(table(100), size, at=lambda e=epoch, d=done: (e, d), rows=rows_per_epoch, release=release)
            assert [batch.row.tolist() for batch in rest] == found[done:]
