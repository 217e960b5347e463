"""The steps of a build: what is told of rows with a category that training never showed, and what calibration needs."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiny
import torch

from mlp_torch import notebook
from mlp_torch.build import check_head, epoch_notes
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.source import Frame
from mlp_torch.judgement import judge_unseen
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.priors import check_resolution
from mlp_torch.problem.thresholds import BestF
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByColumn, ByFingerprint
from mlp_torch.responsible.report import Report
from mlp_torch.responsible.verdict import judge
from mlp_torch.target import Category
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs


def task_of(new: int) -> tuple[Task, Data]:
    """An untrained task on 600 test rows, of which `new` are of a city and half of these of a tail nobody knows."""
    rows = tiny.table(1800)
    part = np.array(["train"] * 900 + ["val"] * 300 + ["test"] * 600)
    city, tail = np.array(rows["city"].to_pylist(), object), np.array([f"N{i % 20}" for i in range(1800)], object)
    city[1200 : 1200 + new] = "Atlantis"
    tail[1200 : 1200 + new // 2] = "N99"
    rows = rows.set_column(1, "city", pa.array(city)).set_column(2, "tail", pa.array(tail))
    columns: dict[str, Any] = {"city": Embedding("city"), "tail": Embedding("tail"), "age": Scaled("age")}
    split = ByColumn("part", train=["train"], val=["val"], test=["test"])
    data = Data(Frame(rows.append_column("part", pa.array(part))), columns, Category("late"), split).prepare()
    torch.manual_seed(0)
    return Task(data.transform, data.target, tiny.model(data)), data


def told(new: int) -> tuple[Report, list[str]]:
    task, data = task_of(new)
    out = outputs(task, data.tables["test"])
    report = Report({name: metric.higher_is_better for name, (_, _, metric) in task.model.metrics().items()})
    report.add("model", "test", judge(task.model, out, data.tables["test"].y).values)
    return report, judge_unseen(report, task, "test", data.tables["test"], out)


def test_the_metrics_of_rows_with_an_unseen_category_stand_beside_those_of_all_rows() -> None:
    report, (note,) = told(new=200)
    task, data = task_of(200)
    table = data.tables["test"]
    rows = torch.arange(600) < 200
    wanted = judge(task.model, outputs(task, table)[rows], table.y[rows]).values
    assert report.slices["unseen"]["test"] == wanted
    assert report.flat()["test/auroc_unseen"] == pytest.approx(wanted["auroc"])
    assert wanted["auroc"] != report.of("model", "test")["auroc"]
    start = "On 200 test rows with a category that training never showed (city 200, tail 100): auroc "
    assert note.startswith(start)
    assert f"{wanted['auroc']:.4g} (all rows {report.of('model', 'test')['auroc']:.4g})" in note


@pytest.mark.parametrize("new", [0, 99])
def test_of_few_rows_nothing_is_told(new: int) -> None:
    report, notes = told(new)
    assert not notes
    assert not report.slices
    assert not any(name.endswith("_unseen") for name in report.flat())


def without_calibration_rows() -> Data:
    data = tiny.unprepared()
    data.split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0)
    return data.prepare()


@pytest.mark.parametrize("options", [{"calibration": "temperature"}, {"threshold": BestF()}])
def test_a_head_that_calibrates_is_refused_before_training_where_there_is_no_row_to_do_so(
    options: dict[str, Any],
) -> None:
    data = without_calibration_rows()
    with pytest.raises(ConfigError, match=r"split\.calibration must leave labelled rows .*there are none"):
        notebook.fit(data, head=partial(Binary, **options), epochs=1, progress_bar=False)


def test_a_head_that_calibrates_nothing_needs_no_calibration_rows() -> None:
    data = without_calibration_rows()
    notebook.fit(data, head=partial(Binary, threshold=0.3), epochs=1, progress_bar=False)


def test_calibration_rows_without_a_label_do_not_count() -> None:
    data = tiny.data()
    held = data.judged["calibration"]
    data.judged["calibration"] = held._replace(y=torch.full_like(held.y, torch.nan))
    with pytest.raises(ConfigError, match=r"split\.calibration"):
        check_head(Binary(2, data.target, calibration="isotonic"), data, None)


@pytest.mark.parametrize(
    ("epoch", "rates", "note"),
    [(3, (0.1, 0.1), "WARNING: the best epoch is the last of 4"), (3, (0.0, 0.1), "best epoch 4 of 4")],
)
def test_the_last_epoch_may_be_the_best_where_the_rate_has_fallen(epoch, rates, note) -> None:
    now, first = rates
    optimizer = SimpleNamespace(param_groups=[{"lr": now, "initial_lr": first}])
    task = SimpleNamespace(model=SimpleNamespace(period=1))
    trainer = SimpleNamespace(
        current_epoch=4, early_stopping_callback=None, optimizers=[optimizer], lightning_module=task
    )
    assert epoch_notes(epoch, trainer)[0].startswith(note)


def test_numbers_that_single_precision_does_not_tell_apart_are_refused() -> None:
    draw = torch.Generator().manual_seed(0)
    y = 1.7e9 + 20 * torch.randn(100, generator=draw).double()
    with pytest.raises(DataError, match=r"deviation is 20.5, a step of single precision 203; count from a zero"):
        check_resolution(y, ("at",))
    check_resolution(y - 1.7e9, ("at",))
    check_resolution(torch.full((9,), 1.7e9).double(), ("at",))  # a constant is told elsewhere
