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
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Hashed("x", **options)  # type: ignore[arg-type]
