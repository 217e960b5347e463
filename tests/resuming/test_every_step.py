"""A short version of an experiment goes on from each of its steps to the same bits; what does not is found."""

from pathlib import Path

import pytest
import staged
import tiny
from real import needs

from mlp_torch.configuration import composed
from mlp_torch.datasets import california, movielens, reviews
from mlp_torch.resuming import every_step
from mlp_torch.resuming.every_step import shortened, verify
from mlp_torch.run import quiet
from mlp_torch.training.task import Task


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


# hidden unknowns and dropout; a learning rate that restarts; members with rows of their own; words; an average
@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["experiment=recommender"], marks=needs(movielens.ORIGIN)),
        pytest.param(["experiment=snapshot"], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=bagging"], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=reviews"], marks=needs(reviews.ORIGIN)),
        pytest.param(
            [
                "experiment=numerical_embedding",
                "callback=ema",
                "+trainer.accumulate_grad_batches=2",
                "scheduler=cosine",
            ],
            marks=needs(california.ORIGIN),
        ),
    ],
    ids=lambda overrides: overrides[0].partition("=")[2],
)
def test_an_experiment_goes_on_from_each_of_its_steps_to_the_same_bits(overrides: list[str], tmp_path: Path) -> None:
    found = verify(composed(overrides), tmp_path, steps=6)
    assert found.differing == {}
    assert found.control
    assert (found.steps, found.resumed) == (6, 7)


def experiment(tmp_path: Path, *overrides: str) -> list[str]:
    return [*tiny.experiment(tmp_path)[2:], *overrides]


@pytest.mark.proof  # a minute of compiling
def test_steps_in_bfloat16_that_are_compiled_go_on(tmp_path: Path) -> None:
    overrides = ["trainer.precision=bf16-mixed", "compile=true"]
    found = verify(composed(experiment(tmp_path, *overrides), tmp_path / "configs"), tmp_path / "place", steps=6)
    assert found.is_exact, found.differing


@pytest.mark.proof
@pytest.mark.parametrize("kind", [staged.STACK, staged.STUDENT], ids=["a stack", "a student of a teacher"])
def test_stages_go_on_from_each_of_their_steps(tmp_path: Path, kind: tuple[str, dict[str, str]]) -> None:
    arguments = staged.experiment(tmp_path, kind)
    found = verify(composed(arguments[2:], Path(arguments[1])), tmp_path / "place", steps=16)
    assert found.is_exact, found.differing
    assert found.steps >= 12


def test_rebalanced_rows_validation_within_an_epoch_and_early_stopping_go_on(tmp_path: Path) -> None:
    overrides = [
        "rebalancing=weighted_sampling",
        "+trainer.val_check_interval=2",
        "callback.early_stopping.patience=1",
        "optimizer.lr=0.3",
    ]
    cfg = composed(experiment(tmp_path, *overrides), tmp_path / "configs")
    found = verify(cfg, tmp_path / "place", steps=12)
    assert found.is_exact, found.differing


def test_randomness_that_is_not_of_the_step_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Task, "on_train_batch_start", lambda self, batch, index: setattr(self, "row", batch.row))
    found = verify(composed(experiment(tmp_path), tmp_path / "configs"), tmp_path / "place", steps=6)
    assert not found.is_exact
    assert any("numbers" in line for lines in found.differing.values() for line in lines)


def test_a_seed_that_changes_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = every_step.begun

    def always(cfg, folder):
        found = same(cfg, folder)
        if folder.name == "other":
            found.seed -= 1
        return found

    monkeypatch.setattr(every_step, "begun", always)
    found = verify(composed(experiment(tmp_path), tmp_path / "configs"), tmp_path / "place", steps=3)
    assert found.differing == {}
    assert not found.is_exact


@pytest.mark.parametrize("name", ["quickstart", "stacking", "cascade", "snapshot", "distillation"])
def test_a_short_version_has_so_many_steps_at_most_in_all_its_fits(name: str) -> None:
    cfg = shortened(composed([f"experiment={name}"]), 40)
    fits = [cfg.trainer, *[each.trainer for each in cfg.stages.values() for _ in range(1 + each.get("folds", 0))]]
    assert 20 <= sum(trainer.max_epochs * trainer.limit_train_batches for trainer in fits) <= 40
