"""Numerical embeddings against the authors' own package, and what their columns make of odd numbers."""

import math
import warnings

import numpy
import pytest
import rtdl_num_embeddings as authors
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mlp_torch.backbone.ft_transformer import FTTransformer
from mlp_torch.backbone.tabm import TabM
from mlp_torch.column import Column
from mlp_torch.model import Encoder
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.numerical_embeddings import Periodic, PiecewiseLinear
from mlp_torch.representation.numerical_layers import PiecewiseLinearEmbedding
from tests.representation.fitted import NAN, encoded, fit, fitted, lognormal

FIELDS = ["normal", "tail", "few"]


def table(n: int = 500, seed: int = 0) -> dict[str, Tensor]:
    """Numbers of three shapes that float32 holds, since the authors' trees round to it."""
    draw = numpy.random.default_rng(seed)
    columns = {"normal": draw.normal(5, 3, n), "tail": draw.lognormal(0, 2, n), "few": draw.integers(0, 5, n) * 1.0}
    return {name: torch.from_numpy(x.astype(numpy.float32)).double() for name, x in columns.items()}


def matrix(rows: dict[str, Tensor]) -> Tensor:
    return torch.stack([rows[name] for name in FIELDS], dim=1)


def target(rows: dict[str, Tensor], *, classes: bool) -> Tensor:
    signal = rows["normal"] + rows["tail"].log() * rows["few"]
    return (signal > signal.median()).double() if classes else signal


def edges(column: PiecewiseLinear) -> list[Tensor]:
    """Of each field, (n + 1,)."""
    numbers = column.numbers
    return [
        torch.cat([left[:n], left[n - 1 : n] + length[n - 1 : n]])
        for left, length, n in zip(numbers.left, numbers.length, numbers.segments.tolist(), strict=True)
    ]


def standardized(column: PiecewiseLinear) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each field, (F,)."""
    mean, deviation = column.place.unbind(1)
    return mean, deviation


def same(found: list[Tensor], wanted: list[Tensor], rtol: float = 1e-6) -> bool:
    return all(len(a) == len(b) and torch.allclose(a, b, rtol=rtol) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("bins", [2, 7, 48, 300])
def test_quantile_bins_are_those_of_the_authors_and_of_numpy(bins: int) -> None:
    rows = table()
    found = edges(fitted(PiecewiseLinear(FIELDS, bins=bins), rows))
    assert same(found, authors.compute_bins(matrix(rows), bins), rtol=1e-4)  # they round shares to float32
    wanted = [numpy.unique(numpy.quantile(rows[name], numpy.linspace(0, 1, bins + 1))) for name in FIELDS]
    assert same(found, [torch.from_numpy(x) for x in wanted], rtol=1e-12)
    assert not same(found, edges(fitted(PiecewiseLinear(FIELDS, bins=bins), table(seed=1))), rtol=1e-4)


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("bins", [2, 6, 20])
def test_bins_by_a_tree_are_those_of_the_authors(bins: int, classes: bool) -> None:
    rows = table(3000)
    y = target(rows, classes=classes)
    column = fitted(PiecewiseLinear(FIELDS, bins=bins, by="tree"), rows, y)
    options = {"min_samples_leaf": max(1, 3000 // (50 * bins)), "random_state": 0}
    wanted = authors.compute_bins(matrix(rows), bins, tree_kwargs=options, y=y, regression=not classes)
    assert same(edges(column), wanted)
    assert not same(edges(fitted(PiecewiseLinear(FIELDS, bins=bins), rows)), wanted)


def test_the_encoding_is_that_of_the_authors_beyond_the_edges_too() -> None:
    rows = table()
    column = fitted(PiecewiseLinear(FIELDS, bins=9, reach=1000), rows)
    served = {name: torch.cat([x, x.aminmax()[0][None] - 1, x.aminmax()[1][None] + 7]) for name, x in rows.items()}
    theirs = authors.PiecewiseLinearEncoding([x.float() for x in edges(column)]).double()
    wanted = theirs(matrix(served))  # (N, 9 + 9 + 4), the last bin of each field behind zeros that are left out
    assert torch.allclose(column.layer()(column.encode(served)).double(), wanted, rtol=1e-5, atol=1e-5)
    assert float(wanted.max()) > 1
    assert float(wanted.min()) < 0


def twins(version: str, *, activation: bool, reach: float = 1000.0) -> tuple[PiecewiseLinear, nn.Module, nn.Module]:
    """A column, its layer and the authors' with the same weights, in float64."""
    column = fitted(
        PiecewiseLinear(FIELDS, bins=11, dim=6, version=version, activation=activation, reach=reach), table()
    )  # type: ignore[arg-type]
    torch.manual_seed(0)
    ours = column.layer().double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    mean, deviation = standardized(column)
    bins = [(x - m) / s for x, m, s in zip(edges(column), mean, deviation, strict=True)]
    torch.set_default_dtype(torch.float64)  # else they round edges to float32
    try:
        theirs = authors.PiecewiseLinearEmbeddings(bins, 6, activation=activation, version=version)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        theirs.linear.weight.copy_(in_their_order(ours.weight, column))
        if version == "B":
            theirs.linear0.weight.copy_(ours.slope)
            theirs.linear0.bias.copy_(ours.bias)
        else:
            theirs.linear.bias.copy_(ours.bias)
    return column, ours, theirs


