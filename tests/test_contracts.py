"""What every Column must hold. A new column joins by existing below `mlp_torch.representation`, and by one example."""

import importlib
import inspect
import io
import itertools
import pkgutil
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn

import mlp_torch.representation
from mlp_torch.column import Column, Sample
from mlp_torch.errors import DataError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.model import Encoder, padded
from mlp_torch.representation.bags import Bag, HashedBag, Vocabulary
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.calendar import SIZES, Calendar, Cyclical
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.curves import Log, Log1p, Polynomial, Power, Quantile, Sigmoid, SquareRoot
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.finetuned import FinetunedImage
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.images import Image, ImageFeatures
from mlp_torch.representation.maps import HashedMap
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.numerical_embeddings import Periodic, PiecewiseLinear
from mlp_torch.representation.one_hot import OneHot
from mlp_torch.representation.pretrained import Pretrained
from mlp_torch.representation.sets import HashedSet, Marks, MultiHot, Set
from mlp_torch.representation.shared import SharedEmbedding
from mlp_torch.representation.steps import Clip, Identity, MinMax, Winsorize, ZScore
from mlp_torch.representation.text import HashedText, Text, TextStatistics
from mlp_torch.representation.vectors import Vector
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.script import script

Make = Callable[[], Column]

VECTORS = Path(__file__).with_name("words.vec")
TEXT, TAGS = Read("text", "tokens", max_tokens=5), Read("tags", "set", max_tokens=3, separator=", ")

