"""Importances with known answers, by arithmetic, of models that are written down instead of trained."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mlp_torch.head import Batch
from mlp_torch.ingest.source import Frame
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.regression import Regression
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.responsible.importance import Importance, Permutation, fields_of, permuted
from mlp_torch.target import Category, Number
from mlp_torch.training.data import Data
from mlp_torch.training.table.shards import parquet


def table(rows: int = 6000) -> pa.Table:
    """`same` tells whether a and b are the same word; neither alone says anything."""
    draw = np.random.default_rng(0)
    a, b = draw.choice(["p", "q"], rows), draw.choice(["p", "q"], rows)
    x = draw.normal(size=rows)
    return pa.table(
        {
            "id": np.arange(rows),
            "a": a,
            "b": b,
            "x": x,
            "copy": x,
            "z": draw.normal(size=rows),
            "same": np.where(a == b, "yes", "no"),
        }
    )


def words() -> Data:
    columns = {"cross": Crossed(["a", "b"], buckets=97, dim=2), "b": Embedding("b", dim=2), "z": Scaled("z")}
    return Data(Frame(table()), columns, Category("same", classes=["no", "yes"]), ByFingerprint(["id"]), key=["id"])


@pytest.fixture(scope="module")
def data() -> Data:
    return words().prepare()


def by_cross(data: Data):
    """A model that knows of each code of the cross which class it is: log-odds of 3 or −3."""
    train = data.tables["train"]
    codes = {int(code): float(y) for code, y in zip(train.features["cross"], train.y, strict=True)}
    assert len(codes) == 4
    return lambda table: torch.tensor([[6 * codes[int(code)] - 3] for code in table.features["cross"]])


def found(data: Data, outputs, metric: str = "accuracy", **options) -> Importance:
    """The importances of a model of classes."""
    head = Binary(1, data.target)
    columns = data.transform.named_columns()
    return Permutation(**options)(head, columns, data.held, data.crossed, outputs=outputs, metric=metric)


def test_a_field_that_only_a_cross_reads_counts_by_what_the_cross_becomes(data):
    importance = found(data, by_cross(data), repeats=5)
    for field in ("a", "b"):  # half of the rows get another word, and then the log-odds have the wrong sign
        assert np.mean(importance.fields[field]["loss"]) == pytest.approx(3 / 2, abs=0.12)
        assert np.mean(importance.fields[field]["accuracy"]) == pytest.approx(1 / 2, abs=0.04)


def test_the_other_field_of_a_cross_has_no_importance_where_the_model_uses_one(data):
    words = data.crossed["a:string"]
    codes = dict(zip(data.held.features["cross"].tolist(), (words == words[0]).tolist(), strict=True))
    importance = found(
        data, lambda table: torch.tensor([[6.0 * codes[c] - 3] for c in table.features["cross"].tolist()])
    )
    assert importance.fields["b"]["loss"] == [0.0] * 3
    assert any(loss != 0 for loss in importance.fields["a"]["loss"])


def test_a_field_that_the_model_does_not_use_has_no_importance(data):
    importance = found(data, by_cross(data))
    assert importance.fields["z"] == {"loss": [0.0] * 3, "accuracy": [0.0] * 3}
    assert list(importance.fields)[-1] == "z"


def test_the_cross_is_that_of_raw_values_that_have_moved(data):
    order = torch.randperm(len(data.held.y), generator=torch.Generator().manual_seed(1))
    columns, held = data.transform.named_columns(), data.held
    moved = permuted(columns, held.features, data.crossed, "a", order)
    raw = {key: x[order] if key.startswith("a") else x for key, x in data.crossed.items()}
    assert torch.equal(moved["cross"], columns["cross"].encode(raw))
    assert not torch.equal(moved["cross"], held.features["cross"][order])  # as if b had moved too
    assert torch.equal(moved["b"], held.features["b"])
    both = permuted(columns, held.features, data.crossed, "b", order)
    assert torch.equal(both["b"], held.features["b"][order])  # all columns that read it, by one order
    assert torch.equal(
        both["cross"], columns["cross"].encode({**data.crossed, "b:string": data.crossed["b:string"][order]})
    )


def test_raw_values_that_are_kept_make_the_features_of_the_same_rows(data):
    cross = data.transform.named_columns()["cross"]
    assert set(data.crossed) == {"a:string", "b:string"}
    assert torch.equal(cross.encode(data.crossed), data.held.features["cross"])


def test_nothing_is_kept_where_each_column_reads_one_field():
    plain = words()
    del plain.transform.columns["cross"]
    assert plain.prepare().crossed == {}


def test_a_table_on_disk_keeps_the_same_rows(data, tmp_path):
    pq.write_table(table(), tmp_path / "rows.parquet")
    on_disk = words()
    on_disk.source = parquet(tmp_path / "rows.parquet", folder=tmp_path / "shards")
    on_disk.prepare()
    assert torch.equal(on_disk.held.row.sort().values, data.held.row.sort().values)
    cross = on_disk.transform.named_columns()["cross"]
    assert torch.equal(cross.encode(on_disk.crossed), on_disk.held.features["cross"])
    importance = found(on_disk, by_cross(on_disk), repeats=5)
    assert np.mean(importance.fields["a"]["loss"]) == pytest.approx(3 / 2, abs=0.12)


def regression(weights: dict[str, float]) -> Importance:
    """Of a model that adds up features of deviation 1 and predicts x, whose deviation is 1, without an error."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4000, generator=draw, dtype=torch.float64)
    x = (x - x.mean()) / x.std(correction=0)
    z = torch.randn(4000, generator=draw, dtype=torch.float64)
    features = {"x": x, "copy": x.clone(), "z": z}
    head = Regression(1, Number("y"))
    head.fit(x, torch.ones(4000))
    held = Batch(features, x, torch.ones(4000), torch.arange(4000))
    columns = {name: Scaled(name) for name in features}

    def outputs(table: Batch) -> torch.Tensor:
        return sum(weight * table.features[name] for name, weight in weights.items()).unsqueeze(1)

    return Permutation(rows=4000)(head, columns, held, {}, outputs=outputs, metric="rmse")


