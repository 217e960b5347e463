"""Evaluation of a model on labelled rows, beside the constant of its training rows: what `mlp_torch evaluate` prints.

The exported graph predicts, and the head's own metrics judge: the figures are those of the artefact that is served.
DIR's config.yaml and model.pt are programs: evaluate only models that you trust.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from mlp_torch import archives, foreign
from mlp_torch.configuration import check_targets
from mlp_torch.errors import DataError, ModelError, Problem, near
from mlp_torch.evaluation.breakdown import Answers, check_fields, chosen_metric, slices_of
from mlp_torch.evaluation.found import Evaluation
from mlp_torch.evaluation.worst import worst_rows
from mlp_torch.head import Head
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.inputs import to_inputs
from mlp_torch.ingest.notice import blanked
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.problem.perspectives import named
from mlp_torch.reproducibility.transform import restore
from mlp_torch.responsible.verdict import Verdict, chunks, directions, judge_predictions, metrics_of
from mlp_torch.serving.predictor import Predictor
from mlp_torch.target import Target
from mlp_torch.training.table.prepared import numbered
from mlp_torch.verbs.rows import reader, trained


@torch.no_grad()
def evaluate(
    folder: Path,
    path: Path,
    *,
    device: str = "cpu",
    by: Sequence[str] = (),
    metric: str | None = None,
    allow: Collection[str] = (),
) -> Evaluation:
    """A model's metrics on a file of labelled rows.

    Args:
        folder: the model's.
        path: a CSV or Parquet file with the model's fields and its target's.
        device: where the graph runs.
        by: fields of the file, read by the model or not, by whose values rows are cut into slices.
        metric: that orders slices; by default the first of the head's that tells better from worse.
        allow: classes of one's own that the model's config.yaml may name as target, head or metric.

    Raises:
        ConfigError: for a field or metric that there is not.
        ModelError: if the model's files are missing, damaged or do not fit each other.
        DataError: with every problem of the rows, `missing_label_column` and `missing_label` among them.
    """
    predictor = Predictor(folder, device=device)
    cfg = configuration(folder, allow)
    target, heads, constant = restored(cfg, folder)
    block = reader(path, trained(folder)).read()
    check_fields(by, block)
    schema = whole(predictor.schema, target, cfg)
    checked = check(block, schema, target)
    inputs = to_inputs(checked, schema.reads.values())
    y = labels(target, inputs, checked)
    features = {key: inputs[key] for key in predictor.schema.reads}
    chosen = chosen_metric(heads["model"], metric) if by else ""  # before the graph runs
    kept: list[dict[str, Tensor]] = []
    verdicts, unseen = compare(predictor, heads, constant, features, y, kept if by else None)
    found = Evaluation(
        (predictor.name, predictor.version),
        block.name,
        {**checked.counts, "unseen": unseen},
        directions(heads["model"]),
        verdicts,
        [
            *blanked(checked.counts["changed"], schema.fields, checked.counts["read"]),
            *checked.warnings,
            *trained_on(cfg, path),
        ],
    )
    if not by:
        return found
    flat = heads["constant"].predict(constant.expand(len(y), *constant.shape))
    answers = Answers(heads["model"], {name: torch.cat([part[name] for part in kept]) for name in kept[0]}, flat, y)
    key = list(cfg.data.key) if "key" in cfg.data else []
    broken = [answers.by(name, slices_of(name, block, checked, schema), chosen) for name in dict.fromkeys(by)]
    return replace(found, breakdowns=broken, worst=worst_rows(answers, target, checked, block.table, key))


def compare(
    predictor: Predictor,
    heads: Mapping[str, Head],
    constant: Tensor,
    features: Inputs,
    y: Tensor,
    kept: list[dict[str, Tensor]] | None = None,
) -> tuple[dict[str, Verdict], dict[str, int]]:
    """The graph's predictions and the constant's, judged on the same rows; and by column the rows of unseen categories.

    Both come of one pass through the graph. Where there is a list for them, the graph's predictions are kept.
    """
    unseen = Counter[str]()

    def by_graph(rows: slice) -> dict[str, Tensor]:
        found, new = predictor.judged(cut(features, rows), len(y[rows]))
        unseen.update(new)
        if kept is not None:
            kept.append(found)
        return found

    def by_constant(rows: slice) -> dict[str, Tensor]:
        return heads["constant"].predict(constant.expand(len(y[rows]), *constant.shape))

    judge = heads["model"]
    verdicts = {
        name: judge_predictions(metrics_of(judge), ((predict(rows), judge.labels(y[rows])) for rows in chunks(len(y))))
        for name, predict in (("model", by_graph), ("constant", by_constant))
    }
    return verdicts, dict(unseen)


def configuration(folder: Path, allow: Collection[str] = ()) -> DictConfig:
    """The configuration that the model was trained by.

    Raises:
        ModelError: if it is missing or no configuration of this version, or names what is neither ours nor allowed.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise ModelError(f"{path} is missing; evaluation builds target and metrics from it")
    try:
        cfg = foreign.configuration(path)
        if "_target_" not in cfg.data.target or "_target_" not in cfg.head:
            raise ValueError("it must name data.target and head")
        parts = {"metric": cfg.metric} if "metric" in cfg else {}
        wanted = OmegaConf.create({"data": {"target": cfg.data.target}, "head": cfg.head, **parts})
        foreign.judge(OmegaConf.to_container(wanted), path, allow, say=foreign.in_options)
        check_targets(wanted)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise ModelError(f"{path} must be a run's configuration, however: {error}") from None
    return cfg


