"""Values of outcomes by hand, the curve against trying every threshold, and perspectives on heads of each kind."""

import math

import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    BinaryAUROC,
    BinaryConfusionMatrix,
    BinaryF1Score,
    BinaryMatthewsCorrCoef,
    BinaryPrecision,
    BinaryRecall,
    BinarySpecificity,
    MulticlassRecall,
    MultilabelF1Score,
)
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mlp_torch.errors import ConfigError
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.curves import value_curve, value_curves, worth_by_threshold
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.neutral import Neutral
from mlp_torch.problem.ordinal import Ordinal
from mlp_torch.problem.perspectives import Perspective, named, try_out
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.problem.value import Gain, Value, by_class, two_by_two
from mlp_torch.responsible.verdict import directions, judge, metrics_of
from mlp_torch.script import script
from mlp_torch.target import AtLeast, Category, Flags, Number

LATE = AtLeast("delay", 15, classes=("on_time", "late"))


def three() -> Category:
    target = Category("city", classes=["Oslo", "Roma", "Wien"])
    target.classes = ["Oslo", "Roma", "Wien"]
    return target


def stars() -> Category:
    target = Category("stars", classes=["1", "2", "3"])
    target.classes = ["1", "2", "3"]
    return target


def heads() -> dict[str, tuple]:
    """A head of each kind with some targets."""
    y = torch.tensor([0, 1, 1, 0, 1]).double()
    number = torch.tensor([1.0, 2.0, 3.0, 5.0, 8.0]).double()
    reframed = Reframed(2, Number("minutes"), bins=3, thresholds={"over_2": 2.0})
    reframed.fit(number, torch.ones(5))
    return {
        "binary": (Binary(2, LATE), y),
        "multiclass": (Multiclass(2, three()), torch.tensor([0, 1, 2, 2, 1]).double()),
        "multilabel": (Multilabel(2, Flags(["a", "b"])), torch.stack([y, 1 - y], dim=1)),
        "ordinal": (Ordinal(2, stars()), torch.tensor([0, 1, 2, 2, 1]).double()),
        "neutral": (Neutral(2, three(), neutral="Roma"), torch.tensor([0, 1, 2, 2, 1]).double()),
        "regression": (Regression(2, Number("minutes")), number),
        "reframing": (reframed, number),
    }


def given(kind: str, **entries):
    """A head with perspectives, as a run gives it them."""
    head, y = heads()[kind]
    best = head.constant(y, torch.ones(len(y)))
    head.perspectives = named(entries, head, best)
    try_out(head.perspectives, head, y, best)
    return head, y


# --- values


def test_the_value_of_decisions_is_the_mean_of_what_each_outcome_is_worth():
    head, _ = given("binary", profit=Value(tp=40, fp=-5, fn=-10, tn=1))
    out = torch.tensor([[3.0], [3.0], [-3.0], [-3.0], [-3.0]])
    y = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0]).double()  # tp, fp, fn, tn, tn
    assert judge(head, out, y).values["profit"] == pytest.approx((40 - 5 - 10 + 1 + 1) / 5)
    assert directions(head)["profit"] is True


def test_rows_without_a_label_have_no_value():
    head, _ = given("binary", profit=Value(tp=40, fp=-5))
    out, y = torch.tensor([[3.0], [3.0]]), torch.tensor([1.0, torch.nan]).double()
    assert judge(head, out, y).values["profit"] == 40


def test_amounts_of_several_classes_are_by_their_names():
    matrix = by_class({"Roma": {"Oslo": -3, "Roma": 10}, "Wien": {"Roma": -1}}, ["Oslo", "Roma", "Wien"])
    assert matrix.tolist() == [[0, 0, 0], [-3, 10, 0], [0, -1, 0]]
    head, _ = given("multiclass", profit=Value(amounts={"Roma": {"Oslo": -3, "Roma": 10}}))
    out = torch.tensor([[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]])
    assert judge(head, out, torch.tensor([1, 1, 1]).double()).values["profit"] == pytest.approx((-3 + 10 + 0) / 3)


def test_of_several_labels_each_is_a_decision_and_unknown_ones_count_for_nothing():
    head, _ = given("multilabel", profit=Value(tp=2, fn=-1))
    out = torch.tensor([[3.0, -3.0], [3.0, 3.0]])
    y = torch.tensor([[1.0, 1.0], [1.0, torch.nan]]).double()
    assert judge(head, out, y).values["profit"] == pytest.approx(((2 - 1) + 2) / 2)


