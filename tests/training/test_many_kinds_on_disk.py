"""A table with a field of each kind: on disk as in memory, killed as whole, and what is told of it."""

from functools import partial
from pathlib import Path
from typing import Any

import mixed
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch

from mlp_torch.build import without_advice
from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Csv, Frame, Parquet
from mlp_torch.profile.report import report_of
from mlp_torch.reproducibility.split import SPLITS
from mlp_torch.run import quiet
from mlp_torch.training.checkpoint_files import newest
from mlp_torch.training.checkpoints import BestCheckpoint, LastCheckpoint
from mlp_torch.training.data import Data
from mlp_torch.training.table.definition import Definition
from mlp_torch.training.table.mapped import tensors
from mlp_torch.training.table.shards import Shards
from mlp_torch.training.task import Task
from mlp_torch.validation.rehearsal import Rehearsal
from mlp_torch.validation.validation import validated

ROWS = mixed.rows()


class Small(Parquet):
    """A file whose blocks are small, so that a test has many."""

    def blocks(self, size: int | None = None) -> Any:
        return super().blocks(97)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()
    without_advice()


@pytest.fixture(scope="module")
def memory() -> Data:
    return mixed.unprepared().prepare()


def parquet(folder: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    if not (path := folder / "rows.parquet").exists():
        pq.write_table(mixed.typed(rows), path)
    return path


def on_disk(folder: Path, *, sample: int = 2_000_000, source: Any = None, **options: Any) -> Data:
    """The same table as shards."""
    data = mixed.unprepared(**options)
    data.source = Shards(source or Small(parquet(folder)), folder / "encoded", sample=sample)
    return data


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_shards_give_the_bits_that_memory_gives(kind: str, memory: Data, tmp_path: Path) -> None:
    source = Csv(mixed.csv(tmp_path / "rows.csv", ROWS)) if kind == "csv" else Small(parquet(tmp_path))
    found = on_disk(tmp_path, source=source).prepare()
    for name in SPLITS:
        pairs = zip(tensors(found.tables[name]), tensors(memory.tables[name]), strict=True)
        assert all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)
    for what in ("schema", "counts", "warnings", "fingerprint"):
        assert getattr(found, what) == getattr(memory, what), what
    assert {key: x.to_pylist() for key, x in found.samples.items() if key != "age"} == {
        key: x.to_pylist() for key, x in memory.samples.items() if key != "age"
    }
    assert {x.dim() for x in found.tables["train"].features.values()} == {2, 3, 4}
    again = on_disk(tmp_path, source=source).prepare()
    assert again.notes()[-1].startswith("encoded rows reused from ")
    assert torch.equal(again.tables["val"].features["photo"], memory.tables["val"].features["photo"])


def test_columns_that_are_fitted_on_a_sample_see_the_words_of_the_sample_alone(memory: Data, tmp_path: Path) -> None:
    found = on_disk(tmp_path, sample=60).prepare()
    assert found.fingerprint == memory.fingerprint
    words = {name: found.transform.columns[name].vocabulary for name in ("words", "tags")}
    for name, known in words.items():
        assert set(known.tolist()) <= set(memory.transform.columns[name].vocabulary.tolist())
    assert len(found.judged["train"].y) == 60


def fit(folder: Path, data: Data, *, stop: int | None = None) -> dict[str, Any]:
    """One fit in the way of run.py, of 10 steps; from where it was, if it was."""
    last = newest(folder)
    state = last and last.content["state_dict"]
    data.prepare(state)
    torch.manual_seed(0)
    task = Task(data.transform, data.target, mixed.model(data), optimizer=partial(torch.optim.AdamW, lr=1e-2), seed=0)
    trainer = tiny.trainer(
        max_epochs=2,
        callbacks=[
            *([tiny.Stop(stop)] if stop is not None else []),
            BestCheckpoint(str(folder)),
            LastCheckpoint(str(folder), every_n_steps=1),
        ],
    )
    trainer.fit(task, data, ckpt_path=last and last.path, weights_only=True)
    return tiny.last(folder)["state_dict"]


