"""`resume=auto`, and what may differ where a run goes on."""

import json
import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
from commands import ROOT
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_torch.training import task
from mlp_torch.verbs.train import main

QUICK = ["baseline=none", "importance=null"]


def folders(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "runs" / "tiny").iterdir() if not path.is_symlink())


def stopped(arguments: list[str]) -> Path:
    """A run that came to the end of its first epoch, and no further."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlp_torch.training.tensorboard.RowsPerSecond.on_train_epoch_start", stop_in_second_epoch)
        with pytest.raises(SystemExit):  # by Hydra
            main(arguments)
    latest = Path(next(text for text in arguments if text.startswith("runs=")).partition("=")[2]) / "tiny" / "latest"
    return latest.resolve()


def stop_in_second_epoch(callback, trainer, pl_module):
    callback.rows, callback.since = 0, 0.0
    if trainer.current_epoch == 1:
        raise RuntimeError("killed")


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    return [*tiny.experiment(tmp_path), *QUICK]


def is_finished(folder: Path) -> bool:
    return (folder / "model" / "manifest.json").is_file()


def test_auto_begins_a_run_where_there_is_none_and_says_so(arguments, tmp_path, capsys):
    assert main([*arguments, "resume=auto"]) == 0
    assert "has no unfinished run of this configuration; a new one begins" in capsys.readouterr().out
    (folder,) = folders(tmp_path)
    assert is_finished(folder)


def test_auto_goes_on_with_the_newest_unfinished_run_of_the_same_configuration_and_no_other(
    arguments, tmp_path, caplog
):
    older = stopped(arguments)
    other = stopped([*arguments, "optimizer.lr=0.01"])
    newer = stopped(arguments)
    assert main([*arguments, "resume=auto"]) == 0
    assert re.search(rf"goes on with \S*{newer.name}, of which step_\d+.ckpt has step ", caplog.text)
    assert [is_finished(folder) for folder in (older, other, newer)] == [False, False, True]
    assert main(["resume=auto", *arguments]) == 0
    assert [is_finished(folder) for folder in (older, other, newer)] == [True, False, True]
    assert main([*arguments, "resume=auto"]) == 0
    assert len(folders(tmp_path)) == 4  # all of them are finished, so a new one


def test_auto_passes_over_a_run_whose_configuration_is_damaged(arguments, tmp_path, capsys):
    whole, damaged = stopped(arguments), stopped(arguments)
    (damaged / "config.yaml").write_text("{")
    assert main([*arguments, "resume=auto"]) == 0
    assert is_finished(whole)
    assert f"{damaged.relative_to(tmp_path)}/config.yaml is damaged" in capsys.readouterr().err


def test_auto_refuses_a_run_that_another_process_is_at_work_on(arguments, tmp_path, capsys):
    folder = stopped(arguments)
    code = "import sys, time, pathlib; from mlp_torch import files\n"
    code += f"with files.held(pathlib.Path({str(folder)!r})):\n    print('held', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert main([*arguments, "resume=auto"]) == 2
        assert f"however: process {holder.pid} is at work in" in capsys.readouterr().err
        holder.kill()
    assert not is_finished(folder)


def test_auto_goes_on_with_several_runs(arguments, tmp_path):
    many = [*arguments, "trainer.max_epochs=1", "-m", "seed=1,2"]
    assert main([*many, "resume=auto"]) == 0
    (sweep,) = folders(tmp_path)
    (sweep / "seed-2" / "model" / "manifest.json").unlink()
    before = (sweep / "seed-1" / "model" / "manifest.json").stat().st_mtime_ns
    assert main([*many, "resume=auto"]) == 0
    assert folders(tmp_path) == [sweep]
    assert is_finished(sweep / "seed-2")
    assert (sweep / "seed-1" / "model" / "manifest.json").stat().st_mtime_ns == before


def rates(folder: Path) -> list[float]:
    curve = EventAccumulator(str(folder / "tensorboard" / "train")).Reload().Scalars("learning_rate")
    return [round(event.value, 6) for event in curve]


def test_a_configuration_that_was_edited_is_refused_naming_every_key(arguments, capsys):
    folder = stopped(arguments)
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.optimizer.lr, cfg.data.columns.age.field, cfg.seed = 0.02, "size", 5
    OmegaConf.save(cfg, folder / "config.yaml")
    assert main([f"resume={folder}"]) == 2
    told = capsys.readouterr().err
    assert "seed: 0 → 5" in told
    assert "optimizer.lr: 0.001 → 0.02" in told
    assert "data.columns.age.field: age → size" in told
    assert "to allow it: 'resume_allow=[" in told


def test_a_larger_number_of_epochs_needs_no_permission_and_is_kept(arguments):
    folder = stopped(arguments)
    assert main([f"resume={folder}", "trainer.max_epochs=5", "callback.early_stopping.patience=9"]) == 2
    assert main([f"resume={folder}", "trainer.max_epochs=2"]) == 2
    allow = ["callback.early_stopping.patience=9", "resume_allow=[callback.early_stopping]"]
    assert main([f"resume={folder}", "trainer.max_epochs=5", *allow]) == 0
    assert tiny.last(folder / "checkpoints")["epoch"] == 4
    now = OmegaConf.load(folder / "config.yaml")
    assert (now.trainer.max_epochs, now.callback.early_stopping.patience, now.resume_allow) == (5, 9, [])


def test_another_learning_rate_that_is_allowed_holds_from_there_on(arguments):
    arguments += ["trainer.log_every_n_steps=5", "scheduler=cosine"]
    folder = stopped(arguments)
    assert main([f"resume={folder}", "optimizer.lr=0.01", "resume_allow=[optimizer.lr]"]) == 0
    found = rates(folder)
    assert found[0] == 0.001
    assert found[2] == pytest.approx(0.0075, rel=0.01)  # the same place on the cosine, ten times as high
    assert found[-1] == pytest.approx(0.0025, rel=0.01)


def test_another_batch_size_and_other_rows_are_refused_unless_they_are_allowed(arguments, capsys):
    folder = stopped(arguments)
    assert main([f"resume={folder}", "data.batch_size=32"]) == 2
    assert "to allow it: resume_allow=[data.batch_size]" in capsys.readouterr().err
    assert main([f"resume={folder}", "data.batch_size=32", "resume_allow=[data.batch_size]"]) == 0

    folder = stopped(arguments)
    file = Path(OmegaConf.load(folder / "config.yaml").data.source.path)
    import pyarrow.parquet as pq

    pq.write_table(tiny.table(seed=1), file)
    assert main([f"resume={folder}"]) == 2
    assert "changed_data" in (told := capsys.readouterr().err)
    assert "resume_allow=[data.fingerprint]" in told
    assert main([f"resume={folder}", "resume_allow=[data.fingerprint]"]) == 0


def test_another_environment_is_told_and_the_run_goes_on(arguments, caplog, monkeypatch):
    folder = stopped(arguments)
    before = task.environment
    monkeypatch.setattr(task, "environment", lambda *given: before(*given) | {"torch": "9.9"})
    with caplog.at_level(logging.WARNING):
        assert main([f"resume={folder}", "threads=2"]) == 0
    torch.set_num_threads(1)
    assert f"the run goes on in another environment, torch {torch.__version__} → 9.9; threads 1 → 2" in caplog.text
    assert is_finished(folder)


def test_another_optimizer_is_refused(arguments, capsys):
    folder = stopped(arguments)
    change = ["optimizer._target_=torch.optim.Adam", "resume_allow=[optimizer]"]
    assert main([f"resume={folder}", *change]) == 2
    assert "goes on with the optimizer that it began with, torch.optim.AdamW" in capsys.readouterr().err


def test_a_run_whose_epochs_are_no_passes_is_validated_after_so_many_rows_and_resumes_to_the_same_bits(arguments):
    arguments += ["rows_per_epoch=200", "trainer.max_epochs=4"]
    assert main(arguments) == 0
    whole = Path(arguments[3].partition("=")[2]) / "tiny" / "latest"
    steps = [event.step for event in EventAccumulator(str(whole / "tensorboard" / "val")).Reload().Scalars("auroc")]
    assert steps == [3, 7, 11, 15]  # 200 rows are 4 batches of 64; steps count from 0
    expected = tiny.last(whole / "checkpoints")["state_dict"]
    resumed = stopped(arguments)
    assert main([f"resume={resumed}"]) == 0
    found = tiny.last(resumed / "checkpoints")["state_dict"]
    assert all(torch.equal(x, found[name]) for name, x in expected.items() if isinstance(x, torch.Tensor))
    assert json.loads((resumed / "metrics.json").read_text())["epoch"] <= 4


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))  # what a full disk does: writing more is refused
sys.argv = ["train.py", *sys.argv[2:]]
from mlp_torch.__main__ import main
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_where_a_checkpoint_cannot_be_written_the_run_stops_and_the_one_before_stays(arguments):
    folder = stopped(arguments)
    before = tiny.found(folder / "checkpoints")
    room = before.path.stat().st_size - 1000
    command = [sys.executable, "-c", LIMITED, str(room), f"resume={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    told = "step_00000011.ckpt must be writable, however: File too large; what was there before is as it was"
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert tiny.found(folder / "checkpoints").path == before.path
    assert main([f"resume={folder}"]) == 0


SLOW = """
import sys, time
from mlp_torch.training.task import Task
step = Task.training_step
def slow(self, batch, index):
    if self.global_step == 15:
        print("step 15", flush=True)
        time.sleep(60)
    return step(self, batch, index)
