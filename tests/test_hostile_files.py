"""Files of others cannot harm: each is refused in seconds and little memory, by name, and nothing in it is run."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny
import torch
import yaml
from hostile import ATTACKS, HONEST, PAYLOADS, configured
from hydra.utils import instantiate

from mlp_torch import files
from mlp_torch.configuration import composed
from mlp_torch.training.checkpoint_files import save
from mlp_torch.verbs import folders

Read = Callable[[str, Path], dict[str, Any]]
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder as this package writes it, with a model and the plan of a sweep, of which all readers approve."""
    folder = tmp_path_factory.mktemp("honest")
    arguments = tiny.experiment(folder)
    cfg = composed(arguments[2:], Path(arguments[1]))
    run = folders.new_folder(cfg)
    (run / "checkpoints").mkdir()
    save(HONEST, run / "checkpoints" / "step_00000001.ckpt")
    tiny.shipped(tiny.data(300), run / "model", config=(run / "config.yaml").read_text())
    files.write_json(run / "sweep.json", {"arguments": [], "members": [{"name": "a", "setting": "", "folder": "a"}]})
    files.write_json(run / "report.json", {"higher": {"auroc": True}, "values": {}, "slices": {}})
    pq.write_table(tiny.table(50), run / "labelled.parquet")
    return run


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Opens a run's folder by one of the readers, in a bounded process."""
    environment = {**os.environ, "SECRET": "hunter2", "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
    program = [sys.executable, "-W", "ignore", str(TESTS / "hostile_reader.py")]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=TESTS
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        def ask(reader: str, run: Path) -> dict[str, Any]:
            process.stdin.write(json.dumps({"reader": reader, "run": str(run)}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    """A copy that an attacker may change."""
    return Path(shutil.copytree(honest, tmp_path / "run"))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_file_is_refused_by_name_and_harms_nothing(name: str, run: Path, read: Read, tmp_path: Path) -> None:
    attack, canary = ATTACKS[name], tmp_path / "canary"
    attack.make(run, canary)
    found = read(attack.reader, run)
    assert found["refused"] in ("ModelError", "ConfigError", "DataError"), found["says"]
    assert attack.file in found["says"]
    assert re.search(attack.says, found["says"]), found["says"]
    assert len(found["says"]) < 2000
    assert "hunter2" not in found["says"]
    assert "root:" not in found["says"]
    assert found["seconds"] <= 5
    assert found["megabytes"] < 700
    assert not canary.exists()


@pytest.mark.parametrize("reader", sorted({attack.reader for attack in ATTACKS.values()}))
def test_an_honest_file_is_read(reader: str, run: Path, read: Read) -> None:
    """The control of every refusal."""
    assert read(reader, run)["refused"] is None


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.exec", "subprocess"])
def test_a_payload_that_is_run_would_be_seen(name: str, tmp_path: Path) -> None:
    """The control of the canary in pickles."""
    canary = tmp_path / "canary"
    torch.save({**HONEST, "state": PAYLOADS[name](canary)}, tmp_path / "step_00000001.ckpt")
    assert not canary.exists()
    torch.load(tmp_path / "step_00000001.ckpt", weights_only=False)
    assert canary.exists()
    canary.unlink()
    pickle.loads(pickle.dumps(PAYLOADS[name](canary)))
    assert canary.exists()


def test_a_command_in_yaml_that_is_run_would_be_seen(run: Path, tmp_path: Path) -> None:
    """The control of the canary in configurations: by PyYAML's unsafe loader, and by Hydra."""
    canary = tmp_path / "canary"
    configured("name: tiny\n", "name: tiny\nx: !!python/object/apply:os.system ['CANARY']\n")(run, canary)
    yaml.unsafe_load((run / "config.yaml").read_text())
    assert canary.exists()
    canary.unlink()
    path = {"_target_": "pathlib.Path", "_args_": [str(canary)]}
    instantiate({"_target_": "mlp_torch.files.write_text", "path": path, "text": "written"})
    assert canary.exists()


def test_a_reader_that_waits_or_takes_too_much_would_be_seen(run: Path, read: Read) -> None:
    """The control of the bounds of time and memory."""
    os.mkfifo(run / "pipe")
    for reader, end in (("a reader that waits", -signal.SIGALRM), ("a reader that takes too much", 1)):
        assert read(reader, run) == {"refused": None, "says": f"ended with {end}", "seconds": 0, "megabytes": 0}


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 25
    assert {attack.reader for attack in ATTACKS.values()} >= {"checkpoint", "load", "evaluate", "resume", "sweep"}
