"""A run's folder, its resumption, and what the command says when it cannot go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from commands import ROOT, run, start
from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.resumption import moved
from mlp_torch.verbs import folders
from mlp_torch.verbs.closing import command
from mlp_torch.verbs.folders import new_folder, resumed
from mlp_torch.verbs.train import main


@pytest.fixture
def cfg(tmp_path: Path) -> DictConfig:
    """The tiny experiment, composed."""
    arguments = tiny.experiment(tmp_path)
    return composed(arguments[2:], Path(arguments[1]))


@pytest.fixture
def stopped(cfg: DictConfig) -> Path:
    """A run's folder, as it is before the first step."""
    return new_folder(cfg)


def test_two_runs_in_the_same_second_get_folders_of_their_own(cfg, monkeypatch):
    class Still(folders.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2024, 2, 29, 12, 0, 0)

    monkeypatch.setattr(folders, "datetime", Still)
    names = [new_folder(cfg).name for _ in range(3)]
    assert names == ["2024-02-29_12-00-00", "2024-02-29_12-00-00_2", "2024-02-29_12-00-00_3"]
    latest = Path(cfg.runs) / "tiny" / "latest"
    assert os.readlink(latest) == names[-1]
    assert sorted(path.name for path in latest.parent.iterdir()) == [*names, "latest"]


def test_a_runs_folder_holds_its_resolved_configuration(stopped):
    stored = OmegaConf.load(stopped / "config.yaml")
    assert stored.folder == str(stopped)
    assert stored.callback.last.folder == f"{stopped}/checkpoints"
    assert "${" not in (stopped / "config.yaml").read_text()


def test_a_folder_that_cannot_be_written_is_told(cfg, tmp_path):
    (tmp_path / "file").write_text("")
    cfg.runs = str(tmp_path / "file")
    with pytest.raises(ConfigError, match="a run's folder must be writable"):
        new_folder(cfg)


def test_resume_takes_the_folder_the_link_and_the_last_checkpoint(stopped):
    checkpoint = stopped / "checkpoints" / "step_00000020.ckpt"
    checkpoint.parent.mkdir()
    for path in (checkpoint, checkpoint.with_suffix(".json"), checkpoint.with_name("step_00000010.json")):
        path.write_text("")
    for given in (stopped, stopped.parent / "latest", checkpoint):
        found, folder = resumed([f"resume={given}"])
        assert folder.resolve() == stopped.resolve()
        assert found.name == "tiny"
        assert found.backbone.hidden == [16, 8]


