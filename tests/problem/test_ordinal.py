"""Golden values: scikit-learn, and arithmetic by hand."""

import math
from itertools import pairwise

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.problem.ordinal import Ordinal
from mlp_torch.problem.scores import rps
from mlp_torch.target import Category, Number


def rating(*names: str) -> Category:
    target = Category("rating", classes=list(names))
    target.fit({}, lambda read: list(enumerate(names, start=11)))
    return target


STARS = rating("1", "2", "3", "4", "5")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def with_cutpoints(*gaps: float, members: int = 1) -> Ordinal:
    """A head whose score is its input, with cutpoints 0, gaps[0], gaps[0] + gaps[1], …"""
    names = [str(i) for i in range(len(gaps) + 2)]
    head = Ordinal(1, rating(*names), members=members).double()
    with torch.no_grad():
        head.output.weight.fill_(1)
        head.output.bias.zero_()
        head.log_gaps.copy_(doubles(*gaps).log())
    return head


def test_class_probabilities_are_differences_of_cumulative_logits() -> None:
    out = with_cutpoints(1.5, 2.0)(doubles(0.3).unsqueeze(1))
    cumulative = [0, sigmoid(0 - 0.3), sigmoid(1.5 - 0.3), sigmoid(3.5 - 0.3), 1]
    wanted = [high - low for low, high in pairwise(cumulative)]
    assert out.exp()[0].tolist() == pytest.approx(wanted, rel=1e-12)


def test_the_loss_is_the_negative_logarithm_of_the_cumulative_logit_likelihood() -> None:
    head = with_cutpoints(1.5)
    h, y = doubles(0.3, -2.0, 4.0).unsqueeze(1), doubles(1, 0, 0)
    found = head.loss(head(h), Batch({}, y, torch.ones(3), torch.arange(3)))
    wanted = [-math.log(sigmoid(1.2) - sigmoid(-0.3)), -math.log(sigmoid(2)), -math.log(sigmoid(-4))]
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)


def test_far_scores_keep_their_logarithms() -> None:
    out = with_cutpoints(1.0)(doubles(200.0, -200.0).unsqueeze(1))  # differences of sigmoids are 0 in float64
    between = 1 + math.log(1 - math.exp(-1))
    assert out[0].tolist() == pytest.approx([-200, -200 + between, 0.0], abs=1e-9)
    assert out[1].tolist() == pytest.approx([0.0, -200 + math.log(1 - math.exp(-1)), -201], abs=1e-9)


def test_cutpoints_never_cross_whatever_is_learned() -> None:
    head = with_cutpoints(1.0, 1.0, 1.0)
    with torch.no_grad():
        head.log_gaps.copy_(torch.tensor([-30.0, 3.0, -80.0]))
    out = head(torch.linspace(-50, 50, 101, dtype=torch.float64).unsqueeze(1))
    assert bool(out.isfinite().all())
    assert torch.allclose(out.exp().sum(dim=1), torch.ones(101).double())


def test_each_member_has_cutpoints_of_its_own() -> None:
    head = with_cutpoints(1.0, members=2)
    with torch.no_grad():
        head.log_gaps.copy_(doubles(1.0, 3.0).log().unsqueeze(1))
    out = head(torch.zeros(1, 2, 1).double())
    for member, gap in enumerate((1.0, 3.0)):
        assert out[0, member].tolist() == pytest.approx(with_cutpoints(gap)(torch.zeros(1, 1).double())[0].tolist())


def test_two_classes_are_a_logistic_regression() -> None:
    out = with_cutpoints()(doubles(0.7).unsqueeze(1))
    assert out.exp()[0].tolist() == pytest.approx([sigmoid(-0.7), sigmoid(0.7)], rel=1e-12)


