"""Reviews, by pandas and by the figures that are published with them."""

import pandas as pd
import pytest
from real import needs

from mlp_torch.datasets.reviews import NAMES, ORIGIN, Reviews

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def table():
    return Reviews().read().table


@pytest.fixture(scope="module")
def frame(table):
    return table.to_pandas()


def test_all_cells_are_those_of_the_file_under_shorter_names(frame):
    expected = pd.read_parquet(ORIGIN.paths()[0])
    expected = expected.rename(columns=NAMES).rename(columns=str.lower)
    pd.testing.assert_frame_equal(frame.drop(columns="row"), expected, check_index_type=False)


def test_the_published_counts(frame):
    assert frame.shape == (23_486, 11)
    assert frame["rating"].value_counts().to_dict() == {5: 13_131, 4: 5_077, 3: 2_871, 2: 1_565, 1: 842}
    assert frame["recommended"].value_counts().to_dict() == {1: 19_314, 0: 4_172}
    missing = frame.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "title": 3_810,
        "review": 845,
        "division": 14,
        "department": 14,
        "class_name": 14,
    }


def test_copies_and_what_gives_the_department_away(frame):
    assert frame.drop(columns="row").duplicated().sum() == 21
    assert frame["review"].dropna().duplicated(keep=False).sum() == 13
    assert (frame.groupby("class_name")["department"].nunique() == 1).all()
    assert (frame.groupby("clothing_id")["class_name"].nunique() > 1).sum() == 1


def test_line_breaks_stay_in_the_text(table):
    texts = [text for text in table["review"].to_pylist() if text]
    assert sum("\n" in text for text in texts) == 2_024
    assert max(map(len, texts)) == 508


def test_rows_are_numbered(table):
    assert table["row"].to_pylist() == list(range(23_486))
