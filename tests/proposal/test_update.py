"""`init --update`: what a newer table asks of an experiment that was edited by hand, and that edits survive."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from own_table import DRAW, EXPERIMENT, numbers, prepared, proposal, words, write

from mlp_torch.__main__ import main as command_line
from mlp_torch.configuration import check_targets, composed
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.verbs.init import main

OLD: dict[str, Any] = {
    "age": [str(x) for x in DRAW.integers(18, 90, 400)],
    "town": words(400, "Rome", "Oslo", "Ulm"),
    "zip": words(400, *"abcdef"),
    "id": [f"c{i}" for i in range(400)],
    "y": words(400, "no", "yes"),
}
NEW = {"height": numbers(), "rank": [*words(395, "1", "2", "3"), *["?"] * 5], "code": [f"k{i}" for i in range(400)]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and the experiment that init wrote for it."""
    monkeypatch.chdir(tmp_path)
    write(OLD)
    proposal()
    return tmp_path


def edited(*changes: tuple[str, str]) -> str:
    """The experiment with changes made by hand."""
    text = EXPERIMENT.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    EXPERIMENT.write_text(text)
    return text


def shown(columns: dict[str, Any], capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What --update prints for a newer table."""
    write(columns, "new.csv")
    capsys.readouterr()
    assert main(["new.csv", "--update", str(EXPERIMENT), *arguments]) == 0
    return capsys.readouterr().out


def without(*names: str) -> dict[str, Any]:
    return {name: values for name, values in OLD.items() if name not in names}


def is_kept(before: str, after: str) -> bool:
    """Whether all of a text is there still, in its order."""
    rest = iter(after)
    return all(char in rest for char in before)


def cfg() -> Any:
    """The experiment, composed and checked as training does."""
    found = composed(["experiment=mine"], Path("configs"))
    check_targets(found)
    return found


def test_it_shows_and_writes_nothing_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = EXPERIMENT.read_bytes()
    out = shown(OLD | NEW, capsys)
    assert EXPERIMENT.read_bytes() == before
    assert 'new       "height": number' in out
    assert "+    height: {_target_: mlp_torch.representation.numbers.Scaled" in out
    assert "nothing was written; --write writes these lines" in out


def test_new_fields_get_lines_and_policies_and_every_edit_survives(capsys: pytest.CaptureFixture[str]) -> None:
    before = edited(
        ("    age: {", "    # by hand: €\n    age:   {"),
        ("batch_size: 32", "batch_size:   48   # mine"),
        ("backbone: {hidden: [64, 32]}", "backbone: {hidden: [8]}"),
    )
    shown(OLD | NEW, capsys, "--write")
    after = EXPERIMENT.read_text()
    assert is_kept(before, after)
    assert set(before.splitlines()) - set(after.splitlines()) == {
        line for line in before.splitlines() if line.startswith("  fields: {}")
    }
    found = cfg()
    assert found.data.columns.height.field == "height"
    assert found.data.columns["rank"]._target_.endswith("Embedding")
    assert list(found.data.fields["rank"].na_values) == ["?"]
    assert "code" not in found.data.columns
    assert '"code" is left out: an id' in after
    assert (found.data.batch_size, list(found.backbone.hidden)) == (48, [8])
    EXPERIMENT.write_text(after.replace('path: "mine.csv"', 'path: "new.csv"'))
    assert set(prepared().transform.named_columns()) == {"age", "town", "zip", "height", "rank"}


def test_the_second_time_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    table = {name: values for name, values in (OLD | NEW).items() if name != "zip"}
    shown(table, capsys, "--write")
    once = EXPERIMENT.read_bytes()
    out = shown(table, capsys, "--write")
    assert EXPERIMENT.read_bytes() == once
    assert "nothing to write" in out
    assert not [line for line in out.splitlines() if line.startswith(("new ", "vanished", "refused"))]


def test_a_field_whose_line_was_deleted_by_hand_does_not_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in EXPERIMENT.read_text().splitlines() if line.startswith("    zip: "))
    edited((line + "\n", ""))
    assert "nothing to write" in shown(OLD, capsys)
    assert "zip" in shown({**OLD, "zip2": words(400, *"xyz")}, capsys)


def test_without_the_record_a_field_that_is_switched_off_or_named_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    text = EXPERIMENT.read_text()
    EXPERIMENT.write_text("\n".join(line for line in text.splitlines() if not line.startswith("# seen")) + "\n")
    edited(("    zip: {", "    zip: null\n    other: {"), ('field: "zip"', 'field: "town"'))
    assert "nothing to write" in shown(OLD, capsys)
    out = shown(OLD | {"extra": numbers()}, capsys, "--write")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("new ")] == ['"extra":']
    assert EXPERIMENT.read_text().count("# seen ") == 1


def test_columns_and_policies_of_vanished_fields_become_comments(capsys: pytest.CaptureFixture[str]) -> None:
    cross = "    both:\n      _target_: mlp_torch.representation.crosses.Crossed\n      parts: [town, zip]\n"
    before = edited(
        ("    town: {", cross + "\n      buckets: 100\n    town: {"),
        ("  fields: {} #", "  fields:\n    zip: {na_values: [x]}\n    age: {max: 200}\n    #"),
    )
    out = shown(without("zip"), capsys, "--write")
    assert 'vanished  "zip": data.columns.both becomes a comment; data.columns.zip becomes a comment' in out
    assert "missing_column" not in out
    after = EXPERIMENT.read_text()
    assert is_kept(before, after)
    assert after.count('# "zip" is not in "new.csv"') == 3
    found = cfg()
    assert set(found.data.columns) == {"age", "town"}
    assert set(found.data.fields) == {"age"}
    EXPERIMENT.write_text(after.replace('path: "mine.csv"', 'path: "new.csv"'))
    assert set(prepared().transform.named_columns()) == {"age", "town"}


def test_what_else_needs_a_vanished_field_is_told_and_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = EXPERIMENT.read_bytes()
    out = shown(without("id"), capsys, "--write")
    assert 'vanished  "id": data.split must be changed by hand; data.key must be changed by hand' in out
    assert EXPERIMENT.read_bytes() == before


def test_columns_in_one_line_are_added_to_and_those_that_vanish_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = EXPERIMENT.read_text()
    start, end = text.index("  columns:"), text.index("  batch_size:")
    node = '{_target_: mlp_torch.representation.embeddings.Embedding, field: "zip"}'
    EXPERIMENT.write_text(f"{text[:start]}  columns: {{zip: {node}}}\n  # mine\n{text[end:]}")
    out = shown(without("zip") | NEW, capsys, "--write")
    assert "data.columns.zip must be set to null by hand" in out
    assert set(cfg().data.columns) == {"zip", "height", "rank"}


def test_retyped_fields_ranges_words_and_classes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    table = OLD | {
        "age": words(400, "young", "old"),
        "town": [f"town {i % 60}" for i in range(400)],  # drawn at random, one of them may be left out
        "zip": [str(x) for x in DRAW.integers(0, 9, 400)],
        "y": [*words(395, "no", "yes"), *["maybe"] * 5],
    }
    out = shown(table, capsys)
    assert 'retyped   "age": is read as number, is text (' in out
    assert "its entries become comments, Embedding is added" in out
    assert 'retyped   "zip": was text, is number (0 … 8)' in out
    assert 'words     "town": were 3, are 60' in out
    assert 'classes   "y": new "maybe" 5' in out
    out = shown(OLD | {"age": ["5", *OLD["age"][2:], "300"]}, capsys)
    assert 'range     "age": was 18 … 89, is 5 … 300' in out
    assert "retyped" not in out


def test_a_field_of_another_type_gets_a_line_and_the_command_that_is_told_trains(
    capsys: pytest.CaptureFixture[str],
) -> None:
    edited(("  fields: {} #", "  fields:\n    age: {max: 200}\n    #"))
    table = {**OLD, "age": words(400, "young", "old")}
    out = shown(table, capsys, "--write")
    assert "+++ as it is now" in out
    command = "experiment=mine data.source.path=new.csv"
    assert out.splitlines()[-1].startswith("train     ")
    assert out.splitlines()[-1].endswith(command)
    assert "first " not in out
    assert '# "age" is text in "new.csv"' in EXPERIMENT.read_text()
    found = composed(command.split(), Path("configs"))
    assert found.data.columns.age._target_.endswith("Embedding")
    assert "age" in instantiate(found.data, _convert_="all").prepare().transform.named_columns()
    again = shown(table, capsys, "--write")
    assert "nothing to write" in again
    assert again.splitlines()[-1].endswith(command)


def test_what_must_be_done_by_hand_before_it_trains_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(OLD | {"age": ["?", *OLD["age"][1:]]}, capsys, "--write")
    assert "first     not_a_number" in out
    assert "+++ as it would be" in shown(OLD | NEW, capsys)


def test_the_experiments_own_options_read_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    edited(('delimiter: ","', 'delimiter: ";"\n    decimal: ","\n    encoding: cp1252'))
    write(OLD | {"größe": [x.replace(".", ",") for x in numbers()]}, "new.csv", delimiter=";")
    Path("new.csv").write_bytes(Path("new.csv").read_text(encoding="utf8").encode("cp1252"))
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    assert {c.field: c._target_.rpartition(".")[2] for c in cfg().data.columns.values()}["größe"] == "Scaled"
    pd.DataFrame(OLD | {"x": np.arange(400) / 7}).to_parquet("new.parquet")  # another kind of file
    capsys.readouterr()
    assert main(["new.parquet", "--update", str(EXPERIMENT)]) == 0
    assert 'new       "x": number' in capsys.readouterr().out


def test_line_ends_links_and_hostile_names_survive(capsys: pytest.CaptureFixture[str]) -> None:
    crlf = EXPERIMENT.read_bytes().replace(b"\n", b"\r\n")
    Path("real.yaml").write_bytes(crlf)
    EXPERIMENT.unlink()
    os.symlink(Path("real.yaml").resolve(), EXPERIMENT)
    names = ["a: b", "${x}", "x\ny", "日本", "null", "zip ", "# no", "'", '"']
    shown(OLD | {name: numbers() for name in names}, capsys, "--write")
    assert EXPERIMENT.is_symlink()
    after = Path("real.yaml").read_bytes()
    assert is_kept(crlf.decode(), after.decode())
    assert after.count(b"\r\n") == after.count(b"\n")
    EXPERIMENT.unlink()
    EXPERIMENT.write_bytes(after.replace(b'"mine.csv"', b'"new.csv"'))
    reads = {column.reads["x"].field for column in prepared().transform.named_columns().values()}
    assert reads == {"age", "town", "zip", *names}


def test_an_anchor_that_others_still_need_stops_the_update_before_it_writes() -> None:
    line = next(line for line in EXPERIMENT.read_text().splitlines() if line.startswith("    zip: "))
    anchored = line.replace("zip: {", "zip: &mine {")
    edited((line, f'{anchored}\n    again: {{<<: *mine, field: "town"}}'))
    before = EXPERIMENT.read_bytes()
    write(without("zip"), "new.csv")
    with pytest.raises(ConfigError, match="cannot be changed by adding lines"):
        main(["new.csv", "--update", str(EXPERIMENT), "--write"])
    assert EXPERIMENT.read_bytes() == before
    edited(('{<<: *mine, field: "town"}', "*mine"))  # of zip too, hence a comment as well
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    assert set(cfg().data.columns) == {"age", "town"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--update", "absent.yaml"], "absent.yaml is missing"),
        (["--update", "mine.csv"], "must name an experiment's file"),
        (["--update", str(EXPERIMENT), "--name", "other"], "takes the name and the target of the experiment"),
        (["--update", str(EXPERIMENT), "--target", "age"], "its target is y"),
        (["--target", "y", "--write"], "--write needs --update"),
        ([], "the following arguments are required: --target"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main(["mine.csv", *arguments])


@pytest.mark.parametrize(
    ("columns", "code"),
    [(without("y"), "missing_column"), ({"age": [], "y": []}, "no_rows"), (None, "no_file")],
)
def test_tables_that_cannot_be_compared_exit_with_two_and_change_nothing(
    columns: dict[str, Any] | None, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = EXPERIMENT.read_bytes()
    if columns is not None:
        write(columns, "new.csv")
    assert command_line(["init", "new.csv", "--update", str(EXPERIMENT), "--write"]) == 2
    assert code in capsys.readouterr().err
    assert EXPERIMENT.read_bytes() == before


def test_a_damaged_experiment_is_refused() -> None:
    EXPERIMENT.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="must be UTF-8"):
        main(["mine.csv", "--update", str(EXPERIMENT)])
    EXPERIMENT.write_text("data: {columns: [")
    with pytest.raises((ConfigError, DataError)):
        main(["mine.csv", "--update", str(EXPERIMENT)])
