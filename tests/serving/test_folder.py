"""Which folder is meant where none of a model is named."""

import pytest

import mlp_torch
from mlp_torch.__main__ import main
from mlp_torch.errors import ModelError


@pytest.fixture
def run(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step_00000010.ckpt").touch()
    return tmp_path


def commands(folder):
    return [
        ["serve", str(folder)],
        ["predict", "--model", str(folder), "--input", "x.csv", "--output", "x.parquet"],
        ["validate", "x.csv", "--model", str(folder)],
        ["evaluate", "--model", str(folder), "--input", "x.csv"],
    ]


def test_a_runs_folder_is_refused_by_naming_the_model_in_it(run, capsys):
    (run / "model").mkdir()
    (run / "model" / "manifest.json").write_text("{}")
    for command in commands(run):
        assert main(command) == 2
        assert f"did you mean {run / 'model'}?" in capsys.readouterr().err
    with pytest.raises(ModelError, match="did you mean"):
        mlp_torch.load(run)


def test_of_an_unfinished_run_it_is_said_how_to_resume_it(run, capsys):
    for folder in (run, run / "model"):
        for command in commands(folder):
            assert main(command) == 2
            told = capsys.readouterr().err
            assert "a run must be finished to have a model" in told
            assert f"mlp_torch train resume={run}\n" in told
        with pytest.raises(ModelError, match="finished"):
            mlp_torch.load(folder)


def test_any_other_folder_is_told_by_what_it_lacks(tmp_path):
    for folder, text in ((tmp_path / "none", "must be a folder"), (tmp_path, r"manifest.json is missing")):
        with pytest.raises(ModelError, match=text):
            mlp_torch.load(folder)
