"""Golden values: scikit-learn, every threshold tried one by one, and arithmetic by hand."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.problem.thresholds import (
    AtPrecision,
    AtRecall,
    BestF,
    BestValue,
    Fixed,
    Rule,
    cuts,
    outcomes,
    rule_of,
    told,
)


def drawn(n: int = 300, digits: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities (with ties where they are rounded), labels that follow them, whole weights."""
    draw = torch.Generator().manual_seed(0)
    p = torch.rand(n, generator=draw)
    y = (torch.rand(n, generator=draw) < p**2).long()
    weight = torch.randint(1, 4, (n,), generator=draw).float()
    return (p if digits is None else (p * 10**digits).round() / 10**digits), y, weight


def judged(rule: Rule, p: Tensor, y: Tensor, weight: Tensor, threshold: float) -> float:
    """What a threshold is worth, from the rows themselves."""
    return float(rule.score(outcomes(p.double() > threshold, y, weight, threshold)))


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize(
    "rule",
    [
        BestF(),
        BestF(2.0),
        BestValue(tp=40, fp=-5),
        BestValue(fn=-3, tn=1),
        AtRecall(0.8),
        AtPrecision(0.7),
    ],
)
def test_no_other_threshold_is_worth_more_and_no_higher_one_as_much(rule: Rule, digits: int | None) -> None:
    p, y, weight = drawn(digits=digits)
    found = rule.find(p, y, weight)
    best = judged(rule, p, y, weight, found)
    for other in np.linspace(0.0005, 0.9995, 1000):
        worth = judged(rule, p, y, weight, other)
        assert worth <= best + 1e-12
        same = torch.equal(p.double() > other, p.double() > found)
        assert other <= found or same or worth < best


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_best_f_is_that_of_scikit_learn(beta: float) -> None:
    p, y, weight = drawn()
    found = BestF(beta).find(p, y, weight)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(y, p, sample_weight=weight)
    best = max((1 + beta**2) * precision * recall / np.maximum(beta**2 * precision + recall, 1e-12))
    score = sklearn_metrics.fbeta_score(y, p.numpy() > found, beta=beta, sample_weight=weight.numpy())
    assert score == pytest.approx(best, abs=1e-12)


def test_cuts_count_what_scikit_learn_counts() -> None:
    p, y, weight = drawn(digits=2)
    for threshold, tp, fp, fn, tn in zip(*(column.tolist() for column in cuts(p, y, weight)), strict=True):
        matrix = sklearn_metrics.confusion_matrix(y, p.double().numpy() > threshold, sample_weight=weight.numpy())
        assert matrix.tolist() == [[tn, fp], [fn, tp]]


def test_the_value_weighs_outcomes_by_hand() -> None:
    p, y = torch.tensor([0.2, 0.4, 0.6, 0.8]), torch.tensor([1, 0, 0, 1])
    # from the highest cut: nothing 0; .8: 40; .8 .6: 35; .8 .6 .4: 30; all: 70
    rule = BestValue(tp=40, fp=-5)
    assert (4 * rule.score(cuts(p, y, torch.ones(4)))).tolist() == pytest.approx([0, 40, 35, 30, 70])
    assert rule.find(p, y, torch.ones(4)) == pytest.approx(0.1)
    assert BestValue(tp=4, fp=-5).find(p, y, torch.ones(4)) == pytest.approx(0.7)
    assert BestValue(tp=2, fp=-5).find(p, 1 - y, torch.ones(4)) == pytest.approx(0.9)  # nobody: 0, -5, -3, -1, -6


def test_with_right_probabilities_the_best_value_lies_at_the_ratio_of_costs() -> None:
    draw = torch.Generator().manual_seed(1)
    p = torch.rand(200_000, generator=draw, dtype=torch.float64)
    y = torch.rand(200_000, generator=draw, dtype=torch.float64) < p
    # a case is worth calling where p · 40 > (1 - p) · 10
    assert BestValue(tp=40, fp=-10).find(p, y.long(), torch.ones(len(y))) == pytest.approx(0.2, abs=0.02)


def test_the_recall_asked_for_is_reached_by_the_highest_threshold() -> None:
    p, y = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]), torch.tensor([1, 1, 0, 1, 1])
    for recall, threshold in ((0.25, 0.8), (0.5, 0.6), (0.51, 0.2), (1.0, 0.05)):
        assert AtRecall(recall).find(p, y, torch.ones(5)) == pytest.approx(threshold)


