"""Every row in training, validation and test, and said to be so; other splits share no row."""

import pyarrow.parquet as pq
import pytest
import tiny
import torch

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.source import Frame, Parquet, Source
from mlp_torch.reproducibility.everywhere import TOLD, Everywhere, rows_of
from mlp_torch.reproducibility.split import ByFingerprint, Split
from mlp_torch.target import Category
from mlp_torch.training.data import Data
from mlp_torch.training.table.definition import Definition
from mlp_torch.training.table.shards import Shards
from mlp_torch.validation.rehearsal import Rehearsal

ROWS = 300


def whole(*, source: Source | Shards | None = None, split: Split | None = None) -> Data:
    """The tiny table, every row everywhere, as heavy as `size`."""
    target = Category("late", classes=["on time", "late"])
    source = source or Frame(tiny.table(ROWS))
    columns = {name: column for name, column in tiny.columns().items() if name != "size"}
    return Data(source, columns, target, split or Everywhere(), key=["id"], weight="size")


def test_every_split_but_calibration_has_every_row():
    data = whole().prepare()
    assert data.counts["splits"] == {"train": 300, "calibration": 0, "val": 300, "test": 300}
    assert data.counts["used"] == 300
    assert "in no split" not in data.counts["dropped"]
    train = data.tables["train"]
    for name in ("val", "test"):
        assert torch.equal(data.tables[name].row, train.row)
        assert torch.equal(data.tables[name].y, train.y)
        assert data.keys[name]["id"].to_pylist() == [f"r{i}" for i in range(300)]


def test_it_is_told_once_and_no_row_counts_as_a_copy():
    notes = whole().prepare().notes()
    assert notes.count(TOLD) == 1
    assert not [line for line in notes if "same_rows" in line]


def test_of_another_split_nothing_is_told_and_no_row_is_shared():
    split = ByFingerprint(["id"], val=0.2, test=0.2)
    data = whole(split=split).prepare()
    assert TOLD not in data.notes()
    rows = rows_of(split, torch.tensor([0, 3, 2, -1, 0]))
    assert {name: found.tolist() for name, found in rows.items()} == {
        "train": [0, 4],
        "calibration": [],
        "val": [2],
        "test": [1],
    }


def test_the_verdict_before_training_counts_each_row_in_every_split(tmp_path):
    data = whole()
    wanted = Definition(data.transform, data.target, data.split, data.key, data.policies, data.weight)
    rehearsal = Rehearsal(wanted, None, tmp_path)
    checked = wanted.schema().check(data.source.read(), training=True)
    assert list(rehearsal.add(checked)) == []
    assert list(rehearsal.close(sound=True)) == []
    assert rehearsal.sizes == {"train": ROWS, "calibration": 0, "val": ROWS, "test": ROWS, "no split": 0}


def test_a_table_on_disk_is_refused(tmp_path):
    pq.write_table(tiny.table(50), tmp_path / "tiny.parquet")
    source = Shards(Parquet(tmp_path / "tiny.parquet"), tmp_path / "encoded")
    with pytest.raises(ConfigError, match=r"each row to one part, however: data.split is Everywhere"):
        whole(source=source).prepare()


def test_no_rows_are_no_rows():
    assert Everywhere().assign({"a:string": torch.zeros(0, dtype=torch.int64)}).tolist() == []
