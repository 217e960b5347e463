"""Hashed features, against the published buckets of BigQuery and TensorFlow."""

import farmhash as google
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.representation.hashed import Hashed
from tests.representation.fitted import fitted


def inputs(words: list[str | None]) -> dict[str, Tensor]:
    return {"x:string": fingerprints(words)}


def signed(unsigned: int) -> int:
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned


@pytest.mark.parametrize(("convention", "bucket"), [("bigquery", 667), ("tensorflow", 949)])
def test_an_airport_falls_in_the_bucket_of_each_convention(convention: str, bucket: int) -> None:
    # ABS(MOD(FARM_FINGERPRINT("PVD"), 1000)); tf.strings.to_hash_bucket_fast("PVD", 1000)
    column = Hashed("x", buckets=1000, convention=convention)  # type: ignore[arg-type]
    assert column.encode(inputs(["PVD"])).tolist() == [bucket]


def test_the_default_is_the_books_convention() -> None:
    assert Hashed("x", buckets=1000).encode(inputs(["PVD"])).tolist() == [667]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(2, 2**31))
def test_buckets_are_those_of_googles_fingerprint(word: str, buckets: int) -> None:
    # codes only: no table of this size is built
    unsigned = google.fingerprint64(word)
    for signed_one, bucket in ((True, abs(signed(unsigned)) % buckets), (False, unsigned % buckets)):
        column = Hashed("x", buckets=2, dim=1)
        column.buckets, column.signed = buckets, signed_one
        assert column.encode(inputs([word])).tolist() == [bucket]


@pytest.mark.parametrize("convention", ["bigquery", "tensorflow"])
def test_the_extremes_of_a_fingerprint_have_a_bucket(convention: str) -> None:
    column = Hashed("x", buckets=1000, convention=convention)  # type: ignore[arg-type]
    extremes = [-(2**63), 2**63 - 1, -1, 1]
    wanted = [abs(x) % 1000 if convention == "bigquery" else x % 2**64 % 1000 for x in extremes]
    assert column.encode({"x:string": torch.tensor(extremes)}).tolist() == wanted


def test_a_missing_cell_has_a_row_of_its_own_after_the_last_bucket() -> None:
    column = Hashed("x", buckets=10)
    assert column.encode(inputs([None])).tolist() == [10]
    assert column.encode(inputs([""])).item() < 10  # "" is a value
    assert column.codes == 11
    assert column.layer().table.num_embeddings == 11


def test_a_word_that_training_never_showed_falls_in_a_bucket_all_the_same() -> None:
    column = Hashed("x", buckets=10)
    column.fit(Sample(inputs(["a"]), torch.zeros(1), lambda read: []))
    assert column.encode(inputs(["a new airport"])).item() < 10
    assert column.unknown == -1


