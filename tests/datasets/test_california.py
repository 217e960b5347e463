"""California as published: figures of the census file by pandas, and the first row as scikit-learn's guide shows it."""

import pandas as pd
import pytest
from real import needs

from mlp_torch.datasets.california import FEATURES, ORIGIN, California

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def table():
    return California().read().table


def test_the_first_row_is_the_one_that_is_published(table):
    published = [8.3252, 41.0, 6.98412698, 1.02380952, 322.0, 2.55555556, 37.88, -122.23, 4.526]
    assert list(table.slice(0, 1).to_pylist()[0].values())[:9] == pytest.approx(published, abs=1e-8)


def test_all_cells_are_those_of_the_file(table):
    expected = pd.read_parquet(ORIGIN.paths()[0])
    pd.testing.assert_frame_equal(table.drop_columns(["row"]).to_pandas(), expected)


def test_the_published_counts_of_rows_and_of_what_is_cut_off(table):
    frame = table.to_pandas()
    assert frame.shape == (20_640, 10)
    assert round(frame["MedHouseVal"].mean(), 6) == 2.068558
    assert (frame["MedHouseVal"] == 5.00001).sum() == 965
    assert (frame["MedHouseVal"] == 5).sum() == 27
    assert (frame["HouseAge"] == 52).sum() == 1273
    assert not frame.isna().any(axis=None)
    assert not frame.drop(columns="row").duplicated().any()
    assert len(frame[["Latitude", "Longitude"]].drop_duplicates()) == 12_590


def test_rows_are_numbered_in_the_files_order(table):
    assert table["row"].to_pylist() == list(range(20_640))
    assert table.column_names == [*FEATURES, "MedHouseVal", "row"]
