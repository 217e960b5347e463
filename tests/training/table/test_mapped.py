"""A table as one file, mapped into memory."""

import pytest
import torch

from mlp_torch.errors import ModelError
from mlp_torch.head import Batch
from mlp_torch.training.table.mapped import PAGE, Mapped, Writer, tensors


def table(n: int) -> Batch:
    """A row of every dtype and shape that there is."""
    row = torch.arange(n)
    features = {"code": row, "number": row.float().unsqueeze(1) / 7, "wide": row.double().view(n, 1, 1).expand(n, 2, 3)}
    return Batch(features | {"image": (row % 250).to(torch.uint8)}, row.double(), torch.ones(n), -row)


def written(folder, pieces: list[int]) -> tuple[Writer, Batch]:
    """A table written in pieces, and the table."""
    whole, writer, done = table(sum(pieces)), Writer(folder / "rows", sum(pieces)), 0
    for size in pieces:
        writer.append(
            Batch(
                {k: x[done : done + size] for k, x in whole.features.items()},
                *(x[done : done + size] for x in whole[1:]),
            )
        )
        done += size
    return writer, whole


@pytest.mark.parametrize("pieces", [[0], [1], [5, 0, 7], [4096], [1000, 3000, 97]])
def test_what_is_written_in_pieces_is_read_as_it_was(pieces, tmp_path):
    writer, expected = written(tmp_path, pieces)
    found = Mapped(tmp_path / "rows", writer.rows, writer.columns).table
    assert list(found.features) == list(expected.features)
    for a, b in zip(tensors(found), tensors(expected), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


def test_columns_begin_at_pages_and_do_not_overlap(tmp_path):
    columns = written(tmp_path, [5000])[0].columns
    ends = [column.offset + 5000 * column.width for column in columns]
    assert all(column.offset % PAGE == 0 for column in columns)
    assert all(column.offset >= end for column, end in zip(columns[1:], ends, strict=False))


def test_released_pages_are_read_again_when_they_are_looked_at(tmp_path):
    writer, expected = written(tmp_path, [5000])
    mapped = Mapped(tmp_path / "rows", 5000, writer.columns)
    view = mapped.table.y[10:20]
    mapped.release()
    assert torch.equal(view, expected.y[10:20])
    assert torch.equal(mapped.table.features["number"], expected.features["number"])


def test_rows_outlive_their_file(tmp_path):
    writer, expected = written(tmp_path, [5000])
    found = Mapped(tmp_path / "rows", 5000, writer.columns).table
    (tmp_path / "rows").unlink()
    assert torch.equal(found.y, expected.y)


def test_a_file_that_is_cut_or_missing_is_refused(tmp_path):
    writer, _ = written(tmp_path, [5000])
    with (tmp_path / "rows").open("r+b") as file:
        file.truncate(70_000)
    with pytest.raises(ModelError, match=r"rows must have .* bytes, however: 70,000; delete"):
        Mapped(tmp_path / "rows", 5000, writer.columns)
    with pytest.raises(ModelError, match="however: none"):
        Mapped(tmp_path / "other", 5000, writer.columns)
