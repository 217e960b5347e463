"""What a run trains on: what is refused at once, lower precision and compiled steps, on the CPU."""

from functools import partial

import pytest
import tiny
import torch
import torch._inductor.config as inductor
from omegaconf import DictConfig
from torch import Tensor

from mlp_torch.build import without_advice
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.responsible.verdict import judge
from mlp_torch.training.data import Data
from mlp_torch.training.devices import accelerator, check
from mlp_torch.training.task import Task, outputs


@pytest.fixture(scope="module")
def data() -> Data:
    return tiny.data()


def check_of(cfg: DictConfig) -> None:
    check(str(cfg.trainer.accelerator), str(cfg.trainer.precision))


def with_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def test_auto_is_a_gpu_where_there_is_one_and_a_gpu_that_is_asked_for_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_gpu(monkeypatch, True)
    assert [accelerator(asked) for asked in ("auto", "gpu", "cuda", "cpu")] == ["cuda", "cuda", "cuda", "cpu"]
    with_gpu(monkeypatch, False)
    assert [accelerator(asked) for asked in ("auto", "cpu")] == ["cpu", "cpu"]
    for asked in ("gpu", "cuda"):
        with pytest.raises(
            ConfigError, match=rf"trainer.accelerator={asked} needs a GPU that torch can use, however: "
        ):
            accelerator(asked)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["trainer=gpu"], "trainer.accelerator=cuda needs a GPU that torch can use, however: there is none"),
        (["trainer.accelerator=mps"], "however: mps; raw values, targets and scales are float64, which Apple's GPUs"),
        (["trainer.accelerator=tpu"], "trainer.accelerator must be one of auto, cpu, cuda, gpu, however: tpu"),
        (["trainer.precision=bf16-true"], "trainer.precision must be one of 32-true, bf16-mixed, 16-mixed, in which"),
        (["trainer.precision=16-mixed", "trainer.accelerator=cpu"], "trainer.precision=16-mixed needs a GPU, however:"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(monkeypatch: pytest.MonkeyPatch, overrides: list[str], text: str) -> None:
    with_gpu(monkeypatch, False)
    with pytest.raises(ConfigError) as error:
        check_of(composed(overrides))
    assert text in str(error.value)


def test_a_gpu_trains_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, True)
    cfg = composed(["trainer=gpu"])
    check_of(cfg)
    assert (cfg.trainer.accelerator, cfg.trainer.precision) == ("cuda", "bf16-mixed")


def trained(data: Data, precision: str = "32-true", compiled: bool = False) -> tuple[Task, dict[str, float]]:
    """A task after two epochs, and what was logged of the last."""
    without_advice()
    torch.manual_seed(0)
    task = Task(data.transform, data.target, tiny.model(data), seed=3)
    if compiled:
        task.learner = torch.compile(task.model.forward)
    trainer = tiny.trainer(max_epochs=2, precision=precision, enable_checkpointing=False)
    trainer.fit(task, data)
    return task, {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_half_precision_is_of_training_steps_alone_so_that_what_is_judged_is_what_is_served(data: Data) -> None:
    exact, before = trained(data)
    task, logged = trained(data, "bf16-mixed")
    mine, theirs = dict(task.model.named_parameters()), dict(exact.model.named_parameters())
    assert all(p.dtype == torch.float32 for p in mine.values())
    assert any(not torch.equal(p, theirs[name]) for name, p in mine.items())
    val = data.tables["val"]
    found = judge(task.model, outputs(task, val), val.y).values
    assert {name: logged[f"val/{name}"] for name in found} == pytest.approx(found, rel=1e-6)
    assert logged["val/auroc"] == pytest.approx(before["val/auroc"], abs=0.02)


def test_losses_are_of_whole_numbers_of_float32(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def loss(self: torch.nn.Module, out: Tensor, batch: object) -> Tensor:
        seen.append((out.dtype, torch.is_autocast_enabled("cpu")))
        return out.sum(dim=1)

    monkeypatch.setattr("mlp_torch.model.Single.loss", loss)
    trained(data, "bf16-mixed")
    assert set(seen) == {(torch.float32, False)}


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.proof)])  # half a minute
def test_compiled_steps_learn_what_eager_ones_do_and_leave_the_model_as_it_is(
    data: Data, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    eager, before = trained(data)
    with inductor.patch(fallback_random=True):  # dropout draws the numbers that it draws eagerly
        task, logged = trained(data, compiled=True)
    assert list(task.state_dict()) == list(eager.state_dict())
    for (name, p), q in zip(task.model.named_parameters(), eager.model.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-4, atol=1e-5), name
    assert logged == pytest.approx(before, rel=1e-3)