def test_planted_cutpoints_are_found() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, generator=draw)
    u = torch.rand(20_000, generator=draw)
    latent = 1.5 * x[:, 0] + (u / (1 - u)).log()  # logistic noise
    y = torch.bucketize(latent, torch.tensor([-1.0, 0.5, 3.0])).double()
    head = Ordinal(1, rating("1", "2", "3", "4"))
    weight = torch.ones(len(y))
    head.fit(y, weight)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = head.loss(head(x), Batch({}, y, weight, y)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert head.output.weight.item() == pytest.approx(1.5, abs=0.05)
    assert head.output.bias.item() == pytest.approx(1.0, abs=0.05)
    assert head.log_gaps.exp()[0].tolist() == pytest.approx([1.5, 2.5], abs=0.1)


def test_expected_value_and_median_class_are_read_from_the_probabilities() -> None:
    p = torch.tensor([[0.4, 0.0, 0.2, 0.3, 0.1], [0.0, 0.5, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0, 1.0]])
    found = Ordinal(1, STARS).predict(p.log())
    assert found["expected"].tolist() == pytest.approx([0.4 + 0.6 + 1.2 + 0.5, 3.5, 5.0])
    assert found["class"].tolist() == [0, 1, 4]
    assert found["median_class"].tolist() == [2, 1, 4]  # in the second row both 2 and 5 are off by as much


def test_classes_that_are_words_have_no_mean() -> None:
    head = Ordinal(1, rating("poor", "fair", "good"))
    assert "expected" not in head.predict(torch.zeros(1, 3))
    assert "rmse" not in head.metrics()
    assert set(head.labels(doubles(0))) == {"class"}
    assert head.point == "probabilities"
    assert Ordinal(1, STARS).point == "expected"


def test_numbers_sorted_as_text_are_refused_and_falling_ones_are_an_order() -> None:
    with pytest.raises(DataError, match=r'unordered_classes: column "rating": .* however: 1, 10, 2.*data.target.class'):
        Ordinal(1, rating("1", "10", "2"))
    found = Ordinal(1, rating("3", "2", "1")).predict(torch.tensor([[0.5, 0.25, 0.25]]).log())
    assert found["expected"].tolist() == [2.25]


def test_a_number_as_target_is_called_continuous() -> None:
    with pytest.raises(DataError, match="continuous_target"):
        Ordinal(1, Number("rating"))


def test_metrics_equal_those_of_scikit_learn() -> None:
    draw = torch.Generator().manual_seed(0)
    head = Ordinal(1, STARS)
    out, y = torch.randn(500, 5, generator=draw), torch.randint(0, 5, (500,), generator=draw).double()
    predictions, labels = head.predict(out), head.labels(y)
    found = {
        name: float(metric(predictions[said], labels[true])) for name, (said, true, metric) in head.metrics().items()
    }
    p = out.double().softmax(dim=1)
    best, expected = p.argmax(dim=1), (p * torch.arange(1, 6)).sum(dim=1)
    median = (p.cumsum(dim=1) < 0.5).sum(dim=1)
    kappa = sklearn_metrics.cohen_kappa_score(y, best, weights="quadratic")
    assert found["kappa"] == pytest.approx(kappa, abs=1e-6)
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(y, median), rel=1e-6)
    assert found["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(y + 1, expected), rel=1e-6)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, p.numpy()), rel=1e-6)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(y, best), rel=1e-6)


def test_the_ranked_probability_score_adds_up_squared_gaps_of_cumulative_probabilities() -> None:
    p = torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]])
    by_hand = [(0.2 - 1) ** 2 + (0.5 - 1) ** 2, 0.2**2 + 0.5**2]  # of the first class, of the last
    assert rps(p, torch.tensor([0, 2])).tolist() == pytest.approx(by_hand, rel=1e-6)
    certain = torch.eye(5)[[4, 4, 0]]
    assert rps(certain, torch.tensor([1, 4, 3])).tolist() == [3, 0, 3]  # ranks that it is off


def test_the_first_answer_is_the_shares_of_training_rows_and_a_rare_class_has_one() -> None:
    head = Ordinal(3, STARS, members=2)
    y = doubles(0, 0, 1, 3, 3, 3, 4, 4)  # no row of the middle class
    head.fit(y, torch.ones(8))
    p = head.predict(head.average(head(torch.zeros(1, 2, 3))))["probabilities"]
    counts = doubles(2, 1, 0.5, 3, 2)
    assert p[0].tolist() == pytest.approx((counts / counts.sum()).tolist(), rel=1e-5)


def test_probabilities_are_those_of_the_data_when_training_draws_other_rows() -> None:
    y, even = doubles(0, 0, 1, 2), torch.tensor([0.5, 0.5, 1.0, 1.0])
    head = Ordinal(2, rating("1", "2", "3"))
    head.fit(y, torch.ones(4), even)
    out = head(torch.zeros(1, 2))
    assert out.exp()[0].tolist() == pytest.approx([1 / 3] * 3, rel=1e-5)
    assert head.predict(out)["probabilities"][0].tolist() == pytest.approx([0.5, 0.25, 0.25], rel=1e-5)


def test_values_of_missing_labels_are_missing() -> None:
    found = Ordinal(1, STARS).labels(doubles(4, torch.nan))
    assert found["class"].tolist() == [4, -1]
    assert found["value"][0] == 5
    assert bool(found["value"][1].isnan())
