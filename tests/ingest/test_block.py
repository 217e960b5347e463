"""Rows on their way from a source: cut into tables of one size, whatever the lengths in which they came."""

import pyarrow as pa
import pytest

from mlp_torch.ingest.block import regrouped, twice


@pytest.mark.parametrize("lengths", [[], [0], [3], [1, 1, 1], [5, 0, 2], [7]])
def test_tables_of_any_length_become_tables_of_one_size(lengths):
    cells = iter(range(100))
    tables = [pa.table({"a": pa.array([next(cells) for _ in range(n)], pa.int64())}) for n in lengths]
    found = list(regrouped(tables, 3))
    assert [cell for table in found for cell in table.column("a").to_pylist()] == list(range(sum(lengths)))
    assert [len(table) for table in found[:-1]] == [3] * (len(found) - 1)
    assert len(found) == -(-sum(lengths) // 3)


def test_names_that_are_there_more_than_once_are_each_told_once():
    assert twice(["a", "b", "a", "c", "b", "a"]) == ("a", "b")
