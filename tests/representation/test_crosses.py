"""Feature crosses, against values that Keras and TensorFlow publish in their own tests."""

import itertools
import math

import farmhash as google
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Encoder
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.calendar import Calendar
from mlp_torch.representation.crosses import Crossed
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed


def words(**columns: list[str | None]) -> dict[str, Tensor]:
    return {f"{name}:string": fingerprints(values) for name, values in columns.items()}


def integers(name: str) -> Bucketized:
    """A part that gives the whole numbers 0..200 as they are."""
    return Bucketized(name, edges=[float(i) for i in range(1, 201)])


LETTERS = {**words(a=["A", "B", "A", "B", "A"]), "n": torch.tensor([101.0, 101, 101, 102, 102], dtype=torch.float64)}
NAMES = words(a=["batch1-FC1-F1"], b=["batch1-FC2-F1"], c=["batch1-FC3-F1"])


def test_a_cross_of_text_and_integers_is_kerass_hashed_crossing() -> None:
    # keras-team/keras, keras/src/layers/preprocessing/hashed_crossing_test.py, test_correctness and test_tf_string
    assert Crossed(["a", integers("n")], buckets=5).encode(LETTERS).tolist() == [1, 4, 1, 1, 3]
    assert Crossed(["a", integers("n")], buckets=10).encode(LETTERS)[0].item() == 1
    assert Crossed([integers("n"), "a"], buckets=5).encode(LETTERS).tolist() != [1, 4, 1, 1, 3]


def test_a_cross_of_three_parts_is_tensorflows() -> None:
    # tensorflow, kernel_tests/sparse_ops/sparse_cross_op_test.py: test_hashed_no_hash_key, and
    # test_hashed_zero_bucket_no_hash_key, where no buckets means modulo 2**63 - 1
    column = Crossed(["a", "b", "c"], buckets=100)
    assert column.encode(NAMES).tolist() == [83]
    assert column.part(NAMES).item() % 2**64 % (2**63 - 1) == 1971693436396284976


parts_of_any_kind = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 200))


@settings(max_examples=100, deadline=None)
@given(st.lists(parts_of_any_kind, min_size=2, max_size=4), st.integers(2, 2**31))
def test_a_cross_is_googles_fingerprints_chained_in_whole_numbers(parts: list[str | int], buckets: int) -> None:
    k, bits = 0xC6A4A7935BD1E995, 2**64 - 1

    def mixed(x: int) -> int:
        return x ^ (x >> 47)

    chained, columns, rows = 0xDECAFCAFFE, [], {}
    for i, part in enumerate(parts):
        value = part if isinstance(part, int) else google.fingerprint64(part)
        r = (chained ^ k) ^ (mixed(value * k & bits) * k & bits)
        chained = mixed(mixed(r * k & bits) * k & bits)
        columns.append(integers(f"p{i}") if isinstance(part, int) else f"p{i}")
        rows |= {f"p{i}": torch.tensor([part]).double()} if isinstance(part, int) else words(**{f"p{i}": [part]})
    column = Crossed(columns, buckets=2)
    column.buckets = buckets  # codes only: no table of this size is built
    assert column.part(rows).item() % 2**64 == chained
    assert column.encode(rows).item() == chained % buckets


def test_every_order_of_the_parts_is_another_cross() -> None:
    values = {Crossed(list(order), 100).part(NAMES).item() for order in itertools.permutations("abc")}
    assert len(values) == 6


def test_the_border_between_two_words_matters() -> None:
    rows = words(a=["ab", "a"], b=["c", "bc"])
    first, second = Crossed(["a", "b"], buckets=100).part(rows).tolist()
    assert first != second
    joined = words(a=["abc", "abc"])["a:string"]
    assert joined[0] == joined[1]  # what a cross of joined text would give


def test_a_part_gives_the_same_whichever_column_reads_it() -> None:
    wanted = Crossed(["a", "b"], buckets=1000).part(NAMES)
    assert torch.equal(Crossed([Embedding("a"), Hashed("b", buckets=3)], buckets=1000).part(NAMES), wanted)


def test_a_nested_cross_gives_its_value_before_the_modulo() -> None:
    coarse, fine = (Crossed(["a", Crossed(["b", "c"], buckets=n)], buckets=1000) for n in (2, 999))
    assert torch.equal(coarse.encode(NAMES), fine.encode(NAMES))
    assert not torch.equal(coarse.part(NAMES), Crossed(["a", "b", "c"], buckets=1000).part(NAMES))
    rows = words(a=["x"] * 50, b=[f"w{i}" for i in range(50)], c=["y"] * 50)
    assert len(set(coarse.part(rows).tolist())) == 50  # two buckets would leave two values


def test_a_missing_part_is_a_value_of_its_own() -> None:
    rows = words(a=[None, "", "x", None], b=["y", "y", "y", None])
    assert len(set(Crossed(["a", "b"], buckets=100).part(rows).tolist())) == 4


def test_the_parts_of_a_cross_are_fitted_with_it() -> None:
    column = Crossed([Bucketized("n", buckets=2), "a"], buckets=1000)
    before = column.encode(LETTERS)
    column.fit(Sample(LETTERS, torch.zeros(5), lambda read: []))
    column.resize()
    assert column.parts[0].edges.tolist() == [102.0]
    assert not torch.equal(column.encode(LETTERS), before)


def test_two_parts_of_the_same_field_are_both_read() -> None:
    column = Crossed([Calendar("at", "weekday"), Calendar("at", "hour"), "a"], buckets=50)
    assert {read.key for read in column.reads.values()} == {"at:time", "a:string"}
    assert len(column.reads) == 3


