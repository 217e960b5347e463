"""Columns for cells of several values that are not all alike, or that are text: JSON, and paths of images."""

import json
from pathlib import Path
from typing import Any

import mixed
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.configuration import built, composed
from mlp_torch.verbs.init import main as init

MAP = pa.map_(pa.string(), pa.float64())
COLUMNS = {"tags": "sets.Set", "bids": "maps.HashedMap", "v": "vectors.Vector"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def proposed(name: str, target: str = "y") -> Any:
    """The data of the experiment that `init` writes."""
    assert init([name, "--target", target]) == 0
    return composed([f"experiment={Path(name).stem}"], Path("configs")).data


RARE = {
    "maps with a name twice": (pa.array([[("a", 1.0), ("a", 2.0)], *[[("b", 1.0)]] * 199], MAP), "maps.HashedMap"),
    "maps with NaN": (pa.array([[("a", np.nan)], *[[("b", 1.0)]] * 199], MAP), "maps.HashedMap"),
    "vectors with a null": (pa.array([[1.0, None], *[[1.0, 2.0]] * 199]), "vectors.Vector"),
    "vectors of another length": (pa.array([[1.0], *[[1.0, 2.0]] * 199]), "vectors.Vector"),
    "sets with a null": (pa.array([["a", None], *[["b", "c"]] * 199]), "sets.Set"),
    "maps of JSON with a torn one": (pa.array(['{"a": 1', *[f'{{"b": {i}}}' for i in range(199)]]), "maps.HashedMap"),
    "vectors of JSON with a word": (pa.array(["none yet", *[f"[{i}, 2.5]" for i in range(199)]]), "vectors.Vector"),
}


@pytest.mark.parametrize("name", RARE)
def test_a_few_cells_that_training_would_refuse_are_read_as_missing(name: str) -> None:
    cells, column = RARE[name]
    rows = {"x": cells, "id": [f"i{i}" for i in range(200)], "y": ["a", "b"] * 100}
    pq.write_table(pa.table(rows), "mine.parquet")
    data = proposed("mine.parquet")
    assert data.columns.x._target_.endswith(column)
    assert data.fields == {"x": {"invalid": "missing"}}
    assert "read as missing, since 1 of 200 cells are none: a" in Path("configs/experiment/mine.yaml").read_text()
    assert built(data).prepare().counts["missing"] == {"x": 1}


def test_json_and_paths_of_images_in_a_csv_become_what_typed_cells_become() -> None:
    Path("rows").mkdir()
    mixed.csv(Path("rows/mine.csv"), mixed.rows())
    data = proposed("rows/mine.csv", "late")
    found = {name: node._target_.rpartition("representation.")[2] for name, node in data.columns.items()}
    assert found == {"title": "text.Text", **COLUMNS, "age": "numbers.Scaled"}
    assert (data.columns.v.size, data.columns.bids.buckets) == (3, 100)
    written = Path("configs/experiment/mine.yaml").read_text()
    assert '"photo" is left out: pictures, for which the next line' in written
    (offer,) = (line for line in written.splitlines() if line.startswith("    # photo: {"))
    Path("configs/experiment/mine.yaml").write_text(written.replace(offer, offer.replace("# ", "", 1)))
    data = composed(["experiment=mine"], Path("configs")).data
    assert data.columns.photo.size == [1, 9, 10]
    assert built(data).prepare().counts["changed"] == {}


def test_paths_of_images_of_which_none_opens_are_left_out_with_the_folder() -> None:
    draw = np.random.default_rng(0)
    Path("img").mkdir()
    Path("img/7.JPG").write_bytes(b"no picture")
    rows = {"path": [f"img/{i}.JPG" for i in range(200)], "z": draw.normal(size=200), "y": ["a", "b"] * 100}
    pd.DataFrame(rows).to_csv("mine.csv", index=False)
    data = proposed("mine.csv")
    assert list(data.columns) == ["z"]
    assert list(data.key) == list(data.split.fields) == ["path"]
    reason = '"path" is left out: paths of image files, of which 199 of 200 are none in .'
    assert reason in Path("configs/experiment/mine.yaml").read_text()


def test_few_paths_of_no_file_are_missing_by_policy() -> None:
    Path("img").mkdir()
    draw = np.random.default_rng(0)
    for i in range(198):
        Path(f"img/{i}.png").write_bytes(mixed.png(draw.integers(0, 256, (9, 10))))
    paths = [*(f"img/{i}.png" for i in range(199)), "NA"]
    pd.DataFrame({"path": paths, "y": ["a", "b"] * 100, "id": [f"i{i}" for i in range(200)]}).to_csv(
        "mine.csv", index=False
    )
    data = proposed("mine.csv")
    assert data.fields == {"path": {"na_values": ["NA"], "invalid": "missing"}}
    assert built(data).prepare().counts["missing"] == {"path": 2}


def test_few_files_and_few_lists_are_categories() -> None:
    draw = np.random.default_rng(0)
    rows = {"icon": draw.choice(["01d.png", "02n.png"], 200), "code": draw.choice(["[1]", "[2]"], 200)}
    rows |= {"y": ["a", "b"] * 100}
    pd.DataFrame(rows | {"id": [f"i{i}" for i in range(200)]}).to_csv("mine.csv", index=False)
    found = [node._target_.rpartition(".")[2] for node in proposed("mine.csv").columns.values()]
    assert found == ["Embedding", "Embedding"]


def test_lists_of_words_in_json_are_left_out_with_what_set_takes_instead() -> None:
    draw = np.random.default_rng(0)
    tags = [json.dumps([tag for tag in "abcdef" if draw.random() < 0.5]) for _ in range(200)]
    pd.DataFrame({"tags": tags, "z": draw.normal(size=200), "y": ["a", "b"] * 100}).to_csv("mine.csv", index=False)
    assert list(proposed("mine.csv").columns) == ["z"]
    written = Path("configs/experiment/mine.yaml").read_text()
    assert '"tags" is left out: lists of words in JSON' in written
    assert "# tags: {" not in written


def test_words_for_missing_among_json_are_declared() -> None:
    cells = [*[f'{{"a": {i}}}' for i in range(190)], *["null"] * 10]
    rows = {"id": [f"i{i}" for i in range(200)], "x": cells, "y": ["a", "b"] * 100}
    pq.write_table(pa.table(rows), "mine.parquet")
    data = proposed("mine.parquet")
    assert data.fields == {"x": {"na_values": ["null"]}}
    assert built(data).prepare().counts["missing"] == {"x": 10}


def test_init_prints_cells_of_several_values_by_what_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(mixed.typed(mixed.rows()), "mine.parquet")
    proposed("mine.parquet", "late")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("bids "))
    assert line.split()[1] == "maps"
    assert line.split()[3:] == ["-", "-", "HashedMap"]


