"""A whole run whose configuration names metrics of its own, one of them the monitor; and what it says of fields."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics.classification import MultilabelRecall

from mlp_torch.__main__ import main as command
from mlp_torch.errors import ConfigError
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.perspectives import named, try_out
from mlp_torch.target import Flags
from mlp_torch.verbs.train import main

METRICS = """\
metric:
  found: {_target_: torchmetrics.classification.BinaryRecall}
  profit: {_target_: mlp_torch.problem.value.Value, tp: 40, fp: -5, tn: 1}
callback:
  best: {monitor: val/profit}
"""


def arguments(folder: Path, text: str) -> list[str]:
    """Those of the tiny experiment with a few more lines."""
    given = tiny.experiment(folder)
    path = folder / "configs" / "experiment" / "tiny.yaml"
    path.write_text(path.read_text().replace("callback: {last: {every_n_steps: 1}}\n", "") + text)
    return given


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics")
    main(arguments(folder, METRICS))
    return folder / "runs" / "tiny" / "latest"


def test_a_metric_of_the_configuration_stands_beside_the_head_s_own_for_every_contender(ran):
    metrics = json.loads((ran / "metrics.json").read_text())
    for split in ("val", "test"):
        said = pq.read_table(ran / "predictions" / f"{split}.parquet").to_pydict()
        pairs = list(zip(said["class"], map(int, said["target"]), strict=True))
        worth = 40 * pairs.count((1, 1)) - 5 * pairs.count((1, 0)) + pairs.count((0, 0))
        assert metrics[f"{split}/profit"] == pytest.approx(worth / len(pairs))
        share = sum(y for _, y in pairs) / len(pairs)
        flat = {0: 1 - share, 1: 40 * share - 5 * (1 - share)}
        assert metrics[f"{split}/profit_baseline"] == pytest.approx(flat[1 if metrics["val/found_baseline"] else 0])
        assert metrics[f"{split}/profit_lookup"] != metrics[f"{split}/profit"]


def test_it_may_be_the_monitor_and_training_keeps_the_most_of_it(ran):
    (kept,) = (name for name in tiny.best(ran / "checkpoints")["callbacks"] if name.startswith("BestCheckpoint"))
    assert "'mode': 'max'" in kept
    assert "'monitor': 'val/profit'" in kept
    events = EventAccumulator(str(ran / "tensorboard" / "val")).Reload()
    values = [event.value for event in events.Scalars("profit")]
    metrics = json.loads((ran / "metrics.json").read_text())
    assert metrics["val/profit"] == pytest.approx(max(values), rel=1e-5)
    events = EventAccumulator(str(ran / "tensorboard" / "report")).Reload()
    assert {"profit_curve", "importance"} <= set(events.Tags()["images"])


def test_the_model_that_is_shipped_is_evaluated_by_it(ran, tmp_path):
    table, keys = tiny.table(), pq.read_table(ran / "predictions" / "test.parquet")["id"].to_pylist()
    rows = [i for i, key in enumerate(table["id"].to_pylist()) if key in set(keys)]
    pq.write_table(table.take(rows), tmp_path / "rows.parquet")
    out = tmp_path / "out.json"
    asked = ["evaluate", "--model", str(ran / "model"), "--input", str(tmp_path / "rows.parquet"), "--json", str(out)]
    assert command([*asked, "--by", "tail", "--by", "at", "--metric", "profit"]) == 0
    found, metrics = json.loads(out.read_text()), json.loads((ran / "metrics.json").read_text())
    assert found["metrics"]["profit"] == pytest.approx(metrics["test/profit"])
    assert found["by"][1]["metric"] == "profit"


def test_the_report_tells_each_field_s_importance_by_loss_and_by_the_monitor(ran):
    found = json.loads((ran / "report.json").read_text())["importance"]
    assert found["metric"] == "profit"
    assert set(found["fields"]) == {"city", "age", "at"}
    means = [field["loss"]["mean"] for field in found["fields"].values()]
    assert means == sorted(means, reverse=True)
    assert found["rows"] == len(pq.read_table(ran / "predictions" / "val.parquet"))


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ("found: {_target_: torchmetrics.classification.BinaryRecal}", "did you mean BinaryRecall"),
        ("found: {_target_: torchmetrics.classification.BinaryRecall, treshold: 1}", "metric.found"),
        ("found: {_target_: torchmetrics.classification.MulticlassRecall}", "metric.found: .*num_classes"),
        ("profit: {_target_: mlp_torch.problem.value.Value, tpp: 1}", "did you mean tp"),
        ("profit: {_target_: mlp_torch.problem.value.Value}", "metric.profit: .*neither"),
        ("auroc: {_target_: torchmetrics.classification.BinaryRecall}", "must have a name of its own"),
        ("found: {threshold: 1}", "metric.found must have a _target_"),
        ("found: {_target_: torchmetrics.classification.BinaryConfusionMatrix}", "must give one number"),
        ("found: {_target_: torchmetrics.classification.BinaryRecall, _partial_: true}", "must be one of torchmetrics"),
    ],
)
def test_a_metric_that_cannot_be_is_refused_before_training(tmp_path, capsys, entries, text):
    given = arguments(tmp_path, f"metric:\n  {entries}\n")
    try:
        code = command(["train", *given])
    except SystemExit as error:
        code = error.code
    assert code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(text, error), error
    assert not list(tmp_path.glob("runs/tiny/2*"))


def test_what_is_not_asked_for_is_left_out(tmp_path):
    main([*arguments(tmp_path, ""), "importance=null", "baseline=none", "trainer.max_epochs=1"])
    report = json.loads((tmp_path / "runs" / "tiny" / "latest" / "report.json").read_text())
    assert report["importance"] is None


def test_an_epoch_in_which_the_monitor_is_not_defined_is_no_better(tmp_path):
    # nobody is said to be late before something is learned
    metric = "metric:\n  mine: {_target_: torchmetrics.classification.BinaryPrecision}\n"
    callback = "callback:\n  best: {monitor: val/mine}\n  early_stopping: {monitor: val/mine}\n"
    given = [*arguments(tmp_path, metric + callback), "trainer.max_epochs=12", "optimizer.lr=0.003"]
    assert main(given) == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    curve = EventAccumulator(str(run / "tensorboard" / "val")).Reload().Scalars("mine")
    epochs, best = (kept(run / "checkpoints")["epoch"] + 1 for kept in (tiny.last, tiny.best))
    assert 0 < len(curve) < epochs
    assert best > epochs - len(curve)


def test_a_metric_is_tried_on_the_rows_of_every_split():
    head = Multilabel(2, Flags(["a", "b"]))
    y = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double()
    head.fit(y, torch.ones(2))
    best = head.constant(y, torch.ones(2))
    found = named({"mine": MultilabelRecall(2)}, head, best)
    try_out(found, head, y, best)
    with pytest.raises(ConfigError, match=r"metric\.mine must take prediction classes"):
        try_out(found, head, y.masked_fill(y == 0, torch.nan), best)
