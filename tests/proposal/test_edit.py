"""Lines put into YAML that somebody wrote: nothing is lost, the place is right, and it still says what it said."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_torch.errors import ConfigError
from mlp_torch.proposal.edit import Edit, added, applied, commented, entry

PATH = ("data", "columns")


def is_kept(before: str, after: str) -> bool:
    """Whether all of a text is there still, in its order."""
    rest = iter(after)
    return all(char in rest for char in before)


@pytest.mark.parametrize(
    "text",
    [
        "data:\n  columns:\n    a: {x: 1}\n",
        "data:\n  columns:\n    a: {x: 1}",  # no end of line
        "data:\n  columns:\n    a: {x: 1}\n\n\nseed: 1\n",
        "data:\n  columns:\n    a: {x: 1}\n    # off: {x: 2}\n  batch: 3\n",
        "data:\n  columns: # mine\n    a: {x: 1} # mine too\n# the end",
        "data:\n    columns:\n            a:\n                x: 1\n    batch: 3\n",
        "data:\n  columns:\n    a: &one {x: 1}\n    b: *one\nother: *one\n",
        "data:\n  columns:\n    a:\n      x: |\n        1\n        2\n  batch: 3\n",
        "data:\n  columns:\n    a:\n      x: [1,\n        2]\n",
        "data:\n  columns:\n    a: {x: 'it''s # no comment'}\n",
        "data:\n  columns:\n    a: null\n    b:\n  batch: 3\n",
        "data:\n  columns:\n    # nothing yet\n  batch: 3\n",
        "data:\n  columns:\n",
        "data:\n  columns: {}\n  batch: 3\n",
        "data:\n  columns: {a: {x: 1}} # all in one\n",
        "data: {columns: {a: {x: 1}}, batch: 3}\n",
        "\ufeffdata:\n  columns:\n    a: {x: 1}\n",
        "data:\r\n  columns:\r\n    a: {x: 1}\r\n  batch: 3\r\n",
        'data:\n  columns:\n    a: {x: "one\u2029two"}\n  batch: 3\n',
    ],
)
def test_a_line_is_added_at_the_end_of_any_mapping_and_nothing_else_changes(text: str) -> None:
    after = applied(text, added(text, PATH, ["# why", "new: {x: 9}"]))
    wanted: dict[str, Any] = yaml.safe_load(text)
    wanted["data"]["columns"] = (wanted["data"]["columns"] or {}) | {"new": {"x": 9}}
    assert yaml.safe_load(after) == wanted
    assert is_kept(text, after)
    assert ("\r\n" in text) == ("\r" in after) == (after.count("\r\n") == after.count("\n"))


def test_lines_stand_as_deep_as_those_of_the_mapping_and_behind_its_comments() -> None:
    text = "data:\n    columns:\n        a: 1\n        # b: 2\n    # of data\n    batch: 3\n"
    after = applied(text, added(text, PATH, ["# why", "new: 9"]))
    assert after.splitlines()[4:6] == ["        # why", "        new: 9"]
    text = "data:\n  columns:\n    a: 1\n\n\nseed: 1\n"
    assert applied(text, added(text, PATH, ["new: 9"])).splitlines()[3] == "    new: 9"


@pytest.mark.parametrize("text", ["seed: 1\n", "data: 3\n", "data:\n  columns: [1]\n", "data:\n  columns: word\n", ""])
def test_where_there_is_no_mapping_no_line_is_added(text: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.columns must be a table"):
        added(text, PATH, ["new: 1"])


@pytest.mark.parametrize(
    "text",
    [
        "data:\n  columns:\n    a: {x: 1}\n    b: {x: 2}\n",
        "data:\n  columns:\n    b: 2\n    a: {x: 1}",
        "data:\n  columns:\n    a:\n      x: 1 # one\n\n      y:\n        - 2\n        - 3\n    b: 2\n  batch: 3\n",
        "data:\r\n  columns:\r\n    a:\r\n      x: 1\r\n    b: 2\r\n",
        "data:\n  columns:\n    a: [1,\n  2]\n    b: 2\n",
        "data:\n  columns:\n    a: |\n      text\n      more\n    b: 2\n",
        "data:\n  columns:\n    a: null\n    b: 2\n",
    ],
)
def test_an_entry_becomes_a_comment_and_can_be_made_one_again(text: str) -> None:
    after = applied(text, commented(text, (*PATH, "a"), "why"))
    wanted = yaml.safe_load(text)
    del wanted["data"]["columns"]["a"]
    assert yaml.safe_load(after) == wanted
    assert is_kept(text, after)
    assert "# why" in after


def test_an_entry_within_one_line_or_that_is_not_there_is_left_alone() -> None:
    assert commented("data:\n  columns: {a: 1}\n", (*PATH, "a"), "why") == []
    assert commented("data:\n  columns:\n    b: 1\n", (*PATH, "a"), "why") == []
    assert entry("data: 1\n", (*PATH, "a")) is None


def test_edits_at_one_place_keep_their_order() -> None:
    assert applied("ab", [Edit(1, "1"), Edit(2, "3"), Edit(1, "2"), Edit(0, "0")]) == "0a12b3"


NAMES = st.text("abcdef", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(st.integers(), NAMES, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), st.booleans(), st.data())
def test_whatever_yaml_writes_can_be_added_to_and_commented(
    columns: dict[str, Any], flow: bool, data: st.DataObject
) -> None:
    text = yaml.safe_dump({"data": {"columns": columns, "z": 1}, "y": 2}, default_flow_style=flow or None)
    after = applied(text, added(text, PATH, ["new: 9"]))
    assert yaml.safe_load(after)["data"] == {"columns": {**columns, "new": 9}, "z": 1}
    gone = data.draw(st.sampled_from(sorted(columns)))
    edits = commented(text, (*PATH, gone), "why")
    left = yaml.safe_load(applied(text, edits))["data"]["columns"] or {}
    assert left == ({name: value for name, value in columns.items() if name != gone} if edits else columns)
