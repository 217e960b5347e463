"""What TensorBoard reads back: one tag in several sub-runs, flat lines, pictures, and curves without doubled points."""

import time
from pathlib import Path

import lightning.pytorch as lightning
import pytest
import tiny
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from mlp_torch.head import Batch
from mlp_torch.run import quiet
from mlp_torch.training.checkpoint_files import newest
from mlp_torch.training.checkpoints import AtomicFiles, LastCheckpoint
from mlp_torch.training.task import Task, outputs
from mlp_torch.training.tensorboard import RowsPerSecond, TensorBoard

STEPS = 10


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def fit(folder: Path, *callbacks: lightning.Callback, checkpoint_every: int = 3, resume: bool = False) -> Task:
    quiet()
    last = newest(folder / "checkpoints") if resume else None
    state = last and last.content["state_dict"]
    data = tiny.unprepared().prepare(state)
    torch.manual_seed(0)
    task = Task(data.transform, data.target, tiny.model(data))
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=TensorBoard(folder / "tensorboard", baseline={"loss": 0.69, "auroc": 0.5}),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=2,
        plugins=[AtomicFiles()],
        callbacks=[
            *callbacks,
            RowsPerSecond(),
            LastCheckpoint(str(folder / "checkpoints"), every_n_steps=checkpoint_every),
        ],
    )
    trainer.fit(task, data, ckpt_path=last and last.path, weights_only=True)
    return task


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fit(folder)
    return folder / "tensorboard"


def test_training_validation_and_baseline_share_their_tags(whole):
    train, val, baseline = (set(events(whole / run).Tags()["scalars"]) for run in ("train", "val", "baseline"))
    metrics = val - {"loss"}
    assert {"auroc", "log_loss"} <= metrics
    assert metrics <= train
    assert "loss" in train & val & baseline
    assert baseline == {"loss", "auroc"}
    assert train - val == {"loss_without_dropout", "learning_rate", "gradient_norm", "rows_per_second"}


def test_no_tag_is_written_outside_of_the_sub_runs(whole):
    assert sorted(path.name for path in whole.iterdir()) == ["baseline", "train", "val"]


def test_metrics_come_at_the_end_of_each_epoch_and_the_loss_every_second_step(whole):
    assert [step for step, _ in curve(whole / "val", "auroc")] == [9, 19, 29]
    assert [step for step, _ in curve(whole / "train", "auroc")] == [9, 19, 29]
    assert [step for step, _ in curve(whole / "train", "loss")] == list(range(1, 30, 2))
    assert [step for step, _ in curve(whole / "train", "learning_rate")] == list(range(1, 30, 2))


def test_the_baseline_is_a_flat_line_beside_the_validation_curve(whole):
    assert curve(whole / "baseline", "auroc") == [(9, 0.5), (19, 0.5), (29, 0.5)]


def test_the_curves_say_what_they_are_called(whole):
    assert all(rate == pytest.approx(1e-3) for _, rate in curve(whole / "train", "learning_rate"))
    assert all(0 < norm < 100 for _, norm in curve(whole / "train", "gradient_norm"))
    assert all(rows > 100 for _, rows in curve(whole / "train", "rows_per_second"))
    first, *_, last = (loss for _, loss in curve(whole / "train", "loss_without_dropout"))
    assert last < first < 0.75


@pytest.mark.parametrize("after", [2, 5, 8, 10, 11, 14, 20, 29])
def test_a_stopped_and_resumed_run_draws_the_curves_of_one_that_was_not_without_doubled_points(after, whole, tmp_path):
    # a checkpoint every 3 steps, a death between two: points of lost steps are logged and must not stay
    first = after > 3
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, tiny.Stop(after), checkpoint_every=3)
    time.sleep(1.1)  # TensorBoard orders files by the second in their name; another process takes longer to begin
    if first:
        fit(tmp_path, resume=True)
    else:
        fit(tmp_path)
    for run in ("train", "val", "baseline"):
        for tag in set(events(whole / run).Tags()["scalars"]) - {"rows_per_second"}:
            assert curve(tmp_path / "tensorboard" / run, tag) == curve(whole / run, tag), (run, tag)
    speed, expected = (curve(folder / "train", "rows_per_second") for folder in (tmp_path / "tensorboard", whole))
    steps = [step for step, _ in speed]
    assert len(set(steps)) == len(steps)
    assert {step for step, _ in speed} <= {step for step, _ in expected}


def test_points_of_lost_steps_were_there_so_that_the_test_above_means_something(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, tiny.Stop(8), checkpoint_every=3)
    assert [step for step, _ in curve(tmp_path / "tensorboard" / "train", "loss")] == [1, 3, 5, 7]
    assert tiny.last(tmp_path / "checkpoints")["global_step"] == 6


def test_hyperparameters_stand_beside_the_outcome(tmp_path):
    logger = TensorBoard(tmp_path)
    logger.log_hyperparams({"lr": 0.1, "name": "x", "sizes": [1, 2], "on": True, "none": None}, {"test/auroc": 0.75})
    logger.finalize("success")
    found = events(tmp_path / "hparams")
    assert curve(tmp_path / "hparams", "test/auroc") == [(0, 0.75)]
    contents = found.summary_metadata
    start = HParamsPluginData.FromString(contents["_hparams_/session_start_info"].plugin_data.content)
    values = start.session_start_info.hparams
    assert values["lr"].number_value == 0.1
    assert values["sizes"].string_value == "[1, 2]"
    assert values["on"].number_value == 1
    assert values["none"].string_value == "None"
    experiment = HParamsPluginData.FromString(contents["_hparams_/experiment"].plugin_data.content).experiment
    assert [info.name.tag for info in experiment.metric_infos] == ["test/auroc"]


def test_pictures_of_the_head_are_images_of_the_report(tmp_path):
    data = tiny.data()
    task = Task(data.transform, data.target, tiny.model(data))
    table = data.tables["val"]
    logger = TensorBoard(tmp_path)
    with torch.inference_mode():
        predicted = task.model.predict(outputs(task, table))
        logger.log_pictures(task.model.head.pictures(predicted, task.model.labels(table.y)))
    logger.finalize("success")
    found = events(tmp_path / "report")
    tags = found.Tags()["images"]
    assert {"reliability", "histogram"} <= set(tags)
    for tag in tags:
        (image,) = found.Images(tag)
        assert image.encoded_image_string.startswith(b"\x89PNG")
        assert image.width > 100
        assert image.height > 100


def test_the_epoch_is_no_curve_and_a_metric_without_a_split_is_one_of_training(tmp_path):
    logger = TensorBoard(tmp_path)
    logger.log_metrics({"epoch": 1, "speed": 2.0}, step=3)
    logger.finalize("success")
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert curve(tmp_path / "train", "speed") == [(3, 2.0)]


def test_rows_per_second_count_the_rows_since_the_last_time(monkeypatch):
    logged: list[tuple[str, float]] = []

    class Trainer:
        log_every_n_steps, accumulate_grad_batches, num_training_batches, loggers = 2, 1, 4, ()

    class Module:
        trainer = Trainer()

        def log(self, name, value, logger):
            logged.append((name, value))

    clock = iter([0.0, 4.0, 6.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    callback, module = RowsPerSecond(), Module()
    batch = Batch({}, torch.zeros(10), torch.ones(10), torch.arange(10))
    callback.on_train_epoch_start(module.trainer, module)
    for at in range(4):
        module.trainer.global_step = at + 1
        callback.on_train_batch_end(module.trainer, module, None, batch, at)
    assert logged == [("train/rows_per_second", 5.0), ("train/rows_per_second", 10.0)]
