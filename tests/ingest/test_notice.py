"""What is told of cells that were read as something else."""

from dataclasses import replace

import pyarrow as pa
import pytest

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.notice import blanked, changes, rewritten
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema


def test_numbers_that_are_categories_are_counted_by_field_and_told_in_one_line():
    names = [f"code_{i:02d}" for i in range(12)]
    schema = Schema.of([*(Read(name, "string") for name in names), Read("age")])
    table = pa.table({**{name: [1, 2, None] for name in names}, "age": ["3", "4", "5"]})
    changed = schema.check(Block(table)).counts["changed"]
    assert {changed[f"{name}: number read as text"] for name in names} == {2}
    assert changes(changed) == [
        ("changed", "3 cells: age: text read as number"),
        ("read", f"numbers as categories: {', '.join(names[:10])}, … and 2 more"),
    ]


def test_without_changes_nothing_is_told():
    assert changes({}) == []


def trained(share: float | None) -> dict[str, Field]:
    return {"joined": replace(Field.of("joined", ("time",)), blanked=share)}


@pytest.mark.parametrize(
    ("share", "count", "told"),
    [
        (0.0, 9, False),  # of 1,000 rows less than 1 in 100
        (0.0, 10, True),
        (0.005, 50, False),  # ten times as many, not more
        (0.005, 51, True),
        (None, 999, False),  # a model that does not know the training's share
        (None, 1000, True),
        (0.5, 999, False),
        (0.5, 1000, True),
    ],
)
def test_a_field_is_warned_of_where_far_more_cells_than_in_training_or_all_were_blanked(share, count, told):
    found = blanked({"joined: not_a_time read as missing": count}, trained(share), 1000)
    assert [text.startswith('WARNING: column "joined": ') for text in found] == [True] * told
    assert not told or f"{count:,} of 1,000 cells were read as missing" in found[0]


def test_cells_that_na_values_lists_count_as_blanked_but_are_not_unreadable():
    changed = {"joined: not_a_time read as missing": 4, "joined: na_values read as missing": 7}
    assert len(blanked(changed, trained(0.0), 1000)) == 1
    assert blanked({"joined: not_a_time read as missing": 4}, trained(0.0), 1000) == []
    assert rewritten(changed, 1000, unreadable=True) == [
        'changed: column "joined": not_a_time read as missing in 4 of 1,000 rows'
    ]
    assert len(rewritten({**changed, "hour: number read as text": 3, "age: text read as number": 3}, 1000)) == 3
