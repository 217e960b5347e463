"""Small tables of one's own as CSV files in the current folder, and what `init` proposes for them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

from mlp_torch.configuration import check_targets, composed
from mlp_torch.proposal.yaml import joined
from mlp_torch.verbs.init import main

EXPERIMENT = Path("configs/experiment/mine.yaml")
DRAW = np.random.default_rng(0)


def write(columns: dict[str, Any], name: str = "mine.csv", delimiter: str = ",") -> None:
    """A CSV file; None is an empty cell."""
    with open(name, "w", newline="", encoding="utf8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def proposal(*arguments: str, table: str = "mine.csv", target: str = "y") -> Any:
    """What `init` wrote, composed and checked as training does, with every `operator.concat` joined."""
    assert main([table, "--target", target, *arguments]) == 0
    cfg = composed(["experiment=mine"], Path("configs"))
    check_targets(cfg)
    return joined(OmegaConf.to_container(cfg, resolve=False))


def prepared() -> Any:
    """The data of the experiment, read, split, fitted and encoded."""
    return instantiate(composed(["experiment=mine"], Path("configs")).data, _convert_="all").prepare()


def column_of(cfg: Any, field: str) -> list[str]:
    """The classes of a field's columns."""
    nodes = [node for node in cfg["data"]["columns"].values() if node.get("field", node.get("fields")) == field]
    return [node["_target_"].rpartition(".")[2] for node in nodes]


def numbers(rows: int = 400) -> list[str]:
    return [f"{x:.4f}" for x in DRAW.normal(size=rows)]


def words(rows: int, *choices: str) -> list[str]:
    return [str(word) for word in DRAW.choice(choices, rows)]
