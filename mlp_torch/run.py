"""The build: from a configuration to a run's folder, in visible lines.

RUN/  config.yaml  data.html  row_counts.json  tensorboard/  checkpoints/{best,last}.ckpt  metrics.json  report.json
predictions/  embeddings/  model/
"""

import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mlp_torch import files
from mlp_torch.build import (
    accelerator,
    calibrate,
    epoch_notes,
    judge_unseen,
    load_best,
    own_head,
    ship,
    single,
    without_advice,
)
from mlp_torch.configuration import built
from mlp_torch.errors import ConfigError, MissingExtra, near
from mlp_torch.head import Batch
from mlp_torch.ingest.block import Block
from mlp_torch.measured import add_metrics, importance
from mlp_torch.model import Model, predicted
from mlp_torch.problem.curves import value_curves
from mlp_torch.profile import page
from mlp_torch.profile.before_after import figures, pairs
from mlp_torch.profile.report import report_of
from mlp_torch.profile.suspicions import IDS
from mlp_torch.responsible.baselines import constant
from mlp_torch.responsible.report import Report
from mlp_torch.responsible.verdict import directions, judge
from mlp_torch.serving.formats import check_formats, check_names
from mlp_torch.training.checkpoints import LAST, AtomicFiles, read
from mlp_torch.training.data import Data
from mlp_torch.training.learned import learned, write
from mlp_torch.training.overfitting import overview
from mlp_torch.training.task import Task, outputs
from mlp_torch.training.tensorboard import TensorBoard

log = logging.getLogger("mlp_torch")


def train(cfg: DictConfig, folder: Path) -> Report:
    """Trains what a configuration describes, or goes on where `folder` stopped; everything is left in `folder`."""
    started = time.perf_counter()
    check_formats(cfg.export.formats)  # of a run that goes on too
    checkpoint = last_checkpoint(folder)
    data = prepare(cfg, folder, checkpoint)
    model = build(cfg, data)
    task = Task(data.transform, data.target, model, **optimization(cfg), seed=cfg.seed)
    logger = TensorBoard(folder / "tensorboard", baseline=flat_line(model, data))
    trainer = build_trainer(cfg, logger, {"loss": False} | directions(model))
    trainer.fit(task, data, ckpt_path=folder / "checkpoints" / LAST if checkpoint else None, weights_only=True)
    trained = time.perf_counter()
    log.info("trained; now the baselines, the report and the export")
    epoch = load_best(task, folder / "checkpoints")
    calibrate(task, data)
    report = evaluate(cfg, task, data, folder)
    report.notes += epoch_notes(epoch, trainer)
    metrics = report.flat() | {"epoch": epoch + 1, "seconds": round(trained - started, 1)}
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
    ship(task, data, folder / "model", name=cfg.name, metrics=metrics, config=config, formats=formats)
    report.notes.append(f"{metrics['seconds']} s to prepare and train, {time.perf_counter() - started:.1f} s in all")
    return report


def last_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What a run that was stopped left; None where it had not come to a checkpoint."""
    path = folder / "checkpoints" / LAST
    if not path.exists():
        return None
    checkpoint = read(path)
    if any(state.get("best_model_path") for state in checkpoint["callbacks"].values()):
        read(path.with_name("best.ckpt"))  # without it the run could not end: better to say so before it trains on
    return checkpoint


def prepare(cfg: DictConfig, folder: Path, checkpoint: dict[str, Any] | None) -> Data:
    """Encoded tables; transform and target are restored before anything is encoded, and never fitted again."""
    data = table(cfg)
    check_names(cfg.export.formats, (read.field for read in data.transform.reads))
    report = folder / "data.html"
    look = None if report.exists() else partial(describe, data, report)  # a run that goes on has told it
    data.prepare(checkpoint and checkpoint["state_dict"], look=look)
    if checkpoint:
        data.load_state_dict(checkpoint[type(data).__qualname__])  # refuses rows that have changed
    files.write_json(folder / "row_counts.json", data.counts)
    for line in data.notes():
        log.info(line)
    return data


def table(cfg: DictConfig) -> Data:
    """The table before anything is read, split into folds if the configuration says so."""
    data: Data = built(cfg.data)
    if cfg.folds is not None:
        data.split = data.split.fold(cfg.fold, of=cfg.folds)
    return data


def describe(data: Data, path: Path, block: Block) -> list[str]:
    """The data report of a run: what its raw fields hold and what is suspicious; the gravest of it in sentences."""
    target = next(iter(data.target.reads.values())).field
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


def build(cfg: DictConfig, data: Data) -> Model:
    """The model that the configuration names, of as many members as it asks for."""
    torch.set_num_threads(cfg.threads)
    torch.manual_seed(cfg.seed)  # whatever was drawn before
    backbone, head = built(cfg.backbone), built(cfg.head)
    modalities = {name: built(modality) for name, modality in cfg.modality.items() if modality is not None}
    model: Model = built(cfg.model)(build=lambda: single(data, backbone, head, modalities))
    add_metrics(cfg, data, model.head)
    return model


def optimization(cfg: DictConfig) -> dict[str, Any]:
    """Optimizer and scheduler as partials."""
    scheduler = built(cfg.scheduler) if cfg.scheduler else None
    return {"optimizer": built(cfg.optimizer), "scheduler": scheduler}


def build_trainer(cfg: DictConfig, logger: TensorBoard, higher: Mapping[str, bool | None]) -> lightning.Trainer:
    """Lightning's Trainer with the run's callbacks, logger and crash-safe files; `higher` as in Report."""
    wanted = {name: callback for name, callback in cfg.callback.items() if callback is not None}
    if not cfg.trainer.enable_progress_bar:  # Lightning refuses a bar that is switched off
        wanted.pop("progress", None)
    refused = (MisconfigurationException,)  # e.g. a GPU that this machine lacks
    callbacks = [
        built(node, refused=refused, **direction(f"callback.{name}", node, higher)) for name, node in wanted.items()
    ]
    trainer: lightning.Trainer = built(
        cfg.trainer,
        refused=refused,
        accelerator=accelerator(cfg.trainer.accelerator),
        callbacks=callbacks,
        logger=logger,
        plugins=[AtomicFiles()],
    )
    return trainer


def direction(path: str, callback: DictConfig, higher: Mapping[str, bool | None]) -> dict[str, str]:
    """Which direction is better for a callback whose `mode` is auto: that of the metric which it monitors.

    Raises:
        ConfigError: for a monitor that this run does not log, or that says neither.
    """
    if "monitor" not in callback:
        return {}
    known = {f"{split}/{name}": more for split in ("val", "train") for name, more in higher.items()}
    known["train/loss_without_dropout"] = False
    monitor, is_auto = str(callback.monitor), "mode" in callback and callback.mode == "auto"
    if monitor not in known:
        raise ConfigError(f"{path}.monitor must be a metric of this run, however: {monitor}; {near(monitor, known)}")
    if is_auto and known[monitor] is None:
        raise ConfigError(f"{path}.mode must be min or max, since {monitor} says neither, however: auto")
    return {"mode": "max" if known[monitor] else "min"} if is_auto else {}


def flat_line(model: Model, data: Data) -> dict[str, float]:
    """The constant's metrics on validation rows: the line that curves must leave behind."""
    train, val = data.tables["train"], data.judged["val"]
    return judge(model.head, constant(model.head, train.y, train.weight, len(val.y)), val.y).values