def test_a_vector_in_json_may_be_what_rows_are_split_by_as_well() -> None:
    draw = np.random.default_rng(0)
    vectors = [json.dumps([float(x) for x in row], separators=(",", ":")) for row in draw.normal(size=(200, 2))]
    rows = {"v": vectors, "y": ["a", "b"] * 100, "k": ["c", "d", "d", "c"] * 50}
    pd.DataFrame(rows).to_csv("mine.csv", index=False)
    data = proposed("mine.csv")
    assert list(data.split.fields) == ["v"]
    assert data.columns.v._target_.endswith("vectors.Vector")
    built(data).prepare()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_pictures_are_a_column_where_nothing_else_is_left_to_learn_from(ending: str) -> None:
    Path("img").mkdir()
    draw = np.random.default_rng(0)
    for i in range(200):
        Path(f"img/{i}.png").write_bytes(mixed.png(draw.integers(0, 256, (9, 10))))
    rows = {"path": [f"img/{i}.png" for i in range(200)], "y": ["a", "b"] * 100}
    frame = pd.DataFrame(rows)
    frame.to_csv("mine.csv", index=False)
    frame.to_parquet("mine.parquet")
    data = proposed(f"mine.{ending}")
    assert (data.columns.path._target_.rpartition(".")[2], data.columns.path.size) == ("Image", [1, 9, 10])
    assert built(data).prepare().counts["used"] == 200


def test_update_takes_columns_for_new_json_and_offers_one_for_new_paths_of_images() -> None:
    draw = np.random.default_rng(0)
    rows: dict[str, Any] = {"id": [f"i{i}" for i in range(200)], "z": draw.normal(size=200), "y": ["a", "b"] * 100}
    pd.DataFrame(rows).to_csv("mine.csv", index=False)
    proposed("mine.csv")
    Path("new/img").mkdir(parents=True)
    for i in range(40):
        Path(f"new/img/{i}.png").write_bytes(mixed.png(np.zeros((20, 30))))
    rows |= {"bids": [f'{{"a": {i}}}' for i in range(200)], "photo": [f"img/{i % 40}.png" for i in range(200)]}
    pd.DataFrame(rows).to_csv("new/new.csv", index=False)
    assert init(["new/new.csv", "--update", "configs/experiment/mine.yaml", "--write"]) == 0
    data = composed(["experiment=mine", "data.source.path=new/new.csv"], Path("configs")).data
    assert list(data.columns) == ["z", "bids"]
    written = Path("configs/experiment/mine.yaml").read_text()
    assert '# photo: {_target_: mlp_torch.representation.images.Image, field: "photo", size: [1, 20, 30]}' in written
    built(data).prepare()
