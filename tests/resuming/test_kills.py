"""Real processes, killed at random moments and started again by the same command, end with the same bits."""

from pathlib import Path

import pytest
import tiny
from real import needs

from mlp_torch.datasets import california, movielens
from mlp_torch.errors import ModelError
from mlp_torch.resuming import kills
from mlp_torch.resuming.kills import killed


@pytest.mark.parametrize(
    ("experiment", "number"),
    [
        pytest.param("numerical_embedding", 5, marks=needs(california.ORIGIN)),
        pytest.param("tabm", 5, marks=needs(california.ORIGIN)),
        pytest.param("snapshot", 5, marks=needs(california.ORIGIN)),
        pytest.param("bagging", 5, marks=needs(california.ORIGIN)),
        pytest.param("recommender", 5, marks=needs(movielens.ORIGIN)),
    ],
)
def test_an_experiment_that_is_killed_ends_with_the_same_bits(experiment: str, number: int, tmp_path: Path) -> None:
    cycle = ["model.cycle=1"] if experiment == "snapshot" else []
    found = killed([f"experiment={experiment}", *cycle], tmp_path, kills=number, seed=number)
    assert found.kills.total() == number
    assert found.is_exact, found.table()


def test_a_run_that_ends_otherwise_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = kills.Attempt.start

    def other(self):
        if self.runs.name == "killed":
            self.arguments = [*self.arguments, "optimizer.lr=0.002"]
        return begin(self)

    monkeypatch.setattr(kills.Attempt, "start", other)
    found = killed(tiny.experiment(tmp_path)[:3], tmp_path, kills=1)
    assert not found.is_exact
    assert "NOT the same: checkpoints, " in found.table()


def test_a_command_that_fails_by_itself_is_told(tmp_path: Path) -> None:
    message = (
        r"optimizer\.lr=-1 must come to its end, however:(.*\n)*.*ConfigError: optimizer: Invalid learning rate: -1"
    )
    with pytest.raises(ModelError, match=message):
        killed([*tiny.experiment(tmp_path)[:3], "optimizer.lr=-1"], tmp_path, kills=1)
