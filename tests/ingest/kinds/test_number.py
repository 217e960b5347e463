"""Numbers whose type holds more digits than float64."""

from decimal import Decimal

import pyarrow as pa
import pytest
from ways_in import checked, refused, tensor

from mlp_torch.ingest.reads import Read

READ = Read("n")


@pytest.mark.parametrize("places", [0, 1, 3])
def test_whole_decimals_beyond_float64_are_refused_however_many_places_they_have(places: int) -> None:
    kind = pa.decimal128(38, places)
    cells = pa.array([Decimal(5), Decimal(2**53 + 1), None, Decimal(-(2**53))], kind)
    problem = refused(cells, READ)
    assert (problem.code, problem.bad, problem.total, problem.rows) == ("too_large_integer", 1, 4, (1,))
    assert tensor(cells.take([0, 3]), READ).tolist() == [5.0, -(2.0**53)]


def test_decimals_with_fractions_are_rounded_once_and_not_told_as_text() -> None:
    cells = pa.array([Decimal("0.1"), Decimal("-59604644775390625.5"), Decimal("10.0")], pa.decimal128(38, 1))
    assert tensor(cells, READ).tolist() == [0.1, -59604644775390625.5, 10.0]
    assert checked(cells, READ).counts["changed"] == {}
