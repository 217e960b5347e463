"""Rare classes count for more in training, and served probabilities are still those of the data."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.head import Batch, Head
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.rebalancing import ClassWeights, Rebalancing, told
from mlp_torch.problem.slices import MajoritySlices
from mlp_torch.script import script
from mlp_torch.target import AtLeast, Category, Flags, Number, Target
from mlp_torch.training.batches import Batches

LATE = AtLeast("delay", 15, classes=("on time", "late"))
NAMES = ["usual", "seldom", "rare"]


def three() -> Target:
    target = Category("kind", classes=NAMES)
    target.fit({}, lambda read: list(enumerate(NAMES, start=11)))
    return target


class World:
    """Rows whose true probabilities are known: softmax of a linear function of two numbers."""

    def __init__(self, classes: int, rows: int = 60_000, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        self.target = LATE if classes == 2 else three()
        self.x = torch.randn(rows, 2, generator=draw)
        slope = torch.tensor([[0.0, 0.0], [1.5, -0.5], [0.5, 1.0]])[:classes]
        bias = torch.tensor([0.0, -3.5, -4.5])[:classes]
        self.p = (self.x @ slope.T + bias).double().softmax(dim=1)  # (N, n)
        self.y = torch.multinomial(self.p, 1, generator=draw).squeeze(1).double()
        self.weight = torch.ones(rows)
        self.row = torch.arange(rows)

    @property
    def batch(self) -> Batch:
        return Batch({"x": self.x}, self.y, self.weight, self.row)

    def head(self, sampling: Tensor | None, *, members: int = 1) -> Head:
        torch.manual_seed(0)
        kind = Binary if len(self.target.classes) == 2 else Multiclass
        head: Head = kind(2, self.target, members=members)
        head.fit(self.y, self.weight, sampling)
        return head


def learn(head: Head, loss: Callable[[Tensor], Tensor], x: Tensor) -> Head:
    """The head that minimises a loss of its `out`: a logistic regression, without noise of steps."""
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = loss(head.train()(x))
        found.backward()
        return found

    optimizer.step(closure)
    return head.eval()


def weighed(world: World) -> Head:
    sampling = ClassWeights(world.target)(world.y, world.weight)
    head = world.head(sampling)
    return learn(head, lambda out: (head.loss(out, world.batch) * sampling).mean(), world.x)


def drawn(world: World) -> Head:
    sampling = ClassWeights(world.target)(world.y, world.weight)
    head = world.head(sampling)
    table = next(iter(Batches(world.batch, len(world.y), at=lambda: (0, 0), draw=sampling)))
    share = torch.bincount(table.y.long()) / len(table.y)
    assert share.tolist() == pytest.approx([1 / len(share)] * len(share), abs=0.01)  # it was rebalanced indeed
    return learn(head, lambda out: head.loss(out, table).mean(), table.features["x"])


def sliced(world: World) -> Head:
    """An ensemble whose members see all rare rows and a tenth of the others each."""
    slices = MajoritySlices()
    slices.fit(world.y, world.weight)
    share = slices(world.row, world.y, 10)  # (N, k)
    head = world.head(slices.sampling(world.y, world.weight, 10), members=10)
    repeated = Batch({}, world.y.repeat_interleave(10), world.weight.repeat_interleave(10), world.row)

    def loss(out: Tensor) -> Tensor:
        return (head.loss(out.flatten(0, 1), repeated).view(-1, 10) * share).sum() / share.sum()

    return learn(head, loss, world.x.unsqueeze(1).expand(-1, 10, -1))


class Served(nn.Module):
    """The graph from numbers to what is predicted."""

    def __init__(self, head: Head):
        super().__init__()
        self.head, self.members = head, head.members

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        if self.members > 1:
            return self.head.predict(self.head.average(self.head(x.unsqueeze(1).expand(-1, self.members, -1))))
        return self.head.predict(self.head(x))


@torch.no_grad()
def probabilities(head: Head, world: World) -> Tensor:
    """(N, n) of the scripted graph, as it is served."""
    found: Tensor = script(Served(head))(world.x)[head.point].double()
    return found if found.dim() == 2 else torch.stack([1 - found, found], dim=1)


@pytest.mark.parametrize("way", [weighed, drawn, sliced])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_come_back_at_the_base_rate_and_at_the_known_truth(way: Any, classes: int) -> None:
    world = World(classes)
    head = way(world)
    p = probabilities(head, world)
    base = torch.bincount(world.y.long()) / len(world.y)
    assert base[1] < 0.1
    assert p.mean(dim=0).tolist() == pytest.approx(base.tolist(), abs=0.005)
    assert float((p - world.p).abs().mean()) < 0.005
    head.get_buffer("shift").zero_()  # without the correction it would be far off
    assert float((probabilities(head, world) - world.p).abs().mean()) > 0.1


def test_bias_and_weights_of_the_data_at_once_would_count_the_imbalance_twice() -> None:
    """The trap: weighed rows beside an output bias, or a correction, at another prior than theirs."""
    world = World(2)
    sampling = ClassWeights(LATE)(world.y, world.weight)
    right, twice = world.head(sampling), world.head(None)  # twice: bias of the data, and no correction
    assert right.output.bias.item() == pytest.approx(0.0, abs=1e-5)
    assert twice.output.bias.item() < -2.5
    at_start = Batch({}, world.y, world.weight, world.row)
    zero = torch.zeros(len(world.y), 1)
    losses = [(h.train().loss(zero + h.output.bias, at_start) * sampling).mean().item() for h in (right, twice)]
    assert losses[0] == pytest.approx(math.log(2), rel=1e-4)  # as good as a constant can be
    assert losses[1] > 1.9 * losses[0]
    served = right.eval().predict(right.output.bias.detach())["probability"].item()
    assert served == pytest.approx(float(world.y.mean()), abs=1e-6)
    wrong = learn(twice, lambda out: (twice.loss(out, world.batch) * sampling).mean(), world.x)
    assert float(probabilities(wrong, world)[:, 1].mean()) > 4 * float(world.y.mean())


def test_in_training_the_loss_is_that_of_the_rebalanced_rows_and_in_evaluation_that_of_the_data() -> None:
    y, even = torch.tensor([1.0, 0.0, 0.0, 0.0]).double(), torch.tensor([3.0, 1.0, 1.0, 1.0])
    batch, out = Batch({}, y, torch.ones(4), torch.arange(4)), torch.zeros(4, 1)
    head = Binary(2, LATE)
    head.fit(y, torch.ones(4), even)
    assert head.train().loss(out, batch).tolist() == pytest.approx([math.log(2)] * 4)
    assert head.eval().loss(out, batch).tolist() == pytest.approx([-math.log(0.25)] + [-math.log(0.75)] * 3)
    best = head.constant(y, torch.ones(4)).expand(4, 1)  # the constant is best for both
    assert head.loss(best, batch).mean().item() == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    many = Multiclass(2, three())
    labels = torch.tensor([0.0, 0.0, 1.0, 2.0]).double()
    many.fit(labels, torch.ones(4), torch.tensor([0.5, 0.5, 1.0, 1.0]))
    rows = Batch({}, labels, torch.ones(4), torch.arange(4))
    assert many.train().loss(torch.zeros(4, 3), rows).tolist() == pytest.approx([math.log(3)] * 4)
    assert many.eval().loss(torch.zeros(4, 3), rows).tolist() == pytest.approx([math.log(x) for x in (2, 2, 4, 4)])


def test_power_one_is_what_scikit_learn_calls_balanced() -> None:
    y = np.array([0] * 70 + [1] * 25 + [2] * 5)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)[y]
    found = ClassWeights(three())(torch.from_numpy(y).double(), torch.ones(100))
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_a_power_lies_between_nothing_and_balanced_and_keeps_the_sum() -> None:
    y = torch.tensor([0.0] * 96 + [1.0] * 4).double()
    found = {power: ClassWeights(LATE, power=power)(y, torch.ones(100)) for power in (0.0, 0.5, 1.0)}
    assert found[0.0].tolist() == [1.0] * 100
    assert float(found[0.5][-1] / found[0.5][0]) == pytest.approx(math.sqrt(96 / 4), rel=1e-6)
    assert float(found[1.0][-1] / found[1.0][0]) == pytest.approx(96 / 4, rel=1e-6)
    assert [float(x.sum()) for x in found.values()] == pytest.approx([100.0] * 3)


def test_the_rows_own_weights_count_in_the_frequencies_and_stay() -> None:
    y, weight = torch.tensor([0.0, 0.0, 1.0]).double(), torch.tensor([1.0, 3.0, 2.0])
    found = ClassWeights(LATE)(y, weight)
    assert found.tolist() == pytest.approx([0.75, 2.25, 3.0])  # by hand: 4 and 2 of 6 become 3 and 3


def test_weights_by_class_name_stand_in_the_place_of_frequencies() -> None:
    y = torch.tensor([0.0, 1.0, 2.0, torch.nan]).double()
    found = ClassWeights(three(), weights={"rare": 4, "usual": 1})(y, torch.ones(4))
    assert found[:3].tolist() == pytest.approx([0.5, 0.5, 2.0])  # 1 : 1 : 4, with a sum of 3
    assert found[3] == 0  # no label
    assert ClassWeights(three())(torch.zeros(2).double(), torch.ones(2)).tolist() == [1, 1]  # absent classes


def test_a_target_that_is_no_class_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r'rebalanced_number: column "price": class weights need classes.*rebalancing'):
        ClassWeights(Number("price"))
    rule = ClassWeights(Flags(["drama", "comedy"]))
    with pytest.raises(DataError, match=r"rebalanced_labels.*several labels a row"):
        rule(torch.zeros(3, 2).double(), torch.ones(3))


def test_impossible_options_are_refused_with_the_key() -> None:
    for options, message in (
        ({"power": 1.5}, r"rule\.power must be from 0 to 1, however: power=1\.5"),
        ({"power": math.nan}, r"rule\.power must be from 0 to 1"),
        ({"weights": {"latte": 2}}, r"must name classes of the target, however: latte; did you mean late\?"),
        ({"weights": {"late": 0}}, r"weights\.late must be more than 0 and finite, however: 0"),
        ({"weights": {"late": math.inf}}, r"weights\.late must be more than 0 and finite"),
    ):
        with pytest.raises(ConfigError, match=message):
            ClassWeights(LATE, **options)
    with pytest.raises(ConfigError, match=r"rebalancing\.use must be weigh or draw, however: use='wiegh'"):
        Rebalancing(ClassWeights, use="wiegh")  # type: ignore[arg-type]


def test_a_note_tells_the_shares_before_and_after() -> None:
    y = torch.tensor([0.0, 0.0, 0.0, 1.0]).double()
    note = told(LATE, y, torch.ones(4), ClassWeights(LATE)(y, torch.ones(4)), use="weigh")
    assert note == (
        "rebalancing weighs rows of training: share of class late 25.00% → 50.00%, on time 75.00% → 50.00%; "
        "predictions are corrected to the former"
    )


def test_accuracy_does_not_tell_a_rebalanced_model_from_one_that_knows_nothing() -> None:
    """The trap: a gain measured by accuracy. Of rare events the constant is right almost always."""
    world = World(2)
    p = probabilities(weighed(world), world)[:, 1]
    y = world.y.numpy()
    never = accuracy_score(y, np.zeros(len(y)))
    assert never > 0.9
    assert abs(accuracy_score(y, p > 0.5) - never) < 0.01  # no difference to speak of
    assert average_precision_score(y, p) > 3 * y.mean()  # where the metric for it shows one
