"""What messages say of a policy can be typed, or written into YAML, whatever the field is called."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from mlp_torch.configuration import composed
from mlp_torch.errors import Problem
from mlp_torch.ingest.policies import is_policy, path, setting
from mlp_torch.overrides import opened
from mlp_torch.serving.refusal import for_callers

EXPERIMENT = "# @package _global_\ndefaults:\n  - override /data: table\ndata:\n  fields: {known: {min: 1}}\n"
WORDS = ["age", "a-b", "a_b", "$", "7", "null", "true"]
TYPED = ["sample weight", "1st", "a.b", "a/b", "a%", "x: y", "a,b", "a(b)", "a[0]", "a=b", "a{b", "-a", "???", "a + b"]
WRITTEN = ["größe", "-inf", "+nan", 'say "hi"', "it's", "1.5", "1e5", " a", "a ", "年齢", "a\\b", "a#b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Configurations of a user's own."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(EXPERIMENT)
    return tmp_path


def policies(cfg: Any) -> Any:
    return OmegaConf.to_container(cfg.data.fields)


@pytest.mark.parametrize("name", WORDS + TYPED)
def test_what_a_message_names_can_be_typed_in_a_shell_and_keeps_other_policies(name: str, folder: Path) -> None:
    (typed,) = shlex.split(setting(name, {"missing": "drop"}))
    found = policies(composed(["experiment=mine", opened(typed)], folder))
    assert found == {"known": {"min": 1}, name: {"missing": "drop"}}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_name_that_no_argument_holds_is_written_into_yaml(name: str, folder: Path) -> None:
    table = setting(name, {"missing": "drop"}).removesuffix(" in the experiment").removeprefix("data.")
    text = EXPERIMENT.replace("fields: {known: {min: 1}}", table)
    (folder / "experiment/mine.yaml").write_text(text)
    assert policies(composed(["experiment=mine"], folder)) == {name: {"missing": "drop"}}


def test_several_policies_stand_in_one_table_or_one_behind_the_other() -> None:
    values = {"invalid": "drop", "missing": "drop"}
    assert setting("w", values) == "data.fields.w.invalid=drop and .missing=drop"
    assert setting("a w", values) == "'data.fields={a w: {invalid: drop, missing: drop}}'"
    assert path("w", "min", "max") == "data.fields.w.{min,max}"
    assert path("a w", "min", "max") == "'data.fields={a w: {min: …, max: …}}'"


@pytest.mark.parametrize("name", ["w", "a w", "ä w"])
def test_callers_of_a_model_hear_nothing_of_policies(name: str) -> None:
    key = path(name, "missing")
    assert is_policy(key)
    assert for_callers(Problem("missing_value", "text", (name,), key=key)).key is None