def evaluate(cfg: DictConfig, task: Task, data: Data, folder: Path) -> Report:
    """Model, constant, look-up and trees on validation and test rows, by the same metrics; predictions as Parquet."""
    head = task.model.head
    report = Report(directions(task.model))
    rivals, report.notes = competitors(cfg)
    report.notes += data.prepared.looked_at
    for rival in rivals.values():
        report.notes += rival.fit(head, data.judged)
    held = data.judged["calibration"]
    heads = {name: own_head(head, rival.out(held.features), held) for name, rival in rivals.items()}
    for split in ("val", "test"):
        table = data.judged[split]
        out = outputs(task, table)
        judged = judge(task.model, out, table.y)
        report.add("model", split, judged.values)
        report.notes += [f"{name} on {split} is not defined: {why}" for name, why in judged.undefined.items()]
        report.notes += judge_unseen(report, task, split, table, out)
        for name, rival in rivals.items():
            report.add(name, split, judge(heads[name], rival.out(table.features), table.y).values)
        found = predictions(task, data, split, out)
        files.write(folder / "predictions" / f"{split}.parquet", partial(pq.write_table, found))
    return report


def competitors(cfg: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """What the report sets beside the model, and what is left out because its package is not installed."""
    rivals, notes = {}, []
    for name, rival in cfg.baseline.items():
        try:
            if rival is not None:
                rivals[name] = built(rival)
        except MissingExtra as error:
            notes.append(f"{name} left out: {error}")
    return rivals, notes


@torch.inference_mode()
def predictions(task: Task, data: Data, split: str, out: Tensor) -> pa.Table:
    """Key, target, what was predicted and the loss of each row of a split."""
    table = data.judged[split]
    losses = task.model.loss(out, Batch({}, table.y, table.weight, table.row))
    columns: dict[str, Any] = {"target": table.y.numpy() if table.y.dim() == 1 else table.y.tolist()}
    for name, value in predicted(task.model, out).items():
        columns[name] = value.numpy() if value.dim() == 1 else value.tolist()
    columns["loss"] = losses.numpy()
    keys = {f"key_{name}" if name in columns else name: values for name, values in data.keys[split].items()}
    return pa.table({**keys, **columns})


def log_closing(logger: TensorBoard, cfg: DictConfig, task: Task, data: Data, metrics: dict[str, float]) -> None:
    """Hyperparameters beside the outcome, the head's pictures of validation rows, and numbers before and after."""
    table = data.judged["val"]
    with torch.inference_mode():
        found, truth = predicted(task.model, outputs(task, table)), task.model.labels(table.y)
        logger.log_pictures(task.model.head.pictures(found, truth))
        logger.log_pictures(value_curves(task.model.head.perspectives, found, truth))
    logger.log_columns(figures(pairs(data.transform, data.drawn)))
    chosen = {key: cfg[key] for key in ("optimizer", "scheduler", "backbone", "head", "seed")}
    chosen |= {"max_epochs": cfg.trainer.max_epochs, "batch_size": data.batch_size}
    logger.log_notes(data.notes())
    logger.log_hyperparams(flattened(chosen), {key: value for key, value in metrics.items() if key.startswith("test/")})
    logger.finalize("success")


def flattened(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """`{"optimizer.lr": 0.001}` of nested tables."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{path}.{key}".lstrip(".")
        found |= flattened(dict(value), name) if isinstance(value, dict | DictConfig) else {name: value}
    return {name: value for name, value in found.items() if not name.rpartition(".")[2].startswith("_")}


def look(cfg: DictConfig) -> str:
    """Columns, parameters, the first loss and whether 32 rows can be learned by heart; nothing is written."""
    data = table(cfg).prepare()
    return overview(data, build(cfg, data))


def quiet() -> None:
    """One line a message from us, and no advice that does not fit."""
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    without_advice()
