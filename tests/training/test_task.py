"""The task trains by the head's loss, evaluates with the exported graph's bits, and stops at the first NaN."""

import re
from pathlib import Path

import lightning.pytorch as lightning
import pytest
import tiny
import torch
from torch import nn

from mlp_torch.head import Batch
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.run import quiet
from mlp_torch.training.batches import select
from mlp_torch.training.checkpoint_files import read
from mlp_torch.training.checkpoints import BestCheckpoint, LastCheckpoint
from mlp_torch.training.data import Data
from mlp_torch.training.task import NonFiniteLoss, Task, evaluate, outputs
from mlp_torch.training.tensorboard import is_logged

STEPS = 10  # an epoch: 583 training rows in batches of 64


@pytest.fixture(autouse=True)
def _quiet():
    quiet()


@pytest.fixture
def data() -> Data:
    return tiny.data()


def task_of(data: Data, **options) -> Task:
    torch.manual_seed(0)
    return Task(data.transform, data.target, tiny.model(data), **options)


def trainer_of(
    folder: Path, *callbacks: lightning.Callback, epochs: int = 3, every: int = 1, **options
) -> lightning.Trainer:
    return tiny.trainer(
        max_epochs=epochs,
        callbacks=[
            *callbacks,
            BestCheckpoint(str(folder)),
            LastCheckpoint(str(folder), every_n_steps=every),
        ],
        **options,
    )


class At(lightning.Callback):
    """Does something to the task when a step begins."""

    def __init__(self, step: int, act):
        self.step, self.act = step, act

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            self.act(pl_module, batch)


def assert_clean(folder: Path, step: int) -> None:
    """Both checkpoints are there, hold finite weights only, and the last is of a step before the fault."""
    for path in folder.glob("*.ckpt"):
        state = read(path)["state_dict"]
        assert all(
            torch.isfinite(x).all() for key, x in state.items() if key.startswith("model.") and "head" not in key
        )
    assert tiny.last(folder)["global_step"] == step
    assert {path.name.partition("_")[0] for path in folder.iterdir()} == {"step", "best"}


def test_a_poisoned_batch_stops_the_run_and_names_step_tensor_and_rows(tmp_path):
    data = tiny.data()
    poisoned: list[int] = []

    def poison(task, batch):
        batch.features["age"][3] = torch.nan
        batch.features["age"][9, 0] = torch.inf
        poisoned.extend(batch.row[[3, 9]].tolist())

    with pytest.raises(NonFiniteLoss) as error:
        trainer_of(tmp_path, At(14, poison)).fit(task_of(data), data)
    text = str(error.value)
    assert text.startswith(
        "the loss must be finite, however: step 14, first non-finite tensor: feature age; in 2 of 64 "
    )
    assert f"by fingerprint: {poisoned[0]}, {poisoned[1]};" in text
    assert_clean(tmp_path, 14)


def test_a_step_goes_down_the_loss_and_the_penalties(data):
    def gradient(l1):
        task = task_of(data)
        task.model.encoder.shares = {"city": (l1, 0.0)}
        task.trainer = lightning.Trainer(logger=False, accelerator="cpu")
        task.eval()  # no dropout, nothing hidden
        loss = task.training_step(select(data.tables["train"], torch.arange(64)), 0)
        loss.backward()
        return loss.item(), task.model.encoder.layers["city"].table.weight

    (plain, before), (penalised, after) = gradient(0.0), gradient(0.5)
    assert penalised == pytest.approx(plain + 0.5 * before.abs().sum().item())
    assert torch.allclose(after.grad - before.grad, 0.5 * before.sign())


def test_a_target_that_is_no_number_is_named(tmp_path):
    data = tiny.data()
    with pytest.raises(NonFiniteLoss, match=r"step 11, first non-finite tensor: target; in 1 of 64 rows"):
        trainer_of(tmp_path, At(11, lambda task, batch: batch.y[:1].fill_(torch.nan))).fit(task_of(data), data)
    assert_clean(tmp_path, 11)


def test_a_weight_that_is_no_number_is_named_and_never_saved(tmp_path, data):
    task = task_of(data)
    name, weight = next((name, p) for name, p in task.model.named_parameters() if name.startswith("backbone"))

    def spoil(task, batch):
        with torch.no_grad():
            weight[0, 0] = torch.nan

    with pytest.raises(
        NonFiniteLoss, match=rf"step 12, first non-finite tensor: weight {re.escape(name)}; in 64 of 64"
    ):
        trainer_of(tmp_path, At(12, spoil)).fit(task, data)
    assert_clean(tmp_path, 12)