def test_two_classes_may_be_named_too():
    head, _ = given("binary", profit=Value(amounts={"late": {"late": 40}, "on_time": {"late": -5}}))
    assert torch.equal(head.perspectives["profit"][2].matrix, two_by_two(tp=40, fp=-5, fn=0, tn=0))


@pytest.mark.parametrize(
    ("kind", "entry", "text"),
    [
        ("binary", lambda: Value(), "however: neither"),
        ("binary", lambda: Value(tp=1, amounts={"late": {"late": 1}}), "however: both"),
        ("multiclass", lambda: Value(tp=1), "of two classes, however: 3; take amounts"),
        ("multiclass", lambda: Value(amounts={"Rome": {"Oslo": 1}}), "however: Rome; did you mean Roma"),
        ("multiclass", lambda: Value(amounts={"Roma": {"Rom": 1}}), "however: Rom; did you mean Roma"),
        ("multilabel", lambda: Value(amounts={"a": {"b": 1}}), "it has several labels"),
        ("binary", lambda: Value(tp=1, prediction="probability"), "predictions must be classes, no probabilities"),
        ("regression", lambda: Value(tp=1), "predictions must be classes"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_training(kind, entry, text):
    with pytest.raises(ValueError, match=text):  # a ConfigError is one
        given(kind, profit=entry())


# --- the curve


def test_the_curve_is_what_every_threshold_is_worth():
    generator = torch.Generator().manual_seed(0)
    p = (torch.rand(200, generator=generator) * 30).round() / 30  # with ties
    y = (torch.rand(200, generator=generator) < p).long()
    amounts = two_by_two(tp=40, fp=-15, fn=-2, tn=1)
    thresholds, worth = worth_by_threshold(p, y, amounts)
    assert len(thresholds) == len(p.unique()) + (p.min() > 0)
    for t, value in zip(thresholds.tolist(), worth.tolist(), strict=True):
        gain = Gain(amounts)
        gain.update((p.double() > t).long(), y)
        assert value == pytest.approx(float(gain.compute()))


def test_the_picture_shows_the_threshold_that_decides_now():
    head, _ = given("binary", profit=Value(tp=40, fp=-5), f1=BinaryF1Score())
    out = torch.tensor([[-2.0], [0.5], [3.0], [-1.0]])
    found = value_curves(head.perspectives, head.predict(out), head.labels(torch.tensor([0, 1, 1, torch.nan]).double()))
    assert list(found) == ["profit_curve"]  # an F1 score has none
    (axes,) = found["profit_curve"].axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"exported: {1 / (1 + math.exp(-0.5)):.3g}" in labels  # the least probability that is class 1
    assert value_curve(torch.zeros(0), torch.zeros(0, dtype=torch.int64), two_by_two(tp=1, fp=0, fn=0, tn=0), 0.5)


# --- perspectives


@pytest.mark.parametrize(
    ("kind", "metric", "pair"),
    [
        ("binary", BinaryRecall(), ("class", "class")),
        ("binary", BinaryAUROC(), ("probability", "class")),
        ("multiclass", MulticlassRecall(3), ("class", "class")),
        ("multilabel", MultilabelF1Score(2, ignore_index=-1), ("classes", "classes")),
        ("ordinal", MeanAbsoluteError(), ("expected", "value")),
        ("ordinal", MulticlassRecall(3), ("class", "class")),
        ("neutral", BinaryAUROC(), ("probability", "decided")),
        ("regression", MeanAbsoluteError(), ("prediction", "y")),
        ("reframing", MeanAbsoluteError(), ("mean", "y")),
        ("reframing", Perspective(BinaryAUROC(), prediction="over_2"), ("over_2", "over_2")),
        ("reframing", Perspective(BinaryAUROC(), label="over_2"), ("over_2", "over_2")),
        ("reframing", Perspective(MeanAbsoluteError(), prediction="median"), ("median", "y")),
    ],
)
def test_prediction_and_label_are_what_the_metric_is_meant_for(kind, metric, pair):
    head, y = given(kind, mine=metric)
    assert head.perspectives["mine"][:2] == pair
    verdict = judge(head, head.constant(y, torch.ones(len(y))).expand(len(y), -1), y)
    assert math.isfinite(verdict.values["mine"])


def test_decisions_are_those_of_the_head_and_no_cut_at_one_half():
    head, _ = given("binary", found=BinaryRecall())
    head.predict = lambda out: {"probability": out[:, 0].sigmoid(), "class": (out[:, 0] > -1).long()}
    out, y = torch.tensor([[-0.5], [-0.5], [-3.0]]), torch.tensor([1.0, 1.0, 0.0]).double()
    assert judge(head, out, y).values["found"] == 1


def test_each_verdict_is_of_its_own_rows_alone():
    head, _ = given("binary", found=BinaryRecall())
    y = torch.tensor([1.0, 1.0, 0.0, 0.0]).double()
    up, down = torch.full((4, 1), 3.0), torch.full((4, 1), -3.0)
    assert [judge(head, out, y).values["found"] for out in (up, down, up)] == [1, 0, 1]
    assert metrics_of(head)["found"][2] is not metrics_of(head)["found"][2]


def test_a_head_with_perspectives_scripts_and_has_the_same_state():
    plain, (head, _) = Binary(2, LATE), given("binary", profit=Value(tp=1), found=BinaryRecall())
    assert list(head.state_dict()) == list(plain.state_dict())
    out = torch.randn(3, 1)
    script(head)
    assert torch.equal(head.predict(out)["class"], plain.predict(out)["class"])


@pytest.mark.parametrize(
    ("kind", "entries", "text"),
    [
        ("binary", {"auroc": BinaryAUROC()}, "metric.auroc must have a name of its own"),
        ("binary", {"loss": BinaryAUROC()}, "metric.loss must have a name of its own"),
        ("binary", {"a/b": BinaryAUROC()}, "named by letters"),
        ("binary", {"f1_trees": BinaryF1Score()}, "must not end as metrics of contenders do"),
        ("binary", {"m": Perspective(BinaryAUROC(), prediction="probabilty")}, "did you mean probability"),
        ("binary", {"m": Perspective(BinaryAUROC(), label="klass")}, "metric.m: label must be .*; did you mean class"),
        ("binary", {"m": BinaryRecall}, "metric.m: metric must be one of torchmetrics"),
        ("binary", {"m": MetricCollection([BinaryRecall()])}, "metric.m: metric must be one of torchmetrics"),
        ("binary", {"m": BinaryConfusionMatrix()}, r"metric.m must give one number, however: \(2, 2\)"),
        ("binary", {"m": MulticlassRecall(2, average=None)}, "metric.m must give one number"),
        ("multiclass", {"m": MulticlassRecall(2)}, r"metric.m must take prediction class \(N,\) int64 and label"),
        ("multiclass", {"m": MeanSquaredError()}, r"prediction probabilities \(N, 3\) float32 and label class \(N,\)"),
        ("regression", {"m": BinaryRecall()}, "metric.m must have a label of two classes, however: y has more"),
        ("ordinal", {"m": BinaryAUROC()}, "metric.m must have a label of two classes, however: value has more"),
    ],
)
def test_a_perspective_that_cannot_be_is_refused_before_training(kind, entries, text):
    with pytest.raises(ConfigError, match=text):
        given(kind, **entries)


# --- what is not defined is told, and no 0


@pytest.mark.parametrize(
    ("metric", "label", "said", "why"),
    [
        (BinaryRecall(), 0.0, 3.0, "no row of class 1"),
        (BinarySpecificity(), 1.0, 3.0, "no row of class 0"),
        (BinaryAUROC(), 1.0, 3.0, "one class only"),
        (BinaryPrecision(), 1.0, -3.0, "not finite"),  # nobody is said to be of class 1
    ],
)
def test_a_share_of_no_rows_is_no_number(metric, label, said, why):
    head, _ = given("binary", mine=metric)
    verdict = judge(head, torch.full((4, 1), said), torch.full((4,), label).double())
    assert "mine" not in verdict.values
    assert why in verdict.undefined["mine"]


def test_a_correlation_with_a_class_that_never_changes_is_no_number():
    head, _ = given("binary", mine=BinaryMatthewsCorrCoef())
    y = torch.tensor([0.0, 1.0, 1.0, 0.0]).double()
    assert "every row gets the same class" in judge(head, torch.full((4, 1), -3.0), y).undefined["mine"]
    assert judge(head, 6 * y.float().unsqueeze(1) - 3, y).values["mine"] == pytest.approx(1)


def test_a_share_of_some_rows_may_be_0():
    head, _ = given("binary", mine=BinaryPrecision(), found=BinaryRecall())
    values = judge(head, torch.tensor([[3.0], [-3.0]]), torch.tensor([0.0, 1.0]).double()).values
    assert (values["mine"], values["found"]) == (0, 0)
