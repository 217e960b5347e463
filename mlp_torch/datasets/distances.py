"""How far it is from New York's three airports to where their flights went in 2013: a function known at every entry.

The flights of `flights` (CC0), one row for each pair of airports that any of them flew, sorted: 224 entries, miles. Two
pairs stand in the file with two distances, a mile apart (EWR and JFK to EGE): that of more flights is taken.

>>> flown = {"origin": ["LGA", "EWR", "EWR", "EWR"], "dest": ["ATL", "EGE", "EGE", "EGE"], "distance": [762, 5, 6, 6]}
>>> pairs(pa.table(flown)).to_pydict()
{'origin': ['EWR', 'LGA'], 'dest': ['EGE', 'ATL'], 'distance': [6, 762]}
"""

import zipfile

import pyarrow as pa

from mlp_torch.datasets.flights import FLIGHTS, check, installed, table
from mlp_torch.ingest.block import Block, Places

KEY = ["origin", "dest"]


class Distances:
    """The table. The read takes a second; nothing is kept."""

    def read(self) -> Block:
        """All pairs.

        Raises:
            DataError: as `Flights`.
        """
        folder = installed()
        check(folder)
        with zipfile.ZipFile(folder / FLIGHTS) as archive:
            return Block(pairs(table(archive.read("flights.csv"))), Places(), "distances")


def pairs(flights: pa.Table) -> pa.Table:
    """One row for each pair, with the most frequent distance, of equally frequent ones the shorter."""
    counted = flights.group_by([*KEY, "distance"]).aggregate([("distance", "count")])
    ascending = [(name, "ascending") for name in KEY]
    rows = counted.sort_by([*ascending, ("distance_count", "descending"), ("distance", "ascending")])
    first = rows.group_by(KEY, use_threads=False).aggregate([("distance", "first")])
    # groups come in an order of their own
    return first.rename_columns({"distance_first": "distance"}).select([*KEY, "distance"]).sort_by(ascending)