class Hole(torch.autograd.Function):
    """The identity, whose slope is no number."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope * torch.nan


def test_a_gradient_that_is_no_number_stops_before_the_step_though_the_loss_is_finite(tmp_path, data):
    task = task_of(data)

    def cut(task, batch):
        task.model.backbone.register_forward_hook(lambda module, args, h: Hole.apply(h))

    with pytest.raises(NonFiniteLoss) as error:
        trainer_of(tmp_path, At(13, cut)).fit(task, data)
    assert "the gradient must be finite, however: step 13, first non-finite tensor: gradient of encoder." in str(
        error.value
    )
    assert_clean(tmp_path, 13)
    assert all(torch.isfinite(p).all() for p in task.model.parameters())


class Overflow(torch.optim.SGD):
    """A step that a finite gradient takes to infinity, at a step of its own."""

    steps = 0

    def step(self, closure=None):
        loss = super().step(closure)
        self.steps += 1
        if self.steps == 12:
            with torch.no_grad():
                self.param_groups[0]["params"][-1].fill_(torch.inf)
        return loss


def test_weights_that_overflow_in_a_step_are_not_saved_after_it(tmp_path, data):
    task = task_of(data, optimizer=lambda parameters: Overflow(list(parameters), lr=0.1))
    with pytest.raises(
        NonFiniteLoss, match=r"the weights must be finite, however: step 12, .*: weight head\.output\.bias"
    ):
        trainer_of(tmp_path).fit(task, data)
    assert_clean(tmp_path, 11)


def test_an_output_on_validation_rows_that_is_no_number_stops_the_run(tmp_path, data):
    data.tables["val"].features["age"][[0, 5], 0] = torch.inf
    n = len(data.tables["val"].y)
    with pytest.raises(NonFiniteLoss, match=rf"step {STEPS}, not so for 2 of {n} val rows"):
        trainer_of(tmp_path).fit(task_of(data), data)


def test_a_loss_on_validation_rows_that_is_no_number_stops_the_run(tmp_path, data):
    task = task_of(data)
    plain = task.model.loss
    task.model.loss = lambda out, batch: plain(out, batch) + (0 if task.model.training else torch.inf)
    with pytest.raises(NonFiniteLoss, match=rf"step {STEPS}, val rows, not finite: inf"):
        trainer_of(tmp_path).fit(task, data)


@pytest.mark.parametrize(("what", "at", "found"), [("loss", 12, 15), ("gradient", 7, 10)])
def test_on_a_device_that_is_asked_now_and_then_the_first_bad_step_is_named(tmp_path, data, what, at, found):
    def poison(task, batch):
        if what == "loss":
            batch.features["age"][3] = torch.nan
        else:
            task.model.head.output.weight.register_hook(lambda gradient: gradient * torch.inf)

    task = task_of(data)
    task.finite.every = 5
    told = (
        f"the {what} must be finite, however: step {at}, found after step {found} on cpu, which is asked every 5 step"
    )
    with pytest.raises(NonFiniteLoss, match=told):
        trainer_of(tmp_path, At(at, poison), every=200).fit(task, data)
    if at > STEPS:
        assert_clean(tmp_path, STEPS)


def test_a_step_that_was_not_looked_at_yet_is_found_before_anything_is_saved(tmp_path, data):
    task = task_of(data)
    task.finite.every = 1000

    def poison(task, batch):
        batch.features["age"][3] = torch.nan

    with pytest.raises(NonFiniteLoss, match=r"the loss must be finite, however: step 14, found after step 15"):
        trainer_of(tmp_path, At(14, poison)).fit(task, data)
    assert_clean(tmp_path, 14)


def test_a_clean_run_is_not_stopped(tmp_path, data):
    trainer_of(tmp_path).fit(task_of(data), data)
    assert_clean(tmp_path, 3 * STEPS)


def step_of(data: Data, batch: Batch, task: Task) -> torch.Tensor:
    """The loss of one training step without dropout."""
    task.trainer = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", barebones=True)
    task.trainer.log_every_n_steps = 0
    task.eval()
    task.on_train_batch_start(batch, 0)
    return task.training_step(batch, 0)


def test_the_loss_of_a_step_is_the_sum_of_weighted_losses_over_the_number_of_rows(data):
    task = task_of(data)
    batch = select(data.tables["train"], slice(0, 4))
    weight = torch.tensor([0.0, 1.0, 2.0, 5.0])
    losses = task.model.eval().loss(task.model(batch.features), batch).detach()
    expected = float((losses * weight).sum() / 4)  # over the weights' sum, rare heavy rows would count less
    assert step_of(data, batch._replace(weight=weight), task).item() == pytest.approx(expected, rel=1e-6)
    assert float(losses.mean()) != pytest.approx(expected, rel=1e-3)
    assert step_of(data, batch, task).item() == pytest.approx(float(losses.mean()), rel=1e-6)


def test_a_row_of_weight_two_pulls_as_two_rows(data):
    task = task_of(data)
    batch = select(data.tables["train"], slice(0, 3))
    weighed = step_of(data, batch._replace(weight=torch.tensor([2.0, 1.0, 1.0]) * 3 / 4), task)
    doubled = step_of(data, select(data.tables["train"], torch.tensor([0, 0, 1, 2])), task)
    assert weighed.item() == pytest.approx(doubled.item(), rel=1e-6)


def test_a_batch_whose_rows_weigh_nothing_teaches_nothing(data):
    task = task_of(data)
    batch = select(data.tables["train"], slice(0, 2))
    loss = step_of(data, batch._replace(weight=torch.zeros(2)), task)
    loss.backward()
    assert loss.item() == 0
    assert not any(p.grad.any() for p in task.model.parameters() if p.grad is not None)


def test_a_batch_of_one_row_trains(tmp_path):
    data = tiny.data()
    data.batch_size = len(data.tables["train"].y) - 1
    task = task_of(data)
    before = [p.clone() for p in task.model.parameters()]
    trainer_of(tmp_path, epochs=1).fit(task, data)
    assert tiny.last(tmp_path)["global_step"] == 2
    assert any(not torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


def test_outputs_of_a_table_are_those_of_its_rows_alone_bit_for_bit(data):
    task, table = task_of(data), data.tables["val"]
    together = outputs(task, table)
    assert together.shape == (len(table.y), 1)
    for row in (0, 7, len(table.y) - 1):
        assert torch.equal(outputs(task, select(table, slice(row, row + 1))), together[row : row + 1])


def test_outputs_of_an_empty_table_have_no_rows_and_the_same_width(data):
    assert outputs(task_of(data), select(data.tables["val"], slice(0, 0))).shape == (0, 1)


class Members(nn.Module):
    """A backbone of three members."""

    d_out, members = 4, 3

    def __init__(self, widths: dict[str, int]):
        super().__init__()
        self.layer = nn.Linear(sum(widths.values()), 12)

    def forward(self, x):
        return self.layer(x).view(-1, 3, 4)


def test_outputs_of_members_have_their_dimension_also_without_rows(data):
    encoder = Encoder(data.transform.named_columns())
    model = Single(encoder, Members(encoder.widths), Binary(4, data.target, members=3))
    task, table = Task(data.transform, data.target, model), data.tables["val"]
    assert outputs(task, table).shape == (len(table.y), 3, 1)
    assert outputs(task, select(table, slice(0, 0))).shape == (0, 3, 1)


def test_evaluation_pads_the_batch_and_takes_the_padding_off(data):
    model = tiny.model(data).eval()
    seen: list[int] = []
    model.encoder.register_forward_pre_hook(lambda module, args: seen.append(len(args[0]["age"])))
    features = {name: x[:5] for name, x in data.tables["val"].features.items()}
    assert evaluate(model, features).shape == (5, 1)
    assert seen == [32]


def test_frozen_parameters_are_not_given_to_the_optimizer(data):
    task = task_of(data)
    task.model.encoder.requires_grad_(False)
    held = {id(p) for group in task.configure_optimizers().param_groups for p in group["params"]}
    assert held == {id(p) for p in task.model.parameters() if p.requires_grad}
    assert held


def test_a_checkpoint_says_its_format_and_holds_transform_target_and_model(tmp_path, data):
    trainer_of(tmp_path, epochs=1).fit(task_of(data), data)
    checkpoint = tiny.last(tmp_path)
    assert checkpoint["format"] == 1
    assert {key.split(".")[0] for key in checkpoint["state_dict"]} == {"transform", "target", "model"}
    assert "columns.city.vocabulary" in str(checkpoint["state_dict"].keys())


def test_a_schedule_is_stepped_once_an_epoch(tmp_path, data):
    rates: list[float] = []

    class Rates(lightning.Callback):
        def on_train_batch_start(self, trainer, *args):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    task = task_of(data, scheduler=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    trainer_of(tmp_path, Rates(), epochs=2).fit(task, data)
    assert rates == [1e-3] * STEPS + [5e-4] * STEPS


@pytest.mark.parametrize(("every", "logged"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (5, []), (0, [])])
def test_every_nth_step_is_logged_and_none_where_n_is_zero(every, logged):
    trainer = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", log_every_n_steps=every)
    assert [step for step in range(1, 5) if is_logged(trainer, step)] == logged
