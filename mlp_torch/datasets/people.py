"""Who has work, by year: 277,677 people of Massachusetts, American Community Survey 2015 to 2018.

68,785 people of 2015 (the reference of nannyml) and 208,892 of 2016 to 2018; employed is 1 for 49.6, 50.1, 50.3 and
50.5 % of them. The fields are id, AGEP (age in years), year, employed, and 15 categories by the survey's codes, as text
("0" stands for a question that was not asked): SCHL school, MAR marital status, RELP relation to the householder, DIS
disability, ESP parents' work, CIT citizenship, MIG moved, MIL military service, ANC ancestry, NATIVITY native, DEAR
hearing, DEYE sight, DREM thinking, SEX (1 male, 2 female), RAC1P race. No cell is missing. 107,480 rows are copies of
another one but for id: a random split tests on rows that training knows.

Between 2015 and 2018 hardly anything drifts: of no field do the shares of values differ by more than 4.3 % in total
(ANC), most by less than 1 %. That makes it a control: a monitor that raises an alarm here is wrong. SEX, RAC1P, DIS and
AGEP are what a fairness lens looks at. Never features: id and year. nannyml's own prediction is left out.

Public: U.S. Census Bureau; prepared by nannyml (Apache 2.0).

>>> SCHEMA.names[:3]
['id', 'AGEP', 'SCHL']
"""

import pyarrow as pa
import pyarrow.parquet

from mlp_torch.datasets.origin import File, Origin, beside, checked
from mlp_torch.datasets.packages import Wheel
from mlp_torch.ingest.block import Block

REFERENCE, ANALYSIS = 68_785, 208_892
FOLDER = "nannyml/datasets/data/employment_MA"
ORIGIN = Origin(
    "people",
    Wheel("nannyml==0.13.1"),
    (
        File(f"{FOLDER}_reference.pq", "21d0e33655666071", size=1_129_196),
        File(f"{FOLDER}_analysis.pq", "591328bcf7e46139", size=3_081_660),
        File(f"{FOLDER}_analysis_target.pq", "c306840f0c092bda", size=1_144_064),
    ),
    terms="public: U.S. Census Bureau, prepared by nannyml (Apache 2.0)",
)
CODES = [
    *("SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX"),
    "RAC1P",
]
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "AGEP": pa.float64(),
        **dict.fromkeys(CODES, pa.string()),
        **dict.fromkeys(["employed", "year"], pa.int64()),
    }
)


class People:
    """All years, one after the other."""

    def read(self) -> Block:
        """All rows. Raises DataError if files are missing, or are not the ones known here."""
        reference, analysis, target = ORIGIN.paths()
        later = beside(pa.parquet.read_table(analysis), pa.parquet.read_table(target), "id")
        tables = [pa.parquet.read_table(reference).select(SCHEMA.names), later.select(SCHEMA.names)]
        table = pa.concat_tables([table.cast(SCHEMA) for table in tables])
        return Block(checked(table, SCHEMA, REFERENCE + ANALYSIS, "employment_MA"), name="employment_MA")