def test_of_thresholds_with_the_precision_that_of_the_highest_recall_is_found() -> None:
    p, y = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]), torch.tensor([0, 1, 1, 0, 1])
    # precision from the highest cut: 1, 1/2, 2/3, 3/4, 3/5
    for precision, threshold in ((1.0, 0.8), (0.75, 0.2), (0.7, 0.2), (0.6, 0.2)):
        assert AtPrecision(precision).find(p, y, torch.ones(5)) == pytest.approx(threshold)


def test_a_precision_that_no_threshold_has_is_told_with_the_highest() -> None:
    p, y = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([1, 1, 0])
    rule = AtPrecision(0.9)
    threshold = rule.find(p, y, torch.ones(3))
    assert threshold == pytest.approx(0.1)  # 2 of 3, against 1 of 2
    said = told(rule, outcomes(p.double() > threshold, y, torch.ones(3), threshold), y)
    assert said.startswith("WARNING: threshold 0.1: precision 0.667")
    assert "no threshold reaches precision 0.9, the highest is 0.667" in said
    assert told(AtPrecision(0.6), outcomes(p.double() > threshold, y, torch.ones(3), threshold), y).startswith("thres")


def test_rows_of_equal_probability_stay_together() -> None:
    p, y = torch.tensor([0.5, 0.5, 0.5, 0.9]), torch.tensor([1, 0, 0, 0])
    assert cuts(p, y, torch.ones(4)).threshold.tolist() == pytest.approx([0.95, 0.7, 0.25])


def test_a_threshold_lies_between_neighbours_that_float32_hardly_tells_apart() -> None:
    p = torch.tensor([0.3, 0.30000004])
    threshold = BestF().find(p, torch.tensor([0, 1]), torch.ones(2))
    assert (p.double() > threshold).tolist() == [False, True]


def test_no_threshold_lies_below_a_probability_of_zero() -> None:
    p, y = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1, 1, 0])
    for rule in (BestF(), AtRecall(1.0)):
        threshold = rule.find(p, y, torch.ones(3))
        assert 0 < threshold <= 1
    assert AtRecall(1.0).missed(outcomes(p.double() > 0.5, y, torch.ones(3), 0.5)) != ""


@pytest.mark.parametrize("rule", [BestF(), BestValue(tp=1, fp=-1), AtRecall(0.5), AtPrecision(0.5), Fixed(0.4)])
def test_rows_of_one_class_of_one_probability_and_none_give_a_threshold(rule: Rule) -> None:
    for p, y in (([0.3, 0.6], [0, 0]), ([0.3, 0.6], [1, 1]), ([0.4, 0.4], [0, 1]), ([], [])):
        found = rule.find(torch.tensor(p), torch.tensor(y), torch.ones(len(y)))
        assert 0 < found <= 1
    assert rule.find(torch.tensor([0.9]), torch.tensor([1]), torch.zeros(1)) == rule.start


def test_the_order_of_rows_and_whole_weights_as_copies_change_nothing() -> None:
    p, y, weight = drawn(digits=2)
    order = torch.randperm(len(p), generator=torch.Generator().manual_seed(3))
    copies = [x.repeat_interleave(weight.long()) for x in (p, y)]
    for rule in (BestF(), BestValue(tp=3, fp=-2), AtRecall(0.7), AtPrecision(0.6)):
        found = rule.find(p, y, weight)
        assert rule.find(p[order], y[order], weight[order]) == found
        assert rule.find(*copies, torch.ones(len(copies[0]))) == found


def test_a_number_is_a_rule_that_seeks_nothing() -> None:
    rule = rule_of(0.3)
    assert (rule.start, rule.searches, rule.find(*drawn())) == (0.3, False, 0.3)
    assert rule_of(BestF()).searches


def test_what_makes_no_sense_is_refused_with_its_value() -> None:
    for threshold in (0.0, 1.0, 40):
        with pytest.raises(ValueError, match=f"threshold must be above 0 and below 1, however: threshold={threshold}"):
            rule_of(threshold)
    with pytest.raises(ValueError, match=r"recall must be above 0 and at most 1, however: recall=1.5"):
        AtRecall(1.5)
    with pytest.raises(ValueError, match=r"precision must be above 0 and at most 1, however: precision=0"):
        AtPrecision(0)
    with pytest.raises(ValueError, match=r"beta must be above 0, however: beta=0"):
        BestF(0)
    with pytest.raises(ValueError, match=r"tp > fn and tn > fp.*tp=-1, fp=0.0"):
        BestValue(tp=-1)


def test_an_f_measure_without_positive_rows_is_told_loudly() -> None:
    p, y, weight = torch.tensor([0.2, 0.6]), torch.zeros(2), torch.ones(2)
    found = BestF().find(p, y, weight)
    note = told(BestF(), outcomes(p.double() > found, y, weight, found), y)
    assert note.startswith("WARNING: threshold 0.8: ")
    assert "without a positive row" in note
