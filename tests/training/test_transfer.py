"""A run that begins with another one: columns restored and grown, weights loaded where they mean the same."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from torch import Tensor

from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.tabm import TabM
from mlp_torch.column import Column
from mlp_torch.errors import ConfigError
from mlp_torch.head import Head
from mlp_torch.ingest.source import Frame, Parquet
from mlp_torch.model import Single
from mlp_torch.parts import Parts
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.ensembles import Ensemble
from mlp_torch.problem.regression import Regression
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.target import Category, Number, Target
from mlp_torch.training.data import Data
from mlp_torch.training.table.shards import Shards
from mlp_torch.training.task import Task
from mlp_torch.training.transfer import Origin, carry

FEW = ["Oslo", "Rome", ""]  # cities that the first run knows


def rows(cities: list[str] | None = None, *, factor: float = 1.0):
    """The tiny table, or the rows of some cities, whose ages may be of another scale."""
    table = tiny.table(900)
    table = table.set_column(table.column_names.index("age"), "age", pc.multiply(table["age"], factor))
    return table if cities is None else table.filter(pc.is_in(table["city"], pa.array(cities)))


def data(table, columns: dict[str, Column] | None = None, target: Target | None = None, source=None) -> Data:
    """Not prepared."""
    return Data(
        source or Frame(table),
        tiny.columns() if columns is None else columns,
        target or Category("late", classes=["on time", "late"]),
        ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1),
        key=["id"],
        batch_size=64,
    )


MLP_16_8 = partial(MLP, hidden=[16, 8])


def parts(prepared: Data, backbone=MLP_16_8, head: type[Head] = Binary) -> Parts:
    train = prepared.tables["train"]

    def fitted(d_in: int, members: int, sampling: Tensor | None = None) -> Head:
        top = head(d_in, prepared.target, members=members)
        top.fit(train.y, train.weight, sampling)
        return top

    return Parts(prepared.transform.named_columns(), backbone, fitted, train.y, train.weight)


def state_of(prepared: Data, model: torch.nn.Module) -> dict[str, Tensor]:
    """Of a Task whose weights are none that a new model could begin with."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return {name: x.clone() if isinstance(x, Tensor) else x for name, x in task_state(prepared, model).items()}


def task_state(prepared: Data, model: torch.nn.Module):
    return Task(prepared.transform, prepared.target, model).state_dict()


@pytest.fixture(scope="module")
def old() -> tuple[Data, Single]:
    prepared = data(rows(FEW, factor=3.0)).prepare()
    return prepared, parts(prepared).single()


@pytest.fixture(scope="module")
def origin(old) -> Origin:
    prepared, model = old
    return Origin("runs/old", state_of(prepared, model), list(prepared.transform.named_columns()), {}, True)


def begun(new: Data, origin: Origin, *, grow: bool = True, state=None) -> Data:
    """Prepared as a run that begins with another one prepares it."""
    new.inherited = origin.inherited(new.transform, grow=grow)
    return new.prepare(state)


def fitted_state(column: Column) -> dict[str, Tensor]:
    return {name: x for name, x in column.state_dict().items() if name != "seen"}


def test_columns_keep_what_the_other_run_fitted_and_are_not_fitted_again(origin, old):
    new = begun(data(rows()), origin).transform.named_columns()
    afresh = data(rows()).prepare().transform.named_columns()
    for name in ("age", "size", "city_hour", "tail"):
        found, wanted = fitted_state(new[name]), fitted_state(old[0].transform.named_columns()[name])
        assert all(torch.equal(found[key], wanted[key]) for key in wanted), name
        assert any(not torch.equal(x, wanted[key]) for key, x in fitted_state(afresh[name]).items()), name


def test_rows_are_encoded_by_the_restored_columns(origin, old):
    new = begun(data(rows()), origin)
    first = data(rows()).prepare(origin.state)  # as a run that goes on with the old state
    for name in ("age", "size", "tail", "hour", "city_hour"):
        assert torch.equal(new.tables["train"].features[name], first.tables["train"].features[name])
    known = first.tables["train"].features["city"]
    found = new.tables["train"].features["city"]
    assert torch.equal(found[known > 0], known[known > 0])
    assert (found[known == 0] >= 2 + len(FEW)).all()
    assert (known == 0).any()


def test_without_growth_new_words_count_as_unknown(origin):
    new = begun(data(rows()), origin, grow=False)
    assert (new.tables["train"].features["city"] == 0).any()
    assert new.transform.named_columns()["city"].codes == 2 + len(FEW)
    assert new.transform.named_columns()["city"].seen[0]


