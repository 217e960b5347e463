"""Every rare row in every member, every other row in one of them, by its fingerprint."""

from dataclasses import replace

import pytest
import test_contracts_heads as heads
import torch
from test_contracts_models import parts_of

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.fingerprint import fingerprints, tensorflow_bucket
from mlp_torch.problem.classification import Binary, log_odds
from mlp_torch.problem.ensembles import Ensemble
from mlp_torch.problem.slices import MajoritySlices


def rows(n: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    return fingerprints([f"r{i}" for i in range(n)]), torch.tensor([float(i % 10 == 0) for i in range(n)]).double()


def fitted(majority: int | None = None) -> MajoritySlices:
    slices = MajoritySlices(majority)
    slices.fit(torch.tensor([0.0, 0.0, 1.0]).double(), torch.ones(3))
    return slices


def test_every_row_of_the_majority_is_in_one_member_and_the_others_are_in_all() -> None:
    row, y = rows()
    share = fitted()(row, y, 8)
    assert share.dtype == torch.float32
    assert share.shape == (len(y), 8)
    assert share[y == 1].sum(dim=1).unique().tolist() == [8]
    assert share[y == 0].sum(dim=1).unique().tolist() == [1]


def test_the_slices_are_of_about_equal_size() -> None:
    row, y = rows()
    sizes = fitted()(row, y, 8)[y == 0].sum(dim=0)
    expected = (y == 0).sum() / 8
    assert float((sizes - expected).abs().max()) < 4 * float(expected) ** 0.5


def test_a_rows_member_depends_on_its_fingerprint_alone() -> None:
    row, y = rows(100)
    whole, turned = fitted()(row, y, 8), fitted()(row.flip(0), y.flip(0), 8)
    assert torch.equal(whole, turned.flip(0))
    assert torch.equal(fitted()(row[7:8], y[7:8], 8), whole[7:8])
    other = fitted()(fingerprints([f"s{i}" for i in range(100)]), y, 8)
    assert not torch.equal(whole, other)


def test_rows_that_a_split_has_chosen_by_their_fingerprint_fall_into_all_members() -> None:
    row, _ = rows()
    train = row[tensorflow_bucket(row, 10_000) < 1000]  # the same hash again would fill one member in ten
    sizes = fitted()(train, torch.zeros(len(train)).double(), 10).sum(dim=0)
    assert float(sizes.min()) > 0.7 * len(train) / 10


def test_the_majority_is_the_heaviest_class_unless_it_is_named() -> None:
    slices = MajoritySlices()
    slices.fit(torch.tensor([0.0, 0.0, 1.0, torch.nan]).double(), torch.tensor([1.0, 1.0, 3.0, 9.0]))
    row, y = fingerprints(["a", "b"]), torch.tensor([0.0, 1.0]).double()
    assert slices(row, y, 2).sum(dim=1).tolist() == [2, 1]
    assert fitted(0)(row, y, 2).sum(dim=1).tolist() == [1, 2]
    assert fitted(1)(row, y, 2).sum(dim=1).tolist() == [2, 1]


def test_the_sampling_weights_are_a_members_share_of_each_row_on_average() -> None:
    row, y = rows()
    slices = fitted()
    share = slices.sampling(y, torch.full((len(y),), 2.0), 8) / 2
    assert share[y == 1].unique().tolist() == [1.0]
    assert float(share[y == 0].mean()) == pytest.approx(float(slices(row, y, 8)[y == 0].mean()), rel=1e-6)


def test_the_slices_are_those_of_every_machine() -> None:
    """What another process has found, with another hash seed of Python; a salted hash would say something else."""
    found = fitted()(fingerprints([f"r{i}" for i in range(9)]), torch.zeros(9), 5).argmax(dim=1)
    assert found.tolist() == [1, 0, 0, 2, 0, 3, 0, 2, 0]


def test_impossible_slices_are_refused() -> None:
    with pytest.raises(ConfigError, match="majority must be the index of a class, however: majority=-1"):
        MajoritySlices(-1)


@pytest.mark.parametrize(
    ("y", "kind"), [(torch.tensor([-3.5, 2.0]), "numbers"), (torch.zeros(2, 3), "several labels a row")]
)
def test_targets_without_one_class_a_row_have_no_majority(y: torch.Tensor, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"slices of the majority need one class a row, however: {kind}"):
        MajoritySlices().fit(y.double(), torch.ones(2))


def test_a_majority_without_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="majority must be the index of a class with training rows, however: 7"):
        fitted(7)


def test_slices_of_rebalanced_rows_are_corrected_for_both() -> None:
    data = heads.rows(Binary, 400)
    weights = torch.where(data.y == 1, 5.0, 1.0)
    found = Ensemble(replace(parts_of(Binary, {}, data), sampling=weights), members=4, rows=MajoritySlices())
    majority = float(data.y.mean() < 0.5)  # the index of the class with fewer rows
    counted = torch.where(data.y == 1 - majority, weights / 4, weights)
    wanted = log_odds(data.y, data.weight) - log_odds(data.y, counted)
    assert found.head.shift.tolist() == pytest.approx(wanted.tolist(), abs=1e-5)