def test_resume_from_another_working_folder_writes_into_the_runs_own(cfg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg.runs = "runs"
    folder = new_folder(cfg)
    assert not folder.is_absolute()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found, there = resumed(["resume=../runs/tiny/latest"])
    assert Path(found.callback.last.folder).resolve() == (tmp_path / folder / "checkpoints").resolve()
    assert Path(found.folder) == there
    assert there.resolve() == (tmp_path / folder).resolve()


def test_only_paths_below_the_runs_folder_move():
    value = {"a": "runs/x", "b": ["runs/x/c", 3], "d": "runs/xy", "e": "data/runs/x"}
    assert moved(value, "runs/x", "new") == {"a": "new", "b": ["new/c", 3], "d": "runs/xy", "e": "data/runs/x"}


def test_another_checkpoint_than_the_last_is_refused(stopped):
    folder = stopped / "checkpoints"
    folder.mkdir()
    for name in ("best_00000010.ckpt", "step_00000010.ckpt", "step_00000010.json", "step_00000020.json"):
        (folder / name).write_text("")
    for name in ("best_00000010.ckpt", "step_00000010.ckpt"):
        refused = f"a run goes on from its last checkpoint, however: {name}; write resume="
        with pytest.raises(ConfigError, match=refused):
            resumed([f"resume={folder / name}"])
    with pytest.raises(ModelError, match=r"step_00000020\.ckpt is missing"):
        resumed([f"resume={folder}/step_00000020.ckpt"])


def test_a_folder_that_is_no_run_is_refused_by_naming_the_near_ones(stopped):
    runs = stopped.parent.parent
    with pytest.raises(ModelError, match=r"did you mean tiny?"):
        resumed([f"resume={runs}/tinny/latest"])
    (runs / ".shards").mkdir()
    with pytest.raises(ModelError, match=r"absent; known: tiny$"):
        resumed([f"resume={runs}/absent"])
    with pytest.raises(ModelError, match=r"did you mean latest?"):
        resumed([f"resume={runs}/tiny/lastest"])
    with pytest.raises(
        ModelError, match=f"it holds no config.yaml; it has latest, {stopped.name}|it has {stopped.name}"
    ):
        resumed([f"resume={runs}/tiny"])


def test_a_model_is_not_taken_for_its_run(stopped):
    (stopped / "model").mkdir()
    (stopped / "model" / "config.yaml").write_text("name: tiny")
    (stopped / "model" / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match=f"is its model; try resume={stopped}"):
        resumed([f"resume={stopped}/model"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trainer.max_epochs=2", r"however: trainer.max_epochs=2; to allow it: resume_allow=\[trainer.max_epochs\]"),
        ("trainer.max_epoch=9", "did you mean max_epochs"),
        ("+x=9", "a resumed run keeps its keys, however: \\+x=9"),
        ("~data.columns.age", "a resumed run keeps its keys"),
    ],
)
def test_a_resumed_run_keeps_its_configuration(stopped, change, message):
    with pytest.raises(ConfigError, match=message):
        resumed([f"resume={stopped}", change])


def test_what_resume_allow_names_may_change(stopped):
    base = [f"resume={stopped}", "resume_allow=[trainer,data.columns.city]"]
    found, _ = resumed([*base, "trainer.max_epochs=9", "data.columns.city.dim=5"])
    assert (found.trainer.max_epochs, found.data.columns.city.dim) == (9, 5)
    assert OmegaConf.load(stopped / "config.yaml").trainer.max_epochs == 3
    with pytest.raises(ConfigError, match=r"optimizer.lr=1"):
        resumed([*base, "optimizer.lr=1"])
    with pytest.raises(ConfigError, match=r"trainer.max_epochs must be int or null"):
        resumed([*base, "trainer.max_epochs=abc"])


def test_a_finished_run_is_left_alone(stopped, capsys):
    (stopped / "model").mkdir()
    (stopped / "model" / "manifest.json").write_text("{}")
    assert main([f"resume={stopped}"]) == 0
    assert "is finished; nothing was changed" in capsys.readouterr().out
    assert main([f"resume={stopped}", "resume_allow=[seed]", "seed=3"]) == 2
    assert "a finished run keeps its configuration, however: seed=3; start a new run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cofig-dir", "x"], "no such option: --cofig-dir; did you mean --config-dir"),
        (["--config-dir", "nowhere"], "--config-dir must be a folder, however: nowhere"),
        (["sed=3"], "did you mean seed?"),
        (["-m", "seed=1,2", "experiment=quickstart,regresion"], "experiment=regresion; did you mean regression"),
        (["-m", "data.batch_size=64,many"], "data.batch_size must be int, however: 'many'"),
        (["debug=maybe"], "debug must be true or false, however: debug=maybe"),
        (["all_rows=1"], "all_rows must be true or false, however: all_rows=1"),
        (["all_rows=true"], "all_rows needs a study that has chosen the epoch, however: from_study=null"),
        (["name=a/b"], "name must be made of letters, digits, _ . and -, however: name=a/b"),
        (["name=..", "experiment=regression"], "name must be made of letters"),
    ],
)
def test_what_is_wrong_is_told_before_a_folder_is_made(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        main(arguments)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reader", "file", "wanted"),
    [
        ("training.table.shards.parquet", "mine.csv", "reads parquet, however: mine.csv is csv; write data=csv"),
        ("ingest.source.Parquet", "mine.tsv", "write data=csv_in_memory"),
        ("training.table.shards.csv", "mine.parquet", "write data=parquet"),
        ("ingest.source.Csv", "mine.pq", "write data=parquet_in_memory"),
    ],
)
def test_a_reader_of_another_kind_than_the_file_is_refused_by_name(reader, file, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = tiny.experiment(tmp_path)
    Path(file).write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=f"{wanted}$"):
        main([*arguments, f"data.source._target_=mlp_torch.{reader}", f"data.source.path={file}"])
    assert not Path("runs").exists()