def test_known_words_keep_their_rows_and_new_ones_have_fresh_ones(origin):
    new = begun(data(rows()), origin)
    torch.manual_seed(5)
    model = parts(new).single()
    name = "encoder.layers.city.table.weight"
    drawn = model.state_dict()[name].clone()
    found = carry(model, origin, new.transform, new.target)
    table, there = model.state_dict()[name], origin.state[f"model.{name}"]
    assert torch.equal(table[: len(there)], there)
    assert torch.equal(table[len(there) :], drawn[len(there) :])
    assert len(table) == len(there) + 2
    assert found.vocabularies == {"city": (5, 7)}
    for key, x in model.state_dict().items():
        if isinstance(x, Tensor) and not key.startswith(("head.shift", "head.threshold")) and key != name:
            assert torch.equal(x, origin.state[f"model.{key}"]), key
    assert "grown: city from 5 to 7 codes" in found.notes()
    assert found.missing == {}
    assert found.unexpected == []


def test_a_column_that_is_fitted_anew_has_a_new_layer_even_of_the_same_shape(origin):
    other = replace(origin, differs={"tail": "buckets is 50, there 60"})
    new = begun(data(rows()), other)
    model = parts(new).single()
    before = model.state_dict()["encoder.layers.tail.table.weight"].clone()
    found = carry(model, other, new.transform, new.target)
    assert torch.equal(model.state_dict()["encoder.layers.tail.table.weight"], before)
    assert found.missing == {"encoder.layers.tail.table.weight": "column tail is fitted anew"}
    assert "fitted anew: tail, buckets is 50, there 60" in found.notes()


def test_a_new_column_leaves_the_first_layer_new_and_the_others_loaded(origin):
    columns = {**tiny.columns(), "more": Scaled("size")}
    other = replace(origin, differs={"more": "no such column there"})
    new = begun(data(rows(), columns), other)
    found = carry(parts(new).single(), other, new.transform, new.target)
    assert list(found.missing) == ["backbone.layers.0.weight"]
    assert "there (16, " in found.missing["backbone.layers.0.weight"]
    assert "backbone.layers.3.weight" in found.loaded


def test_a_column_that_is_left_out_is_unexpected_and_others_in_its_place_are_told(origin):
    columns = {name: column for name, column in tiny.columns().items() if name != "tail"}
    new = begun(data(rows(), columns), origin)
    found = carry(parts(new).single(), origin, new.transform, new.target)
    assert found.unexpected == ["encoder.layers.tail.table.weight"]
    assert found.places["age"] == "tail"
    assert "age (there tail)" in found.notes()[-1]


@pytest.mark.parametrize(
    ("target", "head", "is_same"),
    [
        (Number("size"), Regression, False),
        (Category("late", classes=["on time", "late"]), Binary, False),
        (Category("late", classes=["late", "on time"]), Binary, True),
    ],
    ids=["another target and head", "defined otherwise", "classes in another order"],
)
def test_another_target_gets_a_new_head_on_the_old_body(origin, target, head, is_same):
    other = replace(origin, is_same_problem=is_same, differs={"size": "…"})
    columns = {name: column for name, column in tiny.columns().items() if name != "size"}
    new = begun(data(rows(), columns, target), replace(other, differs={}))
    model = parts(new, head=head).single()
    before = {key: x.clone() for key, x in model.head.state_dict().items()}
    found = carry(model, replace(other, differs={}), new.transform, new.target)
    assert all(torch.equal(x, before[key]) for key, x in model.head.state_dict().items())
    assert {name for name in found.missing if name.startswith("head.")} == {"head.output.weight", "head.output.bias"}
    assert "backbone.layers.3.weight" in found.loaded


def test_what_a_head_fits_is_of_the_new_rows(origin):
    changed = {**origin.state, "model.head.shift": torch.full((1,), 7.0)}
    new = begun(data(rows()), replace(origin, state=changed))
    model = parts(new).single()
    carry(model, replace(origin, state=changed), new.transform, new.target)
    assert not (model.state_dict()["head.shift"] == 7).any()
    assert torch.equal(model.state_dict()["head.output.bias"], origin.state["model.head.output.bias"])


