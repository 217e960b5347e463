"""Splits: golden fingerprints come from pyfarmhash, dates from datetime."""

from datetime import date, datetime, timedelta

import farmhash
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.fingerprint import cross, fingerprints
from mlp_torch.reproducibility.split import SPLITS, ByColumn, ByFingerprint, ByTime, check_sizes

DAY = 86_400.0


def at(*times: str) -> Tensor:
    """Seconds of wall clock."""
    since = [(datetime.fromisoformat(t) - datetime(1970, 1, 1)).total_seconds() for t in times]
    return torch.tensor(since, dtype=torch.float64)


def names(split: Tensor) -> list[str]:
    return [SPLITS[i] if i >= 0 else "none" for i in split.tolist()]


def year_of_hours() -> Tensor:
    return at("2013-01-01") + 3600 * torch.arange(365 * 24, dtype=torch.float64)


BY_MONTH = {"val": "2013-10-01", "test": "2013-11-01"}


def test_time_decides_with_borders_that_belong_to_the_later_split():
    split = ByTime("t", **BY_MONTH, calibration=0.0, start="2013-01-01", end="2014-01-01T00:00")
    times = ["2012-12-31T23:59:59", "2013-01-01", "2013-09-30T23:59:59", "2013-10-01", "2013-10-31T23:59:59"]
    times += ["2013-11-01", "2013-12-31T23:59:59", "2014-01-01"]
    expected = ["none", "train", "train", "val", "val", "test", "test", "none"]
    assert names(split.assign({"t:time": at(*times)})) == expected


def test_without_start_and_end_every_row_is_in_a_split_even_before_1970():
    times = at("0001-01-01", "1969-12-31T23:00", "9999-12-31")
    assert names(ByTime("t", **BY_MONTH, calibration=0.0).assign({"t:time": times})) == ["train", "train", "test"]


def test_calibration_takes_whole_training_days_by_the_fingerprint_of_their_iso_date():
    hours = year_of_hours()
    found = ByTime("t", **BY_MONTH, calibration=0.2).assign({"t:time": hours})
    days = [date(2013, 1, 1) + timedelta(d) for d in range(273)]
    wanted = {d for d, day in enumerate(days) if farmhash.fingerprint64(day.isoformat()) % 10_000 < 2_000}
    index = ((hours - hours[0]) / DAY).long()
    assert set(index[found == 1].tolist()) == wanted
    assert not set(index[found == 0].tolist()) & wanted
    assert 0.1 < len(wanted) / 273 < 0.3


def test_days_before_1970_are_whole_days_too():
    # -1 s is 1969-12-31: truncation instead of floor would take it for 1970-01-01
    days = [str(date(1970, 1, 1) - timedelta(d)) for d in range(1, 400)]
    midnight = at(next(day for day in days if farmhash.fingerprint64(day) % 10_000 < 2_000))
    times = torch.cat([midnight, midnight + 0.5 * DAY, midnight + DAY - 1])
    assert names(ByTime("t", **BY_MONTH, calibration=0.2).assign({"t:time": times})) == ["calibration"] * 3


def test_more_calibration_days_keep_those_that_were_chosen():
    hours = year_of_hours()
    few, many = (ByTime("t", **BY_MONTH, calibration=c).assign({"t:time": hours}) for c in (0.05, 0.2))
    assert ((few == 1) <= (many == 1)).all()
    assert (few == 1).sum() < (many == 1).sum()


def test_a_missing_time_is_refused_with_its_rows():
    times = at("2013-01-01", "2013-01-02", "2013-01-03")
    times[1:] = torch.tensor([torch.nan, torch.inf])
    with pytest.raises(DataError, match=r'missing_split_field: column "t": .*2 of 3 rows, rows 1, 2'):
        ByTime("t", **BY_MONTH).assign({"t:time": times})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"val": "October"}, "val must be an ISO date or time, however: val='October'"),
        ({"val": 2013}, "val must be an ISO date or time, however: val=2013"),
        ({"val": "2013-10-01T00:00Z"}, "without a zone"),
        ({"val": "2013-11-01"}, "start, val, test and end must ascend"),
        ({"start": "2013-10-02"}, "must ascend"),
        ({"end": "2013-10-02"}, "must ascend"),
        ({"calibration": 1.0}, "shares must be at least 0 and sum to less than 1, however: calibration=1.0"),
    ],
)
def test_times_and_shares_that_contradict_each_other_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ByTime("t", **{**BY_MONTH, **wrong})


WORDS = [f"row {i}" for i in range(20_000)]


