"""The command line as a whole: verbs, help, exit codes."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from mlp_torch import __main__ as command
from mlp_torch.__main__ import VERBS, main
from mlp_torch.errors import DataError, Problem

ROOT = Path(__file__).parents[1]


def test_help_names_every_verb_and_every_verb_is_a_file_that_says_what_it_is(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb, what in VERBS.items():
        assert f"  {verb}" in shown
        assert what in shown
        assert callable(import_module(f"mlp_torch.verbs.{verb.replace('-', '_')}").main)
    written = import_module("mlp_torch.verbs").__doc__ or ""
    assert all(f"- {verb.replace('-', '_')}:" in written for verb in VERBS)


def test_without_a_verb_the_usage_is_shown_and_the_code_is_2(capsys):
    assert main([]) == 2
    assert "usage: mlp_torch VERB" in capsys.readouterr().out


def test_a_mistyped_verb_is_refused_by_naming_the_near_one(capsys):
    assert main(["trian", "experiment=quickstart"]) == 2
    assert capsys.readouterr().err == "mlp_torch: no such verb: trian; did you mean train?\n"


@pytest.fixture
def verb(monkeypatch):
    """A verb whose main can be anything."""

    def become(run):
        module = ModuleType("mlp_torch.verbs.train")
        module.main = run
        monkeypatch.setitem(sys.modules, "mlp_torch.verbs.train", module)

    return become


def test_what_the_user_can_mend_is_told_without_a_traceback(verb, capsys):
    def refuse(arguments):
        raise DataError(Problem("missing_column", "not in the table", ("age",)))

    verb(refuse)
    assert main(["train"]) == 2
    assert capsys.readouterr().err == '\nDataError: missing_column: column "age": not in the table\n'


def test_a_bug_keeps_its_traceback(verb):
    verb(lambda arguments: {}["no such key"])
    with pytest.raises(KeyError, match="no such key"):
        main(["train"])


def test_an_interrupt_gives_130(verb):
    def interrupted(arguments):
        raise KeyboardInterrupt

    verb(interrupted)
    assert main(["train"]) == 130


def test_a_verbs_code_and_arguments_are_passed_on(verb):
    seen = []
    verb(lambda arguments: seen.append(arguments) or 7)
    assert main(["train", "a=1", "-m"]) == 7
    assert seen == [["a=1", "-m"]]


SOURCES = (
    "mlp_torch.ingest.source.Csv",
    "mlp_torch.ingest.source.Parquet",
    "mlp_torch.training.table.shards.csv",
    "mlp_torch.training.table.shards.parquet",
)
LIGHT = """
import sys
from mlp_torch.__main__ import main
code = None
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("code", code, *[name in sys.modules for name in ("torch", "lightning", "matplotlib")])
"""


@pytest.mark.parametrize(
    ("code", "arguments", "told"),
    [
        (0, ["--help"], "evaluate"),
        *((0, [verb, "--help"], verb) for verb in VERBS),
        *((2, [verb], "required") for verb in ("profile", "init", "validate", "evaluate", "predict", "serve")),
        *((2, [verb, "--nosuch=1"], "no such option: --nosuch") for verb in VERBS),
        (2, ["evaluate", "--input", "x.csv", "--device", "cpu"], "required: --model"),
        (2, ["profile", "none.csv"], "none.csv is missing; did you mean nine.csv?"),
        (2, ["profile", "none.txt"], "unknown_format"),
        (2, ["init", "none.csv", "--target", "x"], "none.csv is missing"),
        (2, ["validate", "none.csv", "--experiment", "quickstart"], "none.csv is missing"),
        (2, ["validate", "none.csv", "--model", "model"], "none.csv is missing"),
        (2, ["validate", "none.csv", "--model", "no"], "a model must be a folder, however: no"),
        (2, ["evaluate", "--model", "model", "--input", "none.csv"], "none.csv is missing"),
        (2, ["evaluate", "--model", "no", "--input", "nine.csv"], "a model must be a folder, however: no"),
        (2, ["evaluate", "--model", ".", "--input", "nine.csv"], "must hold manifest.json"),
        (2, ["predict", "--model", "model", "--input", "none.csv", "--output", "o.parquet"], "none.csv is missing"),
        (2, ["predict", "--model", "model", "--input", "nine.csv", "--output", "o.csv"], "must be Parquet"),
        (2, ["serve", "no"], "a model must be a folder, however: no"),
        (2, ["serve", "model", "--port", "70000"], "must be a port"),
        (2, ["train", "experiment=quickstrat"], "did you mean quickstart?"),
        *(
            (2, ["train", f"data.source._target_={name}", "+data.source.path=none.csv"], "is missing")
            for name in SOURCES
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_and_what_is_mistyped_are_told_without_torch(code, arguments, told, tmp_path):
    (tmp_path / "nine.csv").write_text("x\n1\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text('{"format": 1}')
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert told in ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == f"code {code} False False False", ran.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "train"])
def test_help_tells_defaults_that_are_values_and_no_others(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "(default: None)" not in shown
    assert "(default: False)" not in shown
    assert verb != "predict" or "that score, with one thread each (default: 1)" in shown


@pytest.mark.parametrize("verb", ["profile", "validate", "evaluate", "predict", "serve"])
def test_a_name_that_is_too_long_is_told_without_a_traceback(verb, tmp_path, capsys):
    long = str(tmp_path / ("x" * 300))
    arguments = {
        "profile": [f"{long}.csv"],
        "validate": [f"{long}.csv", "--model", str(tmp_path)],
        "evaluate": ["--model", long, "--input", "x.csv"],
        "predict": ["--model", long, "--input", "x.csv", "--output", "o.parquet"],
        "serve": [long],
    }
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    assert main([verb, *arguments[verb]]) == 2
    assert f"a path's name must be shorter, however: {long}" in capsys.readouterr().err


def test_a_pipe_that_closes_early_is_no_error(tmp_path):
    shell = f"{sys.executable} -m mlp_torch train --help | head -n 1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in ran.stderr
    assert ran.stdout.startswith("train.py")


def test_scripts_and_module_and_entry_point_are_one(capsys):
    for script, verb_name in (("train.py", "train"), ("serve.py", "serve")):
        text = (ROOT / script).read_text()
        assert f'main(["{verb_name}", *sys.argv[1:]])' in text
    assert 'mlp_torch = "mlp_torch.__main__:main"' in (ROOT / "pyproject.toml").read_text()
    assert command.main is main