def test_a_model_of_other_names_takes_nothing_and_is_refused(origin):
    new = begun(data(rows()), origin)
    with pytest.raises(ConfigError, match=r"init_from must name a run whose model.*here .*members\.0\.encoder.*there"):
        carry(Ensemble(parts(new), members=2), origin, new.transform, new.target)


@pytest.mark.parametrize("kind", ["ensemble", "tabm"])
def test_members_begin_with_members(kind, old):
    def made(prepared: Data) -> torch.nn.Module:
        if kind == "ensemble":
            return Ensemble(parts(prepared), members=2)
        return parts(prepared, partial(TabM, k=2, blocks=1, d_block=16)).single()

    state = state_of(old[0], made(old[0]))
    other = Origin("old", state, list(old[0].transform.named_columns()), {}, True)
    new = begun(data(rows()), other)
    model = made(new)
    found = carry(model, other, new.transform, new.target)
    assert found.missing == {}
    own = model.state_dict()
    for name in found.loaded:
        there = state[f"model.{name}"]
        assert torch.equal(own[name][: len(there)], there), name
    assert any(len(own[name]) > len(state[f"model.{name}"]) for name in found.loaded)


def test_the_sentences_name_the_first_of_many_tensors_and_the_file_all(origin):
    new = begun(data(rows()), origin)
    found = carry(parts(new).single(), origin, new.transform, new.target)
    line = next(line for line in found.notes() if line.startswith("loaded"))
    assert line.endswith(", …")
    assert len(found.to_json()["loaded"]) > 6


def disk(folder: Path) -> Shards:
    path = folder / "table.parquet"
    if not path.exists():
        pq.write_table(rows(), path)
    return Shards(Parquet(path), folder / "encoded")


def encoded(prepared: Data) -> dict[str, Tensor]:
    return {f"{split}.{name}": x for split, table in prepared.tables.items() for name, x in table.features.items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(x, b[key]) for key, x in a.items())


def test_a_table_on_disk_is_that_in_memory_and_never_that_of_another_run(origin, tmp_path):
    alone = encoded(data(None, source=disk(tmp_path)).prepare())
    first = begun(data(None, source=disk(tmp_path)), origin)
    memory = begun(data(rows()), origin)
    assert equal(encoded(first), encoded(memory))
    assert not equal(encoded(first), alone)
    assert first.transform.named_columns()["city"].codes == 7
    assert torch.equal(first.transform.named_columns()["city"].seen, memory.transform.named_columns()["city"].seen)
    assert equal(encoded(data(None, source=disk(tmp_path)).prepare()), alone)
    ungrown = begun(data(None, source=disk(tmp_path)), origin, grow=False)
    assert equal(encoded(ungrown), encoded(begun(data(rows()), origin, grow=False)))
    ages = {key: x + 1 if key.endswith("columns.age.steps.0.mean") else x for key, x in origin.state.items()}
    moved = begun(data(None, source=disk(tmp_path)), replace(origin, state=ages))
    assert not equal(encoded(moved), encoded(first))
    assert len(list((tmp_path / "encoded").glob("*.shards"))) == 4


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_run_that_goes_on_encodes_the_same_by_its_own_state(origin, on_disk, tmp_path):
    source = disk(tmp_path) if on_disk else None
    first = begun(data(rows(), source=source), origin)
    state = task_state(first, parts(first).single())
    again = begun(data(rows(), source=source), origin, state=state)
    assert equal(encoded(again), encoded(first))
    assert len(list((tmp_path / "encoded").glob("*.shards"))) == on_disk  # nothing is encoded twice
    layer, wanted = (made.transform.named_columns()["city"].layer() for made in (again, first))
    assert layer.table.weight.shape == wanted.table.weight.shape
    assert torch.equal(layer.spare, wanted.spare)


def test_an_embedding_whose_width_is_a_rule_of_thumb_keeps_it_in_a_run_that_goes_on(tmp_path):
    first = data(rows(["Oslo"]), {"tail": Embedding("tail")}).prepare()
    state = state_of(first, parts(first).single())
    origin = Origin("old", state, ["tail"], {}, True)
    new = begun(data(rows(), {"tail": Embedding("tail")}), origin)
    width = first.transform.named_columns()["tail"].dim
    assert new.transform.named_columns()["tail"].dim == width
    assert data(rows(), {"tail": Embedding("tail")}).prepare().transform.named_columns()["tail"].dim > width
    again = data(rows(), {"tail": Embedding("tail")}).prepare(task_state(new, parts(new).single()))
    assert again.transform.named_columns()["tail"].dim == width