def by_farmhash(word: str) -> str:
    """The default shares by hand: train to 7,500, calibration to 8,000, val to 9,000, test to the end."""
    bucket = farmhash.fingerprint64(word) % 10_000
    return "train" if bucket < 7_500 else "calibration" if bucket < 8_000 else "val" if bucket < 9_000 else "test"


def test_one_field_is_split_by_its_own_fingerprint_as_pyfarmhash_gives_it():
    found = names(ByFingerprint(["id"]).assign({"id:string": fingerprints(WORDS)}))
    assert found == [by_farmhash(word) for word in WORDS]


def test_the_borders_of_the_ranges_never_move():
    # fingerprints as large as the bucket itself: these numbers are a promise to every split ever made
    borders = torch.tensor([0, 7_499, 7_500, 7_999, 8_000, 8_999, 9_000, 9_999, 10_000])
    expected = ["train", "train", "calibration", "calibration", "val", "val", "test", "test", "train"]
    assert names(ByFingerprint(["id"]).assign({"id:string": borders})) == expected


def test_the_modulo_is_that_of_the_unsigned_number():
    # 2^64 - 1 mod 10,000 = 1,615; the signed -1 would give 9,999 (floored) or 1 (the book's ABS)
    split = ByFingerprint(["id"], val=0.8, test=0.0415, calibration=0.0)
    assert names(split.assign({"id:string": torch.tensor([-1, 1])})) == ["val", "train"]


def test_shares_come_out_near_the_wanted():
    split = ByFingerprint(["id"], val=0.2, test=0.1, calibration=0.03).assign({"id:string": fingerprints(WORDS)})
    found = [(split == i).double().mean().item() for i in range(4)]
    # four standard deviations of a share of 20,000 are at most 0.0142
    assert found == pytest.approx([0.67, 0.03, 0.2, 0.1], abs=0.0142)


def test_several_fields_are_split_by_their_cross_and_order_matters():
    a, b = fingerprints(["x"] * 500), fingerprints(WORDS[:500])
    inputs = {"a:string": a, "b:string": b}
    both = ByFingerprint(["a", "b"]).assign(inputs)
    assert torch.equal(both, ByFingerprint(["c"]).assign({"c:string": cross([a, b])}))
    assert not torch.equal(both, ByFingerprint(["b", "a"]).assign(inputs))
    assert not torch.equal(both, ByFingerprint(["b"]).assign(inputs))


def test_a_missing_value_is_a_value():
    x = fingerprints([None, "a", None])
    assert names(ByFingerprint(["id"]).assign({"id:string": x}))[::2] == ["train", "train"]
    crossed = ByFingerprint(["id", "day"], val=0.3, test=0.3)
    days = fingerprints(WORDS[:300])
    assert set(crossed.assign({"id:string": torch.zeros_like(days), "day:string": days}).tolist()) == {0, 1, 2, 3}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_a_row_falls_in_the_same_split_whatever_other_rows_there_are(words, random):
    words = [w for w in words if w is None or w.isprintable()]
    split = ByFingerprint(["id", "kind"], val=0.3, test=0.3)
    order = random.sample(range(len(words)), len(words) // 2)

    def assign(rows: list[str | None]) -> list[int]:
        return split.assign({"id:string": fingerprints(rows), "kind:string": fingerprints(rows[:])}).tolist()

    whole = assign(words)
    assert assign([words[i] for i in order]) == [whole[i] for i in order]


def test_a_time_split_of_some_rows_is_that_of_all_rows():
    hours, split = year_of_hours(), ByTime("t", **BY_MONTH, calibration=0.1)
    some = torch.randperm(len(hours), generator=torch.Generator().manual_seed(0))[:500]
    assert torch.equal(split.assign({"t:time": hours[some]}), split.assign({"t:time": hours})[some])


@pytest.mark.parametrize("smaller", [{"val": 0.05}, {"test": 0.02}, {"calibration": 0.0}, {"val": 0.0, "test": 0.15}])
def test_training_rows_stay_when_the_other_shares_together_shrink(smaller):
    inputs = {"id:string": fingerprints(WORDS)}
    before, after = ByFingerprint(["id"]).assign(inputs), ByFingerprint(["id"], **smaller).assign(inputs)
    assert (after[before == 0] == 0).all()
    assert not torch.equal(before, after)


def test_test_rows_depend_on_the_share_of_test_alone():
    inputs = {"id:string": fingerprints(WORDS)}
    before = ByFingerprint(["id"]).assign(inputs)
    after = ByFingerprint(["id"], val=0.3, calibration=0.1).assign(inputs)
    assert torch.equal(before == 3, after == 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"val": -0.1}, "at least 0 and sum to less than 1, however: calibration=0.05, val=-0.1, test=0.1"),
        ({"val": 0.85}, "sum to less than 1"),
        ({"val": float("nan")}, "sum to less than 1"),
        ({"val": 0.00005}, "a whole number of 1/10,000, however: val=5e-05"),
        ({"fields": []}, r"one or more distinct names, however: fields=\[\]"),
        ({"fields": ["a", "a"]}, "distinct names"),
        ({"fields": "id"}, "must be a list .* however: fields='id'"),
    ],
)
def test_shares_and_fields_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ByFingerprint(**{"fields": ["id"], **wrong})


