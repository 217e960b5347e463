"""A moving average of the weights is what is validated, kept and served; a run that resumes has the same one."""

from pathlib import Path

import pytest
import tiny
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from training.test_resume import fit, same

from mlp_torch.run import quiet
from mlp_torch.verbs.train import main


def average(decay: float = 0.9) -> EMAWeightAveraging:
    return EMAWeightAveraging(decay=decay, use_buffers=False)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    quiet()
    folder = tmp_path_factory.mktemp("ema")
    fit(folder, callbacks=[average()])
    return folder


@pytest.mark.parametrize("after", [3, 17])
def test_a_run_that_dies_resumes_to_the_same_average(after: int, undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[average(), tiny.Stop(after)])
    fit(tmp_path, resume=True, callbacks=[average()])
    for kept in (tiny.last, tiny.best):
        found, wanted = kept(tmp_path), kept(undisturbed)
        assert same(found["state_dict"], wanted["state_dict"])
        assert same(found["current_model_state"], wanted["current_model_state"])


def test_another_decay_gives_another_average(undisturbed: Path, tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[average(0.5)])
    assert not same(tiny.last(tmp_path)["state_dict"], tiny.last(undisturbed)["state_dict"])


def test_what_is_kept_is_the_average_of_the_steps_weights(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Watch(tiny.Stop):
        def __init__(self) -> None:
            super().__init__(-1)

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            seen.append(pl_module.model.head.output.weight.detach().clone())

    fit(tmp_path, callbacks=[Watch(), average()], epochs=1)
    expected = seen[0]
    for weight in seen[1:]:
        expected = 0.9 * expected + 0.1 * weight
    kept = tiny.last(tmp_path)["state_dict"]["model.head.output.weight"]
    assert torch.allclose(kept, expected, atol=1e-6)
    assert not torch.allclose(kept, seen[-1], atol=1e-4)


def test_the_average_is_exported_and_fingerprints_stay_what_they_are(tmp_path: Path) -> None:
    assert main([*tiny.experiment(tmp_path), "callback=ema", "callback.ema.decay=0.8"]) == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    best = tiny.best(run / "checkpoints")
    own = {name: x for name, x in best["current_model_state"].items() if isinstance(x, torch.Tensor)}
    moved = [name for name, x in own.items() if not torch.equal(x, best["state_dict"][name])]
    assert moved
    assert all(name.startswith("model.") for name in moved)
    graph = torch.load(run / "model" / "target.pt", weights_only=True)
    assert torch.equal(graph["head"]["output.weight"], best["state_dict"]["model.head.output.weight"])
