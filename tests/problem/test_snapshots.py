"""Snapshots: when a member is taken, and which of them learn and answer."""

from pathlib import Path

import pytest
import tiny
import torch
from test_contracts_heads import rows
from test_contracts_models import parts_of

from mlp_torch.problem.classification import Binary
from mlp_torch.problem.snapshots import Snapshots
from mlp_torch.verbs.train import main


def model(cycle: int = 2, most: int = 3) -> Snapshots:
    torch.manual_seed(0)
    return Snapshots(parts_of(Binary, {}, rows(Binary, 32)), cycle=cycle, most=most)


def learn(snapshots: Snapshots) -> torch.Tensor:
    """Changes the one that learns; gives a weight of it."""
    with torch.no_grad():
        for parameter in snapshots.live.parameters():
            parameter.add_(torch.randn_like(parameter))
    return snapshots.live.head.output.weight.detach().clone()


def test_the_weights_at_the_end_of_each_cycle_are_members() -> None:
    snapshots, ends = model(), []
    for epoch in range(5):
        snapshots.begin(epoch)
        ends.append(learn(snapshots))
    assert snapshots.taken == 2
    assert torch.equal(snapshots.earlier[0].head.output.weight, ends[1])
    assert torch.equal(snapshots.earlier[1].head.output.weight, ends[3])
    x = rows(Binary, 10).x
    assert snapshots.eval()({"x": x}).shape == (10, 3, 1)
    assert snapshots.train()({"x": x}).shape == (10, 1, 1)


def test_the_oldest_member_leaves_when_there_are_more_cycles_than_places() -> None:
    snapshots, ends = model(cycle=1, most=3), []
    for epoch in range(4):
        snapshots.begin(epoch)
        ends.append(learn(snapshots))
    kept = [member.head.output.weight for member in snapshots.earlier]
    assert torch.equal(kept[0], ends[2])
    assert torch.equal(kept[1], ends[1])


def test_a_cycle_that_is_begun_again_after_a_resume_takes_nothing_twice() -> None:
    snapshots = model()
    snapshots.begin(2)
    taken = snapshots.earlier[0].head.output.weight.clone()
    learn(snapshots)
    again = model()
    again.load_state_dict(snapshots.state_dict())
    for each in (snapshots, again):
        each.begin(2)
        each.begin(3)
        assert torch.equal(each.earlier[0].head.output.weight, taken)
        assert each.taken == 1


def test_earlier_members_never_train() -> None:
    snapshots = model()
    snapshots.begin(2)
    snapshots.train()
    assert snapshots.live.training
    assert not any(module.training for member in snapshots.earlier for module in member.modules())


@pytest.mark.parametrize(("cycle", "most"), [(0, 3), (2, 1)])
def test_impossible_cycles_are_refused(cycle: int, most: int) -> None:
    with pytest.raises(ValueError, match="cycle must be at least 1 and most at least 2, however"):
        model(cycle, most)


def trained(folder: Path, *overrides: str) -> int:
    return main([*tiny.experiment(folder), "model=snapshots", "scheduler=restarts", "model.cycle=2", *overrides])


def test_what_is_kept_is_the_end_of_a_cycle_and_patience_counts_cycles(tmp_path: Path) -> None:
    # with a rate like this validation is best at the start
    assert trained(tmp_path, "trainer.max_epochs=12", "callback.early_stopping.patience=1", "optimizer.lr=0.3") == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    assert tiny.last(run / "checkpoints")["epoch"] % 2 == 1  # from 0
    best = tiny.best(run / "checkpoints")
    assert best["epoch"] % 2 == 1
    assert best["state_dict"]["model._extra_state"]["taken"] == best["epoch"] // 2
    assert tiny.last(run / "checkpoints")["epoch"] == best["epoch"] + 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.max_epochs=1"], "trainer.max_epochs must be at least a cycle of 2 epochs, however: 1"),
        (
            ["trainer.max_epochs=9", "+trainer.check_val_every_n_epoch=3"],
            "trainer.check_val_every_n_epoch must divide a cycle of 2 epochs, so that its end is validated, however: 3",
        ),
        (
            ["trainer.max_epochs=null", "+trainer.max_steps=2"],
            "training must come to the end of 2 epochs with a validation that defines what callback.best monitors",
        ),
    ],
)
def test_training_without_the_end_of_a_cycle_is_refused(tmp_path: Path, capsys, overrides, message) -> None:
    with pytest.raises(SystemExit, match="2"):
        trained(tmp_path, *overrides)
    assert message in capsys.readouterr().err
