"""Two runs are the same in every bit or it is told where they differ."""

import shutil
from pathlib import Path

import pytest
import tiny
import torch

from mlp_torch.resuming.comparison import differences, first_difference
from mlp_torch.training.checkpoint_files import newest, save
from mlp_torch.training.tensorboard import TensorBoard
from mlp_torch.verbs.train import main


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    assert main([*tiny.experiment(folder), "baseline=none", "importance=null", "trainer.max_epochs=2"]) == 0
    return (folder / "runs" / "tiny" / "latest").resolve()


@pytest.fixture
def twin(ran: Path, tmp_path: Path) -> Path:
    """The same run in another place."""
    return Path(shutil.copytree(ran, tmp_path / "twin"))


def test_a_copy_is_the_same(ran, twin):
    assert differences(ran, twin) == []


def test_one_bit_of_a_weight_of_an_optimizer_or_of_a_counter_is_found(ran, twin):
    kept = newest(twin / "checkpoints")
    weight = kept.content["state_dict"]["model.head.output.weight"]
    state = kept.content["optimizer_states"][0]["state"][0]["exp_avg"]
    for tensor in (weight, state):
        before = tensor.clone()
        tensor.view(-1)[0] = torch.nextafter(tensor.view(-1)[0], torch.tensor(9.0))
        save(kept.content, kept.path)
        (found,) = differences(ran, twin)
        assert found.endswith("numbers, 1 of them other ones")
        tensor.copy_(before)
    kept.content["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"] += 1
    save(kept.content, kept.path)
    assert differences(ran, twin) == ["checkpoints, loops.fit_loop.epoch_progress.current.ready: 2 and 3"]


def test_a_point_of_a_curve_that_is_missing_other_or_there_twice_is_found(ran, twin):
    logger = TensorBoard(twin / "tensorboard")
    logger.log_metrics({"val/auroc": 0.5}, step=1000)
    logger.close()
    (found,) = differences(ran, twin)
    assert "tensorboard/val, auroc: 2 and 3 points, not the same ones" in found
    logger = TensorBoard(twin / "tensorboard")
    logger.writer("val").add_scalar("auroc", 0.5, 1000)
    logger.close()
    assert "tensorboard/val, auroc: a step is there twice" in differences(ran, twin)


def test_predictions_and_metrics_that_differ_are_found_and_seconds_do_not_count(ran, twin):
    path = twin / "metrics.json"
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 9'))
    assert differences(ran, twin) == []
    path.write_text(path.read_text().replace('"epoch": ', '"epoch": 9'))
    (twin / "predictions" / "val.parquet").unlink()
    assert [line.partition(":")[0] for line in differences(ran, twin)] == [
        "predictions/val.parquet",
        "metrics.json, epoch",
    ]


def test_a_run_without_a_checkpoint_is_another(ran, twin):
    shutil.rmtree(twin / "checkpoints")
    assert "checkpoints: only one run has come to a checkpoint" in differences(ran, twin)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ({"a": 1}, {"b": 1}, ": only one has a, b"),
        ([1], [1, 2], ": 1 and 2 items"),
        (1, 1.0, ": int and float"),
        (torch.ones(2), torch.ones(2, 1), ": torch.float32 (2,) and torch.float32 (2, 1)"),
        (float("nan"), float("nan"), ""),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan]), ""),
        ({"x": [None, {"y": "a"}]}, {"x": [None, {"y": "b"}]}, "x[1].y: 'a' and 'b'"),
    ],
)
def test_nested_values_are_compared(a, b, told):
    assert first_difference(a, b) == told