# By class name: columns that read the fields "number", "amount", "word", "other" (strings), "at" (a time), "text",
# "tags" (a set), "map", "vector" and "photo".
EXAMPLES: dict[str, dict[str, Make]] = {
    "Scaled": {
        "mean": lambda: Scaled("number"),
        "median, clipped": lambda: Scaled("number", missing="median", clip=3.0),
        "time": lambda: Scaled("at", kind="time"),
        "logarithm": lambda: Scaled("at", kind="time", steps=[Log1p(), Log(), ZScore()]),
        "root, winsorized": lambda: Scaled("at", kind="time", steps=[SquareRoot(), Winsorize(0.1, 0.1), MinMax()]),
        "power": lambda: Scaled("number", steps=[Power(), ZScore()], missing="median"),
        "ranks": lambda: Scaled("number", steps=[Quantile(50)]),
        "normal scores": lambda: Scaled("number", steps=[Quantile(50, output="normal")]),
        "sigmoid": lambda: Scaled("number", steps=[ZScore(), Sigmoid(), Identity()]),
        "cubes, clipped": lambda: Scaled("number", steps=[Clip(-5.0, 5.0), ZScore(), Polynomial(3), ZScore()]),
        "powers in every step": lambda: Scaled(
            "number", steps=[ZScore(), Polynomial(2), Power(), Winsorize(), MinMax()]
        ),
    },
    "Bucketized": {
        "quantiles": lambda: Bucketized("number", buckets=4),
        "edges": lambda: Bucketized("number", edges=[-1.0, 0.0, 2.5], dim=2),
        "width": lambda: Bucketized("number", buckets=4, by="width"),
        "tree": lambda: Bucketized("number", buckets=4, by="tree"),
    },
    "PiecewiseLinear": {
        "encoding of two": lambda: PiecewiseLinear(["number", "amount"], bins=5),
        "encoding by a tree": lambda: PiecewiseLinear("number", bins=8, by="tree", reach=0.0),
        "version A": lambda: PiecewiseLinear(["number", "amount"], bins=9, dim=4, version="A", missing="median"),
        "version A with ReLU": lambda: PiecewiseLinear("number", bins=3, dim=2, version="A", activation=True),
        "version B": lambda: PiecewiseLinear(["amount", "number"], bins=48, dim=16),
        "version B, by a tree": lambda: PiecewiseLinear(["number", "amount"], bins=7, by="tree", dim=3),
    },
    "Periodic": {
        "lite": lambda: Periodic(["number", "amount"]),
        "of one": lambda: Periodic("number", dim=3, n_frequencies=5, sigma=0.5, lite=False),
        "ranks": lambda: Periodic(["number", "amount"], scale="quantile", missing="median", sigma=1.0, dim=7),
        "a layer a field": lambda: Periodic(["amount", "number"], scale="quantile", dim=8, lite=False),
    },
    "OneHot": {
        "one-hot": lambda: OneHot("word"),
        "dummy": lambda: OneHot("word", drop_first=True),
        "penalized": lambda: OneHot("word", l1=0.1, l2=0.2),
    },
    "Embedding": {
        "default": lambda: Embedding("word"),
        "wide": lambda: Embedding("word", dim=5, hide=0.2),
        "penalized": lambda: Embedding("word", l1=0.1, l2=0.2),
        "pretrained": lambda: Embedding("word", vectors=Pretrained(VECTORS, others="random")),
        "pretrained and frozen": lambda: Embedding("word", vectors=Pretrained(VECTORS, freeze=True)),
    },
    "SharedEmbedding": {
        "two fields": lambda: SharedEmbedding(["word", "other"]),
        "pretrained and frozen": lambda: SharedEmbedding(["other", "word"], vectors=Pretrained(VECTORS, freeze=True)),
    },
    "Hashed": {
        "bigquery": lambda: Hashed("word", buckets=7),
        "tensorflow": lambda: Hashed("word", buckets=7, convention="tensorflow"),
        "two hashes, added": lambda: Hashed("word", buckets=7, second="sum", l2=0.1),
        "two hashes, side by side": lambda: Hashed("word", buckets=7, second="concat", dim=4),
    },
    "Crossed": {
        "words": lambda: Crossed(["word", "other"], buckets=50),
        "penalized": lambda: Crossed(["word", "other"], buckets=50, l1=0.1, l2=0.2),
        "every kind": lambda: Crossed(
            [Calendar("at", "hour"), Embedding("word"), Hashed("other", 3), Bucketized("number", buckets=3)], buckets=50
        ),
        "nested": lambda: Crossed(["word", Crossed(["other", Calendar("at", "month")], buckets=5)], buckets=50),
    },
    "Vocabulary": {"set": lambda: Marked(TAGS, min_count=1, most=10)},
    "Bag": {
        "mean": lambda: Bag(TEXT, dim=3),
        "sum of the most frequent": lambda: Bag(TEXT, dim=3, pool="sum", most=2),
        "attention over a set": lambda: Bag(TAGS, dim=3, pool="attention", min_count=2),
        "pretrained and frozen": lambda: Bag(TEXT, vectors=Pretrained(VECTORS, freeze=True)),
    },
    "HashedBag": {
        "sum": lambda: HashedBag(TAGS, 7, pool="sum"),
        "sum over the root of how many": lambda: HashedBag(TAGS, 7, pool="sqrtn"),
    },
    "Text": {"default": lambda: Text("text", max_tokens=5)},
    "HashedText": {
        "words": lambda: HashedText("text", 7, max_tokens=5),
        "runs of three, by attention": lambda: HashedText("text", 9, max_tokens=5, ngrams=3, dim=2, pool="attention"),
    },
    "TextStatistics": {"default": lambda: TextStatistics("text")},
    "Set": {"default": lambda: Set("tags", max_tokens=3)},
    "HashedSet": {"default": lambda: HashedSet("tags", 7, max_tokens=3)},
    "MultiHot": {"default": lambda: MultiHot("tags", max_tokens=3)},
    "HashedMap": {"default": lambda: HashedMap("map", 7, max_names=2, dim=3)},
    "Vector": {"default": lambda: Vector("vector", 3)},
    "Image": {"default": lambda: Image("photo", size=(1, 8, 8), dim=3, channels=8)},
    "ImageFeatures": {"frozen": lambda: ImageFeatures("photo", size=(1, 8, 8), trunk=trunk())},
    "FinetunedImage": {"from 1 on": lambda: FinetunedImage("photo", size=(1, 8, 8), trunk=trunk(), cut="1")},
    "Calendar": {part: lambda part=part: Calendar("at", part) for part in SIZES},  # type: ignore[misc]
    "Cyclical": {
        "number": lambda: Cyclical("number", period=360),
        "time": lambda: Cyclical("at", period=86400, kind="time"),
    },
}


