"""What a batch writes: row groups, notes, and whose files may be replaced."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import ConfigError
from mlp_torch.serving import outputs
from mlp_torch.serving.outputs import check_skipped, merge, noted, skipped_of

STATE = {"model": "m", "input": "i"}


@pytest.mark.parametrize("sizes", [(10,), (3, 7), (1,) * 10, (0, 4, 4, 2), (8,), (0,)])
def test_row_groups_do_not_depend_on_how_the_rows_are_cut(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "ROWS", 4)
    at, tables = 0, []
    for size in sizes:
        tables.append(pa.table({"row": pa.array(range(at, at + size), pa.int64())}))
        at += size
    merge(tables, tmp_path / "a.parquet", {})
    file = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [4] * (at // 4) + [at % 4] * (at % 4 > 0)
    assert file.read()["row"].to_pylist() == list(range(at))


def test_a_file_that_is_called_as_that_of_skipped_rows_stays(tmp_path):
    path = skipped_of(tmp_path / "out.parquet")
    check_skipped(path, STATE, overwrite=False)
    pq.write_table(pa.table({"x": [1]}), path)
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="another file is there; move it"):
            check_skipped(path, STATE, overwrite=overwrite)
    merge([pa.table({"x": [1]})], path, {b"mlp_torch": noted({"input": "other"})})
    with pytest.raises(ConfigError, match=r"skipped rows of another output .* --overwrite replaces it"):
        check_skipped(path, STATE, overwrite=False)
    check_skipped(path, STATE, overwrite=True)
    check_skipped(path, {"input": "other"}, overwrite=False)  # what a run left that was killed at its end
