"""A run from a table on disk that is stopped anywhere and resumed ends with the bits of one that was not."""

from functools import partial

import pyarrow.parquet as pq
import pytest
import tiny
import torch
from training.test_resume import STEPS, assert_equal_ends, fit, kill_after_a_checkpoint, run, same

from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Parquet
from mlp_torch.problem.rebalancing import ClassWeights, Rebalancing
from mlp_torch.run import quiet
from mlp_torch.training import batches
from mlp_torch.training.table.shards import Shards

RUN, BUFFER = 16, 96  # rows; 583 training rows are 6 buffers and a rest, of batches of 64


@pytest.fixture(autouse=True)
def _from_disk(tmp_path_factory, monkeypatch):
    """Every Data of a fit reads the tiny table from disk, in short runs."""
    quiet()
    folder = tmp_path_factory.getbasetemp() / "shards"
    folder.mkdir(exist_ok=True)

    def unprepared(rows: int = 1200, **options):
        path = folder / f"{rows}.parquet"
        if not path.exists():
            pq.write_table(tiny.table(rows), path)
        data = made(rows, **options)
        data.source = Shards(Parquet(path), folder / "encoded", sample=300)
        return data

    made = tiny.unprepared
    monkeypatch.setattr(tiny, "unprepared", unprepared)
    monkeypatch.setattr(batches, "RUN", RUN)
    monkeypatch.setattr(batches, "BUFFER", BUFFER)


@pytest.fixture
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "undisturbed_shards"
    if not list(folder.glob("step_*.json")):
        fit(folder)
    return folder


# the 10th step ends an epoch; a buffer ends within the 2nd, 3rd, 5th, 6th, 8th and 9th batch
@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 9, 10, 11, 13, 20, 25, 29])
def test_a_run_that_dies_after_any_step_resumes_to_the_same_bits(after, undisturbed, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(after)])
    fit(tmp_path, resume=True)
    assert_equal_ends(tmp_path, undisturbed)


@pytest.fixture
def _drawn(undisturbed, monkeypatch):
    """Every Data of a fit draws its training rows from the buffers by the weights of their classes."""
    made = tiny.unprepared

    def unprepared(rows: int = 1200, **options):
        data = made(rows, **options)
        data.rebalancing = Rebalancing(partial(ClassWeights, weights={"late": 3}), use="draw")
        return data

    monkeypatch.setattr(tiny, "unprepared", unprepared)


@pytest.mark.usefixtures("_drawn")
@pytest.mark.parametrize("after", [3, 10, 16])
def test_a_run_that_draws_rows_from_disk_resumes_to_the_same_bits(after, undisturbed, tmp_path):
    fit(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(after)])
    fit(tmp_path, resume=True)
    assert_equal_ends(tmp_path, tmp_path / "whole")
    assert not same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_the_rows_come_in_two_levels_so_that_the_test_above_means_something(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BUFFER", 1000)
    fit(tmp_path)
    assert not same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_rows_that_have_changed_are_not_gone_on_with(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(5)])
    with pytest.raises(DataError, match=r"changed_data.*fingerprint"):
        fit(tmp_path, resume=True, rows=1199)


def experiment(folder) -> list[str]:
    """The tiny experiment with `data=parquet`."""
    arguments = tiny.experiment(folder)
    path = folder / "configs" / "experiment" / "tiny.yaml"
    text = path.read_text().replace("override /data: table", "override /data: parquet")
    source = f"{{_target_: mlp_torch.ingest.source.Parquet, path: {folder / 'tiny.parquet'}}}"
    assert source in text
    path.write_text(text.replace(source, f"{{path: {folder / 'tiny.parquet'}, sample: 200}}"))
    return arguments


def test_a_run_from_the_command_line_killed_by_sigkill_resumes_to_the_same_model(tmp_path):
    arguments = experiment(tmp_path)
    whole = run(arguments, tmp_path)
    output = whole.communicate()[0]
    assert whole.returncode == 0, output
    assert f"encoded rows written to {tmp_path / 'runs' / '.shards'}" in output
    assert "look at a sample: 200 of 583 train rows, 200 of 229 val rows, 200 of 270 test rows" in output
    whole_folder = (tmp_path / "runs" / "tiny" / "latest").resolve()
    assert pq.read_table(whole_folder / "predictions" / "test.parquet").num_rows == 200

    killed = run(arguments, tmp_path)
    kill_after_a_checkpoint(killed, tmp_path / "runs" / "tiny", whole_folder)
    folder = (tmp_path / "runs" / "tiny" / "latest").resolve()
    resumed = run([f"resume={folder}"], tmp_path)
    output = resumed.communicate()[0]
    assert resumed.returncode == 0, output
    assert "encoded rows reused from" in output
    assert same(*(tiny.last(f / "checkpoints")["state_dict"] for f in (folder, whole_folder)))
    for name in ("test", "val"):
        path = f"predictions/{name}.parquet"
        assert (folder / path).read_bytes() == (whole_folder / path).read_bytes()
    graphs = [torch.jit.load(f / "model" / "model.pt") for f in (folder, whole_folder)]
    assert all(torch.equal(a, b) for a, b in zip(*(list(g.buffers()) for g in graphs), strict=True))
    assert tiny.last(folder / "checkpoints")["global_step"] == STEPS * 3
