"""What the correction of the prior does, told, drawn and served by a run whose training rows are rebalanced."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_torch.build import parts
from mlp_torch.configuration import CONFIGS, composed
from mlp_torch.errors import ConfigError
from mlp_torch.model import Encoder, Single, predicted
from mlp_torch.problem.classification import Multiclass
from mlp_torch.problem.neutral import Neutral
from mlp_torch.problem.ordinal import Ordinal
from mlp_torch.problem.prior_correction import pictures, uncorrected
from mlp_torch.problem.rebalancing import ClassWeights, Rebalancing
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.undecided import Band
from mlp_torch.run import quiet
from mlp_torch.training.data import Data
from mlp_torch.verbs.train import main

HEAVY = ["rebalancing.rule.weights={late: 20}", "baseline=none"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


def rebalanced(use: Any = "weigh") -> Data:
    data = tiny.unprepared()
    data.rebalancing = Rebalancing(lambda target: ClassWeights(target, weights={"late": 20}), use=use)
    return data.prepare()


def run(folder: Path, *arguments: str) -> Path:
    main([*tiny.experiment(folder), *arguments])
    return (folder / "runs" / "tiny" / "latest").resolve()


@pytest.mark.parametrize("group", ["class_weights", "weighted_sampling"])
def test_a_run_serves_corrected_probabilities_and_tells_what_the_correction_changed(
    group: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path, f"rebalancing={group}", *HEAVY, "trainer.max_epochs=6")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test/brier"] < 0.6 * metrics["test/brier_uncorrected"]
    assert metrics["test/calibration_error"] < 0.5 * metrics["test/calibration_error_uncorrected"]
    assert metrics["test/auroc"] == pytest.approx(metrics["test/auroc_uncorrected"], abs=1e-3)  # ties by rounding
    assert metrics["test/loss"] == pytest.approx(metrics["test/log_loss"], rel=1e-4)  # that of the rows as they are
    found = pq.read_table(folder / "predictions" / "test.parquet")
    assert found["probability"].to_numpy().mean() == pytest.approx(found["target"].to_numpy().mean(), abs=0.1)
    output = capsys.readouterr().out
    assert "Prior correction on test, without → with: " in output
    events = EventAccumulator(str(folder / "tensorboard" / "report"), size_guidance={"images": 0}).Reload()
    assert {"prior_correction", "reliability_by_correction"} <= set(events.Tags()["images"])


def test_without_rebalancing_nothing_is_told_of_a_correction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = ["rebalancing=none", "+rebalancing.rule.power=0.5"]  # an experiment's option for another choice
    metrics = json.loads((run(tmp_path, *none, "baseline=none", "trainer.max_epochs=1") / "metrics.json").read_text())
    assert not [name for name in metrics if name.endswith("_uncorrected")]
    assert "Prior correction" not in capsys.readouterr().out


def test_the_uncorrected_copy_says_what_was_learned_of_the_rebalanced_rows() -> None:
    data = rebalanced()
    model = tiny.model(data)
    train = data.tables["train"]
    model.head.fit(train.y, train.weight, data.sampling)
    out = torch.zeros(1, 1) + model.head.output.bias.detach()
    before, after = (float(predicted(by, out)["probability"]) for by in (uncorrected(model), model))
    late = float(train.y.mean())
    assert after == pytest.approx(late, abs=1e-6)
    assert before == pytest.approx(20 * late / (20 * late + 1 - late), abs=1e-6)
    assert float(model.head.get_buffer("shift")) < 0  # the copy alone was changed


def test_the_pictures_have_three_bars_a_class_and_two_curves() -> None:
    data = rebalanced()
    model = tiny.model(data).eval()
    train = data.tables["train"]
    model.head.fit(train.y, train.weight, data.sampling)
    figures = pictures(model, torch.randn(len(train.y), 1), train.y)
    assert len(figures["prior_correction"].axes[0].patches) == 6
    lines = {line.get_label() for line in figures["reliability_by_correction"].axes[0].get_lines()}
    assert {"without correction", "with correction"} <= lines


@pytest.mark.parametrize("kind", [Multiclass, Neutral, Ordinal])
def test_heads_of_three_classes_have_a_bar_for_each(kind: type[Multiclass]) -> None:
    """A rebalanced ordinal or neutral head, whose point prediction is not that of a class, once stopped the run."""
    target = Band("size", 1, 2, classes=("1", "2", "3"))
    head = kind(4, target, **({"neutral": "2"} if kind is Neutral else {}))  # type: ignore[arg-type]
    y = torch.tensor([0.0, 0, 0, 0, 1, 1, 2]).double()
    head.fit(y, torch.ones(7), 1 + y.float())
    model = Single(Encoder({}), torch.nn.Identity(), head).eval()
    (axes,) = pictures(model, head.constant(y, torch.ones(7)).expand(7, -1), y)["prior_correction"].axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[3:6] == pytest.approx(heights[6:], abs=1e-6)  # corrected, and true: the rarest class first
    assert heights[6:] == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert heights[0] > 0.2


def test_the_split_comes_before_rebalancing() -> None:
    """The trap: rows doubled before the split are in training and in test; metrics then flatter."""
    data, plain = rebalanced("draw"), tiny.data()
    for name in ("calibration", "val", "test"):
        assert torch.equal(data.tables[name].row, plain.tables[name].row)
        assert torch.equal(data.judged[name].weight, plain.judged[name].weight)
    drawn = torch.cat([batch.row for batch in in_order(data)])
    assert len(drawn) == len(plain.tables["train"].row)
    assert torch.isin(drawn, plain.tables["train"].row).all()
    assert len(drawn.unique()) < len(drawn)
    assert torch.equal(data.tables["train"].row, plain.tables["train"].row)


def in_order(data: Data) -> Any:
    """The batches of the first epoch."""
    batches = data.train_dataloader()
    batches.at = lambda: (0, 0)
    return batches


def test_a_head_that_would_not_correct_its_predictions_is_refused() -> None:
    from functools import partial

    from mlp_torch.backbone.mlp import MLP

    class Uncorrected(Regression):
        def __init__(self, d_in, target, *, members=1):
            super().__init__(d_in, tiny_number(), members=members)

    with pytest.raises(ConfigError, match=r"rebalancing needs a head that corrects .* however: Uncorrected"):
        parts(rebalanced(), partial(MLP, hidden=[4]), Uncorrected).single()


def tiny_number() -> Any:
    from mlp_torch.target import Number

    return Number("size")


def test_a_target_that_is_a_number_is_refused_with_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["data.target._target_=mlp_torch.target.Number", "data.target.field=size", "~data.target.classes"]
    number = ["head=regression", *size]
    with pytest.raises(SystemExit):
        run(tmp_path, "rebalancing=class_weights", *number)
    assert 'rebalanced_number: column "size": class weights need classes' in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_table_takes_a_field_of_weights_without_a_plus(path: Path) -> None:
    assert composed([f"data={path.stem}", "data.weight=w"]).data.weight == "w"
