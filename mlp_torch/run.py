"""The build: from a configuration to a run's folder, in visible lines.

RUN/  config.yaml  data.html  row_counts.json  tensorboard/  checkpoints/  metrics.json  report.json
predictions/  embeddings/  model/  transfer.json  init_from.pt  stages/STAGE/{fold_0,…,whole}/{tensorboard,checkpoints}
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mlp_torch import files
from mlp_torch.build import ship, without_advice
from mlp_torch.configuration import built, leaves
from mlp_torch.errors import ModelError
from mlp_torch.fitting import Fit, build, fit, learns
from mlp_torch.ingest.block import Block
from mlp_torch.judgement import evaluate, importance
from mlp_torch.model import Model, predicted
from mlp_torch.problem import prior_correction
from mlp_torch.problem.curves import value_curves
from mlp_torch.profile import page
from mlp_torch.profile.before_after import figures, pairs
from mlp_torch.profile.report import report_of
from mlp_torch.profile.suspicions import IDS
from mlp_torch.responsible.report import Report
from mlp_torch.resumption import check, plain
from mlp_torch.serving.formats import check_formats, check_names
from mlp_torch.stages.configured import configured, targets_of, wanted
from mlp_torch.stages.rehearsal import check_table, looked
from mlp_torch.stages.rehearsal import rehearse as rehearse_stages
from mlp_torch.stages.training import check_reads, trained_stages, with_predictions
from mlp_torch.training.checkpoint_files import Kept, newest
from mlp_torch.training.data import Data, definition
from mlp_torch.training.distribution import rank
from mlp_torch.training.learned import learned, write
from mlp_torch.training.overfitting import overview
from mlp_torch.training.table.prepared import Look
from mlp_torch.training.task import Task, outputs
from mlp_torch.training.tensorboard import TensorBoard
from mlp_torch.training.transfer import Origin
from mlp_torch.transfer.configured import own_origin
from mlp_torch.transfer.origin import OWN, inherited, is_kept
from mlp_torch.transfer.rehearsal import rehearse as rehearse_transfer
from mlp_torch.transfer.start import begin
from mlp_torch.verbs.folders import CONFIG, store

log = logging.getLogger("mlp_torch")

CONTENT = ("global_step", "state_dict", "configuration")  # of a checkpoint, among else


def train(cfg: DictConfig, folder: Path) -> Report:
    """Trains what a configuration describes, or goes on where `folder` stopped; everything is left in `folder`."""
    started = time.perf_counter()
    check_formats(cfg.export.formats)  # of a run that goes on too
    data, origin = ready(cfg, folder)
    (task, logger, epoch, notes), models = learn(cfg, data, folder, origin)
    trained = time.perf_counter()
    log.info("trained; now the report")
    logger.begin_report()
    report = evaluate(cfg, task, data, folder, models)
    report.notes += [*task.model.head.notes(), *notes]
    metrics = report.flat() | task.model.head.learned() | {"seconds": round(trained - started, 1)}
    metrics |= {} if epoch is None else {"epoch": epoch + 1}
    vectors = learned(task.model, data.transform.named_columns())
    write(folder / "embeddings", vectors)
    logger.log_embeddings(vectors)
    log_closing(logger, cfg, task, data, metrics)
    important = importance(cfg, task, data)
    if important:
        report.notes.append(important.note())
        logger.log_pictures({"importance": important.picture()})
        logger.save()
    files.write_json(folder / "metrics.json", metrics)
    columns = {name: column.report() for name, column in data.transform.named_columns().items()}
    found = {**report.to_json(), "columns": columns, "importance": important and important.to_json()}
    files.write_json(folder / "report.json", found)
    config = OmegaConf.to_yaml(cfg, resolve=True)
    formats = list(cfg.export.formats)
    log.info("export to %s", folder / "model")
    ship(task, data, folder / "model", name=cfg.name, metrics=metrics, config=config, formats=formats)
    report.notes.append(f"{metrics['seconds']} s to prepare and train, {time.perf_counter() - started:.1f} s in all")
    return report


def ready(cfg: DictConfig, folder: Path) -> tuple[Data, Origin | None]:
    """The run's table, encoded as it was where the run goes on, and what it begins with if it begins with another run.

    Raises:
        ConfigError: where it would go on otherwise than it began.
    """
    if not rank():  # of several processes one writes
        files.clear(folder)
    found = kept(folder)
    last = found[0] if found else None
    if last:
        check_resumed(cfg, folder, found)
        log.info("goes on with %s, of which %s has step %s", folder, last.path.name, f"{last.step:,}")
    return prepare(cfg, folder, last)


def learn(cfg: DictConfig, data: Data, folder: Path, origin: Origin | None = None) -> tuple[Fit, dict[str, Model]]:
    """The stages, then the last model: trained, or gone on with where `folder` stopped. Also the stages' models."""
    if wanted(cfg):
        rehearse_stages(cfg, data)
    stages = trained_stages(cfg, data, folder / "stages")
    learning = with_predictions(data, stages)
    models = {name: stage.model for name, stage in stages.items()}
    model = build(cfg, learning, stages=models)
    plan = begin(cfg, model, data, origin, folder)
    if stages and learns(model):
        hashes = {name: stage.hash for name, stage in stages.items()}
        check_reads(folder / "checkpoints" / "stages.json", "the last model", hashes)
    return fit(cfg, learning, model, folder, plan=plan), models


