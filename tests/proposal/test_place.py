"""A latitude beside a longitude: one more column, of both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_table import EXPERIMENT, prepared, proposal, write

from mlp_torch.configuration import composed
from mlp_torch.proposal.place import axis
from mlp_torch.representation.numerical_embeddings import Periodic
from mlp_torch.verbs.init import main

ROWS = 4000


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(
    first: str = "pickup_lat", second: str = "pickup_lng", *, rows: int = ROWS, widest: float = 1
) -> dict[str, Any]:
    draw = np.random.default_rng(3)
    north, east = draw.uniform(40, 41, rows).round(4), draw.uniform(-74, -73, rows).round(4)
    y = np.where(np.sin(north * 30) * np.sin(east * 30) > 0, "yes", "no")
    return {"id": range(rows), first: north, "fare": draw.lognormal(0, 1, rows).round(3), second: east * widest, "y": y}


def places(cfg: Any) -> list[list[str]]:
    """The pairs that have a column."""
    return [node["fields"] for node in cfg["data"]["columns"].values() if node["_target_"].endswith("Periodic")]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Latitude", ((), "latitude")),
        ("LON", ((), "longitude")),
        ("dropoffLng", (("dropoff",), "longitude")),
        ("start lat", (("start",), "latitude")),
        ("latency", None),
        ("flat", None),
        ("lon_lat", None),
        ("long_bid", None),
    ],
)
def test_a_name_says_latitude_or_longitude_and_of_what(name: str, found: object) -> None:
    assert axis(name) == found


def test_a_pair_is_a_place_that_is_fitted_as_it_was_written() -> None:
    write(table())
    assert places(proposal()) == [["pickup_lat", "pickup_lng"]]
    assert 'with "pickup_lat" a place' in EXPERIMENT.read_text()
    column = prepared().transform.named_columns()["pickup_lng_place"]
    assert isinstance(column, Periodic)


@pytest.mark.parametrize(
    "options", [{"second": "pickup_x"}, {"second": "dropoff_lng"}, {"widest": 3.0}, {"rows": 1200}]
)
def test_other_names_no_degrees_or_few_rows_make_no_place(options: dict[str, Any]) -> None:
    write(table(**options))
    assert places(proposal()) == []
    assert ("    # pickup_lng_place: {" in EXPERIMENT.read_text()) == ("rows" in options)  # offered


def test_a_place_whose_latitude_has_vanished_becomes_a_comment() -> None:
    first = table()
    write(first)
    proposal()
    write({name: values for name, values in first.items() if name != "pickup_lat"}, "new.csv")
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    cfg = composed(["experiment=mine", "data.source.path=new.csv"], Path("configs"))
    assert list(cfg.data.columns) == ["fare", "pickup_lng"]
