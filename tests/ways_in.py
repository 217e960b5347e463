"""The cells of one field on each way in: Arrow, records, files, and the graph that a TorchScript host calls."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import farmhash
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.schema import Checked, Schema
from mlp_torch.ingest.scripted import Scripted
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.script import script
from mlp_torch.serving.probes import raw_arguments


def checked(cells: Any, *reads: Read, folder: Path | None = None, training: bool = False, **policy: Any) -> Checked:
    """Cells of the field that the reads name, judged: an Arrow array, or values of records."""
    field = reads[0].field
    is_arrow = isinstance(cells, pa.Array | pa.ChunkedArray)
    table = pa.table({field: cells}) if is_arrow else table_of([{field: cell} for cell in cells])
    schema = Schema.of(reads, {field: policy} if policy else {})
    return schema.check(Block(table, folder=folder), training=training)


def inputs(cells: Any, *reads: Read, **options: Any) -> Inputs:
    """The same as tensors."""
    return to_inputs(checked(cells, *reads, **options), reads)


def tensor(cells: Any, read: Read, **options: Any) -> Tensor:
    """The same of one read."""
    return inputs(cells, read, **options)[read.key]


def words(cells: Any, read: Read) -> dict[int, str]:
    """The words behind the fingerprints."""
    return dict(words_of(checked(cells, read))(read))


def refused(cells: Any, *reads: Read, **options: Any) -> Problem:
    """The only problem that cells have."""
    with pytest.raises(DataError) as caught:
        checked(cells, *reads, **options)
    (problem,) = caught.value.problems
    assert problem.columns == (reads[0].field,)
    assert str(problem).isprintable()
    return problem


@cache
def graph(*reads: Read, scripted: bool = True, **policy: Any) -> nn.Module:
    """The ingestion of a field, as `model.pt` has it, or eager."""
    field = reads[0].field
    module = Scripted(Schema.of(reads, {field: policy} if policy else {}))
    return script(module) if scripted else module


def in_graph(values: Sequence[Any], *reads: Read, scripted: bool = True, **policy: Any) -> Inputs:
    """What the graph makes of values as a host passes them; `values` are those of records."""
    rows = [{reads[0].field: value} for value in values]
    return graph(*reads, scripted=scripted, **policy)(*raw_arguments(rows, Schema.of(reads)))


def assert_same_bits(found: Inputs, wanted: Inputs) -> None:
    """Equal types, shapes and values; any NaN is NaN."""
    assert found.keys() == wanted.keys()
    for key, x in wanted.items():
        assert found[key].dtype == x.dtype
        torch.testing.assert_close(found[key], x, rtol=0, atol=0, equal_nan=True)


def assert_alike_in_graph(values: Sequence[Any], *reads: Read) -> Inputs:
    """Records, eager module and TorchScript make the same bits of values."""
    wanted = inputs(values, *reads)
    assert_same_bits(in_graph(values, *reads), wanted)
    assert_same_bits(in_graph(values, *reads, scripted=False), wanted)
    return wanted


def by_parquet(cells: Any, *reads: Read, **policy: Any) -> Inputs:
    """Through a file of Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.parquet"
        pq.write_table(pa.table({reads[0].field: cells}), path)
        block = Parquet(path).read()
        return to_inputs(Schema.of(reads, {reads[0].field: policy} if policy else {}).check(block), reads)


def by_csv(cells: Sequence[str | None], *reads: Read, **policy: Any) -> Inputs:
    """Through a file of CSV; None is a cell without quotes."""
    told = ["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.csv"
        path.write_bytes("\n".join([f"{reads[0].field},row", *(f"{cell},x" for cell in told)]).encode())
        block = Csv(path).read()
        return to_inputs(Schema.of(reads, {reads[0].field: policy} if policy else {}).check(block), reads)


def fingerprint(word: str) -> int:
    """As another library has it, as a signed integer."""
    unsigned = int(farmhash.fingerprint64(word))
    return unsigned - 2**64 * (unsigned >= 2**63)


def padded(rows: Sequence[Sequence[str]], width: int) -> Tensor:
    """(N, width) fingerprints of the first words of each row, then 0."""
    found = [[fingerprint(word) for word in row[:width]] for row in rows]
    return torch.tensor([row + [0] * (width - len(row)) for row in found], dtype=torch.int64).reshape(-1, width)


def layouts(array: pa.Array) -> dict[str, pa.Array | pa.ChunkedArray]:
    """The same cells sliced from more, in pieces, in no piece among others, as categories and as runs."""
    runs = pa.array(range(1, len(array) + 1), pa.int32())
    return {
        "plain": array,
        "sliced": pa.concat_arrays([array, array, array]).slice(len(array), len(array)),
        "chunked": pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1)]),
        "categories": pa.DictionaryArray.from_arrays(pa.array(range(len(array)), pa.int32()), array),
        "runs": pa.RunEndEncodedArray.from_arrays(runs, array),
    }
