"""What only a GPU can show; without one these tests are skipped."""

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from mlp_torch.build import without_advice
from mlp_torch.head import Batch
from mlp_torch.training.checkpoints import BestCheckpoint, LastCheckpoint
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")


@pytest.fixture(scope="module")
def data() -> Data:
    return tiny.data()


def trained(data: Data, folder: Path, accelerator: str, *, compiled: bool = False, stop: int | None = None) -> Task:
    """A task of three epochs on a device; one that is stopped goes on."""
    without_advice()
    torch.manual_seed(0)
    task = Task(data.transform, data.target, tiny.model(data), seed=3)
    if compiled:
        task.learner = torch.compile(task.model.forward)
    kept = [BestCheckpoint(str(folder)), LastCheckpoint(str(folder), every_n_steps=1)]
    options = {"max_epochs": 3, "precision": "bf16-mixed" if accelerator == "cuda" else "32-true"}
    trainer = tiny.trainer(**options, accelerator=accelerator, deterministic="warn", callbacks=kept)
    if stop is not None:
        trainer.callbacks.insert(0, tiny.Stop(stop))
        with pytest.raises(RuntimeError, match="killed"):
            trainer.fit(task, data)
        return trained(data, folder, accelerator, compiled=compiled)
    last = tiny.found(folder).path if any(folder.glob("step_*.ckpt")) else None
    trainer.fit(task, data, ckpt_path=last, weights_only=True)
    return task


def test_it_learns_what_the_cpu_does(data: Data, tmp_path: Path) -> None:
    auroc = {}
    for device in ("cpu", "cuda"):
        task = trained(data, tmp_path / device, device)
        auroc[device] = float(task.trainer.callback_metrics["val/auroc"])
        assert all(p.dtype == torch.float32 for p in task.model.parameters())
    assert auroc["cuda"] == pytest.approx(auroc["cpu"], abs=0.02)


@pytest.mark.parametrize("stop", [1, 7, 13])
def test_a_stopped_run_ends_with_the_same_bits(data: Data, tmp_path: Path, stop: int) -> None:
    whole = trained(data, tmp_path / "whole", "cuda").model.state_dict()
    found = trained(data, tmp_path / "stopped", "cuda", stop=stop).model.state_dict()
    assert all(torch.equal(x, found[name]) for name, x in whole.items())


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_no_step_waits_for_the_host(data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = []
    own_step = Task.training_step

    def watched(task: Task, batch: Batch, index: int) -> torch.Tensor:
        assert all(x.device.type == "cuda" for x in [*batch.features.values(), *batch[1:]])
        steps.append(index)
        torch.cuda.set_sync_debug_mode("error")  # whatever waits raises
        try:
            return own_step(task, batch, index)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Task, "training_step", watched)
    trained(data, tmp_path, "cuda")
    assert len(steps) == 3 * math.ceil(len(data.tables["train"].y) / data.batch_size)


def test_it_serves_what_the_cpu_does(tmp_path: Path) -> None:
    folder, rows = tiny.shipped(tiny.data(), tmp_path / "model"), tiny.table(500, seed=1).drop_columns(["late"])
    cpu, gpu = (tiny.loaded(folder, device=device).answer(rows).columns for device in ("cpu", "cuda"))
    assert list(cpu) == list(gpu)
    for name, values in cpu.items():
        if isinstance(values[0], float):
            np.testing.assert_allclose(gpu[name], values, rtol=1e-4)


def test_compiled_steps_learn_too(data: Data, tmp_path: Path) -> None:
    task = trained(data, tmp_path, "cuda", compiled=True)
    assert float(task.trainer.callback_metrics["val/auroc"]) > 0.55
