"""Evaluation of a small real model on files of labelled rows; golden figures from scikit-learn or by hand."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from mlp_torch import files
from mlp_torch.__main__ import main
from mlp_torch.column import Sample
from mlp_torch.errors import DataError, ModelError
from mlp_torch.evaluation import configuration, evaluate, restored, whole
from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.schema import Schema
from mlp_torch.model import Encoder, Single
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.responsible import verdict
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")

CONFIG = """
name: tiny
data:
  source: {_target_: mlp_torch.ingest.source.Csv, path: train.csv, delimiter: ";"}
  columns:
    x: {_target_: mlp_torch.representation.numbers.Scaled, field: x}
    city: {_target_: mlp_torch.representation.embeddings.Embedding, field: city, dim: 2}
  fields:
    x: {min: -10, max: 10, missing: drop}
    id: {missing: error}
  target: TARGET
backbone: {_target_: mlp_torch.backbone.mlp.MLP, _partial_: true, hidden: [4]}
head: HEAD
"""
KINDS = {
    "binary": (
        "{_target_: mlp_torch.target.Category, field: late, classes: ['yes', 'no']}",
        "{_target_: mlp_torch.problem.classification.Binary, _partial_: true}",
    ),
    "regression": (
        "{_target_: mlp_torch.target.Number, field: delay}",
        "{_target_: mlp_torch.problem.regression.Regression, _partial_: true, loss: absolute}",
    ),
    "reframing": (
        "{_target_: mlp_torch.target.Number, field: delay}",
        "{_target_: mlp_torch.problem.reframing.Reframed, _partial_: true, bins: 5, thresholds: {over_0: 0.0}}",
    ),
}


def rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Late by x, mostly."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, generator=draw, dtype=torch.float64)
    delay = (x + torch.randn(n, generator=draw, dtype=torch.float64)).tolist()
    return [
        {"x": value, "city": ("Oslo", "東京")[i % 2], "late": "no" if delay[i] > 0.5 else "yes", "delay": delay[i]}
        for i, value in enumerate(x.tolist())
    ]


def build(folder: Path, kind: str) -> Path:
    """Fits by the configuration as a run does, and exports."""
    target_yaml, head_yaml = KINDS[kind]
    text = CONFIG.replace("TARGET", target_yaml).replace("HEAD", head_yaml)
    cfg = OmegaConf.create(text)
    columns = {name: instantiate(column) for name, column in cfg.data.columns.items()}
    transform, target = Transform(columns), instantiate(cfg.data.target, _convert_="all")
    full = Schema.of([*transform.reads, *target.reads.values()], {"x": OmegaConf.to_container(cfg.data.fields.x)})
    checked = full.check(table_of(rows(400)), training=True)
    inputs, words = to_inputs(checked, full.reads.values()), words_of(checked)
    target.fit(inputs, words)
    y, weight = target.encode(inputs), torch.ones(400)
    transform.fit(Sample(inputs, y, words))
    torch.manual_seed(3)
    encoder = Encoder(transform.named_columns())
    backbone = instantiate(cfg.backbone, _convert_="all")(encoder.widths)
    head = instantiate(cfg.head, _convert_="all")(backbone.d_out, target, members=1)
    head.fit(y, weight)
    model = Single(encoder, backbone, head)
    schema = full.subset(transform.reads).learn(inputs, words)
    serving = ServingFunction(schema, transform, model, name="tiny")
    constant = (head.constant(y, weight), head)
    return export(serving, folder, target=target, constant=constant, metrics={}, data="0" * 64, config=text)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: build(tmp_path_factory.mktemp(kind) / "model", kind) for kind in KINDS}


@pytest.fixture
def folder(folders: dict[str, Path]) -> Path:
    return folders["binary"]


def parquet(folder: Path, records: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(records), folder / "labelled.parquet")
    return folder / "labelled.parquet"


def written(folder: Path, records: list[dict[str, Any]], delimiter: str = ";") -> Path:
    with (folder / "labelled.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, records[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(records)
    return folder / "labelled.csv"


# --- figures


def test_the_figures_are_those_of_scikit_learn_on_what_the_library_predicts(folder, tmp_path):
    labelled = rows(300, seed=1)
    found = evaluate(folder, parquet(tmp_path, labelled))
    y = [row["late"] == "no" for row in labelled]
    fields = [{"x": row["x"], "city": row["city"]} for row in labelled]
    p = [answer["probability"] for answer in Predictor(folder).predict(fields)]
    values = found.verdicts["model"].values
    assert values["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-6)
    assert values["average_precision"] == pytest.approx(average_precision_score(y, p), abs=1e-6)
    assert values["log_loss"] == pytest.approx(log_loss(y, p), abs=1e-6)


def test_the_constant_is_the_training_rows_share_judged_on_these_rows(folder, tmp_path):
    labelled = rows(300, seed=1)
    y = [row["late"] == "no" for row in labelled]
    share = sum(row["late"] == "no" for row in rows(400)) / 400
    values = evaluate(folder, parquet(tmp_path, labelled)).verdicts["constant"].values
    assert values["log_loss"] == pytest.approx(log_loss(y, [share] * 300), abs=1e-5)
    assert values["auroc"] == 0.5
    assert share != sum(y) / 300  # so that the share of these rows would be told apart


def test_numbers_are_judged_in_the_unit_of_the_target(folders, tmp_path):
    labelled = rows(300, seed=1)
    found = evaluate(folders["regression"], parquet(tmp_path, labelled)).verdicts
    fields = [{"x": row["x"], "city": row["city"]} for row in labelled]
    p = [answer["prediction"] for answer in Predictor(folders["regression"]).predict(fields)]
    errors = [abs(a - row["delay"]) for a, row in zip(p, labelled, strict=True)]
    assert found["model"].values["mae"] == pytest.approx(sum(errors) / 300, rel=1e-5)
    median = sorted(row["delay"] for row in rows(400))[199:201]
    flat = [sum(abs(m - row["delay"]) for row in labelled) / 300 for m in median]
    assert min(flat) - 1e-3 <= found["constant"].values["mae"] <= max(flat) + 1e-3


def test_a_distribution_is_judged_by_its_own_metrics(folders, tmp_path):
    found = evaluate(folders["reframing"], parquet(tmp_path, rows(300, seed=1)))
    assert {"crps", "rmse", "auroc_over_0"} <= set(found.verdicts["model"].values)
    assert found.verdicts["constant"].values["auroc_over_0"] == 0.5


def test_rows_judged_in_chunks_give_the_figures_of_all_at_once(folder, tmp_path, monkeypatch):
    path = parquet(tmp_path, rows(300, seed=1))
    whole = evaluate(folder, path)
    monkeypatch.setattr(verdict, "CHUNK", 70)
    parts = evaluate(folder, path)
    for name in ("model", "constant"):
        assert parts.verdicts[name].values == pytest.approx(whole.verdicts[name].values, rel=1e-5)
    assert parts.rows == whole.rows


def test_other_labels_give_other_figures(folder, tmp_path):
    labelled = rows(300, seed=1)
    right = evaluate(folder, parquet(tmp_path, labelled)).verdicts["model"].values["auroc"]
    turned = [{**row, "late": {"no": "yes", "yes": "no"}[row["late"]]} for row in labelled]
    assert evaluate(folder, parquet(tmp_path, turned)).verdicts["model"].values["auroc"] == pytest.approx(1 - right)


def test_one_class_only_leaves_the_ranking_undefined_and_says_why(folder, tmp_path):
    path = parquet(tmp_path, [row for row in rows(100) if row["late"] == "yes"])
    found = evaluate(folder, path)
    assert "auroc" not in found.verdicts["model"].values
    assert "auroc is not defined: one class only: 0" in found.text()


# --- rows


def test_a_csv_is_read_as_the_training_rows_were(folder, tmp_path):
    labelled = rows(50, seed=1)
    by_csv, by_parquet = evaluate(folder, written(tmp_path, labelled)), evaluate(folder, parquet(tmp_path, labelled))
    assert by_csv.verdicts == by_parquet.verdicts
    with pytest.raises(DataError, match=r"wrong_delimiter|missing_column"):
        evaluate(folder, written(tmp_path, labelled, delimiter=","))


def test_rows_are_counted_by_what_became_of_them(folder, tmp_path):
    labelled = rows(50, seed=1)
    labelled[3]["x"] = labelled[7]["x"] = None
    labelled[5]["city"] = "Roma"
    found = evaluate(folder, parquet(tmp_path, [{**row, "note": "?"} for row in labelled]))
    assert (found.rows["read"], found.rows["used"], found.rows["dropped"]) == (50, 48, {"x: missing_value": 2})
    assert found.rows["unseen"] == {"city": 1}
    text = found.text()
    assert "50 rows read, 48 used" in text
    assert "dropped 2 rows: x: missing_value" in text
    assert "1 rows hold a category of city that training never showed" in text
    assert "ignored columns: delay, note" in text


def test_a_missing_label_column_is_named_as_such_beside_all_other_problems(folder, tmp_path):
    path = parquet(tmp_path, [{"x": 99.0, "city": "Oslo", "Late": "no"}])
    with pytest.raises(DataError) as caught:
        evaluate(folder, path)
    assert [(p.code, p.columns) for p in caught.value.problems] == [
        ("missing_label_column", ("late",)),
        ("out_of_range", ("x",)),
    ]
    assert "did you mean Late?" in str(caught.value)


def test_rows_without_a_label_are_an_error_with_their_count(folder, tmp_path):
    labelled = rows(20)
    labelled[2]["late"] = labelled[9]["late"] = None
    with pytest.raises(DataError, match=r'missing_label: column "late": .*; 2 of 20 rows, rows 2, 9'):
        evaluate(folder, parquet(tmp_path, labelled))
    with pytest.raises(DataError, match=r"2 of 20 rows, lines 4, 11"):
        evaluate(folder, written(tmp_path, labelled))


def test_a_label_that_training_never_showed_is_an_error(folder, tmp_path):
    with pytest.raises(DataError, match=r"unknown_label.*known: yes, no"):
        evaluate(folder, parquet(tmp_path, [*rows(5), {**rows(1)[0], "late": "maybe"}]))


def test_a_label_that_training_never_showed_is_told_by_its_line_or_row_dropped_ones_counted(folder, tmp_path):
    labelled = rows(6)
    labelled[1]["x"] = None  # dropped
    labelled[3]["late"] = labelled[5]["late"] = "maybe"
    for path, unit, places in (
        (written(tmp_path, labelled), "line", (5, 7)),
        (parquet(tmp_path, labelled), "row", (3, 5)),
    ):
        with pytest.raises(DataError) as caught:
            evaluate(folder, path)
        (problem,) = caught.value.problems
        assert (problem.code, problem.unit, problem.rows) == ("unknown_label", unit, places)


def test_no_row_left_is_an_error_and_no_figure(folder, tmp_path):
    labelled = [{**row, "x": None} for row in rows(5)]
    table = pa.Table.from_pylist(labelled).set_column(0, "x", pa.nulls(5, pa.float64()))
    pq.write_table(table, tmp_path / "labelled.parquet")
    with pytest.raises(DataError, match=r"no_rows.*x: missing_value"):
        evaluate(folder, tmp_path / "labelled.parquet")


# --- the model's files


def copy(folder: Path, target: Path) -> Path:
    """A copy whose manifest does not know the configuration, so that it may be changed."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    manifest = files.read_json(target / "manifest.json")
    del manifest["sha256"]["config.yaml"], manifest["format"]
    files.write_json(target / "manifest.json", manifest)
    return target


