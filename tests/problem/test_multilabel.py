"""Golden values: scikit-learn, and arithmetic by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.thresholds import AtPrecision, BestF
from mlp_torch.target import Category, Flags

NAN = math.nan
THREE = Flags(["action", "drama", "war"])


def batch(y: Tensor) -> Batch:
    return Batch({}, y, torch.ones(len(y)), torch.arange(len(y)))


def drawn(rows: int = 400, unknown: float = 0.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    out = torch.randn(rows, 3, generator=draw)
    y = (torch.rand(rows, 3, generator=draw) < (out + torch.tensor([0.0, 1.0, -2.0])).sigmoid()).double()
    return out, y.masked_fill(torch.rand(rows, 3, generator=draw) < unknown, NAN)


def score(head: Multilabel, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels = head.predict(out), head.labels(y)
    return {
        name: float(metric(predictions[prediction], labels[label]))
        for name, (prediction, label, metric) in head.metrics().items()
    }


def test_metrics_equal_those_of_scikit_learn() -> None:
    out, y = drawn()
    p = out.sigmoid().numpy()
    found = score(Multilabel(2, THREE), out, y)
    for mean in ("macro", "micro"):
        name = "" if mean == "macro" else "_micro"
        assert found[f"auroc{name}"] == pytest.approx(sklearn_metrics.roc_auc_score(y, p, average=mean), rel=1e-5)
        expected = sklearn_metrics.average_precision_score(y, p, average=mean)
        assert found[f"average_precision{name}"] == pytest.approx(expected, rel=1e-5)
        assert found[f"f1{name}"] == pytest.approx(sklearn_metrics.f1_score(y, p > 0.5, average=mean), rel=1e-6)
    losses = [sklearn_metrics.log_loss(y[:, k], p[:, k]) for k in range(3)]
    assert found["log_loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_labels_that_are_not_known_take_no_part_in_metrics() -> None:
    out, y = drawn(unknown=0.3)
    known = ~y.isnan().numpy()
    p = out.sigmoid().numpy()
    areas = [sklearn_metrics.roc_auc_score(y[known[:, k], k], p[known[:, k], k]) for k in range(3)]
    found = score(Multilabel(2, THREE), out, y)
    assert found["auroc"] == pytest.approx(np.mean(areas), rel=1e-5)
    assert found["auroc_micro"] == pytest.approx(sklearn_metrics.roc_auc_score(y[known], p[known]), rel=1e-5)


def test_a_label_that_no_row_knows_is_left_out_of_means() -> None:
    out, y = drawn()
    whole = score(Multilabel(2, THREE), out, y)
    y[:, 1] = torch.nan
    p = out.sigmoid().numpy()
    found = score(Multilabel(2, THREE), out, y)
    areas = [sklearn_metrics.roc_auc_score(y[:, k], p[:, k]) for k in (0, 2)]
    assert found["auroc"] == pytest.approx(np.mean(areas), rel=1e-5)
    assert found["auroc"] != pytest.approx(whole["auroc"], rel=1e-5)
    precisions = [sklearn_metrics.average_precision_score(y[:, k], p[:, k]) for k in (0, 2)]
    assert found["average_precision"] == pytest.approx(np.mean(precisions), rel=1e-5)


def test_labels_that_are_not_known_take_no_part_in_the_loss() -> None:
    head = Multilabel(2, THREE)
    out = torch.tensor([[0.0, 2.0, -1.0], [0.0, 2.0, -1.0], [5.0, 5.0, 5.0]], requires_grad=True)
    y = torch.tensor([[1.0, 1.0, 0.0], [1.0, NAN, 0.0], [NAN, NAN, NAN]]).double()
    losses = head.loss(out, batch(y))
    parts = [math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(-1))]
    assert losses.tolist() == pytest.approx([sum(parts) / 3, (parts[0] + parts[2]) / 2, 0.0], rel=1e-6)
    (gradient,) = torch.autograd.grad(losses.sum(), out)
    assert gradient[1, 1] == 0
    assert not gradient[2].any()
    assert bool((gradient[0] != 0).all())


def test_an_output_starts_at_each_labels_share_of_the_rows_it_is_known_of() -> None:
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, NAN, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, NAN]]).double()
    head = Multilabel(2, THREE)
    head.fit(y, torch.tensor([1.0, 1.0, 1.0, 1.0]))
    assert head.output.bias[0].sigmoid().tolist() == pytest.approx([3 / 4, 1 / 3, 2 / 3], rel=1e-6)
    assert head.constant(y, torch.tensor([1.0, 1.0, 1.0, 3.0])).sigmoid().tolist() == pytest.approx(
        [5 / 6, 1 / 5, 2 / 3]
    )


def test_a_label_that_only_rows_without_weight_know_starts_finite() -> None:
    y = torch.tensor([[1.0, NAN], [0.0, NAN], [1.0, 1.0], [1.0, 0.0]]).double()
    head = Multilabel(2, Flags(["a", "b"]))
    head.fit(y, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert head.output.bias.isfinite().all()


def test_members_are_averaged_by_label_in_probability() -> None:
    outs = torch.tensor([[[0.0, 3.0, -9.0], [2.0, -3.0, -7.0]]])
    p = outs.sigmoid().mean(dim=1)
    torch.testing.assert_close(Multilabel(2, THREE).average(outs).sigmoid(), p)


def test_probabilities_of_a_row_need_not_add_up_to_one() -> None:
    found = Multilabel(2, THREE).predict(torch.tensor([[4.0, 4.0, -4.0]]))
    assert float(found["probabilities"].sum()) > 1.9
    assert found["classes"].tolist() == [[1, 1, 0]]


def test_a_label_that_all_rows_have_or_none_is_refused() -> None:
    for column in ([1.0, 1.0], [0.0, NAN], [NAN, NAN]):
        y = torch.tensor([[0.0, 1.0, column[0]], [1.0, 0.0, column[1]]]).double()
        with pytest.raises(DataError, match=r"one_class.*war"):
            Multilabel(2, THREE).fit(y, torch.ones(2))


def test_one_class_a_row_is_refused() -> None:
    target = Category("fate")
    target.fit({}, lambda read: [(11, "lost"), (12, "kept")])
    with pytest.raises(DataError, match="not_multilabel"):
        Multilabel(2, target).fit(torch.tensor([0.0, 1.0]).double(), torch.ones(2))


def test_positive_weights_multiply_the_loss_of_rows_with_the_label() -> None:
    head = Multilabel(2, THREE, positive_weight=[1.0, 3.0, 0.5])
    losses = head.loss(torch.zeros(2, 3), batch(torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, NAN]]).double()))
    assert losses.tolist() == pytest.approx([math.log(2) * 4.5 / 3, math.log(2)], rel=1e-6)


def test_what_is_judged_is_the_loss_of_the_corrected_probabilities_on_the_data_as_they_are() -> None:
    head = Multilabel(2, THREE, positive_weight=[1.0, 3.0, 0.5]).eval()
    out, y = drawn(unknown=0.2)
    p, known = head.predict(out)["probabilities"].double(), ~y.isnan()
    entropy = -(torch.where(y == 1, p, 1 - p).log() * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    torch.testing.assert_close(head.loss(out, batch(y)).double(), entropy, rtol=1e-4, atol=1e-5)


def test_balanced_weights_are_the_odds_against_the_label_and_start_at_a_half() -> None:
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, NAN, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, NAN]]).double()
    head = Multilabel(2, THREE, positive_weight="balanced")
    head.fit(y, torch.ones(4))
    assert head.positive.tolist() == pytest.approx([3.0, 2.0, 0.5])
    assert head.output.bias[0].tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    assert head.predict(head.output.bias)["probabilities"][0].tolist() == pytest.approx([1 / 4, 1 / 3, 2 / 3])


@pytest.mark.parametrize("weight", ["none", "balanced", [1.0, 8.0, 0.2]])
def test_probabilities_come_back_to_the_base_rate_whatever_positives_weigh_in_training(weight: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 2, generator=draw)
    odds = torch.stack([x[:, 0] - 3, x[:, 1], x[:, 0] + x[:, 1] - 1], dim=1)
    y = (torch.rand(4000, 3, generator=draw) < odds.sigmoid()).double()
    torch.manual_seed(0)
    head = Multilabel(2, THREE, positive_weight=weight)
    head.fit(y, torch.ones(4000))
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = head.loss(head(x), batch(y)).mean()
        loss.backward()
        return loss

    optimizer.step(step)
    p = head.predict(head(x).detach())["probabilities"]
    assert p.mean(dim=0).tolist() == pytest.approx(y.mean(dim=0).tolist(), abs=0.005)
    if weight != "none":
        assert not torch.allclose(head(x).sigmoid().mean(dim=0).double(), y.mean(dim=0), atol=0.05)


def test_members_and_trees_share_the_correction_of_positive_weights() -> None:
    head = Multilabel(2, THREE, positive_weight=[1.0, 4.0, 0.5])
    outs = torch.tensor([[[0.0, 3.0, -2.0], [2.0, -3.0, -1.0]]])
    each = torch.stack([head.predict(outs[:, k])["probabilities"] for k in range(2)])
    torch.testing.assert_close(head.predict(head.average(outs))["probabilities"], each.mean(dim=0))
    scores = torch.tensor([[0.0, 1.0, -1.0]])
    torch.testing.assert_close(
        head.predict(head.from_scores(scores, scores, scores))["probabilities"], scores.sigmoid()
    )


def test_weights_that_fit_no_labels_are_refused() -> None:
    for wrong in ([1.0, 2.0], [1.0, 0.0, 1.0], "even"):
        with pytest.raises(
            ValueError, match=r"none, balanced or 3 numbers above 0, one a label, however: positive_weight="
        ):
            Multilabel(2, THREE, positive_weight=wrong)  # type: ignore[arg-type]


def test_each_label_gets_the_threshold_that_scikit_learn_finds_best() -> None:
    out, y = drawn(unknown=0.1)
    head = Multilabel(2, THREE, threshold=BestF())
    head.calibrate(out, y, torch.ones(len(y)))
    p, classes = out.sigmoid().double().numpy(), head.predict(out)["classes"]
    for k in range(3):
        known = ~y[:, k].isnan().numpy()
        precision, recall, _ = sklearn_metrics.precision_recall_curve(y[known, k], p[known, k])
        best = max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        assert sklearn_metrics.f1_score(y[known, k], classes[known, k]) == pytest.approx(best, abs=1e-12)
    assert len(set(head.thresholds.tolist())) == 3
    assert head.notes() == []


def test_a_label_with_few_positive_calibration_rows_keeps_a_half_and_is_noted() -> None:
    out, y = drawn()
    y[:, 2] = 0
    y[:9, 2] = 1
    head = Multilabel(2, THREE, threshold=BestF())
    head.calibrate(out, y, torch.ones(len(y)))
    assert head.thresholds[2] == 0.5
    assert bool((head.thresholds[:2] != 0.5).all())
    assert head.notes() == [
        "labels war: fewer than 10 calibration rows have or lack them, so that their threshold stays 0.5"
    ]
    y[9, 2] = 1
    head.calibrate(out, y, torch.ones(len(y)))
    assert head.thresholds[2] != 0.5
    assert head.notes() == []


def test_a_label_whose_precision_cannot_be_reached_is_named() -> None:
    draw = torch.Generator().manual_seed(0)
    out, y = torch.randn(400, 3, generator=draw), (torch.rand(400, 3, generator=draw) < 0.3).double()
    out[:, 0] = 4 * y[:, 0].float() - 2
    head = Multilabel(2, THREE, threshold=AtPrecision(0.999))
    order = out[:, 1:].argsort(dim=0, descending=True)[0]
    y[order, torch.tensor([1, 2])] = 0  # the highest row of each is wrong
    head.calibrate(out, y, torch.ones(400))
    assert [note.partition(":")[2][:12] for note in head.notes()] == [" label drama", " label war: "]
    assert "no threshold reaches precision 0.999, the highest is 0." in head.notes()[0]


def test_the_table_of_labels_is_that_of_scikit_learn_with_the_worst_first() -> None:
    out, y = drawn(unknown=0.2)
    head = Multilabel(2, THREE, threshold=0.4)
    p = out.sigmoid().numpy()
    rows = head.by_label(head.predict(out), head.labels(y))
    areas = [row["auroc"] for row in rows]
    assert areas == sorted(areas)
    for row in rows:
        k = THREE.classes.index(row["label"])
        known = ~y[:, k].isnan().numpy()
        true, said = y[known, k].numpy(), p[known, k]
        assert row["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(true, said), rel=1e-5)
        assert row["average_precision"] == pytest.approx(sklearn_metrics.average_precision_score(true, said), rel=1e-5)
        assert row["f1"] == pytest.approx(sklearn_metrics.f1_score(true, said > 0.4), rel=1e-6)
        assert (row["positives"], row["rows"], row["threshold"]) == (int(true.sum()), int(known.sum()), 0.4)


def test_a_label_without_positives_has_no_area_and_comes_last() -> None:
    out, y = drawn()
    y[:, 0] = 0
    rows = Multilabel(2, THREE).by_label(Multilabel(2, THREE).predict(out), Multilabel(2, THREE).labels(y))
    assert (rows[-1]["label"], rows[-1]["auroc"], rows[-1]["positives"]) == ("action", None, 0)
