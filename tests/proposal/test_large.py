"""A table that is larger than memory: which rows are looked at, and what is proposed for it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_table import EXPERIMENT, prepared, proposal

from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.proposal import large
from mlp_torch.proposal.large import BoundedReader

ROWS = 4000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with a table in two forms."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=ROWS)
    table = pa.table({"id": range(ROWS), "x": x.round(4), "y": np.where(x > 0, "yes", "no")})
    Path("mine").mkdir()
    pq.write_table(table.slice(0, 1500), "mine/a.parquet")
    pq.write_table(table.slice(1500), "mine/b.parquet")
    Path("mine.csv").write_text("\n".join(["id,x,y", *(f"{i},{v:.4f},{v > 0}" for i, v in enumerate(x))]) + "\n")
    return tmp_path


def test_a_table_that_fits_is_read_whole() -> None:
    bounded = BoundedReader(cells=3 * ROWS)
    assert len(bounded(Parquet("mine")).table) == ROWS
    assert (bounded.total, bounded.note) == (None, "")


@pytest.mark.parametrize("reader", [Parquet("mine"), Csv("mine.csv")])
def test_of_a_larger_one_some_rows_are_read_that_lie_all_over_it(reader: Csv | Parquet) -> None:
    bounded = BoundedReader(cells=3 * ROWS - 100, rows=1000)
    block = bounded(reader)
    assert bounded.total == pytest.approx(ROWS, rel=0.01)
    assert len(block.table) == pytest.approx(1000, rel=0.1)
    ids = block.table["id"].cast(pa.int64()).to_numpy()
    assert (np.diff(ids) > 0).all()
    assert (np.histogram(ids, 4, (0, ROWS))[0] > 200).all()
    assert block.table.equals(BoundedReader(cells=100, rows=1000)(reader).table)


def test_the_rows_keep_their_places() -> None:
    block = BoundedReader(cells=100, rows=1000)(Csv("mine.csv"))
    assert block.places.of([0, 500]) == tuple(int(str(block.table["id"][i])) + 2 for i in (0, 500))
    block = BoundedReader(cells=100, rows=1000)(Parquet("mine"))
    last = int(str(block.table["id"][-1]))
    assert block.places.of([0, len(block.table) - 1]) == (
        f"a.parquet:{block.table['id'][0]}",
        f"b.parquet:{last - 1500}",
    )


def test_a_torn_row_is_refused_wherever_it_lies() -> None:
    lines = Path("mine.csv").read_text().splitlines()
    lines[3333] = "1,2"
    Path("mine.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"wrong_field_count.*line 3334"):
        BoundedReader(cells=100, rows=10)(Csv("mine.csv"))


def test_a_damaged_file_among_several_is_named() -> None:
    Path("mine/c.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DataError, match=r"damaged_file: .*c\.parquet cannot be read"):
        BoundedReader()(Parquet("mine"))


@pytest.mark.parametrize(("table", "reading"), [("mine", "parquet"), ("mine.csv", "csv")])
def test_init_proposes_to_keep_it_on_disk_and_says_so(
    table: str, reading: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(large.BoundedReader, "__init__", small)
    cfg = proposal(table=table)
    assert cfg["data"]["source"]["_target_"] == f"mlp_torch.training.table.shards.{reading}"
    assert cfg["data"]["key"] == []
    assert "taken for larger than memory" in capsys.readouterr().out
    assert "taken for larger than memory" in EXPERIMENT.read_text()
    data = prepared()
    assert data.counts["used"] == ROWS
    assert Path("runs/.shards").is_dir()


def small(bounded: BoundedReader) -> None:
    """A reader to which the tables here are large."""
    bounded.cells, bounded.rows, bounded.total, bounded.note = 100, 1000, None, ""