Task.training_step = slow
from mlp_torch.__main__ import main
arguments, sys.argv = sys.argv[1:], ["train.py"]
sys.exit(main(["train", *arguments]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait_for_the_next_step(number, arguments, tmp_path):
    command = [sys.executable, "-c", SLOW, *arguments, "callback.last.every_n_steps=200"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, preexec_fn=listens
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if line == "step 15\n" or "saving at the next step" in line:
                process.send_signal(number)
        code = process.wait(30)
    assert code == 128 + number, "".join(said)
    assert "stopping: saving at the next step; a second signal stops at once" in "".join(said)
    assert "Stopped. Go on with: " in "".join(said)
    assert tiny.last(tmp_path / "runs" / "tiny" / "latest" / "checkpoints")["global_step"] == 10


def test_a_run_whose_output_nobody_reads_says_how_it_goes_on(arguments):
    command = [sys.executable, str(ROOT / "train.py"), *arguments, "trainer.enable_progress_bar=true"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()  # as `| head` does
        said = process.stderr.read()
    assert process.returncode == 128 + signal.SIGPIPE, said
    assert "Stopped, since nobody reads what it prints. Go on with: " in said
    assert "Traceback" not in said


def listens() -> None:
    """A shell that runs these tests in the background has made them ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("text", ["rows_per_epoch=0", "rows_per_epoch=many", "rows_per_epoch=1.5"])
def test_an_epoch_of_no_rows_is_refused(text, capsys):
    from mlp_torch.__main__ import main as command

    assert command(["train", text]) == 2
    assert f"rows_per_epoch must be a whole number of at least 1, however: {text}" in capsys.readouterr().err
