"""Finished runs side by side: in what their configurations, rows and figures differ.

A run's config.yaml is a program: compare only runs that you trust.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf

from mlp_torch import files
from mlp_torch.configuration import flat
from mlp_torch.errors import ModelError, near
from mlp_torch.responsible.report import TITLES, number
from mlp_torch.resumption import moved
from mlp_torch.serving.folder import MANIFEST
from mlp_torch.verbs.folders import CONFIG, stored_configuration

OWN = (
    "allow",
    "debug",
    "folder",
    "from_study",
    "member",
    "resume",
    "resume_allow",
    "runs",
    "trial",
)  # which run it is, and where
NOTHING = "–"


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        name: as it was given.
        folder: where it lies.
        cfg: what it was started with.
    """

    name: str
    folder: Path
    cfg: DictConfig

    @cached_property
    def settings(self) -> dict[str, str]:
        """Its configuration by key, without what says which run it is, and with its folder as RUN."""
        plain = moved(OmegaConf.to_container(self.cfg, resolve=True), str(self.cfg.folder), "RUN")
        return {key: json.dumps(value, ensure_ascii=False) for key, value in flat(OmegaConf.create(plain), OWN).items()}

    @cached_property
    def metrics(self) -> dict[str, float]:
        """metrics.json."""
        return {
            name: value for name, value in files.read_json(self.folder / "metrics.json").items() if name != "format"
        }

    @cached_property
    def judged(self) -> dict[str, dict[str, float]]:
        """The model's own metrics by split."""
        found: dict[str, dict[str, float]] = files.read_json(self.folder / "report.json")["values"]["model"]
        return found

    @cached_property
    def counts(self) -> dict[str, str]:
        """How many rows it read and used, and of each split."""
        found = files.read_json(self.folder / "row_counts.json")
        rows = {"rows read": found["read"], "rows used": found["used"], **found["splits"]}
        return {name: f"{count:,}" for name, count in rows.items()}

    @property
    def fingerprint(self) -> str:
        """Of all raw values and targets."""
        return str(files.read_json(self.folder / "model" / MANIFEST)["data"])

    @property
    def target(self) -> Any:
        """What it predicts."""
        return OmegaConf.to_container(self.cfg.data.target, resolve=True)

    def predictions(self, split: str) -> pa.Table:
        """Key, target, predictions and loss of each row.

        Raises:
            ModelError: for a file that is missing or damaged.
        """
        path = self.folder / "predictions" / f"{split}.parquet"
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise ModelError(f"{path} is missing or damaged: {error}") from None


def finished(given: str) -> Run:
    """The run that a path names.

    Raises:
        ModelError: for a folder that is not there, that is no run's, and for a run that has not come to its end.
    """
    folder = Path(given)
    if not (folder / CONFIG).is_file():
        around = folder.parent if folder.parent.is_dir() else Path()
        known = [path.name for path in around.glob("[!.]*") if (path / CONFIG).is_file()]
        raise ModelError(f"RUN must be a run's folder, however: {given}; {near(folder.name, known)}")
    if (folder / MANIFEST).is_file():
        raise ModelError(f"RUN must be a run's folder, however: {given} is its model; write {folder.parent}")
    cfg = stored_configuration(folder / CONFIG)
    if cfg.trial is not None:
        what = f"{given} is trial {cfg.trial.number} of {cfg.trial.study}, which was judged on validation rows alone"
        raise ModelError(f"RUN must be an ordinary run, however: {what}")
    if not (folder / "model" / MANIFEST).is_file():
        raise ModelError(f"RUN must be finished, however: {given} is not; go on with: mlp_torch train resume={given}")
    return Run(given, folder, cfg)


def configurations(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The keys in which runs differ, each run's value beside them."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    found = {key: [run.settings.get(key, NOTHING) for run in runs] for key in keys}
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def data(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The data's fingerprint and the numbers of rows, where they differ."""
    names = dict.fromkeys(name for run in runs for name in run.counts)
    found = {"fingerprint": [run.fingerprint[:12] for run in runs]}
    found |= {name: [run.counts.get(name, NOTHING) for run in runs] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def figures(runs: Sequence[Run], *, comparable: bool) -> dict[str, list[str]]:
    """Metrics of validation and test rows, the best epoch and seconds.

    Args:
        runs: finished.
        comparable: whether they predict the same; metrics are left out if not.
    """
    found: dict[str, list[str]] = {}
    for split in TITLES if comparable else ():
        for metric in dict.fromkeys(metric for run in runs for metric in run.judged.get(split, {})):
            found[f"{split}/{metric}"] = [number(run.judged.get(split, {}).get(metric)) for run in runs]
    for name in ("epoch", "seconds"):
        found[name] = [number(run.metrics.get(name)) for run in runs]
    return found


def same_target(runs: Sequence[Run]) -> bool:
    """Whether runs predict the same, in the same unit."""
    return all(run.target == runs[0].target for run in runs)
