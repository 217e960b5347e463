"""Fields whose cells hold several values: what the report says of them, and the columns that `init` takes."""

import re
from pathlib import Path
from typing import Any

import mixed
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.utils import get_class

from mlp_torch.configuration import built, composed
from mlp_torch.profile.facts import counted, look
from mlp_torch.profile.page import html
from mlp_torch.profile.report import report_of
from mlp_torch.profile.shapes import column_for
from mlp_torch.profile.table import printed
from mlp_torch.profile.words import members_in
from mlp_torch.proposal.columns import decide
from mlp_torch.verbs.init import main as init

MAP = pa.map_(pa.string(), pa.float64())
COLUMNS = {"tags": "sets.Set", "bids": "maps.HashedMap", "v": "vectors.Vector", "photo": "images.Image"}


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (pa.list_(pa.string()), "sets.Set"),
        (pa.large_list(pa.large_string()), "sets.Set"),
        (pa.list_(pa.float32(), 3), "vectors.Vector"),
        (pa.map_(pa.string(), pa.int64()), "maps.HashedMap"),
        (pa.struct([("a", pa.int64())]), "maps.HashedMap"),
        (pa.binary(), "images.Image"),
        (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "images.Image"),
        (pa.struct([("bytes", pa.int64())]), "maps.HashedMap"),
        (pa.map_(pa.string(), pa.string()), ""),
        (pa.struct([("a", pa.string())]), ""),
        (pa.list_(pa.list_(pa.string())), ""),
        (pa.duration("s"), ""),
    ],
    ids=str,
)
def test_the_column_that_takes_cells_of_a_type_is_known_and_there(kind: pa.DataType, column: str) -> None:
    found = column_for(kind)
    assert found == column
    assert not column or get_class(f"mlp_torch.representation.{found}").__name__ == column.partition(".")[2]


def test_the_data_report_names_the_column_of_each_field() -> None:
    report = report_of(mixed.typed(mixed.rows(100)), target="late")
    found = {finding.fields[0]: str(finding) for finding in report.findings if finding.code == "several"}
    assert found.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        assert f"mlp_torch.representation.{column} takes them" in found[name]
    missing = {field.facts.name: (field.missing, field.invalid) for field in report.fields}
    assert missing["photo"] == (sum(row["photo"] is None for row in mixed.rows(100)), 0)


