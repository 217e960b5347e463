"""Golden values: scikit-learn, and arithmetic by hand."""

import math

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.neutral import Neutral
from mlp_torch.problem.undecided import Band
from mlp_torch.target import AtLeast, Category

RATING = Band("rating", 3, 4)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def score(head: Neutral, out: Tensor, y: Tensor) -> dict[str, float]:
    predictions, labels, found = head.predict(out), head.labels(y), {}
    for name, (prediction, label, metric) in head.metrics().items():
        known = labels[label] >= 0
        found[name] = float(metric(predictions[prediction][known], labels[label][known]))
    return found


def test_a_row_is_answered_unless_neutral_is_the_most_probable_class() -> None:
    p = torch.tensor([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.1, 0.4, 0.5], [0.2, 0.2, 0.6]])
    head = Neutral(1, RATING)
    found = head.predict(p.log())
    assert found["class"].tolist() == [0, 1, 2, 2]
    assert found["abstain"].tolist() == [0, 1, 0, 0]
    assert found["probability"].tolist() == pytest.approx([2 / 7, 0.5, 5 / 6, 0.75])
    assert [head.names["class"][i] for i in found["class"]] == ["no", "abstain", "yes", "yes"]


def test_the_neutral_class_may_stand_anywhere() -> None:
    target = Category("y", classes=["unsure", "left", "right"])
    target.fit({}, lambda read: [(11, "unsure"), (12, "left"), (13, "right")])
    head = Neutral(1, target, neutral="unsure")
    found = head.predict(torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.2, 0.2, 0.6]]).log())
    assert [head.names["class"][i] for i in found["class"]] == ["left", "abstain", "right"]
    assert found["probability"].tolist() == pytest.approx([3 / 8, 0.75, 0.75])
    assert head.labels(doubles(0, 1, 2, torch.nan))["decided"].tolist() == [-1, 0, 1, -1]


def test_a_certainly_neutral_row_has_a_probability_of_one_half() -> None:
    assert Neutral(1, RATING).predict(torch.tensor([[0.0, 1000.0, 0.0]]))["probability"].tolist() == [0.5]


def calibrated(p: Tensor, coverage: float, weight: Tensor | None = None) -> Neutral:
    """A head that has seen rows with p(neutral), (N,)."""
    head = Neutral(1, RATING, coverage=coverage)
    head.calibrate(out_of(p), torch.zeros(len(p)).double(), torch.ones(len(p)) if weight is None else weight)
    return head


def out_of(p: Tensor) -> Tensor:
    """Of the two classes "no" is the more probable one, the less so the greater p(neutral)."""
    return torch.stack([0.7 * (1 - p), p, 0.3 * (1 - p)], dim=1).log()


def test_the_wished_share_of_calibration_rows_is_answered_the_surest_first() -> None:
    p = torch.linspace(0.05, 0.95, 10)[torch.randperm(10, generator=torch.Generator().manual_seed(0))]
    for coverage in (0.1, 0.3, 0.8, 1.0):
        abstain = calibrated(p, coverage).predict(out_of(p))["abstain"]
        assert (1 - abstain.double().mean()).item() == pytest.approx(coverage)
        assert bool((p[abstain == 0] < (p[abstain == 1].min() if abstain.any() else 1)).all())
    assert calibrated(p, 0.25).predict(out_of(p))["abstain"].sum() == 7  # at least what was wished


def test_a_row_is_left_out_where_no_answer_is_probable_not_only_where_neutral_is() -> None:
    out = torch.tensor([[0.5, 0.05, 0.45], [0.55, 0.4, 0.05]]).log()
    head = Neutral(1, RATING, coverage=0.5)
    head.calibrate(out, doubles(0, 0), torch.ones(2))
    assert head.predict(out)["abstain"].tolist() == [1, 0]
    assert head.predict(out)["class"].tolist() == [1, 0]


def test_weights_of_calibration_rows_count() -> None:
    p = torch.tensor([0.1, 0.2, 0.3])
    assert calibrated(p, 0.5, torch.tensor([1.0, 1.0, 6.0])).predict(out_of(p))["abstain"].tolist() == [0, 0, 0]
    assert calibrated(p, 0.5, torch.tensor([6.0, 1.0, 1.0])).predict(out_of(p))["abstain"].tolist() == [0, 1, 1]


def test_a_constant_that_is_calibrated_answers_all_rows() -> None:
    assert calibrated(torch.full((5,), 0.9), 0.5).predict(out_of(torch.full((5,), 0.9)))["abstain"].sum() == 0


def test_calibrating_again_forgets_what_was_learned() -> None:
    p, q = torch.linspace(0.1, 0.5, 50), torch.linspace(0.4, 0.9, 50)
    head, fresh = calibrated(p, 0.5), calibrated(q, 0.5)
    assert head.threshold != fresh.threshold
    head.calibrate(out_of(q), torch.zeros(50).double(), torch.ones(50))
    assert head.threshold == fresh.threshold


