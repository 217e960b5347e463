"""KDD Cup 2004, by the cup's own description of its file."""

import pandas as pd
import pytest
from real import needs

from mlp_torch.datasets.kdd04 import ORIGIN, Kdd04

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def frame():
    return Kdd04().read().table.to_pandas()


def test_the_published_counts_of_candidates_and_matches(frame):
    assert frame.shape == (145_751, 77)
    assert frame["target"].value_counts().to_dict() == {0: 144_455, 1: 1_296}
    assert not frame.isna().any(axis=None)


def test_a_block_is_one_native_protein_and_an_example_has_a_number_of_its_own(frame):
    # "BLOCK IDs are integers running from 1 to 303", "an EXAMPLE ID that uniquely describes the example"
    assert frame["block_id"].nunique() == 153
    assert frame["block_id"].between(1, 303).all()
    assert frame["example_id"].is_unique
    assert (frame.groupby("block_id")["target"].sum() >= 1).all()


def test_features_are_those_of_the_file_counted_from_1(frame):
    expected = pd.read_parquet(ORIGIN.paths()[0])
    assert list(frame.columns[3:]) == [f"f{i}" for i in range(1, 75)]
    assert (frame.iloc[:, 3:].to_numpy() == expected.iloc[:, 3:].to_numpy()).all()
    assert frame.iloc[0, 3:8].tolist() == [52.0, 32.69, 0.3, 2.5, 20.0]


def test_783_rows_have_the_features_of_another_one(frame):
    assert frame.iloc[:, 3:].duplicated().sum() == 783
