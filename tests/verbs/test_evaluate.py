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
from mlp_torch.evaluation.evaluation import configuration, evaluate, restored, whole
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
    assert "1 row holds a category of city that training never showed" in text
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


# --- by slices, and by metrics that a user has named


def with_metrics(folder: Path, target: Path, metrics: str) -> Path:
    """A copy of a model whose configuration names further metrics."""
    model = copy(folder, target)
    config = (model / "config.yaml").read_text()
    (model / "config.yaml").write_text(f"{config}\nmetric: {metrics}\n")
    return model


def test_metrics_of_the_configuration_judge_the_served_answers(folder, tmp_path):
    entries = "{found: {_target_: torchmetrics.classification.BinaryRecall}, "
    entries += "profit: {_target_: mlp_torch.problem.value.Value, tp: 40, fp: -5}}"
    model = with_metrics(folder, tmp_path / "model", entries)
    labelled = rows(300, seed=1)
    found = evaluate(model, parquet(tmp_path, labelled)).verdicts
    fields = [{"x": row["x"], "city": row["city"]} for row in labelled]
    said = [answer["class"] for answer in Predictor(folder).predict(fields)]
    pairs = [(a, int(row["late"] == "no")) for a, row in zip(said, labelled, strict=True)]
    tp, fp, fn = (pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 1)))
    assert found["model"].values["found"] == pytest.approx(tp / (tp + fn))
    assert found["model"].values["profit"] == pytest.approx((40 * tp - 5 * fp) / 300)
    assert "profit" in found["constant"].values


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ("{found: {_target_: torchmetrics.classification.BinaryRecal}}", "BinaryRecal"),
        ("{found: {_target_: mlp_torch.problem.value.Value}}", "neither"),
        ("{auroc: {_target_: torchmetrics.classification.BinaryRecall}}", "must have a name of its own"),
    ],
)
def test_metrics_that_cannot_be_are_an_error_of_the_model(folder, tmp_path, entries, text):
    model = with_metrics(folder, tmp_path / "model", entries)
    with pytest.raises(ModelError, match=text):
        evaluate(model, parquet(tmp_path, rows(5)))


def sliced(folder: Path, tmp_path: Path, records: list[dict[str, Any]], *by: str, metric: str | None = None):
    """The breakdowns of an evaluation by their field."""
    found = evaluate(folder, parquet(tmp_path, records), by=by, metric=metric)
    return {each.field: each for each in found.breakdowns}


def test_each_slice_is_judged_as_a_file_of_its_rows_alone(folder, tmp_path):
    labelled = rows(300, seed=1)
    cities = sliced(folder, tmp_path, labelled, "city")["city"]
    assert {item.name: item.rows for item in cities.slices} == {"Oslo": 150, "東京": 150}
    for item in cities.slices:
        alone = evaluate(folder, parquet(tmp_path, [row for row in labelled if row["city"] == item.name])).verdicts
        assert item.model.values == pytest.approx(alone["model"].values, rel=1e-5)
        assert item.constant.values == pytest.approx(alone["constant"].values, rel=1e-5)
        assert item.interval.low < item.model.values["auroc"] < item.interval.high
    assert cities.metric == "auroc"
    assert cities.slices[0].model.values["auroc"] < cities.slices[1].model.values["auroc"]


def test_less_is_worse_or_better_as_the_metric_has_it(folder, tmp_path):
    slices = sliced(folder, tmp_path, rows(300, seed=1), "city", metric="log_loss")["city"].slices
    assert slices[0].model.values["log_loss"] > slices[1].model.values["log_loss"]


@pytest.mark.parametrize("kind", ["binary", "regression", "reframing"])
def test_any_field_cuts_the_rows_of_every_head(folders, kind, tmp_path):
    labelled = [
        {**row, "note": f"n{i % 3}", "at": f"2024-0{1 + i % 6}-11", "empty": None} for i, row in enumerate(rows(400))
    ]
    found = evaluate(folders[kind], parquet(tmp_path, labelled), by=["note", "at", "x", "delay", "empty", "note"])
    shown = {each.field: [item.name for item in each.slices] for each in found.breakdowns}
    assert list(shown) == ["note", "at", "x", "delay", "empty"]
    assert sorted(shown["note"]) == ["n0", "n1", "n2"]
    assert sorted(shown["at"]) == [f"2024-0{month}" for month in range(1, 7)]
    assert len(shown["x"]) == 4  # of 90 rows or more
    assert shown["empty"] == ["(missing)"]
    assert sum(item.rows for item in found.breakdowns[2].slices) == 400
    scores = [row[found.worst.score] for row in found.worst.rows]
    assert len(scores) == 20
    assert scores == sorted(scores, reverse=True)
    tables = [line for each in found.breakdowns for line in each.lines()[: len(each.slices) + 1]]
    assert max(map(len, [*tables, *found.worst.lines()])) <= 110


def test_the_worst_rows_are_those_of_the_largest_loss_and_are_told_by_their_line(folder, tmp_path):
    labelled = [{**row, "id": f"k{i}"} for i, row in enumerate(rows(100, seed=1))]
    labelled[4]["x"] = None  # is dropped, so that lines and rows differ
    found = evaluate(folder, written(tmp_path, labelled), by=["city"]).worst
    kept = [i for i in range(100) if i != 4]
    fields = [{"x": labelled[i]["x"], "city": labelled[i]["city"]} for i in kept]
    losses = {}
    for i, answer in zip(kept, Predictor(folder).predict(fields), strict=True):
        p = answer["probability"] if labelled[i]["late"] == "no" else 1 - answer["probability"]
        losses[i + 2] = -math.log(p)  # line 1 is the header
    expected = sorted(losses, key=lambda line: -losses[line])[:20]
    assert [row["line"] for row in found.rows] == expected
    assert found.rows[0]["log_loss"] == pytest.approx(losses[expected[0]], rel=1e-5)
    assert found.rows[0]["target"] == labelled[expected[0] - 2]["late"]
    assert found.rows[0]["class"] != found.rows[0]["target"]


