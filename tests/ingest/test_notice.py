"""What is told of cells that were read as something else."""

import pyarrow as pa

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.notice import changes
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
