"""`mlp_torch profile FILE`: what it prints, what it writes, and what it refuses."""

from pathlib import Path

import pandas as pd
import pytest
from own_table import numbers, words, write

from mlp_torch.__main__ import main as command_line
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.verbs.profile import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_line_a_field_is_printed_and_one_page_written(capsys: pytest.CaptureFixture[str]) -> None:
    write({"age": [*numbers(395), *["NA"] * 5], "town": words(400, "Rome", "rome"), "y": words(400, "a", "b")})
    assert command_line(["profile", "mine.csv", "--target", "y"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert lines["age"][1:4] == ["number", "5", "0"]
    assert lines["town"][-1] == "look_alike"
    assert lines["y"][-1] == "TARGET"
    assert "WARNING: look_alike" in out
    assert {path.name for path in Path().iterdir()} == {"mine.csv", "mine.html"}
    assert "wrote mine.html" in out
    assert "look_alike" in Path("mine.html").read_text(encoding="utf-8")


def test_a_report_is_written_over_and_any_other_file_is_not() -> None:
    write({"x": numbers(), "y": numbers()})
    assert main(["mine.csv"]) == 0
    first = Path("mine.html").read_bytes()
    assert main(["mine.csv", "--target", "y"]) == 0
    assert Path("mine.html").read_bytes() != first
    Path("mine.html").write_text("<html>my own</html>")
    with pytest.raises(ConfigError, match=r"mine\.html is there already and is no report"):
        main(["mine.csv"])
    assert Path("mine.html").read_text() == "<html>my own</html>"
    assert main(["mine.csv", "--output", "deep/er/report.html"]) == 0
    assert Path("deep/er/report.html").is_file()
    with pytest.raises(ConfigError, match="deep is a folder"):
        main(["mine.csv", "--output", "deep"])


def test_parquet_semicolons_and_other_encodings_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    write({"größe": [x.replace(".", ",") for x in numbers()], "y": words(400, "süß", "sauer")}, delimiter=";")
    Path("mine.csv").write_bytes(Path("mine.csv").read_text(encoding="utf8").encode("cp1252"))
    with pytest.raises(DataError, match=r"not utf-8"):
        main(["mine.csv"])
    assert main(["mine.csv", "--encoding", "cp1252"]) == 0
    assert "größe  number" in capsys.readouterr().out
    pd.DataFrame({"x": [1.5, 2.5], "at": pd.date_range("2024-01-01", periods=2)}).to_parquet("two.parquet")
    assert main(["two.parquet"]) == 0
    assert "at     time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"a,b\n", "no_rows"),
        (b"a,a\n1,2\n", "duplicate_column"),
        (b"a,b\n1,2,3\n", "wrong_field_count"),
        (b'a,b\n"1,2\n', "unclosed_quote"),
        (b"a,b\n\xff,2\n", "encoding"),
        (None, "no_file"),
    ],
)
def test_files_that_cannot_be_read_exit_with_two_and_write_nothing(
    content: bytes | None, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("mine.csv").write_bytes(content)
    assert command_line(["profile", "mine.csv"]) == 2
    assert code in capsys.readouterr().err
    assert not Path("mine.html").exists()


def test_a_target_that_is_not_there_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    write({"x": numbers(), "income": numbers()})
    assert command_line(["profile", "mine.csv", "--target", "incom"]) == 2
    assert "did you mean income?" in capsys.readouterr().err
    assert not Path("mine.html").exists()


def test_an_id_that_is_there_twice_is_told_with_its_line_as_init_does(capsys: pytest.CaptureFixture[str]) -> None:
    customer = [f"c{i}" for i in range(400)]
    customer[9] = customer[3]
    write({"customer": customer, "x": numbers(400), "y": words(400, "a", "b")})
    assert main(["mine.csv", "--target", "y"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        'WARNING: near_key: "customer": would name a row, but for cells that are there twice or empty, line 11' in out
    )
    assert "an id: nearly each row has a value of its own" in out
    write({"customer": customer, "no": [f"k{i}" for i in range(400)], "y": words(400, "a", "b")})
    assert main(["mine.csv"]) == 0
    assert "near_key" not in capsys.readouterr().out  # another field names the rows


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[31m\x07b"
    write({name: [*map(str, range(400)), "x\x1b[0m"], "y": words(401, "A\x1b", "a\x1b")})
    assert main(["mine.csv", "--target", "y"]) == 0
    out = capsys.readouterr().out
    assert "invalid" in out
    assert "\x1b" not in out
    assert "\x07" not in out
