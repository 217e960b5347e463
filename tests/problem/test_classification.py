"""Golden values: scikit-learn, and arithmetic by hand."""

import math

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.scores import AUROC, AveragePrecision, MacroAUROC
from mlp_torch.problem.thresholds import BestF, BestValue
from mlp_torch.target import AtLeast, Category, Number

LATE = AtLeast("delay", 15, classes=("on time", "late"))


def three() -> Category:
    target = Category("fate")
    target.fit({}, lambda read: [(11, "lost"), (12, "kept"), (13, "found")])
    return target


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch(y: Tensor) -> Batch:
    return Batch({}, y, torch.ones(len(y)), torch.arange(len(y)))


def score(head: Binary | Multiclass, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels = head.predict(out), head.labels(y)
    return {
        name: float(metric(predictions[prediction], labels[label]))
        for name, (prediction, label, metric) in head.metrics().items()
    }


def test_binary_metrics_equal_those_of_scikit_learn() -> None:
    draw = torch.Generator().manual_seed(0)
    out, y = torch.randn(500, 1, generator=draw), (torch.rand(500, generator=draw) < 0.3).double()
    out[0], out[1], out[2], y[2] = 60.0, -60.0, 60.0, 0.0  # a certain error costs -log(eps), not infinity
    p = out[:, 0].sigmoid().numpy()
    found = score(Binary(2, LATE), out, y)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, p), rel=1e-6)
    assert found["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(y, p), rel=1e-5)
    assert found["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(y, p), rel=1e-5)
    assert found["average_precision"] == pytest.approx(sklearn_metrics.average_precision_score(y, p), rel=1e-5)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(y, p > 0.5), rel=1e-6)


def test_multiclass_metrics_equal_those_of_scikit_learn() -> None:
    draw = torch.Generator().manual_seed(0)
    out, y = torch.randn(500, 3, generator=draw), torch.randint(0, 3, (500,), generator=draw).double()
    p = out.double().softmax(dim=1)
    found = score(Multiclass(2, three()), out, y)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, p.numpy()), rel=1e-6)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(y, p.argmax(dim=1)), rel=1e-6)
    assert found["f1"] == pytest.approx(sklearn_metrics.f1_score(y, p.argmax(dim=1), average="macro"), rel=1e-6)
    auroc = sklearn_metrics.roc_auc_score(y, p.numpy(), multi_class="ovr", average="macro")
    assert found["auroc"] == pytest.approx(auroc, rel=1e-5)


def test_the_calibration_error_is_the_mean_gap_of_fifteen_equal_bins() -> None:
    out = torch.tensor([[0.0]] * 4 + [[math.log(9)]] * 4)  # probabilities .5 and .9
    found = score(Binary(2, LATE), out, doubles(0, 0, 0, 1, 1, 1, 1, 1))
    assert found["calibration_error"] == pytest.approx((0.25 + 0.1) / 2, rel=1e-5)


def test_losses_are_the_negative_logarithm_of_the_true_class() -> None:
    binary = Binary(2, LATE).loss(torch.tensor([[0.0], [math.log(3)], [math.log(3)]]), batch(doubles(1, 1, 0)))
    assert binary.tolist() == pytest.approx([math.log(2), -math.log(0.75), -math.log(0.25)], rel=1e-6)
    multi = Multiclass(2, three()).loss(torch.tensor([[0.0, 0.0, math.log(2)]]), batch(doubles(2)))
    assert multi.tolist() == pytest.approx([math.log(2)], rel=1e-6)


def test_the_bias_starts_at_the_weighted_log_odds() -> None:
    head = Binary(2, LATE, members=3)
    head.fit(doubles(1, 0, 0, 0), torch.tensor([6.0, 1.0, 1.0, 1.0]))
    assert head.output.bias.flatten().tolist() == pytest.approx([math.log(2)] * 3)
    assert head.constant(doubles(1, 0, 0, 0), torch.ones(4)).tolist() == pytest.approx([math.log(1 / 3)])