def test_empty_buckets_are_spare() -> None:
    column = Crossed(["a", integers("n")], buckets=5)
    column.see(column.encode(LETTERS))
    assert column.layer().spare.tolist() == [0, 2]  # 1, 3 and 4 are Keras' buckets of these rows


def test_buckets_fill_evenly() -> None:
    rows = words(a=[f"a{i % 100}" for i in range(10_000)], b=[f"b{i // 100}" for i in range(10_000)])
    load = torch.bincount(Crossed(["a", "b"], buckets=50).encode(rows), minlength=50).double()
    assert float(((load - 200) ** 2 / 200).sum()) < 49 + 4 * math.sqrt(2 * 49)  # chi-squared, 49 degrees of freedom


@pytest.mark.parametrize(
    ("parts", "options", "text"),
    [
        (["a"], {"buckets": 5}, "a cross must have at least 2 parts, however: 1"),
        (["a", "b"], {"buckets": 1}, "buckets must be at least 2, however: buckets=1"),
        (["a", "b"], {"buckets": 5, "dim": 0}, "dim must be at least 1, however: dim=0"),
    ],
)
def test_impossible_crosses_are_refused(parts: list[str], options: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Crossed(list(parts), **options)


class Quartile(Bucketized):
    """A part of a user's own that reads a size which `resize` sets."""

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(inputs) + 1000 * self.codes


def test_parts_have_their_sizes_before_the_cross_encodes() -> None:
    column = Crossed([Quartile("n", buckets=4), "a"], buckets=5)
    column.fit(Sample(LETTERS, torch.zeros(5), lambda read: []))
    column.resize()
    assert column.parts[0].codes == 3  # two edges of five rows are tied
    column.see(column.encode(LETTERS))
    assert column.seen.nonzero().squeeze(1).tolist() == sorted(set(column.encode(LETTERS).tolist()))


def counted(**options: float) -> Crossed:
    """2 × 3 combinations, of which five rows show four."""
    column = Crossed(["a", "b"], buckets=100, **options)  # type: ignore[arg-type]
    rows = words(a=["x", "x", "x", "y", "y"], b=["1", "2", "3", "1", "1"])
    column.fit(Sample(rows, torch.zeros(5), lambda read: []))
    column.resize()
    return column


def test_the_report_counts_the_combinations_that_can_be_and_those_that_are() -> None:
    column = counted()
    report = column.report()
    assert (report["combinations"], report["values"], report["buckets"]) == (6, 4, 100)
    assert column.notes()[0].startswith("4 of 2 × 3 = 6 combinations in 100 buckets, 0 to 1 in one")


def test_more_combinations_than_training_rows_are_warned_of() -> None:
    (warning,) = [note for note in counted().notes() if note.startswith("WARNING")]
    assert "2 × 3 values have more combinations than the 5 training rows" in warning
    rows = words(a=["x", "y"] * 10, b=["1", "2"] * 10)
    column = Crossed(["a", "b"], buckets=100)
    column.fit(Sample(rows, torch.zeros(20), lambda read: []))
    assert len(column.notes()) == 1


def test_penalties_are_not_advised_where_there_are_some() -> None:
    rows = words(a=["x", "y", "z"], b=["1", "2", "3"])
    for penalties in ({}, {"l1": 0.1}, {"l2": 0.1}):
        column = Crossed(["a", "b"], buckets=100, **penalties)
        column.fit(Sample(rows, torch.zeros(3), lambda read: []))
        (warning,) = [note for note in column.notes() if note.startswith("WARNING")]
        assert ("take l1 or l2" in warning) is not bool(penalties)


def test_more_combinations_in_training_rows_than_buckets_are_warned_of() -> None:
    rows = words(a=[f"w{i % 10}" for i in range(200)], b=[f"w{i // 20}" for i in range(200)])
    for buckets, warned in ((99, True), (100, False)):
        column = Crossed(["a", "b"], buckets=buckets)
        column.fit(Sample(rows, torch.zeros(200), lambda read: []))
        text = "WARNING: 100 combinations of training rows share 99 buckets; more buckets tell them apart"
        assert (text in column.notes()) == warned


def test_a_nested_cross_counts_its_inner_combinations_once() -> None:
    rows = words(a=["x", "y", "x", "y"], b=["1", "2", "1", "2"], c=["p", "q", "p", "p"])
    column = Crossed([Crossed(["a", "b"], buckets=5), "c"], buckets=100)
    column.fit(Sample(rows, torch.zeros(4), lambda read: []))
    assert column.report()["combinations"] == 2 * 2  # (x, 1) and (y, 2), each with p and q


def test_penalties_are_those_of_the_crosss_rows() -> None:
    column = counted(l1=0.5, l2=0.25)
    column.see(torch.arange(100))
    encoder = Encoder({"route": column})
    weight = encoder.layers["route"].table.weight
    assert torch.allclose(encoder.penalties()[0], 0.5 * weight.abs().sum() + 0.25 * weight.square().sum())


def test_l1_makes_rows_vanish_that_data_do_not_ask_for() -> None:
    column = counted(l1=0.05)
    rows = words(a=["x", "x", "x", "y", "y"], b=["1", "2", "3", "1", "1"])
    codes = column.encode(rows)
    column.see(codes)
    torch.manual_seed(0)
    encoder = Encoder({"route": column})
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
    y = torch.tensor([1.0, 0, 0, 0, 0])  # (x, 1) differs from the others
    for _ in range(1000):
        optimizer.zero_grad()
        ((encoder({"route": codes}).sum(dim=1) - y).square().sum() + sum(encoder.penalties())).backward()
        optimizer.step()
    sizes = encoder({"route": codes}).abs().sum(dim=1)
    assert sizes[0] > 0.5
    assert bool((sizes[1:] < 0.1).all())
