"""Slices and worst rows of heads of every kind; figures by scikit-learn or by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from mlp_torch.errors import ConfigError
from mlp_torch.evaluation.breakdown import Answers, aligned, chosen_metric
from mlp_torch.head import Head
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.reproducibility.slices import Slices
from mlp_torch.target import AtLeast, Category, Flags, Number

N = 240


def answers(kind: str) -> Answers:
    """A head's answers, noisy ones, to some rows; those with an odd number are harder."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(N, 3, generator=draw) * (1 + 3 * (torch.arange(N) % 2)).unsqueeze(1)
    value = torch.randn(N, generator=draw, dtype=torch.float64)
    index = torch.randint(3, (N,), generator=draw)
    head: Head
    if kind == "binary":
        head, y = Binary(1, AtLeast("d", 0)), (value > 0).double()
        out = (4 * y.float() - 2).unsqueeze(1) + noise[:, :1]
    elif kind == "multiclass":
        target = Category("c", classes=["a", "b", "c"])
        target.classes = ["a", "b", "c"]
        head, y = Multiclass(1, target), index.double()
        out = 2 * torch.nn.functional.one_hot(index, 3).float() + noise
    elif kind == "multilabel":
        head, y = Multilabel(1, Flags(["a", "b", "c"])), torch.nn.functional.one_hot(index, 3).double()
        out = 2 * y.float() - 1 + noise
    elif kind == "regression":
        head, y = Regression(1, Number("d")), value
        head.fit(y, torch.ones(N))
        out = head.link.out(y).float().unsqueeze(1) + noise[:, :1]
    else:
        head, y = Reframed(1, Number("d"), bins=3), value
        head.fit(y, torch.ones(N))
        out = noise
    best = head.constant(y, torch.ones(N)).expand(N, -1)
    with torch.no_grad():
        return Answers(head, head.predict(out), head.predict(best), y)


HALVES = Slices(["even", "odd"], torch.arange(N) % 2)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression", "reframing"])
def test_every_head_is_judged_by_slices_by_each_metric_that_tells(kind):
    found = answers(kind)
    usual = chosen_metric(found.head, None)
    first = found.by("parity", HALVES, usual)
    assert [item.rows for item in first.slices] == [N // 2] * 2
    if kind != "reframing":  # whose answers are noise alone
        assert [item.name for item in first.slices] == ["odd", "even"]  # the worse comes first
        assert "by the whole interval: odd" in "\n".join(first.lines())
    for item in first.slices:
        assert item.interval.low <= item.model.values[usual] <= item.interval.high
    assert first.lines()[0].split()[:4] == ["parity", "rows", usual, "95"]
    score, rows, values = found.worst()
    assert len(rows) == 20
    assert values.tolist() == sorted(values.tolist(), reverse=True)
    assert score == {"regression": "absolute error", "reframing": "crps"}.get(kind, "log_loss")


def test_the_figures_of_a_slice_are_those_of_scikit_learn():
    found = answers("binary")
    p, y = found.predictions["probability"].numpy(), found.y.numpy()
    for item in found.by("parity", HALVES, "auroc").slices:
        rows = np.arange(N) % 2 == (item.name == "odd")
        assert item.model.values["auroc"] == pytest.approx(roc_auc_score(y[rows], p[rows]))
        assert item.model.values["log_loss"] == pytest.approx(log_loss(y[rows], p[rows]), abs=1e-6)


def test_the_worst_rows_are_those_of_the_largest_score():
    found = answers("regression")
    errors = (found.predictions["prediction"].double() - found.y).abs()
    _, rows, values = found.worst()
    assert rows.tolist() == sorted(range(N), key=lambda row: -errors[row])[:20]
    assert values[0] == errors.max()


def test_a_slice_without_a_figure_comes_last():
    found = answers("binary")
    slices = Slices(["one class", "both"], (found.y != 1).long() | (torch.arange(N) % 3 == 0).long())
    last = found.by("field", slices, "auroc").slices[-1]
    assert (last.name, last.interval) == ("one class", None)
    assert math.isfinite(last.model.values["log_loss"])


def test_names_that_hold_a_comma_are_told_apart_and_one_slice_more_is_one():
    found = answers("binary")
    names = ["Drama", "Action, Drama", *(f"{i}, x" for i in range(19))]
    shown = found.by("genres", Slices(names, torch.arange(N) % 21), "auroc")
    assert "… and 1 slice more; --json has all" in shown.lines()
    one_class = found.y.long() * (1 + torch.arange(N) % 2)  # 0 = all of class 0; 1 and 2 = all of class 1
    told = found.by("genres", Slices(["Horror", "Drama", "Action, Drama"], one_class), "auroc").findings()
    assert 'auroc is not defined (one class only: 1) for Drama, "Action, Drama"' in told


def test_metrics_that_tell_nothing_or_are_not_there_order_no_slices():
    head = answers("reframing").head
    assert chosen_metric(head, "mae") == "mae"
    for name in ("coverage_90", "crsp"):
        with pytest.raises(ConfigError, match="--metric must be a metric that tells better from worse"):
            chosen_metric(head, name)


def test_a_line_holds_as_many_columns_as_fit():
    lines = aligned([["field", "a"], *([f"metric_{i:02}", "0.5"] for i in range(40))])
    assert len({len(line) for line in lines}) == 1
    assert 90 < len(lines[0]) <= 110