def train_origin(cfg: DictConfig, folder: Path, data: Data, look: Look | None) -> bool:
    """Trains the run that this one begins with, or goes on with it: no baselines, no report, no export.

    Args:
        cfg: of this run.
        folder: of the other one.
        data: of this run, not prepared.
        look: at its rows, once they are read.

    Returns:
        Whether `data` are prepared now, since this run was rehearsed before the other one trained.
    """
    own = own_origin(cfg, str(folder))
    folder.mkdir(exist_ok=True)
    last = next(iter(kept(folder)), None)
    if last:
        check(last.content["configuration"], plain(own), list(cfg.resume_allow), at="init_from.")
    files.write_text(folder / CONFIG, OmegaConf.to_yaml(own))
    log.info("%s: the run that this one begins with", folder)
    before, _ = prepare(own, folder, last)
    if not last:
        rehearse_transfer(cfg, data, own, before, look)
    found = fit(own, before, build(own, before), folder, calibrated=False)
    for line in [*found.task.model.head.notes(), *found.notes]:
        log.info("%s: %s", folder, line)
    return not last


def check_resumed(cfg: DictConfig, folder: Path, found: Sequence[Kept]) -> None:
    """Refuses to go on otherwise than the run began, unless that is allowed; then config.yaml says what holds now.

    Raises:
        ConfigError: naming every key that differs.
    """
    changed: dict[str, tuple[Any, Any]] = {}
    for last in found:
        place = last.path.parents[1]
        stage = "" if place == folder else place.parent.name
        own = configured(cfg, stage, str(place)) if stage else cfg
        at = f"stages.{stage}." if stage else ""
        changed |= check(last.content["configuration"], plain(own), list(cfg.resume_allow), at=at)
    changed = {key: values for key, values in changed.items() if "callback.progress" not in key}
    if changed:
        log.info("goes on with %s", "; ".join(f"{key}: {old} → {new}" for key, (old, new) in changed.items()))
        now = cfg.copy()
        now.resume_allow = []
        store(now, folder)


def kept(folder: Path) -> list[Kept]:
    """What a run that was stopped left, its own first, then of each fit of its stages; none before a first checkpoint.

    Raises:
        ModelError: for one that another program has written.
    """
    places = (folder / "checkpoints", *sorted(folder.glob("stages/*/*/checkpoints")))
    found = [last for place in places if (last := newest(place))]
    for last in found:
        if missing := [key for key in (*CONTENT, Data.__qualname__) if key not in last.content]:
            text = f"checkpoint {last.path} must be of a run of this program"
            raise ModelError(f"{text}, however: it has no {missing[0]}")
    return found


def restored_from(folder: Path, last: Kept | None) -> dict[str, Tensor] | None:
    """The state of transform and target in what a run left; a stage has a target of its own, none of the run's."""
    if last is None:
        return None
    is_own = last.path.parents[1] == folder
    return {key: x for key, x in last.content["state_dict"].items() if is_own or not key.startswith("target.")}