def test_a_given_column_names_the_splits_or_holds_their_values():
    x = {"year:string": fingerprints(["2015", "2018", "2017", "2016", "2014"])}
    split = ByColumn("year", train=["2014", "2015"], val=["2017"], test=["2018"], calibration=["2016"])
    assert names(split.assign(x)) == ["train", "test", "val", "calibration", "train"]


def test_a_value_that_is_named_nowhere_is_listed_with_its_count():
    words = ["train", "dev", "val", "dev", "hold-out", "dev"]
    split, x = ByColumn("part", train=["train"], val=["val"], test=["test"]), fingerprints(words)
    pairs = [(int(f), w) for f, w in zip(x, words, strict=True)]
    with pytest.raises(DataError) as error:
        split.assign({"part:string": x}, lambda read: pairs)
    assert "'dev' (3 rows), 'hold-out' (1 row); known: train, val, test;" in str(error.value)
    assert "4 of 6 rows, rows 1, 3, 4, 5" in str(error.value)
    with pytest.raises(DataError, match=f"fingerprint {int(x[1])}' \\(3 rows\\)"):
        split.assign({"part:string": x})


def test_a_missing_value_in_the_given_column_is_refused():
    with pytest.raises(DataError, match=r"missing_split_field.*1 of 2 rows, row 1"):
        ByColumn("part", train=["a"], val=["b"], test=["c"]).assign({"part:string": fingerprints(["a", None])})


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("train", "train must be a list of texts, however: train='train'"),
        ([2013], "list of texts"),
        (["v"], r"one split, however: \['v'\]"),
    ],
)
def test_values_that_are_no_list_or_named_twice_are_refused(train, message):
    with pytest.raises(ConfigError, match=message):
        ByColumn("part", train=train, val=["v"], test=["t"])


def test_an_empty_split_is_refused_with_all_sizes():
    split = torch.tensor([0, 0, 0, 2, 2, -1])
    with pytest.raises(DataError) as error:
        check_sizes(split)
    assert "empty_split: calibration and test must have at least 1 row, however:" in str(error.value)
    assert "train 3, calibration 0, val 2, test 0, in no split 1" in str(error.value)


def test_a_split_may_be_smaller_than_the_minimum_only_where_it_is_not_needed():
    split = torch.tensor([0, 0, 0, 2, 2, 3, 3])
    without = ByFingerprint(["id"], calibration=0.0).needed
    check_sizes(split, 2, needed=without)
    with pytest.raises(DataError, match="val and test must have at least 3 rows"):
        check_sizes(split, 3, needed=without)
    with pytest.raises(DataError, match="calibration must"):
        check_sizes(split, 2, needed=ByFingerprint(["id"]).needed)


def test_each_rule_says_which_splits_it_means_to_fill():
    assert ByTime("t", **BY_MONTH).needed == SPLITS
    assert ByTime("t", **BY_MONTH, calibration=0.0).needed == ("train", "val", "test")
    assert ByFingerprint(["id"], test=0.0).needed == ("train", "calibration", "val")
    assert ByColumn("p", train=["a"], val=["b"], test=["c"]).needed == ("train", "val", "test")


def test_rows_without_a_time_are_training_rows_where_that_is_asked_for_and_move_no_other():
    times = torch.tensor([0.0, torch.nan, 1e9, 2e9], dtype=torch.float64)
    whole = ByTime("t", val="2000-01-01", test="2030-01-01", calibration=0.5, missing="train")
    found = whole.assign({"t:time": times})
    assert found[1] == SPLITS.index("train")
    strict = ByTime("t", val="2000-01-01", test="2030-01-01", calibration=0.5)
    assert found[[0, 2, 3]].tolist() == strict.assign({"t:time": times[[0, 2, 3]]}).tolist()
    assert whole.assign({"t:time": times[1:2]}).tolist() == [SPLITS.index("train")]
    with pytest.raises(ConfigError, match="missing must be error or train, however: missing='val'"):
        ByTime("t", val="2000-01-01", test="2030-01-01", missing="val")
