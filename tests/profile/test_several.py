"""Fields whose cells hold several values: left out with the column that takes them."""

from pathlib import Path

import mixed
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.utils import get_class

from mlp_torch.profile.facts import column_for
from mlp_torch.profile.report import report_of
from mlp_torch.verbs.init import main as init

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
        (pa.map_(pa.string(), pa.string()), ""),
        (pa.struct([("a", pa.string())]), ""),
        (pa.list_(pa.list_(pa.string())), ""),
        (pa.duration("s"), ""),
    ],
    ids=str,
)
def test_the_column_that_takes_cells_of_a_type_is_known_and_there(kind: pa.DataType, column: str) -> None:
    found = column_for(kind)
    assert found == (f"mlp_torch.representation.{column}" if column else "")
    assert not column or get_class(found).__name__ == column.partition(".")[2]


def test_the_data_report_names_the_column_of_each_field() -> None:
    report = report_of(mixed.typed(mixed.rows(100)), target="late")
    found = {finding.fields[0]: str(finding) for finding in report.findings if finding.code == "unreadable"}
    assert found.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        assert f"mlp_torch.representation.{column} takes them" in found[name]
    missing = {field.facts.name: field.missing for field in report.fields}
    assert missing["photo"] == sum(row["photo"] is None for row in mixed.rows(100))


def test_init_leaves_them_out_and_says_what_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(mixed.typed(mixed.rows()), "mine.parquet")
    assert init(["mine.parquet", "--target", "late"]) == 0
    written = Path("configs/experiment/mine.yaml").read_text()
    for name, column in COLUMNS.items():
        assert f'"{name}" is left out' in written
        assert f"mlp_torch.representation.{column} takes them" in " ".join(written.replace("#", "").split())


def test_prose_is_left_out_and_the_column_of_its_words_is_named() -> None:
    prose = pa.array([f"the film number {i} was long, slow and rather good in the end, {i * 7}" for i in range(200)])
    report = report_of(pa.table({"review": prose, "y": ["a", "b"] * 100}), target="y")
    (found,) = [finding for finding in report.findings if finding.code == "prose"]
    assert "mlp_torch.representation.text.Text reads its words" in str(found)
