"""Validation rows carved out of a published split; which rows they are comes from pyfarmhash."""

import farmhash
import pytest
import torch
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.reproducibility.carved import Carved
from mlp_torch.reproducibility.split import SPLITS, ByColumn, ByTime

PUBLISHED = ByColumn("part", train=["train"], val=[], test=["test"])
ROWS = [*range(3000), *range(1000)]
PARTS = ["train"] * 3000 + ["test"] * 1000


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    return {"part:string": fingerprints(PARTS), "row:string": fingerprints([str(row) for row in ROWS])}


def test_shares_of_training_rows_are_carved_by_fingerprint_and_test_rows_stay(inputs):
    found = Carved(PUBLISHED, ["row"], val=0.1, calibration=0.05).assign(inputs)
    buckets = [farmhash.fingerprint64(str(row)) % 10_000 for row in ROWS]
    # from 0 upwards: train, calibration, val
    wanted = ["train" if bucket < 8_500 else "calibration" if bucket < 9_000 else "val" for bucket in buckets]
    wanted[3000:] = ["test"] * 1000
    assert [SPLITS[i] for i in found.tolist()] == wanted
    assert 200 < wanted.count("val") < 400


def test_fewer_rows_leave_the_others_where_they_were(inputs):
    split = Carved(PUBLISHED, ["row"], val=0.2)
    some = torch.arange(0, 4000, 7)
    assert torch.equal(split.assign({key: x[some] for key, x in inputs.items()}), split.assign(inputs)[some])


def test_validation_rows_of_the_other_split_stay(inputs):
    published = ByColumn("part", train=["train"], val=["test"], test=[])
    found = Carved(published, ["row"], val=0.0, calibration=0.5).assign(inputs)
    assert set(found[3000:].tolist()) == {SPLITS.index("val")}
    assert set(found[:3000].tolist()) == {SPLITS.index("train"), SPLITS.index("calibration")}


def test_it_reads_what_both_need_even_where_a_field_has_the_name_of_the_others_key():
    split = Carved(PUBLISHED, ["split", "row"])
    assert sorted(split.reads) == ["part:string", "row:string", "split:string"]


def test_it_means_to_fill_what_either_means_to_fill():
    assert Carved(PUBLISHED, ["row"]).needed == ("train", "val", "test")
    assert Carved(PUBLISHED, ["row"], calibration=0.1).needed == SPLITS


def test_a_row_that_the_other_split_refuses_is_refused(inputs):
    inputs["part:string"][5] = 0
    with pytest.raises(DataError, match="missing_split_field"):
        Carved(PUBLISHED, ["row"]).assign(inputs)


def test_rows_in_no_split_stay_in_none():
    split = Carved(ByTime("day", val="2020-01-02", test="2020-01-03", start="2020-01-01"), ["row"], val=0.99)
    rows = {"day:time": torch.zeros(50, dtype=torch.float64), "row:string": fingerprints([str(i) for i in range(50)])}
    assert set(split.assign(rows).tolist()) == {-1}


def test_shares_that_leave_no_training_rows_are_refused():
    with pytest.raises(ConfigError, match="sum to less than 1"):
        Carved(PUBLISHED, ["row"], val=0.6, calibration=0.4)


def test_folds_are_refused_by_naming_it():
    with pytest.raises(ConfigError, match=r"data\.split is Carved"):
        Carved(PUBLISHED, ["row"]).fold(0, of=5)


def test_of_training_rows_a_share_is_kept_and_a_larger_one_adds_to_it(inputs):
    all_rows = Carved(PUBLISHED, ["row"], val=0.2).assign(inputs)
    kept = {share: Carved(PUBLISHED, ["row"], val=0.2, train=share).assign(inputs) for share in (0.1, 0.3)}
    train = {share: set((found == 0).nonzero().squeeze(1).tolist()) for share, found in kept.items()}
    assert 180 < len(train[0.1]) < 300 < len(train[0.3])
    assert train[0.1] < train[0.3] < set((all_rows == 0).nonzero().squeeze(1).tolist())
    for found in kept.values():
        assert torch.equal(found[all_rows != 0], all_rows[all_rows != 0])  # validation and test rows stay
        assert set(found[all_rows == 0].tolist()) == {-1, 0}


@pytest.mark.parametrize("share", [0.0, 1.1, 0.00001, -0.5])
def test_a_share_of_training_rows_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match="train must be a whole number of 1/10,000, more than 0 and at most 1"):
        Carved(PUBLISHED, ["row"], train=share)
