"""People of Massachusetts, by pandas' own join of the three files."""

import pandas as pd
import pytest
from real import needs

from mlp_torch.datasets.people import CODES, ORIGIN, SCHEMA, People

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def frame():
    return People().read().table.to_pandas()


def test_rows_of_each_year_and_how_many_have_work(frame):
    assert frame.groupby("year").size().to_dict() == {2015: 68_785, 2016: 69_126, 2017: 69_635, 2018: 70_131}
    assert frame.groupby("year")["employed"].sum().to_dict() == {
        2015: 34_106,
        2016: 34_634,
        2017: 35_037,
        2018: 35_422,
    }


def test_all_cells_are_those_of_the_files(frame):
    reference, analysis, target = (pd.read_parquet(path) for path in ORIGIN.paths())
    expected = pd.concat([reference, analysis.merge(target, on="id")], ignore_index=True)[SCHEMA.names]
    for name in SCHEMA.names:
        found = expected[name].astype(str) if name in CODES else expected[name]
        assert frame[name].tolist() == found.tolist(), name


def test_nothing_is_missing_and_a_person_has_one_number(frame):
    assert not frame.isna().any(axis=None)
    assert frame["id"].is_unique
    assert frame.drop(columns="id").duplicated().sum() == 107_480
