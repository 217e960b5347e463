"""What a batch writes: row groups, notes, and whose files may be replaced."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import ConfigError
from mlp_torch.serving import outputs
from mlp_torch.serving.outputs import check_free, check_output, merge, noted, noted_skipped, skipped_of

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


def skipped_rows(path, note):
    merge([pa.table({"x": [1]})], path, {b"mlp_torch": note})


def test_a_file_that_is_called_as_that_of_skipped_rows_stays(tmp_path):
    out = tmp_path / "out.parquet"
    check_free(out, STATE, overwrite=False)
    pq.write_table(pa.table({"x": [1]}), skipped_of(out))
    for note in (None, b"no JSON", noted(STATE)):  # a stranger's; predictions that are called like that
        if note:
            skipped_rows(skipped_of(out), note)
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match="another file is there; move it"):
                check_free(out, STATE, overwrite=overwrite)
    for state, name in (({"input": "other"}, "out.parquet"), (STATE, "other.parquet")):
        skipped_rows(skipped_of(out), noted_skipped(state, tmp_path / name))
        with pytest.raises(ConfigError, match=r"skipped rows of another output .* --overwrite replaces it"):
            check_free(out, STATE, overwrite=False)
        check_free(out, STATE, overwrite=True)
    skipped_rows(skipped_of(out), noted_skipped(STATE, out))
    check_free(out, STATE, overwrite=False)  # what a run left that was killed at its end


@pytest.mark.parametrize("name", ["a.skipped.parquet", "a.Skipped.PQ", ".skipped.parquet"])
def test_an_output_is_not_called_as_a_file_of_skipped_rows_is(name, tmp_path):
    with pytest.raises(ConfigError, match=f"not be called as a file of skipped rows is, however: {name}"):
        check_output(tmp_path / name, tmp_path / "rows.parquet")
    check_output(tmp_path / "skipped.parquet", tmp_path / "rows.parquet")