def test_of_a_number_the_worst_rows_are_those_of_the_largest_error(folders, tmp_path):
    labelled = rows(50, seed=1)
    labelled[7]["delay"] = 1000.0
    found = evaluate(folders["regression"], parquet(tmp_path, labelled), by=["city"]).worst
    assert (found.rows[0]["row"], found.rows[0]["target"]) == (7, 1000.0)
    assert found.rows[0]["absolute error"] == pytest.approx(1000 - found.rows[0]["prediction"])


def test_a_slice_of_one_class_comes_last_and_says_why_it_has_no_figure(folder, tmp_path):
    labelled = [{**row, "note": "late" if row["late"] == "yes" else "mixed"} for row in rows(300, seed=1)]
    labelled[0] = {**labelled[0], "late": "yes", "note": "mixed"}
    found = evaluate(folder, parquet(tmp_path, labelled), by=["note"])
    last = found.breakdowns[0].slices[-1]
    assert (last.name, last.interval) == ("late", None)
    assert "auroc" not in last.model.values
    assert "auroc is not defined (one class only: 0) for late" in found.text()
    (line,) = [line for line in found.text().splitlines() if line.startswith("late ")]
    assert line.split()[2:4] == ["–", "–"]


def test_a_slice_of_one_row_has_no_interval(folder, tmp_path):
    found = evaluate(folder, parquet(tmp_path, rows(1)), by=["city"], metric="log_loss")
    assert "Oslo     1" in found.text()
    assert found.breakdowns[0].slices[0].interval.to_json() is None


def test_a_slice_that_is_worse_beyond_chance_is_named(folder, tmp_path):
    plain = rows(300, seed=1)
    said = Predictor(folder).predict([{"x": row["x"], "city": row["city"]} for row in plain])
    labelled = []
    for i, (row, answer) in enumerate(zip(plain, said, strict=True)):  # every third label is not what is said
        high = answer["probability"] > 0.5
        wrong = i % 3 == 0
        labelled.append({**row, "late": "no" if high != wrong else "yes", "note": "wrong" if wrong else "right"})
    text = evaluate(folder, parquet(tmp_path, labelled), by=["note"], metric="log_loss").text()
    (line,) = [line for line in text.splitlines() if line.startswith("worse than all rows")]
    assert line.endswith("by the whole interval: wrong")


def test_a_user_s_metric_orders_slices_too(folder, tmp_path):
    entries = "{profit: {_target_: mlp_torch.problem.value.Value, tp: 40, fp: -5}}"
    model = with_metrics(folder, tmp_path / "model", entries)
    found = sliced(model, tmp_path, rows(300, seed=1), "city", metric="profit")["city"]
    values = [item.model.values["profit"] for item in found.slices]
    assert values == sorted(values)
    assert found.whole == pytest.approx(sum(values) / 2)  # of slices of the same size


def test_a_field_or_a_metric_that_there_is_not_is_refused_with_the_near_ones(folders, tmp_path, capsys):
    path = parquet(tmp_path, rows(20))
    asked = ["evaluate", "--model", str(folders["reframing"]), "--input", str(path)]
    assert main([*asked, "--metric", "crps"]) == 2
    assert "--metric orders slices, which need --by FIELD, however: --metric crps alone" in capsys.readouterr().err
    assert main([*asked, "--by", "ctiy"]) == 2
    assert "--by must be a field of" in (error := capsys.readouterr().err)
    assert "ctiy; did you mean city?" in error
    assert main([*asked, "--by", "city", "--metric", "crsp"]) == 2
    assert "did you mean crps?" in capsys.readouterr().err
    assert main([*asked, "--by", "city", "--metric", "coverage_90"]) == 2  # neither more nor less is better
    assert "tells better from worse" in capsys.readouterr().err


def test_slices_and_the_worst_rows_are_in_the_json(folder, tmp_path, capsys):
    path, out = parquet(tmp_path, rows(300, seed=1)), tmp_path / "out.json"
    asked = ["evaluate", "--model", str(folder), "--input", str(path), "--json", str(out)]
    assert main([*asked, "--by", "city", "--by", "delay"]) == 0
    figures = json.loads(out.read_text())
    assert [each["field"] for each in figures["by"]] == ["city", "delay"]
    first = figures["by"][0]["slices"][0]
    assert first["interval"][0] < first["metrics"]["auroc"] < first["interval"][1]
    assert figures["by"][0]["all_rows"] == figures["metrics"]["auroc"]
    assert len(figures["worst_rows"]) == 20
    assert "the 20 rows with the largest log_loss:" in capsys.readouterr().out
    assert main(asked) == 0
    assert "by" not in json.loads(out.read_text())


def test_a_file_without_labels_is_refused_before_it_is_cut(folder, tmp_path):
    path = parquet(tmp_path, [{"x": 1.0, "city": "Oslo"}])
    with pytest.raises(DataError, match="missing_label_column"):
        evaluate(folder, path, by=["city"])