def in_their_order(weight: Tensor, column: PiecewiseLinear) -> Tensor:
    """They put a field's last component at the end, behind the zeros of shorter fields."""
    moved = torch.zeros_like(weight)
    for i, n in enumerate(column.numbers.segments.tolist()):
        moved[i, : n - 1], moved[i, -1] = weight[i, : n - 1], weight[i, n - 1]
    return moved


@pytest.mark.parametrize(("version", "activation"), [("A", False), ("A", True), ("B", False)])
def test_a_piecewise_linear_embedding_gives_and_learns_what_the_authors_package_does(
    version: str, activation: bool
) -> None:
    column, ours, theirs = twins(version, activation=activation)
    rows = table(64, seed=2)
    mean, deviation = standardized(column)
    mine = ours(column.encode(rows).double()).unflatten(1, (3, 6))
    other = theirs((matrix(rows) - mean) / deviation)
    assert torch.allclose(mine, other, rtol=1e-4, atol=1e-4)
    for out in (mine, other):
        (out * torch.arange(6)).sum().backward()
    pairs = [(in_their_order(ours.weight.grad, column), theirs.linear.weight.grad)]
    if version == "B":
        pairs += [(ours.slope.grad, theirs.linear0.weight.grad), (ours.bias.grad, theirs.linear0.bias.grad)]
    else:
        pairs += [(ours.bias.grad, theirs.linear.bias.grad)]
    unused = (theirs.impl.weight == 0).unsqueeze(-1)  # of shorter fields: their components are 0
    for found, wanted in pairs:
        wanted = wanted.masked_fill(unused, 0) if wanted.dim() == 3 else wanted
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-3)
        assert float(wanted.abs().max()) > 1
    ours.weight.data *= 2
    assert not torch.allclose(ours(column.encode(rows).double()).unflatten(1, (3, 6)), other, atol=1e-2)


def test_version_b_starts_linear_in_the_number_and_version_a_does_not() -> None:
    def bend(version: str) -> Tensor:
        torch.manual_seed(0)
        column = fit(PiecewiseLinear("x", bins=8, dim=4, version=version), lognormal(200))  # type: ignore[arg-type]
        at = torch.linspace(5, 100, 20, dtype=torch.float64)
        return column.layer()(column.encode({"x": at})).detach().diff(dim=0).diff(dim=0).abs().max()

    assert float(bend("B")) < 1e-5
    assert float(bend("A")) > 1e-2


def test_the_authors_version_b_with_relu_learns_nothing_so_that_it_is_refused_here() -> None:
    theirs = authors.PiecewiseLinearEmbeddings([torch.linspace(0, 1, 5)], 6, activation=True, version="B")
    theirs(torch.rand(64, 1)).sum().backward()
    assert float(theirs.linear.weight.grad.abs().max()) == 0
    with pytest.raises(ValueError, match="activation must be false but for version A, however: version='B', dim=3"):
        PiecewiseLinear("x", dim=3, activation=True)


