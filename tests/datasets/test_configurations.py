"""configs/data of each data set: all rows are read, none is lost unseen, each is in the split that is written there.

Fingerprints come from pyfarmhash.
"""

from collections import Counter

import farmhash
import pytest
from real import needs

from mlp_torch.configuration import built, composed
from mlp_torch.datasets.fetch import origins
from mlp_torch.reproducibility.split import SPLITS

BY_FIELD = {  # target, the field that decides, the label without which a row is dropped
    "california": ("Number, field: MedHouseVal", "row", None),
    "kdd04": ("Category, field: target", "block_id", None),
    "movies": ("Labels, field: Genre", "imdbID", "Genre"),
    "reviews": ("Category, field: department", "review", "department"),
}


def with_data(*names: str):
    """A mark that tells which data sets a test needs."""
    return pytest.mark.parametrize("name", [pytest.param(name, marks=needs(origins()[name])) for name in names])


def prepared(name: str, target: str, *overrides: str):
    """The table of a configuration with one of its columns, and its rows as they were read."""
    target = f"data.target={{_target_: mlp_torch.target.{target}}}"
    cfg = composed([f"data={name}", "~experiment", "head=regression", "name=x", target, *overrides]).data
    cfg.columns = dict(list(cfg.columns.items())[-1:])
    data = built(cfg)
    return cfg, data.prepare(), data.source.read().table


@with_data(*BY_FIELD)
def test_the_fingerprint_of_a_field_decides_and_no_row_is_lost_but_for_its_target(name):
    target, field, label = BY_FIELD[name]
    cfg, data, table = prepared(name, target, *([f"+data.fields.{label}.missing=drop"] if name == "reviews" else []))
    used = table.filter(table[label].is_valid()) if label else table
    texts = [None if value is None else str(value) for value in used[field].to_pylist()]
    buckets = [0 if text is None else farmhash.fingerprint64(text) % 10_000 for text in texts]
    shares = [(part, round(cfg.split[part] * 10_000)) for part in ("test", "val", "calibration")]
    expected: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
    for bucket in buckets:
        edge, found = 10_000, "train"
        for part, share in shares:
            edge -= share
            if bucket >= edge:
                found = part
                break
        expected[found] += 1
    assert data.counts["splits"] == expected
    assert data.counts["read"] == len(table)
    assert data.counts["used"] == len(used)


@with_data("movielens")
def test_ratings_are_split_at_random_and_any_number_of_folds_can_be_made(name):
    cfg, data, table = prepared(name, "Number, field: rating")
    sizes = data.counts["splits"]
    assert sum(sizes.values()) == len(table) == 100_000
    for part, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(sizes[part] - share * 100_000) < 4 * (share * (1 - share) * 100_000) ** 0.5
    tested = [(built(cfg.split).fold(i, of=5)).by_bucket == SPLITS.index("test") for i in range(5)]
    assert (sum(fold.int() for fold in tested) == 1).all()


@with_data("fashion_mnist", "people")
def test_published_test_rows_stay_and_training_rows_give_those_for_validation(name):
    target = {"fashion_mnist": "Category, field: label", "people": "Category, field: employed"}[name]
    first = ["data.source.first=2000"] if name == "fashion_mnist" else []
    _, data, table = prepared(name, target, *first)
    field, test, row = {"fashion_mnist": ("part", ["test"], "row"), "people": ("year", [2016, 2017, 2018], "id")}[name]
    rows = [str(r[row]) for r in table.select([field, row]).to_pylist() if r[field] not in test]
    sizes = data.counts["splits"]
    assert sizes["test"] == len(table) - len(rows)
    assert sizes["val"] == sum(farmhash.fingerprint64(text) % 10_000 >= 9_000 for text in rows) > 0
    assert sizes["train"] + sizes["calibration"] + sizes["val"] == len(rows)
