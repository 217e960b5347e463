"""Movies, by SQL of their own and by what the package publishes about its file."""

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from real import needs

from mlp_torch.datasets.movies import ORIGIN, SCHEMA, Movies

pytestmark = needs(ORIGIN)


@pytest.fixture(scope="module")
def rows():
    return Movies().read().table.to_pylist()


@pytest.fixture(scope="module")
def tables():
    """Both tables as lists of rows, by name."""
    with closing(sqlite3.connect(ORIGIN.paths()[0])) as database:
        database.row_factory = sqlite3.Row
        return {name: [*database.execute(f"select * from {name}")] for name in ("omdb", "tomatoes")}


def test_each_film_is_there_once_in_the_files_order_of_1940_to_2014(rows, tables):
    assert len(rows) == 17_472
    assert [row["ID"] for row in rows] == [row["ID"] for row in tables["omdb"]]
    assert len({row["ID"] for row in rows}) == 17_472
    assert (min(row["Year"] for row in rows), max(row["Year"] for row in rows)) == (1940, 2014)


def test_every_cell_is_that_of_the_film_in_one_of_the_tables(rows, tables):
    critics = {row["ID"]: row for row in tables["tomatoes"]}
    renamed = {"Rated": ("omdb", "Rating"), "CriticRating": ("tomatoes", "Rating")}
    for row, film in zip(rows, tables["omdb"], strict=True):
        for name, value in row.items():
            table, field = renamed.get(name, ("omdb" if name in film.keys() else "tomatoes", name))  # noqa: SIM118
            expected = (film if table == "omdb" else critics[row["ID"]])[field]
            assert value == (None if expected == "" else expected), (row["ID"], name)


def test_nothing_is_left_out_but_what_is_empty_or_the_same_throughout(tables):
    for name, found in tables.items():
        for field in set(found[0].keys()) - set(SCHEMA.names) - {"Rating"}:
            assert len({row[field] for row in found}) == 1, (name, field)


def test_missing_people_and_genres_are_missing_and_no_empty_text(rows):
    missing = {name: sum(row[name] is None for row in rows) for name in ("Genre", "Director", "Cast", "Writer")}
    assert missing == {"Genre": 443, "Director": 66, "Cast": 1771, "Writer": 3745}
    assert all(value != "" for row in rows for value in row.values())


def test_there_are_21_genres_18_of_them_in_300_films_or_more(rows):
    counts = Counter(genre for row in rows if row["Genre"] for genre in row["Genre"].split(", "))
    assert len(counts) == 21
    assert sum(count >= 300 for count in counts.values()) == 18
    assert counts["Drama"] == 8925


def test_two_imdb_ids_are_there_twice(rows):
    twice = [name for name, count in Counter(row["imdbID"] for row in rows).items() if count > 1]
    assert sorted(twice) == ["tt0078788", "tt0850669"]


def test_a_known_film(rows):
    (film,) = [row for row in rows if row["Title"] == "The Intouchables"]
    assert (film["Year"], film["Country"], film["Director"]) == (2011, "France", "Olivier Nakache, Éric Toledano")
    assert film["Genre"] == "Biography, Comedy, Drama"
