"""Row weights by a field: read, checked, the same from disk, and used where the documentation says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from training.table.test_shards import same_rows
from training.test_resume import fit

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.source import Frame, Parquet
from mlp_torch.model import Single
from mlp_torch.problem.rebalancing import ClassWeights, Rebalancing
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import SPLITS, ByColumn
from mlp_torch.responsible.verdict import judge
from mlp_torch.run import quiet
from mlp_torch.target import Category
from mlp_torch.training.data import Data
from mlp_torch.training.table.shards import Shards
from mlp_torch.training.task import Task, outputs

ROWS = 1200


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


def table(weights: Any = None, *, name: str = "w") -> pa.Table:
    """The tiny table with a field of weights, by default whole numbers from 0 to 3."""
    given = [i % 4 for i in range(ROWS)] if weights is None else weights
    return tiny.table(ROWS).append_column(name, pa.array(given))


def of(rows: pa.Table, **options: Any) -> Data:
    """The tiny data of such a table."""
    data = tiny.unprepared(ROWS, **{"weight": "w", **options})
    data.source = Frame(rows)
    return data


def stored(rows: pa.Table, folder: Path, **options: Any) -> Data:
    """The same from disk."""
    pq.write_table(rows, folder / "rows.parquet")
    data = of(rows, **options)
    data.source = Shards(Parquet(folder / "rows.parquet"), folder / "encoded")
    return data


def refused(data: Data) -> Problem:
    with pytest.raises(DataError) as caught:
        data.prepare()
    (problem,) = caught.value.problems
    return problem


def with_bad(*bad: Any) -> list[Any]:
    """Weights of 1 but for the rows 3, 50 and so on."""
    found: list[Any] = [1.0] * ROWS
    for row, value in zip((3, 50, 399), bad, strict=False):
        found[row] = value
    return found


def test_each_row_has_its_weight_in_every_split() -> None:
    data = of(table()).prepare()
    for name in SPLITS:
        rows = [int(key[1:]) for key in data.keys[name]["id"].to_pylist()]
        assert data.tables[name].weight.dtype == torch.float32
        assert data.tables[name].weight.tolist() == [row % 4 for row in rows]
    assert "w" not in data.schema.fields  # who predicts needs none


def test_a_table_on_disk_has_the_weights_that_it_has_in_memory(tmp_path: Path) -> None:
    rows = table(np.random.default_rng(0).lognormal(size=ROWS))
    expected, found = of(rows).prepare(), stored(rows, tmp_path).prepare()
    assert all(same_rows(expected.tables[name], found.tables[name]) for name in SPLITS)
    assert found.fingerprint == expected.fingerprint
    assert found.notes()[:-1] == expected.notes()


def test_encoded_rows_on_disk_are_not_those_of_another_field_of_weights(tmp_path: Path) -> None:
    rows = table().append_column("v", pa.array([1.0 + i % 3 for i in range(ROWS)]))
    pq.write_table(rows, tmp_path / "rows.parquet")
    for weight, state in (("w", "written to"), ("v", "written to"), (None, "written to"), ("w", "reused from")):
        data = of(rows, weight=weight)
        data.source = Shards(Parquet(tmp_path / "rows.parquet"), tmp_path / "encoded")
        assert f"encoded rows {state}" in data.prepare().notes()[-1]
        wanted = {"w": 3.0, "v": 3.0, None: 1.0}[weight]
        assert float(data.tables["train"].weight.max()) == wanted


BAD = [
    ((-1.0, -0.5), "out_of_range", 2, (3, 50), ("-1.0", "-0.5"), "data.fields.w.invalid"),
    ((None,), "missing_value", 1, (3,), (), "data.fields.w.missing"),
    ((float("nan"), None), "missing_value", 2, (3, 50), (), "data.fields.w.missing"),
    ((float("inf"),), "not_finite", 1, (3,), ("inf",), "data.fields.w.invalid"),
    (("heavy",), "not_a_number", 1, (3,), ("heavy",), "data.fields.w.invalid"),
]


@pytest.mark.parametrize(("bad", "code", "n", "rows", "examples", "key"), BAD, ids=[str(bad[0]) for bad in BAD])
@pytest.mark.parametrize("where", ["in memory", "on disk"])
def test_row_50_a_weight_that_is_none_is_refused_with_count_rows_examples_and_key(
    bad, code, n, rows, examples, key, where, tmp_path
) -> None:
    values = with_bad(*bad)
    if isinstance(bad[0], str):
        values = [str(value) for value in values]
    data = of(table(values)) if where == "in memory" else stored(table(values), tmp_path)
    problem = refused(data)
    assert (problem.code, problem.columns, problem.bad, problem.total) == (code, ("w",), n, ROWS)
    assert (problem.rows, problem.key) == (rows, key)
    assert all(example in problem.examples for example in examples)


@pytest.mark.parametrize("where", ["in memory", "on disk"])
def test_row_50_a_policy_that_lets_bad_weights_pass_does_not_get_them_into_training(where, tmp_path) -> None:
    policies = {"w": {"min": None, "invalid": "missing", "missing": "keep"}}
    rows = table(with_bad(-1.0, float("inf"), 1e39))
    data = of(rows, fields=policies) if where == "in memory" else stored(rows, tmp_path, fields=policies)
    problem = refused(data)
    assert (problem.code, problem.columns, problem.bad, problem.rows) == ("invalid_weight", ("w",), 3, (3, 50, 399))
    assert problem.key == "data.fields.w.invalid=drop and .missing=drop"
    assert "-1" in problem.examples


def test_row_50_rows_without_a_weight_are_dropped_and_counted_if_asked() -> None:
    data = of(table(with_bad(None, -1.0)), fields={"w": {"invalid": "drop", "missing": "drop"}}).prepare()
    assert data.counts["dropped"] == {"w: missing_value": 1, "w: out_of_range": 1}


@pytest.mark.parametrize("where", ["in memory", "on disk"])
@pytest.mark.parametrize("name", ["train", "val"])
def test_row_50_a_split_whose_rows_all_weigh_nothing_is_refused_by_name(name, where, tmp_path) -> None:
    ids = set(tiny.data(ROWS).keys[name]["id"].to_pylist())
    rows = table([0.0 if key in ids else 1.0 for key in tiny.table(ROWS)["id"].to_pylist()])
    problem = refused(of(rows) if where == "in memory" else stored(rows, tmp_path))
    assert (problem.code, problem.columns, problem.key) == ("no_weight", ("w",), "data.weight")
    assert f"all {len(ids):,} of {name} weigh 0" in problem.text


def test_a_weight_that_is_a_feature_or_the_target_is_refused_before_anything_is_read() -> None:
    problem = refused(of(table(), weight="size"))
    assert (problem.code, problem.columns, problem.key) == ("weight_is_a_feature", ("size",), "data.columns")
    problem = refused(of(table(), weight="late"))
    assert (problem.code, problem.columns, problem.key) == ("weight_is_the_target", ("late",), "data.weight")


def test_a_field_of_weights_that_is_missing_is_told_with_the_near() -> None:
    problem = refused(of(table(name="wt"), weight="wtt"))
    assert (problem.code, problem.columns) == ("missing_column", ("wtt",))
    assert "did you mean wt?" in str(problem)


def test_a_note_says_what_is_weighed_and_what_is_not() -> None:
    (note,) = [line for line in of(table()).prepare().notes() if line.startswith("rows weigh by w")]
    assert "losses, priors, calibration" in note
    assert "other metrics count each row once" in note
    assert not [line for line in tiny.data().notes() if "weigh" in line]


def test_the_loss_of_validation_is_weighted_and_metrics_are_not(tmp_path: Path) -> None:
    """A weight of 0 takes a row out of the loss; accuracy counts it all the same."""
    data = of(table()).prepare()
    val = data.tables["val"]
    task = Task(data.transform, data.target, tiny.model(data))
    out = outputs(task, val)
    found = judge(task.model, out, val.y, weight=val.weight).values
    losses = task.model.loss(out, val).double()
    assert found["loss"] == pytest.approx(float((losses * val.weight).sum() / val.weight.sum()), rel=1e-9)
    assert found["loss"] != pytest.approx(float(losses.mean()), rel=1e-3)
    assert found["accuracy"] == judge(task.model, out, val.y).values["accuracy"]
    trainer = tiny.trainer(max_epochs=1, enable_checkpointing=False)
    trainer.fit(task, data)
    ended = judge(task.model, outputs(task, val), val.y, weight=val.weight).values
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(ended["loss"], rel=1e-5)


def test_priors_are_weighted() -> None:
    data = of(table()).prepare()
    train = data.tables["train"]
    head = tiny.model(data).head
    share = float((train.y * train.weight).sum() / train.weight.sum())
    assert float(head.output.bias.detach().sigmoid()) == pytest.approx(share, rel=1e-5)
    assert share != pytest.approx(float(train.y.mean()), rel=1e-3)


def trained(data: Data, steps: int = 20) -> Single:
    """A model after some steps, each on all training rows, without dropout."""
    data.batch_size = len(data.tables["train"].y)
    torch.manual_seed(0)
    model = tiny.model(data, dropout=0.0)
    task = Task(data.transform, data.target, model, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    tiny.trainer(max_epochs=steps, enable_checkpointing=False).fit(task, data)
    return model


def two_worlds(rebalancing: Rebalancing | None = None) -> tuple[Data, Data]:
    """Rows with whole weights, and the same rows as often as these say."""
    rows = tiny.table(400).append_column("w", pa.array([1 + (i % 3 == 0) + 3 * (i % 5 == 0) for i in range(400)]))
    part = ["train"] * 300 + ["val"] * 50 + ["test"] * 50
    rows = rows.append_column("part", pa.array(part))
    again = rows.take(pa.array(np.repeat(np.arange(400), rows["w"].to_numpy())))
    split = ByColumn("part", train=["train"], val=["val"], test=["test"])
    made = []
    for table, weight in ((rows, "w"), (again, None)):
        columns = {"age": Scaled("age"), "size": Scaled("size")}
        data = Data(Frame(table), columns, Category("late", classes=["on time", "late"]), split, weight=weight)
        data.rebalancing = rebalancing
        made.append(data)
    weighed, repeated = made
    weighed.prepare()
    repeated.transform = weighed.transform  # the columns' fit counts rows, not weights
    repeated.prepare({f"transform.{k}": v for k, v in weighed.transform.state_dict().items()}
                     | {f"target.{k}": v for k, v in weighed.target.state_dict().items()})  # fmt: skip
    return weighed, repeated


@pytest.mark.parametrize("rebalancing", [None, Rebalancing(ClassWeights)])
def test_a_row_of_weight_n_teaches_what_n_equal_rows_teach(rebalancing) -> None:
    weighed, repeated = two_worlds(rebalancing)
    assert len(repeated.tables["train"].y) > 1.5 * len(weighed.tables["train"].y)
    a, b = trained(weighed), trained(repeated)
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.allclose(x, y, atol=1e-4), name
    weighed.weight, weighed.sampling = None, None
    weighed.prepared.tables["train"] = weighed.tables["train"]._replace(
        weight=torch.ones(len(weighed.tables["train"].y))
    )
    weighed.rebalancing = None
    other = trained(weighed)  # the same rows without weights end elsewhere
    assert not torch.allclose(a.head.output.weight, other.head.output.weight, atol=1e-2)


def test_weights_are_one_in_the_mean_where_training_meets_them() -> None:
    data = of(table()).prepare()
    assert float(data.train_dataloader().table.weight.mean()) == pytest.approx(1.0, rel=1e-6)
    data = of(table())
    data.rebalancing = Rebalancing(ClassWeights, use="weigh")
    assert float(data.prepare().train_dataloader().table.weight.mean()) == pytest.approx(1.0, rel=1e-6)
    assert data.tables["train"].weight.unique().tolist() == [0, 1, 2, 3]  # baselines see the data as they are


@pytest.fixture
def _two_fields(monkeypatch):
    """Every Data of a fit has two fields that may weigh its rows."""
    rows = table().append_column("v", pa.array([1.0] * ROWS))
    made = tiny.unprepared

    def unprepared(n: int = ROWS, **options):
        data = made(n, **options)
        data.source = Frame(rows)
        return data

    monkeypatch.setattr(tiny, "unprepared", unprepared)


@pytest.mark.usefixtures("_two_fields")
def test_a_run_whose_weights_come_from_another_field_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(5)], weight="w")
    for weight in ("v", None):
        with pytest.raises(DataError, match=r"changed_data.*fingerprint"):
            fit(tmp_path, resume=True, weight=weight)
    fit(tmp_path, resume=True, weight="w", epochs=1)
