"""The grammar of errors: what, where, how many of how many, which, and the key that changes it."""

import pickle

import pytest

from mlp_torch.errors import ConfigError, DataError, ModelError, Problem, UserError, listed, near, quote


def test_a_problem_says_everything_it_knows_in_one_line():
    found = Problem(
        "out_of_range",
        "a number is too large",
        ("a", "b"),
        1234,
        5000,
        (1, 2, 3, 4, 5, 6),
        ("7", "8"),
        "data.k",
        "line",
    )
    assert str(found) == (
        'out_of_range: columns "a", "b": a number is too large; 1,234 of 5,000 rows, lines 1, 2, 3, 4, 5, …; '
        'e.g. "7", "8"; policy: data.k'
    )


def test_a_problem_that_is_not_about_rows_says_nothing_of_them():
    assert str(Problem("empty_file", "x.csv is empty")) == "empty_file: x.csv is empty"


@pytest.mark.parametrize(
    ("bad", "rows", "shown"),
    [
        (1, (7,), "1 of 9 rows, row 7"),
        (2, (7, 8), "2 of 9 rows, rows 7, 8"),
        (3, (7,), "3 of 9 rows, row 7, …"),
        (3, (), "3 of 9 rows"),
        (5, (1, 2, 3, 4, 5), "5 of 9 rows, rows 1, 2, 3, 4, 5"),
        (6, (1, 2, 3, 4, 5), "6 of 9 rows, rows 1, 2, 3, 4, 5, …"),
    ],
)
def test_the_rows_end_in_dots_where_not_all_are_named(bad, rows, shown):
    assert str(Problem("x", "y", (), bad, 9, rows)) == f"x: y; {shown}"


def test_at_most_three_examples_are_shown():
    assert str(Problem("x", "y", examples=("1", "2", "3", "4"))) == 'x: y; e.g. "1", "2", "3"'


def test_a_value_is_cut_and_its_control_characters_are_escaped():
    assert quote("x" * 101) == '"' + "x" * 100 + '…"'
    assert quote("x" * 100) == '"' + "x" * 100 + '"'
    assert quote("東京") == '"東京"'
    assert quote("a\x00\x1b[31m\n\u202eb") == '"a\\u0000\\u001b[31m\\n\\u202eb"'
    assert quote("Köln\x07" + "x" * 100) == '"Köln\\u0007' + "x" * 95 + '…"'
    assert quote("\x7f東京\ud800") == '"\\u007f東京\\ud800"'
    assert quote('say "no"') == '"say \\"no\\""'


def test_a_hostile_column_name_cannot_break_the_line():
    assert "\n" not in str(Problem("x", "y", ("a\nb",)))


def test_no_name_text_place_or_key_can_command_a_terminal():
    evil = "a\x1b[31m\n\x9b\u202e\x7f"
    near_names = near("b", [evil]) + near(evil, [evil + "x"])
    text = str(Problem("x", f"y {evil}", (evil,), 1, 2, (f"{evil}:7",), (evil,), evil)) + near_names
    assert text.isprintable()
    assert "\\u001b[31m" in text
    assert "日本" in str(Problem("x", "日本", ("日本",)))


def test_many_columns_are_cut_in_words_and_complete_for_machines():
    names = tuple(f"f{i}" for i in range(300))
    text = str(Problem("missing_column", "not in the table", names))
    assert '"f19", … and 280 more: not in the table' in text
    assert '"f20"' not in text
    assert DataError(Problem("x", "y", names)).to_json()[0]["columns"] == names


def test_problems_are_listed_for_a_terminal_with_their_number_and_a_blank_line_between():
    long = Problem("x", "many words " * 20, ("a",), 7, 9, (1,), ("v",), "data.k", "line")
    lines = listed([long, Problem("z", "w")], 60).split("\n")
    assert lines[:3] == ["2 problems", "", "x"]
    assert lines[3].startswith('  column "a": many words')
    assert lines[4].startswith("      ")
    assert lines[-6:] == ["  7 of 9 rows, line 1, …", '  e.g. "v"', "  policy: data.k", "", "z", "  w"]
    assert max(map(len, lines)) <= 60
    many = listed([Problem("x", f"number {i}") for i in range(53)])
    assert many.startswith("53 problems, of which the first 50 are told\n\nx\n  number 0\n\n")
    assert many.endswith("number 49")


def test_near_words_are_named_else_all_that_are_known():
    assert near("max_epoch", ["max_epochs", "seed"]) == "did you mean max_epochs?"
    assert near("hours", ["hour", "hour_", "b"]) == "did you mean hour or hour_?"
    assert near("churn", ["hour", "hours"]) == "known: hour, hours"
    assert near("zzz", ["seed", "lr"]) == "known: lr, seed"
    assert near("zzz", []) == "known: none"
    assert near("zzz", [f"a{i:02}" for i in range(25)]).endswith("a19, …")


def test_all_problems_are_listed_up_to_fifty():
    problems = [Problem("x", f"number {i}") for i in range(53)]
    lines = str(DataError(problems)).split("\n")
    assert lines[:2] == ["x: number 0", "x: number 1"]
    assert lines[49:] == ["x: number 49", "… and 3 more"]
    assert len(DataError(problems).to_json()) == 50
    assert "more" not in str(DataError(problems[:50]))


def test_one_problem_needs_no_list():
    assert DataError(Problem("x", "y")).problems == [Problem("x", "y")]


def test_problems_are_plain_values_for_machines():
    (found,) = DataError(Problem("x", "y", ("a",), 1, 2, (0,), ("v",), "k", "line")).to_json()
    assert found == {
        "code": "x",
        "text": "y",
        "columns": ("a",),
        "bad": 1,
        "total": 2,
        "rows": (0,),
        "examples": ("v",),
        "key": "k",
        "unit": "line",
    }


def test_an_error_comes_whole_from_another_process():
    error = DataError([Problem("x", "y", ("a",), 1, 2, (0,)), Problem("z", "w")])
    back = pickle.loads(pickle.dumps(error))
    assert back.problems == error.problems
    assert str(back) == str(error)


@pytest.mark.parametrize("kind", [DataError, ConfigError, ModelError])
def test_each_is_an_error_of_the_user_and_of_python(kind):
    assert issubclass(kind, UserError)
    assert issubclass(kind, RuntimeError if kind is ModelError else ValueError)
