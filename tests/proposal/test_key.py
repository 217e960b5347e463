"""The key that `init` proposes: the field that names a row, or what stands in its way."""

from pathlib import Path

import pytest
from own_table import EXPERIMENT, numbers, prepared, proposal, words, write


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids() -> list[str | None]:
    return [f"c{i}" for i in range(400)]


def test_a_field_that_names_each_row_is_the_key_and_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    write({"id": ids(), "x": numbers(), "y": words(400, "a", "b")})
    assert proposal()["data"]["key"] == ["id"]
    assert 'key: "id" names a row' in capsys.readouterr().out


def test_a_key_that_is_there_twice_is_not_taken_and_named_with_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    customer = ids()
    customer[9], customer[399] = customer[3], None
    write({"customer": customer, "x": numbers(), "y": words(400, "a", "b")})
    cfg = proposal()
    assert cfg["data"]["key"] == []
    assert cfg["data"]["split"]["fields"] == ["customer"]
    told = 'near_key: "customer": would name a row, but for cells that are there twice or empty, lines 11, 401'
    assert f"WARNING: {told}; 2 of 400 rows" in capsys.readouterr().out
    assert 'data.key: ["customer"]' in EXPERIMENT.read_text()
    prepared()


def test_sentences_name_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    write({"remark": [f"call number {i}" for i in range(400)], "x": numbers(), "y": words(400, "a", "b")})
    assert proposal()["data"]["key"] == []
    assert "key: none, since no field names a row" in capsys.readouterr().out


def test_a_key_of_many_repeats_is_no_near_key(capsys: pytest.CaptureFixture[str]) -> None:
    write({"id": [*ids()[:380], *ids()[:20]], "x": numbers(), "y": words(400, "a", "b")})
    assert proposal()["data"]["key"] == []
    assert "near_key" not in capsys.readouterr().out
