"""MovieLens 100K, by the figures of its README and by pandas' own join."""

from datetime import date, datetime

import pandas as pd
import pytest
from real import needs

from mlp_torch.datasets.movielens import GENRES, ORIGIN, MovieLens

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def table():
    return MovieLens().read().table


@pytest.fixture(scope="module")
def files():
    """The three files as frames: ratings, people, films."""
    return [pd.read_parquet(path) for path in ORIGIN.paths()]


def test_the_published_counts(table):
    frame = table.to_pandas()
    assert len(frame) == 100_000
    assert (frame["user_id"].nunique(), frame["movie_id"].nunique()) == (943, 1_682)
    assert frame["rating"].value_counts().sort_index().tolist() == [6_110, 11_370, 27_145, 34_174, 21_201]
    assert frame.groupby("user_id").size().min() == 20
    assert not frame.duplicated(["user_id", "movie_id"]).any()


def test_each_rating_is_beside_its_person_and_film_in_the_files_order(table, files):
    ratings, people, films = files
    joined = ratings.merge(people, on="user_id", how="left").merge(films, on="movie_id", how="left")
    for name in ("user_id", "movie_id", "rating", "age", "gender", "occupation", "zip_code"):
        assert table[name].to_pylist() == joined[name].tolist()
    assert table["title"].to_pylist() == joined["movie_title"].tolist()


def test_genres_are_the_marks_of_the_film(table, files):
    films = files[2].set_index("movie_id")
    expected = {at: "|".join(name for name in GENRES if row[name] == 1) for at, row in films.iterrows()}
    assert all(expected.values())
    assert table["genres"].to_pylist() == [expected[at] for at in table["movie_id"].to_pylist()]
    assert expected[1] == "Animation|Children's|Comedy"  # Toy Story


def test_the_first_rating_is_that_of_the_published_file(table):
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["user_id"], row["movie_id"], row["rating"]) == (196, 242, 3)
    assert row["timestamp"] == datetime(1997, 12, 4, 15, 55, 49)
    assert (row["title"], row["released"]) == ("Kolya (1996)", date(1997, 1, 24))


def test_film_267_alone_has_no_date(table):
    assert {row["movie_id"] for row in table.to_pylist() if row["released"] is None} == {267}


def test_zip_codes_are_text_with_their_zeros(table):
    codes = table["zip_code"].to_pylist()
    assert any(code.startswith("0") for code in codes)
    assert any(not code.isdecimal() for code in codes)