def test_without_its_configuration_a_model_cannot_be_evaluated(folder, tmp_path):
    model = copy(folder, tmp_path / "model")
    (model / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"config.yaml is missing"):
        evaluate(model, parquet(tmp_path, rows(5)))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("classification.Binary", "classification.Binry", "Binry"),
        ("classification.Binary", "classification.Multiclass", "must fit config.yaml"),
        ("target:", "target: {}\n  goal:", "must name data.target"),
        ("name: tiny", "data: 5", "must be a run's configuration"),
        ("head:", "body:", "must be a run's configuration"),
        ("name: tiny", "- [", "must be a run's configuration"),
    ],
)
def test_a_configuration_of_another_model_is_refused(folder, tmp_path, old, new, text):
    model = copy(folder, tmp_path / "model")
    config = (model / "config.yaml").read_text()
    assert old in config
    (model / "config.yaml").write_text(config.replace(old, new))
    with pytest.raises(ModelError, match=text):
        evaluate(model, parquet(tmp_path, rows(5)))


def test_a_damaged_model_is_refused(folder, tmp_path):
    model = copy(folder, tmp_path / "model")
    with (model / "target.pt").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"target.pt is damaged"):
        evaluate(model, parquet(tmp_path, rows(5)))


# --- the command line


def test_the_command_prints_the_table_and_writes_the_figures(folder, tmp_path, capsys):
    path = parquet(tmp_path, rows(300, seed=1))
    assert main(["evaluate", "--model", str(folder), "--input", str(path), "--json", str(tmp_path / "out.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads((tmp_path / "out.json").read_text())
    table = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert table["metric"] == ["model", "constant"]
    metrics = figures["metrics"]
    assert table["auroc"] == [f"{metrics['auroc']:.4g}", f"{metrics['auroc_baseline']:.4g}"]
    assert all(math.isfinite(value) for value in metrics.values())
    assert (figures["format"], figures["name"], figures["rows"]["used"]) == (1, "tiny", 300)
    assert figures["version"] == Predictor(folder).version


def test_a_constant_that_wins_is_said(folder, tmp_path, capsys):
    turned = [{**row, "late": {"no": "yes", "yes": "no"}[row["late"]]} for row in rows(300, seed=1)]
    right = evaluate(folder, parquet(tmp_path, rows(300, seed=1))).verdicts["model"].values["auroc"]
    path = parquet(tmp_path, turned if right > 0.5 else rows(300, seed=1))
    assert main(["evaluate", "--model", str(folder), "--input", str(path)]) == 0
    assert "the constant beats the model by auroc (0.5 against" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--modle", "x", "--input", "y.csv"], "no such option: --modle; did you mean --model?"),
        (["--model", "x"], "required: --input"),
        (["--model", "/no/model", "--input", "y.csv"], "a model must be a folder, however: /no/model"),
    ],
)
def test_arguments_that_cannot_be_are_told_with_exit_code_2(arguments, text, capsys):
    assert main(["evaluate", *arguments]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(("name", "text"), [("none.csv", "no_file"), ("none.xlsx", "unknown_format")])
def test_a_file_that_cannot_be_read_is_told_with_exit_code_2(folder, tmp_path, capsys, name, text):
    assert main(["evaluate", "--model", str(folder), "--input", str(tmp_path / name)]) == 2
    assert text in capsys.readouterr().err


def test_evaluation_imports_no_lightning(folder, tmp_path):
    import subprocess
    import sys

    path = parquet(tmp_path, rows(20))
    code = (
        "import sys; from mlp_torch.__main__ import main; "
        f"main(['evaluate', '--model', {str(folder)!r}, '--input', {str(path)!r}]); print('lightning' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


def test_fields_of_which_all_lines_are_comments_are_no_policies(folder):
    cfg = configuration(folder)
    target, _, _ = restored(cfg, folder)
    cfg.data.fields = None  # what YAML makes of it
    schema = Predictor(folder).schema
    assert whole(schema, target, cfg).fields.keys() > schema.fields.keys()