def test_probabilities_are_those_of_the_data_when_training_draws_other_rows() -> None:
    y, weight = doubles(1, 0, 0, 0), torch.ones(4)
    even = torch.tensor([3.0, 1.0, 1.0, 1.0])  # as many drawn of each class
    head = Binary(2, LATE)
    head.fit(y, weight, even)
    assert head.output.bias.item() == pytest.approx(0.0, abs=1e-6)
    assert head.predict(torch.zeros(1, 1))["probability"].item() == pytest.approx(0.25)
    assert head.constant(y, weight).item() == pytest.approx(0.0, abs=1e-6)

    many = Multiclass(2, three())
    labels, drawn = doubles(0, 0, 1, 2), torch.tensor([0.5, 0.5, 1.0, 1.0])
    many.fit(labels, weight, drawn)
    assert many.predict(many.output.bias)["probabilities"][0].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert many.output.bias.softmax(dim=1)[0].tolist() == pytest.approx([1 / 3] * 3)


def test_trees_that_saw_the_data_as_they_are_are_not_corrected_twice() -> None:
    head = Binary(2, LATE)
    head.fit(doubles(1, 0, 0, 0), torch.ones(4), torch.tensor([3.0, 1.0, 1.0, 1.0]))
    out = head.from_scores(doubles(0.0, 1.0), doubles(), doubles())
    assert head.predict(out)["probability"].tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1))], rel=1e-6)


def test_the_average_of_members_has_the_mean_of_their_probabilities() -> None:
    draw = torch.Generator().manual_seed(0)
    binary, many = Binary(2, LATE, members=4), Multiclass(2, three(), members=4)
    binary.fit(doubles(1, 0, 0, 0), torch.ones(4), torch.tensor([3.0, 1.0, 1.0, 1.0]))
    many.fit(doubles(0, 0, 1, 2), torch.ones(4), torch.tensor([0.5, 0.5, 1.0, 1.0]))
    outs = 3 * torch.randn(9, 4, 1, generator=draw)
    each = torch.stack([binary.predict(outs[:, k])["probability"] for k in range(4)])
    assert torch.allclose(binary.predict(binary.average(outs))["probability"], each.mean(dim=0), atol=1e-6)
    assert not torch.allclose(binary.predict(outs.mean(dim=1))["probability"], each.mean(dim=0), atol=1e-3)
    outs = 3 * torch.randn(9, 4, 3, generator=draw)
    each = torch.stack([many.predict(outs[:, k])["probabilities"] for k in range(4)])
    assert torch.allclose(many.predict(many.average(outs))["probabilities"], each.mean(dim=0), atol=1e-6)


def test_certain_members_average_without_overflow() -> None:
    head = Binary(2, LATE, members=2)
    out = head.average(torch.tensor([[[200.0], [-200.0]], [[200.0], [200.0]]]))
    assert head.predict(out)["probability"].tolist() == [0.5, 1.0]


def test_class_names_go_with_the_class_index() -> None:
    assert Binary(2, LATE).names == {"class": ["on time", "late"]}
    head = Multiclass(2, three())
    found = head.predict(torch.tensor([[0.0, 1.0, 0.0]]))["class"]
    assert head.names["class"][int(found)] == "kept"


@pytest.mark.parametrize("kind", [Binary, Multiclass])
def test_a_number_as_target_is_called_continuous(kind: type[Binary] | type[Multiclass]) -> None:
    with pytest.raises(DataError, match=r'continuous_target: column "delay": .*continuous'):
        kind(2, Number("delay"))


def test_three_classes_are_refused_by_the_binary_head_which_names_the_other() -> None:
    with pytest.raises(DataError, match=r'not_two_classes: column "fate": .* 3; .*multiclass head'):
        Binary(2, three())


@pytest.mark.parametrize("head", [Binary(2, LATE), Multiclass(2, three())])
def test_one_class_only_is_refused_with_the_counts(head: Binary | Multiclass) -> None:
    with pytest.raises(
        DataError,
        match=r"one_class: .*two classes.*1,200 of class (late, none of class on time|kept, none of class found, lost)",
    ):
        head.fit(torch.ones(1200).double(), torch.ones(1200))