@pytest.mark.parametrize("lite", [True, False])
def test_a_periodic_embedding_gives_and_learns_what_the_authors_package_does(lite: bool) -> None:
    rows = table()
    column = fitted(Periodic(FIELDS, dim=7, n_frequencies=5, sigma=0.3, lite=lite), rows)
    torch.manual_seed(0)
    ours = column.layer().double()
    theirs = authors.PeriodicEmbeddings(3, 7, n_frequencies=5, frequency_init_scale=0.3, lite=lite).double()
    with torch.no_grad():
        theirs.periodic.weight.copy_(ours.frequency)
        theirs.linear.weight.copy_(ours.weight[0].T if lite else ours.weight)
        theirs.linear.bias.copy_(ours.bias[0] if lite else ours.bias)
    x = matrix(rows)
    mine = ours(column.encode(rows).double()).unflatten(1, (3, 7))
    other = theirs((x - x.mean(dim=0)) / x.std(dim=0, correction=0))
    assert torch.allclose(mine, other, rtol=1e-4, atol=1e-5)
    for out in (mine, other):
        (out * torch.arange(7)).sum().backward()
    mine_weight = ours.weight.grad[0].T if lite else ours.weight.grad
    for found, wanted in ((ours.frequency.grad, theirs.periodic.weight.grad), (mine_weight, theirs.linear.weight.grad)):
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3)
        assert float(wanted.abs().max()) > 1
    ours.frequency.data *= 2
    assert not torch.allclose(ours(column.encode(rows).double()).unflatten(1, (3, 7)), other, atol=1e-2)


def test_frequencies_start_as_those_of_the_authors() -> None:
    frequency = Periodic("a", n_frequencies=100_000, sigma=0.1).layer().frequency.detach()
    assert float(frequency.std()) == pytest.approx(0.1 * 0.9866, rel=0.02)  # a normal cut off at three deviations
    assert float(frequency.abs().max()) < 0.3


def test_a_number_beyond_the_training_range_counts_as_far_as_the_reach() -> None:
    train = [0.0, 1.0, 2.0, 4.0]
    column = fit(PiecewiseLinear("x", bins=3, reach=0.5), train)
    assert encoded(column, [-9.0, -0.25, 0.5, 3.0, 4.5, 1e308]).tolist() == [
        [-0.5],
        [-0.25],
        [0.5],
        [2.5],
        [3.25],
        [3.5],
    ]
    assert encoded(fit(PiecewiseLinear("x", bins=3, reach=0), train), [-9.0, 9.0]).tolist() == [[0.0], [3.0]]


@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=40), st.sampled_from(["quantile", "tree"]), st.floats())
def test_whatever_numbers_train_it_places_are_finite_and_ascend(values: list[float], by: str, served: float) -> None:
    column = fit(PiecewiseLinear("x", bins=5, by=by), values, y=[float(x > 0) for x in values])  # type: ignore[arg-type]
    assert bool(encoded(column, [served, NAN]).isfinite().all())
    places = encoded(column, sorted(values))[:, 0]
    assert bool((places.diff() >= 0).all())
    assert float(places[0]) >= 0


def test_thousands_of_bins_beside_an_outlier_lose_nothing_that_float32_would() -> None:
    draw = numpy.random.default_rng(0)
    train = [*draw.random(100_000).tolist(), 1e12]
    column = fit(PiecewiseLinear("x", bins=1000), train)
    served = numpy.sort(draw.random(1000))
    place = encoded(column, served.tolist())[:, 0].double().numpy()
    cut = edges(column)[0].numpy()  # type: ignore[arg-type]
    within = served < cut[-2]  # the last bin ends at the outlier
    back = numpy.interp(place, numpy.arange(len(cut)), cut)
    assert within.sum() > 990
    assert numpy.abs(back - served)[within].max() < 1e-3 * 1e-4  # a bin is 1e-3 wide
    assert len(numpy.unique(place[within])) == within.sum()
    assert len(numpy.unique(encoded(fit(Scaled("x"), train), served.tolist()).numpy())) < 10  # a z-score does