@pytest.mark.parametrize("after", [1, 4, 5, 8])
def test_a_run_that_dies_resumes_to_the_same_bits_in_memory_and_on_disk(after: int, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", mixed.unprepared())
    for name, made in (("memory", mixed.unprepared), ("disk", partial(on_disk, tmp_path))):
        with pytest.raises(RuntimeError, match="killed"):
            fit(tmp_path / name, made(), stop=after)
        found = fit(tmp_path / name, made())
        assert found.keys() == whole.keys()
        assert all(torch.equal(found[key], x) for key, x in whole.items() if isinstance(x, torch.Tensor)), name
    other = mixed.unprepared(batch_size=63)  # other batches
    assert not torch.equal(
        fit(tmp_path / "other", other)["model.backbone.layers.0.weight"],
        whole["model.backbone.layers.0.weight"],
    )


def test_rows_that_splits_share_are_found_by_all_that_columns_read(memory: Data, tmp_path: Path) -> None:
    assert not [line for line in memory.warnings if line.startswith("same_rows")]
    copies = [{**row, "id": f"copy {row['id']}"} for row in ROWS[:60]]
    warned = []
    for source in (Frame(mixed.typed([*ROWS, *copies])), None):
        data = mixed.unprepared()
        pq.write_table(mixed.typed([*ROWS, *copies]), tmp_path / "twice.parquet")
        data.source = source or Shards(Small(tmp_path / "twice.parquet"), tmp_path / "encoded")
        warned.append([line for line in data.prepare().warnings if line.startswith("same_rows")])
    assert warned[0] == warned[1]
    assert len(warned[0]) == 2  # validation and test
    one = [{**row, "photo": ROWS[i - 1]["photo"]} for i, row in enumerate(copies)]  # another photo is another row
    data = mixed.unprepared()
    data.source = Frame(mixed.typed([*ROWS, *one]))
    assert not [line for line in data.prepare().warnings if line.startswith("same_rows")]


def test_the_data_report_of_a_sample_on_disk_tells_of_every_field(tmp_path: Path) -> None:
    seen: list[pa.Table] = []

    def look(block: Any) -> list[str]:
        seen.append(block.table)
        return []

    on_disk(tmp_path, sample=100).prepare(look=look)
    (table,) = seen
    report = report_of(table, target="late")
    assert {field.facts.name for field in report.fields} >= set(mixed.FIELDS)


def test_what_training_would_refuse_is_told_without_training(memory: Data, tmp_path: Path) -> None:
    wanted = mixed.unprepared()
    definition = Definition(wanted.transform, wanted.target, wanted.split, wanted.key, wanted.policies)
    rows = [*ROWS]
    rows[7] = {**rows[7], "photo": b"no image"}
    rows[9] = {**rows[9], "v": [1.0, float("inf"), 2.0]}
    for table, codes in ((mixed.typed(ROWS), []), (mixed.typed(rows), ["not_a_vector", "broken_image"])):
        (keys := tmp_path / f"keys of {len(codes)}").mkdir()
        source = Frame(table).read()
        found = validated([source], definition.schema(), Rehearsal(definition, None, keys))
        assert sorted(problem.code for problem in found.problems) == sorted(codes)
        assert found.counts["read"] == 600
        assert found.counts["used"] == 600 - len(codes)


def test_a_column_without_a_value_is_refused_by_name_and_a_constant_one_is_told_and_finite() -> None:
    for field in ("title", "tags", "bids", "v", "photo"):
        data = mixed.unprepared()
        data.source = Frame(mixed.typed([{**row, field: None} for row in ROWS]))
        with pytest.raises(DataError) as caught:
            data.prepare()
        (problem,) = caught.value.problems
        assert (problem.code, problem.columns, problem.bad, problem.total) == ("all_missing", (field,), 600, 600)
    first = {field: next(row[field] for row in ROWS if row[field]) for field in mixed.FIELDS}
    data = mixed.unprepared()
    data.source = Frame(mixed.typed([{**row, **first} for row in ROWS]))
    told = [line for line in data.prepare().warnings if line.startswith("constant")]
    assert [line for line in told if 'column "age"' not in line] == [
        f'constant: column "{field}" has the same value in all 600 rows and can tell nothing'
        for field in ("title", "tags", "bids", "v", "photo")
    ]
    for name, x in data.tables["train"].features.items():
        assert x.double().isfinite().all(), name
