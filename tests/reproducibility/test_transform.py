"""Transform: fitted on training rows alone, and restored as it was."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import tiny
import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.source import Frame
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.sets import Set
from mlp_torch.representation.text import Text
from mlp_torch.reproducibility.split import SPLITS
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.script import script
from mlp_torch.training.data import Data

ROWS = 400
NAN = float("nan")


def sample(**inputs: list[float]) -> Sample:
    tensors = {
        name.replace("_string", ":string"): torch.tensor(
            values, dtype=torch.int64 if name.endswith("_string") else torch.float64
        )
        for name, values in inputs.items()
    }
    return Sample(tensors, torch.zeros(len(next(iter(tensors.values())))), lambda read: [])


def split_of(name: str) -> np.ndarray:
    """Which rows of the tiny table are in a split."""
    index = tiny.unprepared(ROWS).split.assign({"id:string": fingerprints(tiny.table(ROWS)["id"].to_pylist())})
    assert len(index) == ROWS
    return (index == SPLITS.index(name)).numpy()


def altered(rows: np.ndarray) -> pa.Table:
    """The tiny table where the rows given hold other values in every field but the key, some never seen elsewhere."""
    table, other = tiny.table(ROWS), tiny.table(ROWS, seed=99)
    columns = {"id": table["id"]}
    for name in ("city", "tail", "at", "age", "size", "late"):
        changed = other[name].to_pylist()
        if name in ("age", "size"):
            changed = [None if x is None else 1e4 + x for x in changed]
        if name in ("city", "tail"):
            changed = [f"new {x}" for x in changed]
        pairs = zip(table[name].to_pylist(), changed, rows, strict=True)
        columns[name] = pa.array([new if row else old for old, new, row in pairs], table[name].type)
    return pa.table(columns)


def fitted_state(table: pa.Table) -> dict[str, Tensor]:
    """Every fitted tensor of transform, target and head."""
    data = tiny.unprepared(ROWS)
    data.source = Frame(table)
    data.prepare()
    torch.manual_seed(0)
    modules: dict[str, nn.Module] = {"transform": data.transform, "target": data.target, "head": tiny.model(data).head}
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
        if isinstance(value, Tensor)
    }


def differing(a: dict[str, Tensor], b: dict[str, Tensor]) -> set[str]:
    assert a.keys() == b.keys()
    return {key for key in a if not torch.equal(a[key], b[key])}


@pytest.mark.parametrize("split", ["val", "test", "calibration"])
def test_other_values_in_another_split_change_no_fitted_bit(split: str) -> None:
    rows = split_of(split)
    assert rows.sum() > 20
    assert altered(rows) != tiny.table(ROWS)
    assert differing(fitted_state(altered(rows)), fitted_state(tiny.table(ROWS))) == set()


def test_other_values_in_training_rows_change_what_is_fitted() -> None:
    changed = differing(fitted_state(altered(split_of("train"))), fitted_state(tiny.table(ROWS)))
    columns = {key.split(".")[2] for key in changed if key.startswith("transform.columns")}
    assert {"city", "tail", "age", "size"} <= columns
    assert "head.output.bias" in changed


def one_word(name: str) -> pa.Table:
    rows = split_of(name)
    rows[rows.nonzero()[0][1:]] = False
    return altered(rows)


def test_one_training_row_is_enough_to_change_something_and_one_of_validation_is_not() -> None:
    before = fitted_state(tiny.table(ROWS))
    assert differing(fitted_state(one_word("train")), before)
    assert not differing(fitted_state(one_word("val")), before)


def test_all_columns_that_cannot_be_fitted_are_told_at_once() -> None:
    transform = Transform(
        {"a": Embedding("city"), "b": Scaled("age"), "c": Scaled("size"), "d": Crossed(["city", "x"], 5)}
    )
    with pytest.raises(DataError) as caught:
        transform.fit(sample(city_string=[0, 0], age=[NAN, NAN], size=[1, 2], x_string=[1, 2]))
    assert [(problem.code, problem.columns, problem.key) for problem in caught.value.problems] == [
        ("cannot_fit", ("city",), "data.columns.a"),
        ("cannot_fit", ("age",), "data.columns.b"),
    ]


def test_a_column_that_an_experiment_drops_is_left_out() -> None:
    assert list(Transform({"a": Scaled("age"), "b": None}).named_columns()) == ["a"]
    for columns in ({}, {"a": None}):
        with pytest.raises(ConfigError, match=r"must have at least one column, however: data\.columns is empty"):
            Transform(columns)


@pytest.mark.parametrize("name", ["", "a.b", "type", "values", "keys", "forward", "training"])
def test_a_name_that_a_module_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a column's name must have no dot and be none of a module's own"):
        Transform({name: Scaled("age")})


@pytest.mark.parametrize("name", ["a b", "日本", "0", "class", "a/b", 'a"b', "self"])
def test_any_other_name_scripts(name: str) -> None:
    transform = Transform({name: Scaled("age")}).fit(sample(age=[1, 3]))
    assert script(transform)({"age": torch.tensor([5.0]).double()})[name].tolist() == [[3.0]]


def test_a_field_may_have_any_name() -> None:
    transform = Transform({"x": Scaled("a.type ")}).fit(
        Sample({"a.type ": torch.tensor([1.0, 3]).double()}, torch.zeros(2), lambda r: [])
    )
    assert [read.key for read in transform.reads] == ["a.type "]


def test_only_categories_that_training_never_showed_are_unseen() -> None:
    columns: dict[str, Column | None] = {"city": Embedding("city"), "age": Scaled("age")}
    transform = Transform(columns).fit(sample(city_string=[7, 8], age=[1, 2]))
    unseen = transform.unseen(transform(sample(city_string=[7, 9, 0], age=[50, NAN, 1]).inputs))
    assert {name: rows.tolist() for name, rows in unseen.items()} == {"city": [False, True, False]}


def test_columns_that_need_a_field_in_two_forms_are_refused_when_they_are_named() -> None:
    with pytest.raises(ConfigError, match=r"age must be read .* in one form.*however: as number and as tokens"):
        Transform({"x": Scaled("age"), "words": Text("age")})


def test_a_set_or_text_is_unseen_where_none_of_its_words_is_known() -> None:
    columns: dict[str, Column | None] = {"tags": Set("tags", max_tokens=3), "text": Text("text", max_tokens=3)}
    transform = Transform(columns)
    keys = [read.key for read in transform.reads]
    cells = torch.tensor([[7, 8, 0], [7, 8, 0], [8, 7, 0]])
    transform.fit(Sample(dict.fromkeys(keys, cells), torch.zeros(3), lambda read: []))
    asked = torch.tensor(
        [[7, 9, 0], [9, 0, 0], [9, 5, 0], [0, 0, 0], [8, 0, 0]]
    )  # some, none, none, nothing there, all
    unseen = script(transform).unseen(transform(dict.fromkeys(keys, asked)))
    assert {name: rows.tolist() for name, rows in unseen.items()} == {
        name: [False, True, True, False, False] for name in columns
    }


def state(columns: Callable[[], dict[str, Column | None]]) -> dict[str, Tensor]:
    rows = sample(city_string=[7, 8, 9, 0], age=[1, 2, 3, NAN])
    return dict(Transform(columns()).fit(rows).state_dict())


def pair() -> dict[str, Column | None]:
    return {"city": Embedding("city", dim=2), "age": Bucketized("age", buckets=3, dim=2)}


def test_restore_adopts_lengths_that_load_state_dict_refuses() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        Transform(pair()).load_state_dict(state(pair))
    fresh = Transform(pair())
    restore(fresh, state(pair))
    assert {name: column.codes for name, column in fresh.named_columns().items()} == {"city": 5, "age": 4}


def test_restore_shares_no_memory_with_the_state() -> None:
    kept, fresh = state(pair), Transform(pair())
    restore(fresh, kept)
    kept["columns.age.edges"].zero_()
    assert fresh.named_columns()["age"].edges.tolist() == [2.0, 3.0]


def test_restore_into_a_part_of_a_larger_module_and_into_a_column_alone() -> None:
    whole = nn.ModuleDict({"transform": Transform(pair())})
    restore(whole, {f"transform.{key}": value for key, value in state(pair).items()})
    assert whole["transform"].named_columns()["city"].codes == 5
    alone = Embedding("city", dim=2)
    restore(alone, {key.removeprefix("columns.city."): x for key, x in state(pair).items() if ".city." in key})
    assert alone.codes == 5


def test_restore_refuses_names_that_are_missing_or_unexpected() -> None:
    with pytest.raises(RuntimeError, match=r"Missing key.*columns\.age\.edges"):
        restore(Transform(pair()), {key: x for key, x in state(pair).items() if ".age." not in key})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*columns\.age\.edges"):
        restore(Transform({"city": Embedding("city")}), state(pair))


def test_restore_reaches_the_parts_of_a_cross() -> None:
    def crossed() -> dict[str, Column | None]:
        return {"x": Crossed([Bucketized("age", buckets=3), "city"], 50)}

    fresh, inputs = Transform(crossed()), sample(city_string=[7, 8, 9, 0], age=[1, 2, 3, NAN]).inputs
    before = fresh(inputs)["x"]
    restore(fresh, state(crossed))
    assert not torch.equal(fresh(inputs)["x"], before)
    assert torch.equal(
        fresh(inputs)["x"], Transform(crossed()).fit(Sample(inputs, torch.zeros(4), lambda r: []))(inputs)["x"]
    )


def test_prepared_from_a_state_data_fit_nothing_and_encode_alike() -> None:
    first = tiny.data(ROWS)
    kept = {f"transform.{key}": x for key, x in first.transform.state_dict().items()}
    kept |= {f"target.{key}": x for key, x in first.target.state_dict().items()}
    second: Data = tiny.unprepared(ROWS)
    second.source = Frame(altered(split_of("train")))
    second.prepare(kept)
    assert not differing(dict(second.transform.state_dict()), dict(first.transform.state_dict()))
    for name, x in first.tables["test"].features.items():
        assert torch.equal(second.tables["test"].features[name], x)
    assert not torch.equal(second.tables["train"].features["city"], first.tables["train"].features["city"])


def test_scripting_leaves_the_module_as_it_was_and_alone() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 1))
    module[0].eval()  # a frozen trunk
    scripted = script(module)
    assert [child.training for child in (module, *module)] == [True, False, True, True]
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not any(parameter.requires_grad for parameter in scripted.parameters())
    before = scripted(torch.ones(1, 2))
    module[2].weight.data.zero_()
    assert torch.equal(scripted(torch.ones(1, 2)), before)