def test_ties_make_fewer_bins_and_constants_none_and_both_are_told() -> None:
    rows = {
        "rain": torch.zeros(100).double(),
        "same": torch.tensor([0.1 * 3] * 100, dtype=torch.float64),
        "fine": torch.arange(100).double(),
    }
    rows["rain"][90:] = torch.arange(10).double()
    rows["same"][50:] = 0.3  # but for rounding
    assert len(rows["same"].unique()) == 2
    column = fitted(PiecewiseLinear(["rain", "same", "fine"], bins=20, dim=3), rows, rows["fine"])
    assert column.notes() == [
        "same is constant in training rows and tells nothing: leave it out of fields",
        "rain has 2 bins, not 20: values are tied",
    ]
    served = {name: torch.tensor([-1e308, 0.3, 5.0, 1e308, NAN]).double() for name in rows}
    assert column.encode(served)[:, 1].tolist() == [0.0] * 5
    assert bool(column.layer()(column.encode(served)).isfinite().all())
    found = fitted(PiecewiseLinear("rain", bins=20, by="tree"), rows, torch.zeros(100).double()).notes()
    assert found == ["rain has 1 bins, not 20: a tree splits no further"]
    periodic = fitted(Periodic(["rain", "same"], scale="quantile"), rows, rows["fine"])
    assert periodic.notes() == column.notes()[:1]
    assert periodic.encode(served)[:, 1].tolist() == [0.0] * 5


