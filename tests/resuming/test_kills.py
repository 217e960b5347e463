"""Real processes, killed at random moments and started again by the same command, end with the same bits."""

import signal
from pathlib import Path

import pytest
import tiny
from real import needs

from mlp_torch.datasets import california, movielens
from mlp_torch.errors import ModelError
from mlp_torch.resuming import kills
from mlp_torch.resuming.kills import killed

SMALL = "backbone.hidden=[32]"


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["experiment=numerical_embedding"], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=tabm", "backbone.k=4", "backbone.d_block=32"], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=snapshot", "model.cycle=1", SMALL], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=bagging", "model.members=2", SMALL], marks=needs(california.ORIGIN)),
        pytest.param(["experiment=recommender"], marks=needs(movielens.ORIGIN)),
    ],
    ids=lambda overrides: overrides[0].partition("=")[2],
)
def test_an_experiment_that_is_killed_ends_with_the_same_bits(overrides: list[str], tmp_path: Path) -> None:
    found = killed(overrides, tmp_path, kills=5, seed=5)
    assert found.kills.total() == 5
    assert found.is_exact, found.table()


def test_a_run_that_ends_otherwise_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = kills.Attempt.started

    def other(self):
        if self.runs.name == "killed":
            self.arguments = [*self.arguments, "optimizer.lr=0.002"]
        return begin(self)

    monkeypatch.setattr(kills.Attempt, "started", other)
    found = killed(tiny.experiment(tmp_path)[:3], tmp_path, kills=1)
    assert not found.is_exact
    assert "NOT the same: checkpoints, " in found.table()


def test_a_process_ends_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    attempt = kills.Attempt(tiny.experiment(tmp_path)[:3], tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt), attempt.started() as process:
        raise KeyboardInterrupt
    assert process.exitcode == -signal.SIGKILL


def test_a_command_that_fails_by_itself_is_told(tmp_path: Path) -> None:
    message = (
        r"optimizer\.lr=-1 must come to its end, however:(.*\n)*.*ConfigError: optimizer: Invalid learning rate: -1"
    )
    with pytest.raises(ModelError, match=message):
        killed([*tiny.experiment(tmp_path)[:3], "optimizer.lr=-1"], tmp_path, kills=1)