def test_two_copies_of_a_field_share_its_importance():
    alone, shared = regression({"x": 1.0}), regression({"x": 0.5, "copy": 0.5})
    assert np.mean(alone.fields["x"]["loss"]) == pytest.approx(2, abs=0.1)  # E(x − x')²
    assert np.mean(alone.fields["x"]["rmse"]) == pytest.approx(2**0.5, abs=0.05)
    assert alone.fields["copy"]["loss"] == [0.0] * 3
    for field in ("x", "copy"):
        assert np.mean(shared.fields[field]["loss"]) == pytest.approx(2 / 4, abs=0.05)  # E(x/2 − x'/2)²


def test_the_same_seed_moves_the_same_rows_and_another_others(data):
    outputs = by_cross(data)
    assert found(data, outputs).fields == found(data, outputs).fields
    assert found(data, outputs, seed=1).fields["a"] != found(data, outputs).fields["a"]


def test_rows_are_capped_to_those_of_the_smallest_fingerprints(data):
    seen = []

    def outputs(table: Batch) -> torch.Tensor:
        seen.append(table.row)
        return by_cross(data)(table)

    importance = found(data, outputs, rows=50)
    assert importance.rows == 50
    assert set(seen[0].tolist()) == set(data.judged["val"].row.sort().values[:50].tolist())


def test_of_many_fields_fewer_rows_are_looked_at_down_to_2000():
    columns = {f"x{i}": Scaled(f"x{i}") for i in range(50)}
    x = torch.linspace(0, 1, 4500, dtype=torch.float64)
    head = Regression(1, Number("y"))
    held = Batch(dict.fromkeys(columns, x), x, torch.ones(4500), torch.arange(4500))
    find, seen = Permutation(repeats=1), []
    for epoch, rows in ((1_000_000, 4500), (200_000, 4000), (100_000, 2000), (10, 2000), (None, 4500)):
        found = find(head, columns, held, {}, outputs=lambda t: t.y.float().unsqueeze(1), metric="rmse", epoch=epoch)
        seen.append((found.rows, rows))
    assert all(rows == expected for rows, expected in seen)


def test_a_metric_that_is_not_defined_is_no_number(data):
    one = data.held.y == 1
    held = Batch({name: x[one] for name, x in data.held.features.items()}, *(x[one] for x in data.held[1:]))
    crossed = {key: x[one] for key, x in data.crossed.items()}
    head, columns = Binary(1, data.target), data.transform.named_columns()
    importance = Permutation()(head, columns, held, crossed, outputs=by_cross(data), metric="auroc")
    assert importance.fields["z"]["auroc"] == []
    assert "auroc" not in importance.to_json()["fields"]["z"]
    assert importance.note().splitlines()[-1].endswith("–")


def test_the_note_names_the_most_important_fields_and_how_many_more_there_are():
    fields = {f"f{i:02}": {"loss": [1 / (i + 1), 1 / (i + 1)], "auroc": [0.1, 0.3]} for i in range(14)}
    note = Importance("auroc", 5000, fields).note()
    assert "5,000 validation rows, mean ± sd of 2" in note
    assert "  f00       1 ± 0  0.2 ± 0.1" in note
    assert "f09" in note
    assert "f10" not in note
    assert note.endswith("and 4 more")
    assert len(Importance("auroc", 5000, fields).picture().axes[0].patches) == 14


def test_a_field_without_which_the_loss_is_less_is_named_if_that_is_no_chance():
    fields = {name: {"loss": loss, "auroc": []} for name, loss in {"a": [1.0, 1.1], "b": [-0.1, 0.05]}.items()}
    assert "say nothing" not in Importance("auroc", 50, fields).note()
    fields["c"] = {"loss": [-0.2, -0.21], "auroc": []}
    assert Importance("auroc", 50, fields).note().endswith("the loss is lower where these say nothing; try without: c")


def test_fields_come_in_the_order_of_the_columns(data):
    assert fields_of(data.transform.named_columns()) == ["a", "b", "z"]


@pytest.mark.parametrize(("options", "text"), [({"rows": 1}, "rows must be"), ({"repeats": 0}, "repeats must be")])
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Permutation(**options)
