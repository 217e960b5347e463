"""Films of 1940 to 2014 with what critics made of them: 17,472 rows, 23 fields, from SQLite.

Two tables of movies.db, omdb and tomatoes, joined on ID, in the order of omdb. Rating of omdb is here Rated (the
certificate: R, PG, …; 85 % missing), that of tomatoes CriticRating (0 to 10). Left out is what is empty throughout
(votes and ratings of users, Consensus, Image, DVD, Website) and lastUpdated. Genre, Director and Cast are missing where
the file has "", which is its mark for that.

- Lists, separated by ", ": Genre (21 values, 18 of them in 300 films or more; missing in 443), Director (8,282),
  Writer (missing in 3,745), Cast (53,126 names, up to 124 a film, in alphabetical order; missing in 1,771), Language,
  Country, Production (missing in 8,340). ", Jr." counts as a name of its own.
- Numbers: Year; Runtime in minutes, 1 to 776, missing in 1,299; Meter, 0 to 100, share of friendly reviews.
- Two films are there twice under one imdbID, hence two ID: split by imdbID, and let ID be the key.

Never features of Genre: nothing holds it outright, but that Cast is missing is a habit of Wikidata rather than of films
(49 % of documentaries and 87 % of animated films, whose voices are no cast, but 4 % of dramas). Fresh and Rotten follow
from Meter and Reviews, so none of these four, nor CriticRating or Metacritic, may stand beside another as its target.
Known only after a film is out: these, BoxOffice, Awards and Oscars.

CC0: Wikidata's contributors; retrieved by bokeh-sampledata on 18 October 2026.

>>> SCHEMA.names[:4], len(SCHEMA)
(['ID', 'imdbID', 'Title', 'Year'], 23)
"""

import sqlite3
from contextlib import closing

import pyarrow as pa

from mlp_torch.datasets.origin import File, Origin, checked
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

ROWS = 17_472
ORIGIN = Origin(
    "movies",
    Wheel("bokeh-sampledata==2026.1"),
    (File("bokeh_sampledata/_data/movies.db", "1d9c6a02e488d035", size=8_011_776),),
    terms="CC0: Wikidata",
)
SCHEMA = pa.schema(
    {
        "ID": pa.int64(),
        **dict.fromkeys(["imdbID", "Title"], pa.string()),
        "Year": pa.int64(),
        "Rated": pa.string(),
        "Runtime": pa.float64(),
        **dict.fromkeys(["Genre", "Released", "Director", "Writer", "Cast"], pa.string()),
        "Metacritic": pa.int64(),
        **dict.fromkeys(["Language", "Country", "Awards"], pa.string()),
        "Oscars": pa.int64(),
        "CriticRating": pa.float64(),
        **dict.fromkeys(["Meter", "Reviews", "Fresh", "Rotten"], pa.int64()),
        "BoxOffice": pa.float64(),
        "Production": pa.string(),
    }
)
QUERY = """
select ID, imdbID, Title, Year, omdb.Rating as Rated, Runtime, nullif(Genre, '') as Genre, Released,
       nullif(Director, '') as Director, Writer, nullif("Cast", '') as "Cast", Metacritic, Language, Country, Awards,
       Oscars, tomatoes.Rating as CriticRating, Meter, Reviews, Fresh, Rotten, BoxOffice, Production
from omdb join tomatoes using (ID) order by omdb.rowid
"""


class Movies:
    """The joined table. The read takes a quarter of a second."""

    def read(self) -> Block:
        """All rows. Raises DataError if the file is missing, or is not the one known here."""
        (path,) = ORIGIN.paths()
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            columns = zip(*database.execute(QUERY), strict=True)
        arrays = [pa.array(values, kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
        return Block(checked(pa.Table.from_arrays(arrays, schema=SCHEMA), SCHEMA, ROWS, path.name), name=path.name)