def reported(cells: list[str]) -> set[str]:
    """The codes of what is found in a field of text."""
    report = report_of(pa.table({"x": cells, "y": ["a", "b"] * (len(cells) // 2)}), target="y")
    return {finding.code for finding in report.findings if finding.fields[:1] == ("x",)}


def test_sentences_and_titles_are_free_text() -> None:
    long = [f"the film number {i} was long, slow and rather good in the end, {i * 7}" for i in range(200)]
    titles = ["the red car", "a car in the rain", "the old man and the red sea", "man in the old car", "the sea"]
    short = [f"{titles[i % 5]} {titles[i // 5 % 5]} {'ab'[i % 2]}{i}" for i in range(200)]
    assert reported(long) == reported(short) == {"prose"}


def test_names_ids_and_addresses_of_machines_are_no_free_text() -> None:
    for cells in (
        [f"Ann{i % 20} Lee{i % 17}" for i in range(200)],
        [f"order {i}" for i in range(200)],
        [f"10.0.{i // 9}.{i % 9}" for i in range(200)],
        [f"550e8400-e29b-41d4-a716-{i:012d}" for i in range(200)],
    ):
        assert "prose" not in reported(cells), cells[0]


@pytest.mark.parametrize("separator", [", ", "|", ";", "; ", ","])
def test_members_are_known_by_what_stands_between_them(separator: str) -> None:
    cells = [separator.join(member for at, member in enumerate("abcdef") if i >> at & 1) for i in range(1, 64)] * 4
    found = members_in(counted(pa.array(cells)))
    assert found is not None
    assert (found.separator, found.distinct, found.most) == (separator, 6, 6)
    assert reported(cells) == {"members"}


def test_a_cell_that_is_not_as_clean_as_the_others_changes_no_separator() -> None:
    cells = [", ".join(member for at, member in enumerate("abcdef") if i >> at & 1) for i in range(1, 64)] * 4
    for dirty in ("a,b", "a, , b", "a, b, "):
        found = members_in(counted(pa.array([*cells, dirty])))
        assert found is not None
        assert found.separator == ", "


def test_what_always_has_as_many_parts_is_one_value() -> None:
    for cells in (
        [f"Smith{i % 30}, John{i % 7}" for i in range(200)],
        [f"{i % 28 + 1}/{i % 12 + 1}/2024" for i in range(200)],
        ["red", "green", "blue, dark"] * 60,  # a word among few
    ):
        assert "members" not in reported(cells), cells[0]


def proposed(folder: Path, name: str, target: str) -> Any:
    """The data of the experiment that `init` writes."""
    assert init([name, "--target", target]) == 0
    return composed([f"experiment={Path(name).stem}"], folder / "configs").data


def test_init_takes_a_column_for_each_field_of_several_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(mixed.typed(mixed.rows()), "mine.parquet")
    data = proposed(tmp_path, "mine.parquet", "late")
    found = {name: node._target_.rpartition("representation.")[2] for name, node in data.columns.items()}
    taken = {name: column for name, column in COLUMNS.items() if name != "photo"}
    assert found == {"title": "text.Text", **taken, "age": "numbers.Scaled"}
    assert (data.columns.v.size, data.columns.bids.buckets) == (3, 100)
    written = Path("configs/experiment/mine.yaml").read_text()
    assert '"photo" is left out' in written
    offer = next(line for line in written.splitlines() if line.startswith("    # photo: {"))
    Path("configs/experiment/mine.yaml").write_text(written.replace(offer, offer.replace("# ", "", 1)))
    data = composed(["experiment=mine"], tmp_path / "configs").data
    assert data.columns.photo.size == [1, 9, 10]
    prepared = built(data).prepare()
    assert prepared.tables["train"].features.keys() == {"title", "tags", "bids", "v", "photo", "age"}


def test_init_takes_columns_for_sets_and_sentences_of_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    rows = {
        "genre": ["|".join(draw.choice(list("abcdefgh"), draw.integers(1, 8), replace=False)) for _ in range(300)],
        "review": [" ".join(draw.choice(mixed.WORDS, draw.integers(5, 90))) for _ in range(300)],
        "y": ["a", "b"] * 150,
    }
    pd.DataFrame(rows).to_csv("mine.csv", index=False)
    data = proposed(tmp_path, "mine.csv", "y")
    genre, review = data.columns.genre, data.columns.review
    assert (genre._target_.rpartition(".")[2], genre.separator) == ("Set", "|")
    assert "max_tokens" not in genre
    assert (review._target_.rpartition(".")[2], review.max_tokens) == ("Text", 128)
    assert "of which the first are read" not in str(built(data).prepare().counts)


def test_pictures_smaller_or_larger_than_a_network_takes_are_resized() -> None:
    for side, taken in ((5, 8), (30, 30), (900, 64)):
        (entry,) = decide(look("x", pa.array([mixed.png(np.zeros((side, side)))]))).entries
        assert entry.node["size"] == [1, taken, taken]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (pa.array([[1.0], [1.0, 2.0]] * 100), "lists of 1 to 2 numbers: vectors must have as many in each row"),
        (
            pa.array([[1.0, None], [1.0, 2.0]] * 100),
            "100 of 200 cells are none: a vector must be a list of finite numbers",
        ),
        (pa.array([[1.0, np.nan], [1.0, 2.0]] * 100), "100 of 200 cells are none: a vector must be a list of finite"),
        (pa.array([[], None] * 100, pa.list_(pa.string())), "sets of up to 0 members"),
        (pa.array([["a", None], ["b"]] * 100), "100 of 200 cells are none: a list must hold no null"),
        (
            pa.array([[("a", 1.0)] * 2, [("b", 1.0)]] * 100, MAP),
            "100 of 200 cells are none: a map must have a name once",
        ),
        (pa.array([[("a", np.nan)], [("b", 1.0)]] * 100, MAP), "100 of 200 cells are none: a map must be names with"),
        (pa.array([[], None] * 100, pa.map_(pa.string(), pa.float64())), "maps of up to 0 names"),
        (pa.array([b"no picture", None] * 100), "bytes, of which the first are no picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_column_takes_as_it_is_is_left_out(
    cells: pa.Array, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    towns = [f"t{i % 40}" for i in range(200)]
    rows = {"x": cells, "town": towns, "z": draw.normal(size=200), "y": ["a", "b"] * 100}
    pq.write_table(pa.table(rows), "mine.parquet")
    assert list(proposed(tmp_path, "mine.parquet", "y").columns) == ["town", "z"]
    assert f'"x" is left out: {reason}' in Path("configs/experiment/mine.yaml").read_text()


@pytest.mark.parametrize(
    "cells",
    [
        [*[f'{{"a": {i}}}' for i in range(190)], *[f"none {i}" for i in range(10)]],
        [f'{{"a": {{"b": {i}}}}}' for i in range(200)],
        [f"[ref {i}]" for i in range(200)],
        [f"file{i}.pdf" for i in range(200)],
        [f"photo{i}.png" if i % 2 else f"text{i}.txt" for i in range(200)],
    ],
    ids=["too many others", "maps in maps", "brackets", "other files", "half images"],
)
def test_other_text_is_no_json_and_no_image_file(cells: list[str]) -> None:
    assert not {"json", "image_files"} & reported(cells)


def test_cells_of_several_values_are_called_by_what_they_hold_and_not_counted() -> None:
    report = report_of(mixed.typed(mixed.rows(100)), target="late")
    lines = {line.split()[0]: line.split()[1:6] for line in printed(report).splitlines()[3:10]}
    missing = {field.facts.name: str(field.missing) for field in report.fields}
    for name, kind in (("tags", "lists"), ("bids", "maps"), ("v", "vectors"), ("photo", "bytes")):
        assert lines[name] == [kind, missing[name], "0", "-", "-"]
        assert re.search(rf">{name}</code></a></td><td>{kind}</td>.*<td class=.n.>-</td><td>-</td>", html(report))