def test_labels_that_are_no_class_are_counted_and_shown() -> None:
    with pytest.raises(DataError) as caught:
        Binary(2, LATE).fit(doubles(0, 1, 2, 0.5, torch.nan), torch.ones(5))
    problem = caught.value.problems[0]
    assert (problem.code, problem.columns, problem.bad, problem.total) == ("unknown_label", ("delay",), 2, 5)
    assert (problem.rows, problem.examples) == ((2, 3), ("0.5", "2"))


def test_a_class_without_weight_keeps_a_finite_prior() -> None:
    head = Multiclass(2, three())
    head.fit(doubles(0, 1, 1, 0), torch.ones(4))
    assert bool(head.output.bias.isfinite().all())
    assert head.predict(head.output.bias)["probabilities"][0, 2].item() == pytest.approx(0.125 / 1.125)


def test_rank_metrics_say_nothing_of_one_class() -> None:
    p, none = torch.tensor([0.2, 0.7]), torch.tensor([0, 0])
    assert AUROC()(p, none).isnan()
    assert AveragePrecision()(p, none).isnan()
    assert MacroAUROC(2)(torch.stack([p, 1 - p], dim=1), none).isnan()


def test_a_class_without_rows_does_not_pull_the_macro_auroc_down() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1]])
    assert MacroAUROC(3)(p, torch.tensor([0, 1, 0, 1])).item() == 1.0


def test_the_reliability_diagram_shows_bins_of_equally_many_rows() -> None:
    head = Binary(2, LATE)
    y = torch.cat([torch.zeros(50), torch.ones(50)]).double()
    p = torch.linspace(0.01, 0.5, 100)
    figure = head.pictures({"probability": p, "class": (p > 0.5).long()}, head.labels(y))["reliability"]
    line = figure.axes[0].get_lines()[1]
    assert list(line.get_ydata()) == [0.0] * 7 + [pytest.approx(3 / 6)] + [1.0] * 7  # 100 rows in 15 bins: 6 or 7 each
    assert line.get_xdata()[0] == pytest.approx(p[:7].mean().item())


def test_a_threshold_decides_the_class_and_a_rule_finds_it_on_calibration_rows() -> None:
    out = torch.tensor([0.1, 0.2, 0.4, 0.6]).logit().unsqueeze(1)
    assert Binary(2, LATE, threshold=0.3).predict(out)["class"].tolist() == [0, 0, 1, 1]
    head = Binary(2, LATE, threshold=BestF())
    assert head.predict(out)["class"].tolist() == [0, 0, 0, 1]
    assert head.notes() == []
    head.calibrate(out.repeat(5, 1), doubles(0, 1, 0, 1).repeat(5), torch.ones(20))
    assert head.learned() == {"threshold": pytest.approx(0.15)}  # F1 4/5 with 2 of 3 called rightly
    assert head.predict(out)["class"].tolist() == [0, 1, 1, 1]
    assert head.notes() == [
        "threshold 0.15: precision 0.667, recall 1, F1 0.8 on 20 calibration rows, 10 of them positive"
    ]
    head.calibrate(out.repeat(4, 1), doubles(0, 1, 0, 1).repeat(4), torch.ones(16))  # eight rows of a class are few
    assert head.learned() == {"threshold": 0.5}
    assert head.notes() == [
        "WARNING: fewer than 10 calibration rows are of one of the classes, so that the threshold stays 0.5"
    ]


def test_what_a_threshold_is_sought_for_is_among_the_metrics() -> None:
    assert set(Binary(2, LATE, threshold=BestF()).metrics()) - set(Binary(2, LATE).metrics()) == {
        "precision",
        "recall",
        "f1",
    }


def test_the_threshold_is_sought_on_calibrated_probabilities() -> None:
    draw = torch.Generator().manual_seed(0)
    true = torch.randn(5000, generator=draw)
    y = (torch.rand(5000, generator=draw) < true.sigmoid()).double()
    head = Binary(2, LATE, calibration="temperature", threshold=BestValue(tp=40, fp=-10))
    head.calibrate(5 * true.unsqueeze(1), y, torch.ones(5000))
    assert head.learned()["temperature"] == pytest.approx(5, rel=0.1)
    assert head.learned()["threshold"] == pytest.approx(0.2, abs=0.07)  # 10 / (10 + 40); .001 on uncalibrated ones