def test_metrics_equal_those_of_scikit_learn_and_none_is_plain_accuracy() -> None:
    draw = torch.Generator().manual_seed(0)
    out, y = torch.randn(600, 3, generator=draw), torch.randint(0, 3, (600,), generator=draw).double()
    y[:20] = torch.nan
    head = Neutral(1, RATING)
    found = score(head, out, y)
    p, y, said = out[20:].double().softmax(dim=1), y[20:].long(), out[20:].argmax(dim=1)
    decided = y != 1
    rank = (p[:, 2] / (p[:, 0] + p[:, 2]))[decided]
    assert found["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(y[decided] == 2, rank), rel=1e-5)
    both = decided & (said != 1)
    assert found["accuracy_covered"] == pytest.approx(sklearn_metrics.accuracy_score(y[both], said[both]))
    assert found["coverage"] == pytest.approx((said != 1).double().mean().item())
    recall = sklearn_metrics.recall_score(y, said, average=None)
    precision = sklearn_metrics.precision_score(y, said, average=None)
    for i, name in enumerate(("no", "neutral", "yes")):
        assert found[f"recall_{name}"] == pytest.approx(recall[i])
        assert found[f"precision_{name}"] == pytest.approx(precision[i])
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, p.numpy()), rel=1e-6)
    assert not {"accuracy", "f1"} & set(found)


def test_naming_the_majority_class_alone_gains_nothing() -> None:
    """Published notebooks of the pattern compare accuracies, which grow as the neutral class takes the rare one."""
    y = doubles(*[0] * 10, *[1] * 10, *[2] * 80)
    found = score(Neutral(1, RATING), torch.tensor([[0.1, 0.1, 0.8]]).log().expand(100, 3), y)
    assert found["auroc"] == 0.5
    assert found["recall_no"] == found["recall_neutral"] == 0
    assert found["accuracy_covered"] == pytest.approx(80 / 90)  # what the picture's dotted line is at


def test_the_picture_shows_accuracy_of_the_surest_rows_beside_the_majority() -> None:
    head = Neutral(1, RATING)
    p = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6]])
    y = doubles(0, 2, 2, 1, torch.nan)
    axes = head.pictures(head.predict(p.log()), head.labels(y))["coverage"].axes[0]
    model, majority, exported = axes.get_lines()
    assert list(model.get_xdata()) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert list(model.get_ydata()) == pytest.approx([1, 1, 2 / 3, 2 / 3])  # the last row's label is neutral
    assert majority.get_ydata()[0] == pytest.approx(2 / 3)
    assert exported.get_xdata()[0] == pytest.approx(0.75)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"neutral must be one of the classes, however: neutral='unsure'; known: neut"):
        Neutral(1, RATING, neutral="unsure")
    for coverage in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="coverage must be more than 0 and at most 1, however: coverage="):
            Neutral(1, RATING, coverage=coverage)
    with pytest.raises(DataError, match=r'not_three_classes: column "delay": .* however: 2'):
        Neutral(1, AtLeast("delay", 15))


def trained(head: Neutral | Binary, x: Tensor, y: Tensor) -> torch.nn.Module:
    """A small network under the head."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8))
    head.fit(y, torch.ones(len(y)))
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], 0.02)
    for _ in range(200):
        optimizer.zero_grad()
        head.loss(head(net(x)), Batch({}, y, torch.ones(len(y)), y)).mean().backward()
        optimizer.step()
    return net


def test_the_planted_band_of_coin_flips_is_found() -> None:
    """The book's setting: a doctor prescribes by a rule outside a band of the dose, and by habit inside it."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(4000, 1, generator=draw) * 2 - 1
    value = x[:, 0]
    raters = [torch.where(value.abs() < 0.3, torch.rand(4000, generator=draw) < 0.5, value > 0) for _ in range(2)]
    y = torch.where(raters[0] == raters[1], 2.0 * raters[0], 1.0).double()  # neutral where two raters disagree
    head = Neutral(8, RATING)
    net = trained(head, x, y)
    grid = torch.linspace(-1, 1, 201).unsqueeze(1)
    with torch.no_grad():
        found = head.predict(head(net(grid)))
    inside, outside = grid[:, 0].abs() < 0.25, grid[:, 0].abs() > 0.35
    assert found["abstain"][inside].double().mean() > 0.9  # half of the band's rows are neutral, a quarter each class
    assert found["abstain"][outside].sum() == 0
    assert bool((found["class"][outside] == 2 * (grid[outside, 0] > 0)).all())
    assert found["probability"][100].item() == pytest.approx(0.5, abs=0.1)
    lone = torch.where(value.abs() < 0.3, raters[0], value > 0).double()
    binary = Binary(8, AtLeast("dose", 0))
    net = trained(binary, x, lone)
    with torch.no_grad():  # what two classes say inside the band is right by chance alone, and they must say something
        answer = binary.predict(binary(net(x)))["class"]
    flips = value.abs() < 0.3
    assert (answer[flips] == raters[1][flips]).double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_wished_coverage_needs_calibration_rows_and_is_told_as_a_threshold() -> None:
    p = torch.linspace(0.1, 0.5, 5)
    assert calibrated(p, 0.6).learned() == {"threshold": pytest.approx(0.7 * 0.7)}
    assert calibrated(p, 0.6).calibrates
    assert not Neutral(1, RATING).calibrates
    assert Neutral(1, RATING).learned() == {}


def test_the_threshold_is_one_of_calibrated_probabilities() -> None:
    head = Neutral(1, RATING, coverage=0.5, calibration="temperature")
    out = 3 * torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 3, (400,), generator=torch.Generator().manual_seed(1)).double()  # nothing is learned of it
    head.calibrate(out, y, torch.ones(400))
    assert head.learned()["temperature"] > 5
    assert head.predict(out)["abstain"].double().mean() == 0.5


def test_calibration_rows_without_weight_find_no_threshold() -> None:
    p = torch.linspace(0.1, 0.5, 5)
    head = calibrated(p, 0.6, torch.zeros(5))
    assert torch.equal(head.predict(out_of(p))["abstain"], Neutral(1, RATING).predict(out_of(p))["abstain"])
