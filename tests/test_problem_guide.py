"""docs/problem.md: each block of YAML is an experiment that composes and whose head can be built."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlp_torch.configuration import CONFIGS, built, check_targets, composed
from mlp_torch.stages.configured import check as check_stages

TEXT = (CONFIGS.parent / "docs" / "problem.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
NUMBER = {"_target_": "mlp_torch.target.Number", "field": "arr_delay"}
TWO = {"_target_": "mlp_torch.target.AtLeast", "field": "arr_delay", "threshold": 15, "classes": ["on_time", "late"]}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_yaml_composes(block: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    start = "" if "defaults:\n" in block else "defaults: [quickstart]\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\nname: mine\n{start}{block}")
    cfg = composed(["experiment=mine"], tmp_path)
    if OmegaConf.is_missing(cfg.data, "target"):
        numeric = any(name in str(cfg.head._target_) for name in ("regression", "quantiles", "gaussian", "reframing"))
        cfg.data.target = NUMBER if numeric else TWO
    check_targets(cfg)
    check_stages(cfg)
    for part in (cfg.head, cfg.model, cfg.data.target, *cfg.metric.values()):
        assert built(part)


def test_the_guide_names_every_head_model_and_rebalancing() -> None:
    for group in ("head", "model", "rebalancing"):
        for path in (CONFIGS / group).glob("*.yaml"):
            assert re.search(rf"\b{path.stem}\b", TEXT), path


def test_every_experiment_that_the_guide_names_exists() -> None:
    named = set(re.findall(r"experiment=(\w+)", TEXT))
    assert named <= {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
