"""docs/training.md: its commands are ones that can be given."""

import re
import shlex

import pytest
from commands import ROOT

from mlp_torch.configuration import composed
from mlp_torch.overrides import choices
from mlp_torch.tuning.plan import planned
from mlp_torch.verbs.train import check, is_asked, parsed

TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").partition("## Tuning")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^python train\.py (.*?)(?: +# .*)?$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_is_one_that_can_be_given(command):
    chosen = parsed(shlex.split(command))
    if is_asked(chosen.overrides, "hparams_search"):
        assert chosen.multirun
        assert planned(chosen.overrides, None, check).space
    else:
        cfg = composed([each[0] for each in choices(chosen.overrides)])
        check(cfg)
        assert cfg.from_study in (None, "default")


def test_the_guide_has_commands():
    assert len(COMMANDS) >= 7
