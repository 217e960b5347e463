"""A problem names the option of the verb that met it, and a configuration's key where the verb has none."""

from pathlib import Path

import pytest
import tiny

from mlp_torch.__main__ import main
from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.verbs.options import Options
from mlp_torch.verbs.problems import in_options, worded


def options(*flags: str) -> Options:
    made = Options("verb", "")
    for flag in flags:
        made.add_argument(flag)
    return made


def test_keys_that_the_verb_has_an_option_for_are_named_by_it():
    problem = Problem("x", "a comma needs data.source.decimal: ','", key="data.source.encoding")
    with pytest.raises(DataError) as found, in_options(options("--encoding", "--decimal")):
        raise DataError(problem)
    assert str(found.value) == "x: a comma needs --decimal ','; policy: --encoding"


def test_keys_that_it_has_none_for_stay():
    problem = Problem("x", "text", key="data.source.max_cell_bytes")
    with pytest.raises(DataError, match=r"policy: data\.source\.max_cell_bytes"), in_options(options("--encoding")):
        raise DataError([problem, Problem("y", "text", key="data.fields.decimal.invalid")])
    with pytest.raises(ConfigError, match=r"data\.source\.delimiter must be"), in_options(options()):
        raise ConfigError("data.source.delimiter must be one ASCII character")


@pytest.fixture
def latin(tmp_path: Path) -> Path:
    path = tmp_path / "latin.csv"
    path.write_bytes("a,y\n1,\u00e9\n".encode("latin-1"))
    return path


@pytest.mark.parametrize("verb", [("init", "--target", "y"), ("profile",)])
def test_verbs_that_read_a_csv_name_their_option(verb, latin, monkeypatch, capsys):
    monkeypatch.chdir(latin.parent)
    assert main([verb[0], "latin.csv", *verb[1:]]) == 2
    assert "policy: --encoding" in capsys.readouterr().err


def test_validate_and_predict_name_their_option(latin, tmp_path, capsys):
    tiny.shipped(tiny.data(), tmp_path / "model")
    assert main(["validate", str(latin), "--model", str(tmp_path / "model")]) == 2
    assert "policy: --encoding" in capsys.readouterr().out
    arguments = ["--input", str(latin), "--output", str(tmp_path / "out.parquet")]
    assert main(["predict", "--model", str(tmp_path / "model"), *arguments]) == 2
    assert "policy: --encoding" in capsys.readouterr().err


def test_a_delimiter_is_named_as_a_shell_reads_it():
    options = Options("validate", "")
    options.add_argument("--delimiter")
    for mark, shown in ((";", "--delimiter ';'"), ("\\t", r"--delimiter $'\t'")):
        problem = Problem("wrong_delimiter", "one column", key=f'data.source.delimiter: "{mark}"')
        assert worded(problem, options).key == shown


def test_of_a_trained_model_only_what_can_still_be_set_is_named():
    problem = Problem("not_a_number", 'text; "" means missing with na_values: [""]', key="data.fields.age.invalid")
    plain, skipping = Options("evaluate", ""), Options("predict", "")
    skipping.add_argument("--on-bad")
    assert worded(problem, plain).key == "data.fields.age.invalid"
    assert worded(problem, plain, trained=True) == Problem("not_a_number", "text; null means missing")
    assert worded(problem, skipping, trained=True).key == "--on-bad skip leaves such rows out"
