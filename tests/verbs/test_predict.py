"""`mlp_torch predict` as a command: its options, its exit codes, and real kills of real processes at any moment."""

import io
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

from mlp_torch.__main__ import main
from mlp_torch.serving import progress

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")

ROOT = Path(__file__).parents[2]
ROWS = 360_000  # six blocks
REPEATED = {100: 99, 250_000: 3, 250_100: 250_099, 350_000: 3}  # rows with the key of another one
BAD = [row for row in range(ROWS) if row % 1200 == 700]
CONFIG = """
data:
  source: {_target_: mlp_torch.ingest.source.Csv, path: train.csv, delimiter: ";", decimal: ","}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.shipped(tiny.data(), tmp_path_factory.mktemp("run") / "model", config=CONFIG)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Many rows, some of them bad, each with a key, that of an earlier row in some."""
    table = tiny.table(1200)
    size = table["size"].to_pylist()
    size[700] = float("inf")
    part = table.set_column(table.column_names.index("size"), "size", pa.array(size))
    whole = pa.concat_tables([part] * (ROWS // 1200))
    path = tmp_path_factory.mktemp("input") / "rows.parquet"
    ids = pa.array([REPEATED.get(row, row) for row in range(ROWS)])
    pq.write_table(whole.set_column(0, "id", ids), path)
    return path


class Command:
    """`mlp_torch predict` on the many rows, skipping bad ones, into one output."""

    def __init__(self, model: Path, rows: Path, output: Path):
        self.model, self.rows, self.output = model, rows, output
        self.folder = output.with_name(f"{output.name}.unfinished")
        self.environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def started(self, processes: int = 1, limit: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
        arguments = ["--model", self.model, "--input", self.rows, "--output", self.output]
        policies = ["--key", "id", "--on-bad", "skip", "--processes", str(processes)]
        command = [sys.executable, "-m", "mlp_torch", "predict", *map(str, arguments), *policies]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            command, env=self.environment, text=True, preexec_fn=limit, start_new_session=True, **streams
        )

    def finished(self, processes: int = 1) -> str:
        """Runs to the end; gives what was printed."""
        process = self.started(processes)
        printed, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
        return printed

    def pieces(self) -> int:
        """How many blocks are done."""
        return len(list(self.folder.glob("*.scored.arrow")))

    def stopped_at(self, done: int, sign: int, *, processes: int = 1, delay: float = 0.0) -> str:
        """Sends a signal once so many blocks are done; gives what was told."""
        process = self.started(processes)
        wait(lambda: self.pieces() >= done, process)
        time.sleep(delay)
        if sign == signal.SIGINT:
            os.killpg(process.pid, sign)  # as a terminal does
        else:
            process.send_signal(sign)
        told = process.communicate(timeout=60)[1]
        assert process.returncode == (-sign if sign == signal.SIGKILL else 130), told
        assert not self.output.exists()
        return told

    def bytes(self) -> tuple[bytes, bytes]:
        """The output and what was skipped."""
        return self.output.read_bytes(), self.output.with_suffix(".skipped.parquet").read_bytes()


def wait(until: Callable[[], bool], process: "subprocess.Popen[str] | None" = None, seconds: float = 120) -> None:
    """Waits for something to happen."""
    end = time.monotonic() + seconds
    while not until():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.0005)


def children(pid: int) -> list[int]:
    """The processes that score for another one."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def undisturbed(model, rows, tmp_path_factory):
    command = Command(model, rows, tmp_path_factory.mktemp("undisturbed") / "out.parquet")
    command.finished()
    keys = pq.read_table(command.output)["id"].to_pylist()
    assert keys == [row for row in range(ROWS) if row % 1200 != 700 and row not in REPEATED]
    skipped = pq.read_table(command.output.with_suffix(".skipped.parquet"))
    assert skipped["row"].to_pylist() == sorted([*BAD, *REPEATED])
    reasons = dict(zip(skipped["row"].to_pylist(), skipped["reason"].to_pylist(), strict=True))
    assert {row: why for row, why in reasons.items() if row in REPEATED} == dict.fromkeys(REPEATED, "id: repeated_key")
    cells = {row["row"]: row["id"] for row in skipped.select(["row", "id"]).to_pylist()}
    assert {row: cells[row] for row in REPEATED} == REPEATED
    return command.bytes()


@pytest.fixture
def command(model, rows, tmp_path):
    return Command(model, rows, tmp_path / "out.parquet")


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.proof), 2])
def test_after_kills_at_random_moments_the_bytes_are_those_of_an_undisturbed_run(processes, command, undisturbed):
    draw = random.Random(processes)
    for done in (1, 2, 3, 4):
        command.stopped_at(done, signal.SIGKILL, processes=processes, delay=draw.random() * 0.05)
    printed = command.finished()  # what two processes began, one may end
    assert command.bytes() == undisturbed
    assert f"{ROWS:,} rows read, {ROWS - len(BAD) - len(REPEATED):,} scored" in printed
    assert "of them before" in printed
    assert not command.folder.exists()


def test_two_processes_write_the_bytes_of_one(command, undisturbed):
    command.finished(processes=2)
    assert command.bytes() == undisturbed


@pytest.mark.parametrize("name", [".scored.parquet.*", "scored.parquet"])
def test_a_run_killed_while_it_makes_the_output_ends_with_the_same_bytes(name, command, undisturbed):
    for _ in range(10):
        process = command.started()
        while process.poll() is None and not any(command.folder.glob(name)):
            pass
        process.kill()
        process.communicate()
        if not command.output.exists():
            break
        command.output.unlink()  # the moment was missed
    assert command.pieces() == 6
    command.finished()
    assert command.bytes() == undisturbed


def test_a_run_killed_once_its_output_is_there_leaves_a_folder_that_the_next_start_removes(command, undisturbed):
    for _ in range(10):
        process = command.started()
        while process.poll() is None and not command.output.exists():
            pass
        process.kill()
        process.communicate()
        if command.folder.exists():
            break
        command.output.unlink()  # the moment was missed
    assert command.folder.exists()
    assert "is finished; nothing was changed" in command.finished()
    assert not command.folder.exists()
    assert command.bytes() == undisturbed


def test_an_interrupted_run_exits_with_130_and_goes_on(command, undisturbed):
    for processes in (1, 2):
        told = command.stopped_at(processes + 1, signal.SIGINT, processes=processes)
        assert "Traceback" not in told
    command.finished()
    assert command.bytes() == undisturbed


def test_a_process_that_is_killed_ends_the_run_with_an_error_and_the_next_one_goes_on(command, undisturbed):
    process = command.started(processes=2)
    wait(lambda: command.pieces() > 0, process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "a process that scores ended by itself" in told
    assert "the same command goes on from there" in told
    command.finished(processes=2)
    assert command.bytes() == undisturbed


def test_when_a_run_is_killed_its_processes_end(command):
    process = command.started(processes=2)
    wait(lambda: command.pieces() > 0, process)
    found = children(process.pid)
    assert len(found) == 2
    process.kill()
    wait(lambda: not any(Path(f"/proc/{child}").exists() for child in found), seconds=20)
    process.communicate()


def test_a_disk_that_is_full_is_told_and_loses_nothing(command, undisturbed):
    most = 1_000_000  # bytes that a file may have

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    command.stopped_at(3, signal.SIGKILL)
    done = command.pieces()
    process = command.started(limit=limit)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "Stopped: the output must be writable, however: " in told
    assert "File too large" in told
    assert command.pieces() == done
    command.finished()
    assert command.bytes() == undisturbed


def few(folder: Path, name: str = "few.parquet") -> Path:
    pq.write_table(tiny.table(30), folder / name)
    return folder / name


def run(model: Path, path: Path, output: Path, *more: str) -> int:
    return main(["predict", "--model", str(model), "--input", str(path), "--output", str(output), *more])


def test_the_closing_lines_are_printed_and_the_code_is_0(model, tmp_path, capsys):
    assert run(model, few(tmp_path), tmp_path / "out.parquet", "--key", "id") == 0
    printed = capsys.readouterr()
    assert "30 rows read, 30 scored" in printed.out
    assert printed.err == ""  # without a terminal no bar, and no line in the first ten seconds
    assert run(model, few(tmp_path), tmp_path / "out.parquet", "--key", "id") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out.parquet'} is finished; nothing was changed\n"


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("more", [[], ["--no-progress"]])
def test_a_terminal_sees_rows_rate_and_remaining_time_unless_it_wants_none(more, model, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert run(model, few(tmp_path), tmp_path / "out.parquet", *more) == 0
    shown = terminal.getvalue()
    assert (shown == "") == bool(more)
    assert more or re.search(r"100%.*30\.0/30\.0 .*<.* rows/s", shown), shown


def test_a_log_gets_a_line_now_and_then_unless_none_is_wanted(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert run(model, few(tmp_path), tmp_path / "out.parquet") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"30 of about 30 rows \(100 %\), [\d,]+ rows/s, 00:00 left", line)
    assert run(model, few(tmp_path), tmp_path / "other.parquet", "--no-progress") == 0
    assert capsys.readouterr().err == ""


def test_bad_rows_exit_with_2_and_say_why(model, tmp_path, capsys):
    table = tiny.table(30)
    pq.write_table(table.set_column(5, "size", pa.array([float("inf")] * 30)), tmp_path / "bad.parquet")
    assert run(model, tmp_path / "bad.parquet", tmp_path / "out.parquet") == 2
    assert 'not_finite: column "size"' in capsys.readouterr().err
    assert run(model, tmp_path / "bad.parquet", tmp_path / "out.parquet", "--on-bad", "skip") == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "out.skipped.parquet").num_rows == 30


def test_a_mistyped_option_is_refused_by_naming_the_near_one(model, tmp_path, capsys):
    assert run(model, few(tmp_path), tmp_path / "out.parquet", "--onbad", "skip") == 2
    assert "no such option: --onbad; did you mean --on-bad?" in capsys.readouterr().err


def test_a_csv_gives_the_predictions_of_its_parquet(model, tmp_path):
    import pyarrow.csv

    table = tiny.table(30).drop_columns(["late"])
    pq.write_table(table, tmp_path / "rows.parquet")
    options = pyarrow.csv.WriteOptions(delimiter="|")
    pyarrow.csv.write_csv(table.set_column(3, "at", table["at"].cast(pa.string())), tmp_path / "rows.csv", options)
    assert run(model, tmp_path / "rows.parquet", tmp_path / "a.parquet", "--key", "id") == 0
    reading = ("--delimiter", "|", "--decimal", ".")
    assert run(model, tmp_path / "rows.csv", tmp_path / "b.parquet", "--key", "id", *reading) == 0
    one, other = pq.read_table(tmp_path / "a.parquet"), pq.read_table(tmp_path / "b.parquet")
    assert one.num_rows == 30
    assert one.to_pylist() == other.to_pylist()