@pytest.mark.parametrize("make", [PiecewiseLinear, Periodic])
@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([NAN, NAN], r"x must have a value in training rows \(else leave it out\), however: all are missing"),
        ([-1e308, 1e308], r"x must have a finite spread \(else bound it by min and max in data.fields\), however: "),
        ([1e308, 1.5e308], r"x must have a finite spread .*, however: values from 1e\+308 to 1.5e\+308"),
    ],
)
def test_numbers_that_teach_nothing_are_refused_by_name(make: type[Column], values: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fit(make("x"), values)  # type: ignore[call-arg]


def test_a_missing_cell_is_the_mean_and_a_flag_where_training_had_missing_cells() -> None:
    rows = {"a": torch.tensor([0.0, 2.0, 4.0]).double(), "b": torch.tensor([0.0, NAN, 8.0]).double()}
    gap = {name: torch.tensor([NAN]).double() for name in rows}
    alone = fitted(PiecewiseLinear(["a", "b"], bins=2), rows, rows["a"])
    assert alone.encode(gap).tolist() == [[1.0, 1.0, 1.0]]
    assert alone.widths() == {"a": 2, "b": 3}
    assert alone.layer()(alone.encode(gap)).tolist() == [[1.0, 0.0, 1.0, 0.0, 1.0]]
    for column in (PiecewiseLinear(["a", "b"], bins=2, dim=4), Periodic(["a", "b"], dim=4)):
        fitted(column, rows, rows["a"])
        layer = column.layer()
        assert layer.absent.weight.shape == (1, 4)  # of b alone
        without = layer(column.encode({name: torch.tensor([x]).double() for name, x in (("a", 2.0), ("b", 4.0))}))
        assert torch.allclose(layer(column.encode(gap)), without, atol=1e-6)  # it starts as the mean
        layer.absent.weight.data.fill_(5.0)
        assert torch.allclose(layer(column.encode(gap)) - without, torch.tensor([0.0] * 4 + [5.0] * 4), atol=1e-5)
    median = fitted(
        PiecewiseLinear("b", bins=2, missing="median"), {"b": torch.tensor([0.0, 1.0, 9.0]).double()}, rows["a"]
    )
    assert encoded(median, [NAN]).item() == 1.0


@pytest.mark.parametrize("make", [PiecewiseLinear, Periodic])
def test_pictures_show_each_fields_numbers_and_where_they_lie(make: type[Column]) -> None:
    rows = table()
    rows["tail"][::3] = NAN
    column = fitted(make(FIELDS), rows)  # type: ignore[call-arg]
    shown = column.before_after(rows)
    assert list(shown) == FIELDS
    for i, name in enumerate(FIELDS):
        here = ~rows[name].isnan()
        assert torch.equal(shown[name][0], rows[name][here])
        assert torch.equal(shown[name][1], column.encode(rows)[here, i])
    assert len(shown["tail"][0]) == 333


def test_ranks_are_normal_scores_and_far_values_stretch_nothing() -> None:
    train = lognormal(4000)
    column = fit(Periodic("x", scale="quantile"), [*train, 1e12])
    scores = encoded(column, train)[:, 0].double()
    wanted = torch.special.ndtri((torch.tensor(train).argsort().argsort() + 0.5).double() / 4001)
    inner = wanted.abs() < 2
    assert torch.allclose(scores[inner], wanted[inner], atol=0.02)
    assert encoded(column, [-1e308, 1e308]).flatten().tolist() == pytest.approx([-5.1993, 5.1993], abs=1e-4)
    tied = fit(Periodic("x", scale="quantile"), [0.0] * 50 + [1.0] * 50)
    assert encoded(tied, [0.0, 1.0])[:, 0].tolist() == pytest.approx([-0.6745, 0.6745], abs=0.02)  # half of each half


def test_each_field_is_a_token_and_a_chunk_of_its_own() -> None:
    rows = table()
    columns = {
        "numbers": fitted(PiecewiseLinear(FIELDS, bins=5, dim=4), rows),
        "waves": fitted(Periodic("tail", dim=3), rows),
    }
    encoder = Encoder(columns)
    assert encoder.widths == {"numbers.normal": 4, "numbers.tail": 4, "numbers.few": 4, "waves": 3}
    vectors = encoder({name: column.encode(rows) for name, column in columns.items()})
    assert vectors.shape == (500, 15)
    transformer = FTTransformer(encoder.widths, blocks=1, d_token=8, heads=2)
    assert transformer.tokens(vectors).shape == (500, 5, 8)
    assert len(TabM(encoder.widths, k=3, d_block=16).start[0].unique()) <= 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bins": 1}, "bins must be at least 2, however: bins=1"),
        ({"dim": 0}, "dim must be at least 1, however: dim=0"),
        ({"reach": -1.0}, "reach must be from 0 to 1000, however: reach=-1.0"),
        ({"reach": math.nan}, "reach must be from 0 to 1000, however: reach=nan"),
        ({"by": "width"}, "by must be quantile or tree, however: by='width'"),
        ({"version": "C"}, "version must be A or B, however: version='C'"),
        ({"missing": "mode"}, "missing must be mean or median, however: missing='mode'"),
        ({"fields": []}, r"fields must be at least one, each once, however: fields=\[\]"),
        ({"fields": ["a", "a"]}, r"fields must be at least one, each once, however: fields=\['a', 'a'\]"),
    ],
)
def test_impossible_piecewise_linear_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PiecewiseLinear(**{"fields": "x", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dim": 0}, "dim must be at least 1, however: dim=0"),
        ({"n_frequencies": 0}, "n_frequencies must be at least 1, however: n_frequencies=0"),
        ({"sigma": 0.0}, "sigma must be more than 0 and at most 1000, however: sigma=0.0"),
        ({"scale": "rank"}, "scale must be zscore or quantile, however: scale='rank'"),
    ],
)
def test_impossible_periodic_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Periodic("x", **options)  # type: ignore[arg-type]


def test_layers_of_a_single_bin_are_min_max_scaling() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the authors warn of it
        theirs = authors.PiecewiseLinearEncoding([torch.tensor([2.0, 6.0])])
    column = fit(PiecewiseLinear("x", by="tree"), [2.0, 6.0, 3.0], y=[1.0, 1.0, 1.0])
    served = [1.0, 2.0, 5.0, 7.0]
    assert column.layer()(encoded(column, served)).tolist() == theirs(torch.tensor(served).unsqueeze(1)).tolist()
    assert isinstance(fit(PiecewiseLinear("x", dim=2), [1.0, 2.0]).layer(), PiecewiseLinearEmbedding)
