"""Folds: each row is tested once, validated once, trained on in all other runs."""

import farmhash
import pytest
import torch

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.reproducibility.folds import ranges
from mlp_torch.reproducibility.split import SPLITS, ByColumn, ByFingerprint, ByTime, Split

WORDS = [f"id{i}" for i in range(3000)]
ROWS = {"id:string": fingerprints(WORDS)}
TRAIN, CALIBRATION, VAL, TEST = range(4)


def runs(split: Split, of: int) -> torch.Tensor:
    """(of, N) the split of each row in each run."""
    return torch.stack([split.fold(i, of=of).assign(ROWS) for i in range(of)])


@pytest.mark.parametrize("of", [3, 5, 7])
def test_every_row_is_tested_once_and_validated_once(of):
    found = runs(ByFingerprint(["id"], calibration=0.1), of)
    assert (found == TEST).sum(0).tolist() == [1] * len(WORDS)
    assert (found == VAL).sum(0).tolist() == [1] * len(WORDS)


def test_the_fold_of_a_row_is_the_range_of_its_fingerprints_bucket():
    found = runs(ByFingerprint(["id"]), 5)
    folds = [farmhash.fingerprint64(word) % 10_000 // 2_000 for word in WORDS]
    assert (found == TEST).int().argmax(0).tolist() == folds


def test_the_fold_after_the_tested_one_validates_and_the_first_follows_the_last():
    found = runs(ByFingerprint(["id"]), 5)
    assert torch.equal(found[0] == VAL, found[1] == TEST)
    assert torch.equal(found[4] == VAL, found[0] == TEST)


def test_calibration_keeps_its_share_and_its_rows_in_every_run_that_does_not_judge_them():
    found = runs(ByFingerprint(["id"], calibration=0.1), 5)
    shares = (found == CALIBRATION).double().mean(1)
    assert ((shares - 0.1).abs() < 0.02).all()
    ever = (found == CALIBRATION).any(0)
    assert set(found[:, ever].unique().tolist()) == {CALIBRATION, VAL, TEST}
    assert set(found[:, ~ever].unique().tolist()) == {TRAIN, VAL, TEST}


def test_without_calibration_there_is_none_and_none_is_needed():
    split = ByFingerprint(["id"], calibration=0.0)
    assert not (runs(split, 4) == CALIBRATION).any()
    assert split.fold(0, of=4).needed == ("train", "val", "test")
    assert ByFingerprint(["id"], test=0.0).fold(0, of=4).needed == SPLITS


def test_folds_do_not_depend_on_the_shares_of_validation_and_test():
    one, other = ByFingerprint(["id"], val=0.3, test=0.0), ByFingerprint(["id"], val=0.1, test=0.2)
    assert torch.equal(runs(one, 5), runs(other, 5))
    assert not torch.equal(one.assign(ROWS), other.assign(ROWS))


def test_a_fold_leaves_the_split_that_it_is_made_of_as_it_was():
    split = ByFingerprint(["id"])
    before = split.assign(ROWS)
    split.fold(1, of=5)
    assert torch.equal(split.assign(ROWS), before)


def test_every_bucket_is_dealt_out_where_folds_do_not_divide_them():
    for of in (3, 7, 100):
        assert sum(size for _, size in ranges(0, of=of, buckets=10_000, calibration=500)) == 10_000


@pytest.mark.parametrize(
    ("index", "of", "message"),
    [
        (0, 1, r"folds must be a whole number from 3 \(one tests, one validates, the rest train\) to 100, .*folds=1$"),
        (0, 2, "folds=2"),
        (0, 101, "folds=101"),
        (0, 2.5, r"folds=2\.5"),
        (5, 5, "fold must be a whole number from 0 to 4, of folds=5, however: fold=5"),
        (-1, 5, "fold=-1"),
        (None, 5, "fold=None"),
    ],
)
def test_folds_that_cannot_be_are_refused(index, of, message):
    with pytest.raises(ConfigError, match=message):
        ByFingerprint(["id"]).fold(index, of=of)


def test_calibration_that_would_take_all_training_rows_is_refused():
    with pytest.raises(ConfigError, match=r"calibration must leave each of 3 folds training rows, however: .*=0\.4$"):
        ByFingerprint(["id"], calibration=0.4).fold(0, of=3)


@pytest.mark.parametrize(
    "split",
    [
        ByTime("t", val="2013-10-01", test="2013-11-01"),
        ByColumn("s", train=["a"], val=["b"], test=["c"]),
    ],
)
def test_a_split_that_makes_no_folds_says_so(split):
    rule = "folds need a split that makes them, as ByFingerprint does, however: data.split is "
    with pytest.raises(ConfigError, match=rule + type(split).__name__):
        split.fold(0, of=5)
