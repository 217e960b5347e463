"""The command line as a whole: verbs, help, exit codes."""

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
        assert callable(import_module(f"mlp_torch.verbs.{verb}").main)
    written = import_module("mlp_torch.verbs").__doc__ or ""
    assert all(f"- {verb}:" in written for verb in VERBS)


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


def test_the_command_line_starts_without_torch():
    script = "import sys, mlp_torch.__main__ as m; m.main(['--help']); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == "False", ran.stderr


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
