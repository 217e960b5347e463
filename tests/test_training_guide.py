"""docs/training.md: its blocks of YAML and its commands compose, and mean what transfer learning may say."""

import re
import shlex
from pathlib import Path

import pytest

from mlp_torch.configuration import CONFIGS, check_targets, composed
from mlp_torch.overrides import opened
from mlp_torch.transfer.configured import KEYS, check

TEXT = (CONFIGS.parent / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^    python train\.py (.+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_yaml_composes(block: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    head = "# @package _global_\ndefaults: [quickstart, _self_]\nname: own\n"
    (tmp_path / "experiment" / "own.yaml").write_text(head + block)
    cfg = composed(["experiment=own"], tmp_path)
    check_targets(cfg)
    check(cfg)
    assert any(cfg[key] not in (None, [], {}, 1) for key in KEYS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_composes(command: str) -> None:
    arguments = [opened(text.replace("experiment=mine", "experiment=quickstart")) for text in shlex.split(command)]
    cfg = composed(arguments)
    check_targets(cfg)
    assert cfg.init_from is not None


def test_the_table_names_every_key() -> None:
    for key in ("init_grow", *KEYS):
        assert f"\n| `{key}` | " in TEXT