def test_commands_are_told_in_the_way_this_one_was_called(monkeypatch):
    for program, expected in (
        ("/usr/bin/mlp_torch", ["mlp_torch train", "mlp_torch serve", "mlp_torch evaluate"]),
        ("/x/mlp_torch/__main__.py", [f"python -m mlp_torch {verb}" for verb in ("train", "serve", "evaluate")]),
        (f"{ROOT}/train.py", [f"python {ROOT}/train.py", f"python {ROOT}/serve.py", "python -m mlp_torch evaluate"]),
    ):
        monkeypatch.setattr(sys, "argv", [program, "train"])
        assert [command(verb) for verb in ("train", "serve", "evaluate")] == expected


def test_help_is_worth_reading_and_imports_nothing_that_takes_seconds(tmp_path):
    script = """
import sys
from mlp_torch.__main__ import main
try:
    main(["train", "--help"])
except SystemExit as end:
    print("code", end.code, *[name in sys.modules for name in ("torch", "lightning", "pyarrow")])
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    lines = ran.stdout.splitlines()
    assert lines[-1] == "code 0 False False False", ran.stderr
    for wanted in ("experiment=quickstart", "resume=runs/quickstart/latest", "optimizer.lr"):
        assert wanted in ran.stdout
    assert any(line.startswith("experiment: ") and "quickstart" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_run_prints_what_comes_next_and_hydra_leaves_nothing(tmp_path):
    arguments = tiny.experiment(tmp_path)
    code, output = run([*arguments, "trainer.max_epochs=1"], tmp_path)
    assert code == 0, output
    folder = (tmp_path / "runs" / "tiny" / "latest").resolve()
    assert "resume" not in output  # a finished run has nothing to go on with
    assert f"serve.py {folder}/model --port 8000" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configs", "runs", "tiny.parquet"]
    assert (folder / "model" / "manifest.json").is_file()
    assert f"data      {folder}/data.html" in output
    assert "city" in (folder / "data.html").read_text()


def test_a_value_that_a_constructor_refuses_is_one_sentence_and_exit_code_2(tmp_path):
    code, output = run([*tiny.experiment(tmp_path), "backbone.hidden=[]"], tmp_path)
    assert code == 2
    assert "Traceback" not in output
    assert output.splitlines()[-1].startswith("ConfigError: backbone: hidden must name at least one width")


def test_a_look_writes_nothing(tmp_path):
    code, output = run([*tiny.experiment(tmp_path), "debug=true"], tmp_path)
    assert code == 0, output
    assert "city" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configs", "tiny.parquet"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_tells_how_to_go_on_and_does(tmp_path, number):
    process = start([*tiny.experiment(tmp_path), "trainer.max_epochs=400", "callback.early_stopping=null"], tmp_path)
    latest = tmp_path / "runs" / "tiny" / "latest"
    for _ in range(6000):
        if list((latest / "checkpoints").glob("best_*.json")):
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(number)
    output = process.communicate()[0]
    assert process.returncode == 128 + number, output
    assert "stopping: saving at the next step; a second signal stops at once" in output
    assert f"Go on with:  python {ROOT}/train.py resume={latest.resolve()}" in output
    assert "Traceback" not in output
    assert not (latest / "model" / "manifest.json").exists()
    more = [f"resume={latest}", "resume_allow=[trainer.max_epochs]", "trainer.max_epochs=1"]
    code, output = run(more, tmp_path)
    assert code == 0, output
    assert (latest / "model" / "manifest.json").is_file()


@pytest.mark.parametrize("text", ["seed=-1", "seed=one", "threads=0", "threads=1.5", "seed=true"])
def test_a_seed_or_threads_that_are_no_count_are_refused(text):
    key = text.partition("=")[0]
    with pytest.raises(ConfigError, match=f"{key} must be a whole number of at least"):
        main([text])