def restored(cfg: DictConfig, folder: Path) -> tuple[Target, dict[str, Head], Tensor]:
    """Target, the heads of "model" and "constant" (each calibrated to its own), and the best constant `out`.

    Raises:
        ModelError: if the stored state does not fit the configuration.
    """
    path = folder / "target.pt"
    if not path.is_file():
        raise ModelError(f"{path} is missing; evaluation restores target and head from it")
    state = archives.load(path)
    try:
        target: Target = instantiate(cfg.data.target, _convert_="all")
        restore(target, state["target"])
        members, _, d_in = state["head"]["output.weight"].shape
        heads: dict[str, Head] = {}
        for name, key in (("model", "head"), ("constant", "constant_head")):
            heads[name] = instantiate(cfg.head, _convert_="all")(d_in, target, members=members).eval()
            restore(heads[name], state[key])
        heads["model"].perspectives = named(perspectives(cfg), heads["model"], state["constant"])
        return target, heads, state["constant"]
    except (HydraException, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{path} must fit config.yaml, however: {error}") from None


def perspectives(cfg: DictConfig) -> dict[str, Any]:
    """The metrics that the configuration adds to the head's own, by name; none in one of an earlier version."""
    parts = cfg.metric if "metric" in cfg else {}
    return {name: instantiate(node, _convert_="all") for name, node in parts.items() if node is not None}


def trained_on(cfg: DictConfig, path: Path) -> list[str]:
    """A warning where the file is the one that the model was trained on."""
    known = OmegaConf.select(cfg, "data.source.path")  # it is not built: the reader may be a user's own
    if not isinstance(known, str) or Path(known).resolve() != path.resolve():
        return []
    text = "WARNING: the model was trained on rows of this file; what it does on rows it has not seen is in the run's"
    return [f"{text} metrics.json (test/…) and predictions/test.parquet"]


def whole(schema: Schema, target: Target, cfg: DictConfig) -> Schema:
    """The model's fields and the target's, with the policies of training (which may drop rows) and its ranges."""
    reads = [*schema.reads.values(), *target.reads.values()]
    stored: Any = OmegaConf.to_container(cfg.data.fields) if "fields" in cfg.data and cfg.data.fields else {}
    policies = {str(name): policy for name, policy in stored.items()}
    named = {read.field for read in reads}
    full = Schema.of(reads, {name: policy for name, policy in policies.items() if name in named}, strict=schema.strict)
    ranged = {
        name: replace(full.fields[name], low=field.low, high=field.high, blanked=field.blanked)
        for name, field in schema.fields.items()
    }
    return replace(full, fields={**full.fields, **ranged})


def check(block: Block, schema: Schema, target: Target) -> Checked:
    """The rows, checked; a label column that is missing is told as such, beside all other problems."""
    absent = tuple(read.field for read in target.reads.values() if read.field not in block.table.column_names)
    problems = [
        Problem("missing_label_column", f"evaluation needs the label; {near(name, block.table.column_names)}", (name,))
        for name in absent
    ]
    rest = schema.subset([read for read in schema.reads.values() if read.field not in absent])
    try:
        checked = rest.check(block)
    except DataError as error:
        raise DataError([*problems, *error.problems]) from None
    if not absent and not len(checked.keep):
        problems.append(Problem("no_rows", f"evaluation needs rows, however: {checked.counts['dropped'] or 'none'}"))
    if problems:
        raise DataError(problems)
    return checked


def labels(target: Target, inputs: Inputs, checked: Checked) -> Tensor:
    """The target of every row, (N,) float64."""
    with numbered(checked):
        y = target.encode(inputs)
    without = y.isnan().reshape(len(y), -1).all(dim=1)
    if bad := int(without.sum()):
        fields = tuple(read.field for read in target.reads.values())
        rows = checked.places.of(checked.keep[without.nonzero()[:5, 0].numpy()])
        text = "rows without a label; take them out of the file"
        raise DataError(Problem("missing_label", text, fields, bad, len(y), rows, unit=checked.places.unit))
    return y


def cut(inputs: Inputs, rows: slice) -> Inputs:
    """Some rows."""
    return {key: x[rows] for key, x in inputs.items()}