def trunk() -> nn.Sequential:
    """A network that was trained elsewhere, as it were: always the same."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Marked(Vocabulary):
    """The shortest column of a vocabulary."""

    def resize(self) -> None:
        super().resize()
        self.dim = self.codes - 2

    def layer(self) -> nn.Module:
        return Marks(self.dim)


def columns() -> list[type[Column]]:
    """All columns of the package."""
    modules = pkgutil.walk_packages(mlp_torch.representation.__path__, "mlp_torch.representation.")
    found = {
        thing
        for module in modules
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(thing, Column) and thing.__module__ == module.name
    }
    return sorted(found, key=lambda column: column.__name__)


CASES = [(f"{kind}: {name}", make) for kind, examples in EXAMPLES.items() for name, make in examples.items()]
every_column = pytest.mark.parametrize("make", [make for _, make in CASES], ids=[name for name, _ in CASES])

WORDS = ["Oslo", "Rome", "naïve", "", None, "a", "b"]


def training(rows: int = 300, seed: int = 0) -> Inputs:
    """Rows with long tails, missing cells and the empty word."""
    draw = torch.Generator().manual_seed(seed)
    number = torch.randn(rows, dtype=torch.float64, generator=draw).exp() - 2
    at = torch.randint(0, 400 * 86400, (rows,), generator=draw).double()
    for x in (number, at):
        x[torch.rand(rows, generator=draw) < 0.1] = torch.nan
    word, other = (torch.randint(len(WORDS), (rows,), generator=draw) for _ in range(2))
    known = fingerprints(WORDS)
    table = {"number": number, "at:time": at, "word:string": known[word], "other:string": known[other]}
    return {**table, **several(known[torch.randint(len(WORDS), (rows, 5), generator=draw)], number)}


def several(words: Tensor, number: Tensor) -> Inputs:
    """Cells that hold several values, made of words (N, 5) and of numbers (N,): what comes after a gap is none."""
    words = words.where((words != 0).cumprod(dim=1) == 1, 0)
    size = number.nan_to_num().clamp(-1e300, 1e300)
    values = torch.stack([size, size / 2], dim=1).where(words[:, :2] != 0, 0)
    vector = torch.stack([number, number * 2, torch.ones_like(number)], dim=1).clamp(-1e38, 1e38).float()
    return {
        "amount": (number / 3).roll(1),
        TEXT.key: words,
        TAGS.key: words[:, :3],
        Read("text", "statistics").key: torch.stack([number / 2] + [number.abs() + i for i in range(7)], dim=1),
        Read("map", "map_keys", max_tokens=2).key: words[:, :2],
        Read("map", "map_values", max_tokens=2).key: values,
        Read("photo", "image", size=(1, 8, 8)).key: (words[:, :1, None, None] % torch.arange(1, 65).reshape(1, 8, 8))
        .abs()
        .to(torch.uint8),
        Read("vector", "vector", size=(3,)).key: vector.where(~number.isnan().unsqueeze(1), torch.nan),
    }


NUMBERS = [float("nan"), 0.0, -0.0, 2.5, -1.0, 1e308, -1e308, 5e-324, 2.0**53 + 2, 1.7976931348623157e308]
TIMES = [float("nan"), 0.0, -0.5, 86399.999, 951782400.0, -62135596800.0, 253402300799.0, -1.0, 1e300, -1e300]
LOOKED_UP = [
    *fingerprints(["Oslo", None, "", "unseen", "日本", "naïve", "nai\u0308ve"]).tolist(),
    -(2**63),
    2**63 - 1,
    -1,
]


def nasty() -> Inputs:
    """Each kind of trouble beside each other: (1000,) rows."""
    number, at, word = zip(*itertools.product(NUMBERS, TIMES, LOOKED_UP), strict=True)
    words = torch.tensor(word)
    table = {"number": torch.tensor(number, dtype=torch.float64), "at:time": torch.tensor(at, dtype=torch.float64)}
    table |= {"word:string": words, "other:string": words.roll(7)}
    return {**table, **several(torch.stack([words.roll(i) for i in range(5)], dim=1), table["number"])}


def sample(inputs: Inputs) -> Sample:
    return Sample(inputs, inputs["number"].nan_to_num().clamp(-10, 10).round(), lambda read: [])


def fitted(make: Make, inputs: Inputs | None = None) -> Transform:
    rows = training() if inputs is None else inputs
    transform = Transform({"x": make()}).fit(sample(rows))
    transform.see(transform(rows))
    return transform


def state(transform: Transform) -> dict[str, Tensor]:
    """What was fitted; a column without codes has none that were seen."""
    return {name: x for name, x in transform.state_dict().items() if x.numel()}


def read(column: Column, inputs: Inputs) -> Inputs:
    """What a column says that it reads, and nothing else."""
    keys = {read.key for read in column.reads.values()}
    return {key: x for key, x in inputs.items() if key in keys}


def at(inputs: Inputs, rows: Tensor | slice) -> Inputs:
    return {key: x[rows] for key, x in inputs.items()}


def encode(transform: nn.Module, inputs: Inputs) -> Tensor:
    x: Tensor = transform(inputs)["x"]
    return x


def equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return list(found) == list(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("kind", columns(), ids=lambda kind: kind.__name__)
def test_every_column_of_the_package_has_an_example(kind: type[Column]) -> None:
    assert kind.__name__ in EXAMPLES, f"add to EXAMPLES in {__file__} how a {kind.__name__} is made"
    assert all(isinstance(make(), kind) for make in EXAMPLES[kind.__name__].values())


def test_the_walk_finds_the_columns() -> None:
    assert {kind.__name__ for kind in columns()} >= set(EXAMPLES)


@every_column
def test_fit_and_encode_are_deterministic(make: Make) -> None:
    first, second = fitted(make), fitted(make)
    assert equal(first.state_dict(), second.state_dict())
    for _ in range(2):
        assert torch.equal(encode(first, nasty()), encode(second, nasty()))
    few = fitted(make, at(training(seed=1), slice(0, 3)))
    assert not state(first) or not equal(state(first), state(few))


@every_column
def test_features_are_float32_or_codes_in_range_and_compact(make: Make) -> None:
    transform, table = fitted(make), nasty()
    column = transform.named_columns()["x"]
    for rows in (table, training()):
        x = encode(transform, rows)
        assert x.shape[0] == len(rows["number"])
        values = sum(rows[read.key][0].numel() for read in column.reads.values())
        assert x.element_size() * x[0].numel() <= 8 * values * getattr(column, "ngrams", getattr(column, "features", 1))
        if x.dtype == torch.int64:
            assert int(x.min()) >= (0 if x.dim() == 1 else -1)
            assert int(x.reshape(len(x), -1)[:, 0].min()) >= 0
            assert int(x.max()) < column.codes
        else:
            assert x.dtype in (torch.float32, torch.uint8)
            assert bool(x.isfinite().all())
    assert len(torch.unique(encode(transform, training()), dim=0)) > 1, (
        "a column that gives one value tells nothing apart"
    )


@every_column
def test_the_layer_gives_the_promised_width_and_its_parameters_learn(make: Make) -> None:
    transform = fitted(make)
    column = transform.named_columns()["x"]
    encoder = Encoder({"x": column})
    for n in (1000, 1, 0):
        vectors = encoder(transform(at(nasty(), slice(0, n))))
        assert vectors.shape == (n, column.dim)
        assert vectors.dtype == torch.float32
        assert bool(vectors.isfinite().all())
    parameters = dict(encoder.named_parameters())
    assert parameters or len(torch.unique(encoder(transform(training())), dim=0)) > 1, "codes need a table or marks"
    gradients = (
        torch.autograd.grad(((encoder(transform(training())) + 1) ** 2).sum(), list(parameters.values()))
        if parameters
        else ()
    )
    for name, gradient in zip(parameters, gradients, strict=True):
        assert bool((gradient != 0).any()), name


@every_column
def test_a_layer_gives_a_row_the_same_bits_alone_and_in_company_and_scripted(make: Make) -> None:
    torch.manual_seed(0)
    transform = fitted(make)
    encoder = Encoder({"x": transform.named_columns()["x"]}).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    together = encoder(padded(transform(nasty())))[:1000]
    assert torch.equal(script(encoder)(padded(transform(nasty())))[:1000], together)
    for row in range(0, 1000, 37):
        alone = encoder(padded(transform(at(nasty(), slice(row, row + 1)))))
        assert torch.equal(alone[:1], together[row : row + 1])


@every_column
def test_a_column_has_no_trained_parameter(make: Make) -> None:
    transform = fitted(make)
    assert not any(parameter.requires_grad for parameter in transform.parameters())  # a trunk is frozen
    assert not encode(transform, training()).requires_grad


@every_column
def test_scripted_equals_eager_bit_for_bit(make: Make) -> None:
    transform = fitted(make)
    table = read(transform.named_columns()["x"], nasty())
    scripted = script(transform)
    for n in (1000, 17, 1, 0):
        assert torch.equal(encode(scripted, at(table, slice(0, n))), encode(transform, at(table, slice(0, n))))
    assert equal(scripted.unseen(transform(table)), transform.unseen(transform(table)))


@every_column
def test_exported_equals_eager_for_any_number_of_rows(make: Make) -> None:
    transform = fitted(make)
    table = read(transform.named_columns()["x"], nasty())
    shapes = {key: {0: torch.export.Dim.DYNAMIC} for key in table}
    exported = torch.export.export(transform, (table,), dynamic_shapes=(shapes,)).module()
    for n in (1000, 31, 17, 1, 0):
        found, wanted = encode(exported, at(table, slice(0, n))), encode(transform, at(table, slice(0, n)))
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        if not wanted.is_floating_point():
            assert torch.equal(found, wanted)
        else:
            assert torch.allclose(found, wanted, rtol=1e-6, atol=1e-6)


@every_column
def test_fitted_state_returns_from_a_file_into_an_unfitted_column(make: Make) -> None:
    transform, file = fitted(make), io.BytesIO()
    torch.save(transform.state_dict(), file)
    file.seek(0)
    fresh = Transform({"x": make()})
    assert not state(transform) or not equal(fresh.state_dict(), transform.state_dict())
    restore(fresh, torch.load(file, weights_only=True))
    assert equal(fresh.state_dict(), transform.state_dict())
    assert torch.equal(encode(fresh, nasty()), encode(transform, nasty()))
    old, new = transform.named_columns()["x"], fresh.named_columns()["x"]
    assert (new.codes, new.dim, new.unknown) == (old.codes, old.dim, old.unknown)
    assert equal(dict(new.layer().named_buffers()), dict(old.layer().named_buffers()))  # spare rows
    script(fresh)


@every_column
def test_neither_fit_nor_encode_changes_the_inputs(make: Make) -> None:
    rows, table = training(), nasty()
    encode(fitted(make, rows), table)
    for found, wanted in ((rows, training()), (table, nasty())):
        for key in wanted:
            numpy.testing.assert_array_equal(found[key], wanted[key])  # NaN equals NaN


@every_column
def test_neither_order_nor_company_of_a_row_matters(make: Make) -> None:
    transform, table = fitted(make), nasty()
    together = encode(transform, table)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encode(transform, at(table, order)), together[order])
    assert torch.equal(encode(transform, at(table, slice(3, 900, 7))), together[3:900:7])
    for row in range(0, 1000, 37):
        assert torch.equal(encode(transform, at(table, slice(row, row + 1))), together[row : row + 1])


@every_column
def test_the_order_of_training_rows_does_not_matter(make: Make) -> None:
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    first, second = fitted(make), fitted(make, at(training(), order))
    found, wanted = encode(second, training()), encode(first, training())
    assert torch.allclose(found.double(), wanted.double(), rtol=1e-6, atol=1e-6)


@every_column
def test_a_column_is_a_part_of_a_cross_or_says_that_it_cannot_be(make: Make) -> None:
    column, table = make(), nasty()
    if type(column).part is Column.part:
        with pytest.raises(NotImplementedError, match=f"{type(column).__name__} cannot be a part of a cross"):
            column.part(table)
        with pytest.raises(ValueError, match=f"must have a method `part`, however: {type(column).__name__}"):
            Crossed([column, "other"], buckets=50)
        return
    there, back = fitted(lambda: Crossed([column, "other"], 1000)), fitted(lambda: Crossed(["other", column], 1000))
    part = column.part(table)
    assert part.dtype == torch.int64
    assert part.shape == (1000,)
    assert not torch.equal(encode(there, table), encode(back, table))
    assert torch.equal(encode(script(there), table), encode(there, table))
    other = {**table, "other:string": torch.zeros_like(table["other:string"])}
    by_part = {value: set(encode(there, other)[part == value].tolist()) for value in set(part.tolist())}
    assert all(len(buckets) == 1 for buckets in by_part.values())
    assert len(set.union(*by_part.values())) > 1


@every_column
@pytest.mark.parametrize("what", ["missing", "constant", "one row"])
def test_rows_that_teach_nothing_give_a_clear_error_or_finite_features(make: Make, what: str) -> None:
    empty = {key: torch.full_like(x, torch.nan if x.is_floating_point() else 0) for key, x in training().items()}
    empty[Read("map", "map_values", max_tokens=2).key].fill_(0)
    constant = {key: x[:1].repeat_interleave(300, dim=0) for key, x in at(nasty(), slice(330, 331)).items()}
    rows = {"missing": empty, "constant": constant, "one row": at(constant, slice(0, 1))}[what]
    assert what == "missing" or not any(
        bool((x.isnan() if x.is_floating_point() else x == 0).any()) for x in rows.values() if x.dim() == 1
    )
    try:
        transform = fitted(make, rows)
    except DataError as error:
        (problem,) = error.problems
        assert problem.code == "cannot_fit"
        assert problem.key == "data.columns.x"
        assert "however: " in problem.text
        return
    x = encode(transform, nasty())
    assert bool(x.double().isfinite().all())
    assert bool(Encoder({"x": transform.named_columns()["x"]})({"x": x}).isfinite().all())


@every_column
def test_a_column_that_grows_gives_known_rows_what_it_gave_at_the_same_width(make: Make) -> None:
    transform = fitted(make)
    column = transform.named_columns()["x"]
    before, codes, dim, seen = encode(transform, training()), column.codes, column.dim, column.seen
    column.grow(sample(nasty()))
    transform.resize()
    transform.see(transform(nasty()))
    assert torch.equal(encode(transform, training()), before)
    assert column.dim == dim
    assert column.codes >= codes
    assert len(column.seen) == column.codes
    assert not (seen & ~column.seen[: len(seen)]).any()
    again = Transform({"x": make()})
    restore(again, transform.state_dict())  # as a run that goes on does, which has the other run no more
    assert (again.named_columns()["x"].codes, again.named_columns()["x"].dim) == (column.codes, dim)
    assert torch.equal(encode(again, nasty()), encode(transform, nasty()))
