"""What is told of cells that were read as something else."""

from dataclasses import replace

import pyarrow as pa
import pytest

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.kinds.image import EXAMPLE
from mlp_torch.ingest.notice import blanked, changes, notices, rewritten
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


# --- columns that hold several values

SET = Read("tags", "set", max_tokens=3, separator=", ")
KEYS, VALUES = (Read("bids", kind, max_tokens=3) for kind in ("map_keys", "map_values"))
TOKENS, STATISTICS = Read("title", "tokens", max_tokens=3), Read("title", "statistics")
VECTOR, IMAGE = Read("v", "vector", size=(2,)), Read("photo", "image", size=(1, 8, 8))


def told(cells: list[object], *reads: Read) -> list[str]:
    """What is told of a field, alike in one piece and in several."""
    schema = Schema.of(reads)
    found = schema.check(table_of([{reads[0].field: cell} for cell in cells])).arrays
    whole = notices(found, schema.reads)
    pieces = {key: pa.chunked_array([array.slice(0, 1), array.slice(1)]) for key, array in found.items()}
    assert notices(pieces, schema.reads) == whole
    return whole


@pytest.mark.parametrize(
    ("cells", "reads"),
    [
        (["a text"] * 5, (TOKENS, STATISTICS)),
        ([["a", "b"]] * 5, (SET,)),
        ([[]] * 5, (SET,)),
        ([{"a": 1.5}] * 5, (KEYS, VALUES)),
        ([[1.0, 2.0]] * 5, (VECTOR,)),
        ([EXAMPLE] * 5, (IMAGE,)),
        ([None] * 5, (SET,)),
        ([None] * 5, (VECTOR,)),
        ([None] * 5, (IMAGE,)),
    ],
    ids=str,
)
def test_a_constant_field_of_any_kind_is_told_once(cells, reads):
    here = f'constant: column "{reads[0].field}" has the same value in all 5 rows and can tell nothing'
    assert told(cells, *reads) == [here]
    assert told(cells[:1], *reads) == []


@pytest.mark.parametrize(
    ("cells", "reads"),
    [
        (["a text", "another"], (TOKENS, STATISTICS)),
        ([["a", "b"], ["b", "a"]], (SET,)),
        ([["a"], None], (SET,)),
        ([{"a": 1.5}, {"a": 2.5}], (KEYS, VALUES)),
        ([[1.0, 2.0], None], (VECTOR,)),
        ([EXAMPLE, None], (IMAGE,)),
    ],
    ids=str,
)
def test_a_field_with_two_values_is_not_constant(cells, reads):
    assert told(cells, *reads) == []


def test_members_and_names_that_differ_by_case_are_told_and_words_of_a_text_are_not():
    assert told([["Rome", "Oslo"], ["rome"]], SET)[0].startswith('look_alike: column "tags" has 2 words that differ by')
    assert told([{"Rome": 1}, {"rome": 1, "Oslo": 2}], KEYS, VALUES)[0].startswith('look_alike: column "bids" has 2')
    assert told(["Ä ä", "b"], TOKENS) == []


def test_members_that_are_ids_are_told():
    (found,) = told([[f"a{i}", f"b{i}"] for i in range(60)], SET)
    assert found == 'id_like: column "tags" has 120 values in 120 places: an id can only be memorised'
    assert told([[f"a{i % 7}", f"b{i}"] for i in range(60)], SET) == []


def test_cells_of_one_member_each_ask_for_the_separator():
    cells = [f"a|{i % 3}" for i in range(120)]
    (found,) = told(cells, SET)
    expected = 'one_member: column "tags" has no cell with more than one member; is ", " what stands between them?'
    assert found == expected
    assert told(cells, SET._replace(separator="|")) == []
    assert told(cells[:99], SET) == []


def test_an_example_holds_no_word_that_one_row_alone_holds_however_often():
    for read, cells in (
        (TOKENS, ["Smith Smith Smith", "red car", "red bus"]),
        (SET, [["Smith", "Smith", "Smith"], ["red", "car"], ["red", "bus"]]),
    ):
        schema = Schema.of([read])
        checked = schema.check(table_of([{read.field: cell} for cell in cells]))
        learned = schema.learn(to_inputs(checked, [read]), words_of(checked))
        assert learned.example[read.field] == "red"
