"""Golden values: scikit-learn, and arithmetic by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.multilabel import Multilabel
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