def test_focal_losses_by_hand_and_without_gamma_cross_entropy() -> None:
    out, y = torch.tensor([[math.log(3)], [math.log(3)]]), batch(doubles(1, 0))
    focused = Binary(2, LATE, gamma=2.0).loss(out, y).tolist()
    assert focused == pytest.approx([-(0.25**2) * math.log(0.75), -(0.75**2) * math.log(0.25)], rel=1e-6)
    logits = torch.tensor([[0.0, 0.0, math.log(2)]])
    many = Multiclass(2, three(), gamma=0.5).loss(logits, batch(doubles(2))).tolist()
    assert many == pytest.approx([-(0.5**0.5) * math.log(0.5)], rel=1e-6)
    assert Binary(2, LATE).loss(out, y).tolist() == pytest.approx([-math.log(0.75), -math.log(0.25)], rel=1e-6)


@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_focal_losses_of_certain_rows_have_finite_gradients(gamma: float) -> None:
    out = torch.tensor([[300.0], [-300.0], [40.0]], requires_grad=True)
    binary = Binary(2, LATE, gamma=gamma).loss(out, batch(doubles(1, 1, 1)))
    assert bool(torch.autograd.grad(binary.sum(), out)[0].isfinite().all())
    logits = torch.tensor([[300.0, 0.0, 0.0], [0.0, 300.0, 0.0]], requires_grad=True)
    many = Multiclass(2, three(), gamma=gamma).loss(logits, batch(doubles(0, 0)))
    assert bool(torch.autograd.grad(many.sum(), logits)[0].isfinite().all())


def test_the_best_probability_of_a_focal_loss_is_nearer_to_a_half_than_the_true_share() -> None:
    p, share = torch.linspace(0.01, 0.99, 99), 0.1
    out = p.logit().unsqueeze(1)
    head = Binary(2, LATE, gamma=2.0)
    loss = share * head.loss(out, batch(torch.ones(99))) + (1 - share) * head.loss(out, batch(torch.zeros(99)))
    assert share + 0.05 < float(p[loss.argmin()]) < 0.5


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma must be at least 0, however: gamma=-1"):
        Multiclass(2, three(), gamma=-1)


def test_pictures_mark_the_threshold_and_count_what_it_makes_of_rows() -> None:
    head = Binary(2, LATE, threshold=BestValue(tp=4, fp=-1))
    p, y = torch.tensor([0.1, 0.3, 0.6, 0.8]), doubles(0, 1, 0, 1)
    out = p.logit().unsqueeze(1)
    head.calibrate(out.repeat(5, 1), y.repeat(5), torch.ones(20))
    found = head.pictures(head.predict(out), head.labels(y))
    assert list(found) == ["reliability", "histogram", "precision_recall", "confusion", "objective"]
    curve, _, dot = found["precision_recall"].axes[0].get_lines()
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((1.0, 2 / 3))
    assert list(curve.get_ydata()) == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    cells = [text.get_text() for text in found["confusion"].axes[0].texts]
    assert cells == ["1\n50%", "1\n50%", "0\n0%", "2\n100%"]
    line, curve = found["objective"].axes[0].get_lines()
    assert line.get_xdata()[0] == pytest.approx(0.2)
    assert max(curve.get_ydata()) == pytest.approx(7 / 4)  # value a row
    assert "objective" not in Binary(2, LATE).pictures(head.predict(out), head.labels(y))


def test_the_matrix_of_several_classes_has_true_rows_and_predicted_columns() -> None:
    head = Multiclass(2, three())
    out = torch.eye(3)[[0, 0, 1, 2]]
    figure = head.pictures(head.predict(out), head.labels(doubles(0, 1, 1, 2)))["confusion"]
    assert figure.axes[0].get_images()[0].get_array().tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]