def prepare(cfg: DictConfig, folder: Path, last: Kept | None) -> tuple[Data, Origin | None]:
    """Encoded tables; transform and target are restored before anything is encoded, and never fitted again.

    The run that this one begins with, if there is one, comes along: its columns are restored too, and may grow.
    """
    data = table(cfg)
    check_names(cfg.export.formats, (read.field for read in data.transform.reads))
    report = folder / "data.html"
    told = report.exists() or cfg.trial or rank()  # by the run that goes on; of a study's many runs nobody reads it
    look = None if told else partial(describe, data, report)
    is_prepared = False
    if isinstance(cfg.init_from, DictConfig) and not is_kept(folder):
        definition(data).schema()  # refuses what is wrong with this one before another's table is read
        is_prepared = train_origin(cfg, folder / OWN, data, look)
    origin = inherited(cfg, folder, data)
    if not is_prepared:
        data.prepare(restored_from(folder, last), look=look)
    if last:
        data.load_state_dict(last.content[type(data).__qualname__])  # refuses rows that have changed
    if not rank():
        files.write_json(folder / "row_counts.json", data.counts)
    for line in data.notes():
        log.info(line)
    return data, origin


def table(cfg: DictConfig) -> Data:
    """The table before anything is read, split into folds if the configuration says so."""
    data: Data = built(cfg.data)
    data.resume_allow, data.rows_per_epoch = list(cfg.resume_allow), cfg.rows_per_epoch
    # an experiment's options stay where rebalancing=none leaves them without anything to set
    data.rebalancing = built(cfg.rebalancing) if "_target_" in (cfg.rebalancing or {}) else None
    if cfg.folds is not None:
        data.split = data.split.fold(cfg.fold, of=cfg.folds)
    if wanted(cfg):
        check_table(data)
        data.others = targets_of(cfg)
    return data


def describe(data: Data, path: Path, block: Block) -> list[str]:
    """The data report of a run: what its raw fields hold and what is suspicious; the gravest of it in sentences."""
    target = next((read.field for read in data.target.reads.values()), None)
    report = report_of(block.table, target=target, name=block.name, decimal=block.decimal, policies=data.policies)
    page.write(path, report)
    numbers = {read.field for read in [*data.transform.reads, *data.target.reads.values()] if read.kind == "number"}
    learned = {read.field for read in data.transform.reads}
    concerned = {
        "copy_of_target": learned,
        "sentinel": {name for name in numbers if not is_ruled(data.policies.get(name))},
        **dict.fromkeys(IDS, learned & numbers),  # of ids that are text `notices` tells, in all rows
    }
    return [
        f"WARNING: {finding}"
        for finding in report.findings
        if concerned.get(finding.code, set()).intersection(finding.fields[:1])
    ]


def is_ruled(policy: Mapping[str, Any] | None) -> bool:
    """Whether a field's policy says which numbers are valid."""
    return not {"min", "max"}.isdisjoint(policy or {})


def log_closing(logger: TensorBoard, cfg: DictConfig, task: Task, data: Data, metrics: dict[str, float]) -> None:
    """Hyperparameters beside the outcome, the head's pictures of validation rows, and numbers before and after."""
    table = data.judged["val"]
    with torch.inference_mode():
        out = outputs(task, table)
        found, truth = predicted(task.model, out), task.model.labels(table.y)
        logger.log_pictures(task.model.head.pictures(found, truth))
        logger.log_pictures(value_curves(task.model.head.perspectives, found, truth))
        if data.rebalancing:
            logger.log_pictures(prior_correction.pictures(task.model, out, table.y))
    logger.log_columns(figures(pairs(data.transform, data.drawn)))
    given: Any = OmegaConf.to_container(cfg, resolve=True)
    chosen = {key: given[key] for key in ("optimizer", "scheduler", "backbone", "head", "rebalancing", "seed")}
    chosen |= {"max_epochs": cfg.trainer.max_epochs, "batch_size": data.batch_size}
    named = {name: value for name, value in leaves(chosen) if not name.rpartition(".")[2].startswith("_")}
    logger.log_notes(data.notes())
    logger.log_hyperparams(named, {key: value for key, value in metrics.items() if key.startswith("test/")})
    logger.finalize("success")


def look(cfg: DictConfig) -> str:
    """Columns, parameters, the first loss and whether 32 rows can be learned by heart; nothing is written."""
    data = table(cfg)
    origin = inherited(cfg, None, data)
    data.prepare()
    if wanted(cfg):
        return looked(cfg, data)
    model = build(cfg, data)
    plan = begin(cfg, model, data, origin)
    untold = "the run before is not trained by a look; this is the run as it would be without it\n\n"
    return (untold if cfg.init_from and not origin else "") + overview(data, model, plan)


def quiet() -> None:
    """One line a message from us, and no advice that does not fit."""
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    without_advice()
