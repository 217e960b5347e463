"""What init saw, as comments: any name comes out as it went in, and training is not concerned."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_torch.errors import ConfigError
from mlp_torch.profile.facts import look
from mlp_torch.proposal.seen import Seen, line_of, lines_of, recorded

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, max_examples=200)
@given(NAMES, st.lists(NAMES, max_size=3), st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2))
def test_what_was_seen_comes_out_as_it_went_in(name: str, classes: list[str], ends: list[float]) -> None:
    items = [Seen(name, "number", 3, tuple(ends)), Seen(name + "y", "text", 2, classes=tuple(classes))]
    text = "\n".join(["data: 1", *lines_of(items), ""])
    assert recorded(text) == {item.field: item for item in items}
    assert yaml.safe_load(text) == {"data": 1}


def test_ranges_and_the_classes_of_a_target_are_kept_and_no_other_words() -> None:
    assert Seen.of(look("x", pa.array([3.5, 1.0, None]))) == Seen("x", "number", 2, (1.0, 3.5))
    assert Seen.of(look("x", pa.array(np.array(["1970-01-02"], "M8[s]")))).range == (86400.0, 86400.0)
    words = look("y", pa.array(["no", "yes", None]))
    assert Seen.of(words, is_target=True).classes == ("no", "yes")
    assert Seen.of(words).classes == ()
    assert Seen.of(look("x", pa.array([None, None]))) == Seen("x", "empty", 0)


def test_only_values_beyond_either_end_exceed_a_range() -> None:
    before = Seen("x", "number", 2, (1.0, 3.0))
    assert not before.exceeded_by(Seen("x", "number", 2, (1.0, 3.0)))
    assert not before.exceeded_by(Seen("x", "empty"))
    assert before.exceeded_by(Seen("x", "number", 2, (0.0, 2.0)))
    assert before.exceeded_by(Seen("x", "number", 2, (2.0, 4.0)))


@pytest.mark.parametrize("rest", ["", "{", "[]", '{"feld": 1}', "7"])
def test_a_comment_that_was_changed_is_named_with_its_line(rest: str) -> None:
    line = line_of(Seen("x", "text"))
    with pytest.raises(ConfigError, match="line 3 must be as init wrote it"):
        recorded(f"a: 1\n{line}\n# seen {rest}\n")