def test_empty_buckets_are_spare_and_filled_ones_are_not() -> None:
    column = Hashed("x", buckets=4)
    rows = {"x:string": torch.tensor([1, 5, -3, 2])}  # |x mod 4| = 1, 1, 3, 2
    column.see(column.encode(rows))
    assert column.layer().spare.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"buckets": 1}, "buckets must be at least 2, however: buckets=1"),
        ({"buckets": 5, "dim": 0}, "dim must be at least 1, however: dim=0"),
        ({"buckets": 5, "convention": "md5"}, "convention must be bigquery or tensorflow, however: convention='md5'"),
        ({"buckets": 5, "second": "max"}, "second must be sum or concat, however: second='max'"),
        ({"buckets": 5, "second": "concat", "dim": 3}, "dim must be even for two vectors side by side, however: dim=3"),
        ({"buckets": 5, "l1": -1.0}, "l1 must be at least 0 and finite, however: l1=-1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Hashed("x", **options)  # type: ignore[arg-type]


def fit(column: Hashed, words: list[str | None]) -> Hashed:
    return fitted(column, inputs(words))


def test_the_second_bucket_is_that_of_kerass_cross_of_the_value_alone() -> None:
    # FingerprintCat64(0xDECAFCAFFE, fingerprint) mod n in whole numbers of Python, fingerprints by Google's own code
    words = ["PVD", "", "naïve", "a longer word than all others of these, which takes another branch of the hash"]
    k, bits = 0xC6A4A7935BD1E995, 2**64 - 1

    def mixed(x: int) -> int:
        return x ^ (x >> 47)

    wanted = []
    for word in words:
        r = (0xDECAFCAFFE ^ k) ^ (mixed(google.fingerprint64(word) * k & bits) * k & bits)
        r = mixed(r * k & bits) * k & bits
        wanted.append(mixed(r) % 1000)
    assert Hashed("x", buckets=1000, second="sum").encode(inputs(words))[:, 1].tolist() == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize("convention", ["bigquery", "tensorflow"])
def test_the_two_buckets_are_independent_of_each_other(convention: str) -> None:
    words: list[str | None] = [f"N{i}AA" for i in range(64_000)]
    column = Hashed("x", buckets=8, second="sum", convention=convention)  # type: ignore[arg-type]
    first, second = column.encode(inputs(words)).unbind(1)
    pairs = torch.bincount(first * 8 + second, minlength=64).reshape(8, 8).double()
    wanted = pairs.sum(1, keepdim=True) * pairs.sum(0) / pairs.sum()
    assert (
        float(((pairs - wanted) ** 2 / wanted).sum()) < 49 + 4 * (2 * 49) ** 0.5
    )  # chi-squared, 49 degrees of freedom
    assert (pairs > 0).all()


def test_a_second_hash_tells_apart_what_shares_a_bucket() -> None:
    words: list[str | None] = [f"w{i}" for i in range(200)]
    for second, apart in ((None, False), ("sum", True), ("concat", True)):
        column = fit(Hashed("x", buckets=50, dim=4, second=second), words)  # type: ignore[arg-type]
        torch.manual_seed(0)
        vectors = column.layer().eval()(column.encode(inputs(words)))
        assert vectors.shape == (200, 4)
        assert (len(vectors.unique(dim=0)) > 190) == apart


def test_two_vectors_are_added_or_stand_side_by_side() -> None:
    words: list[str | None] = ["a", "b", None]
    for second, dim in (("sum", 4), ("concat", 2)):
        column = fit(Hashed("x", buckets=5, dim=4, second=second), words)  # type: ignore[arg-type]
        layer = column.layer().eval()
        (a, b), codes = (layer.first.table.weight, layer.second.table.weight), column.encode(inputs(words))
        assert a.shape == b.shape == (6, dim)
        parts = a[codes[:, 0]], b[codes[:, 1]]
        assert torch.equal(layer(codes), sum(parts) if second == "sum" else torch.cat(parts, dim=1))
    assert Hashed("x", buckets=10, second="concat").dim == 6  # about 1.6 · √10, and even


def test_each_of_two_tables_has_its_own_spare_rows() -> None:
    column = fit(Hashed("x", buckets=4, dim=2, second="concat"), ["a"])
    ((first, second),) = column.encode(inputs(["a"])).tolist()
    layer = column.layer()
    assert layer.first.spare.tolist() == [i for i in range(5) if i != first]
    assert layer.second.spare.tolist() == [i for i in range(5) if i != second]


def test_the_note_counts_values_rows_and_collisions_without_missing_cells() -> None:
    column = Hashed("x", buckets=4)
    column.fit(Sample({"x:string": torch.tensor([1, 5, 5, -3, 0, 0])}, torch.zeros(6), lambda read: []))
    (told,) = column.notes()
    assert told.startswith("3 values in 4 buckets, 0 to 2 in one")
    assert told.endswith("75.0% of rows in a shared one")
    assert column.report()["collisions"] == 1


def trained(column: Hashed, words: list[str | None], **options: float) -> Tensor:
    """Rows of the table after steps towards 1 for every word."""
    torch.manual_seed(0)
    layer, codes = column.layer().train(), column.encode(inputs(words))
    layer.hide = options.pop("hide", layer.hide)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.05, **options)  # type: ignore[arg-type]
    for _ in range(300):
        optimizer.zero_grad()
        (layer(codes) - 1).square().sum().backward()
        optimizer.step()
    rows: Tensor = layer.table.weight.detach()
    return rows


def test_rows_of_empty_buckets_do_not_stay_random() -> None:
    words: list[str | None] = ["a", "b", "c"] * 100
    column = fit(Hashed("x", buckets=20, dim=3), words)
    empty = ~column.seen
    assert int(empty.sum()) >= 18
    # never reached by a gradient they are 0, with weight decay or without: all else would be noise when served
    for decay in (0.0, 0.5):
        assert torch.equal(
            trained(column, words, hide=0.0, weight_decay=decay)[empty], torch.zeros(int(empty.sum()), 3)
        )
    # standing in for others they learn what is right on average
    rows = trained(column, words, hide=0.3, weight_decay=0.0)
    assert torch.allclose(rows[empty], torch.tensor(1.0), atol=0.05)
    assert torch.allclose(rows[column.encode(inputs(["a", "b", "c"]))], torch.tensor(1.0), atol=0.05)


def test_weight_decay_and_penalties_pull_rows_towards_0_unless_data_speak_against_it() -> None:
    words: list[str | None] = ["a", "b", "c"] * 100
    column = fit(Hashed("x", buckets=20, dim=3), words)
    free, decayed = (trained(column, words, hide=0.3, weight_decay=decay) for decay in (0.0, 20.0))
    assert bool((decayed.abs() < free.abs()).all())
