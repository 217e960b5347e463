"""Vocabularies that grow: known words keep their codes, new ones get the next; what has none stays as it was."""

import pytest
import torch
from representation.fitted import fitted

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.one_hot import OneHot
from mlp_torch.representation.pretrained import Kept, Pretrained
from mlp_torch.representation.sets import MultiHot, Set
from mlp_torch.representation.shared import SharedEmbedding
from mlp_torch.representation.text import Text


def cells(words: list[str | None], key: str = "city:string") -> Inputs:
    return {key: fingerprints(words)}


def bags(cells: list[list[str]], key: str) -> Inputs:
    return {key: torch.stack([fingerprints([*cell, None, None][:2]) for cell in cells])}


def pairs(*words: str):
    """What words stand behind fingerprints, of any field."""
    return lambda read: list(zip(fingerprints(list(words)).tolist(), words, strict=True))


NOBODY = pairs()


def grown(column: Column, rows: Inputs, words=NOBODY) -> Column:
    column.grow(Sample(rows, torch.zeros(len(next(iter(rows.values())))), words))
    column.resize()
    return column


def test_new_words_get_the_codes_behind_the_known_ones_and_their_names():
    city = fitted(Embedding("city"), cells(["Oslo", "Rome", "Oslo"]), words=pairs("Oslo", "Rome"))
    before = city.encode(cells(["Oslo", "Rome"]))
    grown(city, cells(["Rome", "Ulm", None, "Bern"]), pairs("Rome", "Ulm", "Bern"))
    assert torch.equal(city.encode(cells(["Oslo", "Rome"])), before)
    assert sorted(city.encode(cells(["Ulm", "Bern"])).tolist()) == [4, 5]
    assert city.encode(cells([None, "Paris"])).tolist() == [1, 0]
    meant = city.meanings()
    for word in ("Oslo", "Rome", "Ulm", "Bern"):
        assert meant[int(city.encode(cells([word])))] == word
    assert (city.vocabulary.diff() > 0).all()  # it is searched


def test_a_width_by_the_rule_of_thumb_stays_that_of_the_first_vocabulary():
    city = fitted(Embedding("city"), cells(["a", "b"]))
    many = cells([f"c{i}" for i in range(100)])
    wide = fitted(Embedding("city"), many)
    grown(city, many)
    assert (city.codes, city.dim) == (104, 3)
    assert wide.dim > 3


def test_rare_new_words_stay_unknown_and_too_many_are_refused():
    city = fitted(Embedding("city", min_count=2, most=3), cells(["Oslo", "Oslo"]))
    grown(city, cells(["Ulm", "Ulm", "Bern"]))
    assert city.encode(cells(["Ulm", "Bern"])).tolist() == [3, 0]
    assert int(city.rare) == 1
    with pytest.raises(ValueError, match="at most 3 categories, however: 4"):
        grown(city, cells(["x", "x", "y", "y"]))


def test_what_either_run_has_seen_is_not_spare():
    city = fitted(Embedding("city", dim=2), cells(["Oslo", "Rome"]))
    grown(city, cells(["Ulm", "Oslo"]))
    city.see(city.encode(cells(["Ulm", "Oslo"])))
    assert city.seen.tolist() == [False, False, True, True, True]
    assert city.layer().spare.tolist() == [0, 1]  # else hiding would overwrite what Rome's row has learned


def test_fields_that_share_a_table_grow_together():
    airport = fitted(SharedEmbedding(["a", "b"], dim=2), cells(["X", "Y"], "a:string") | cells(["Y", "Z"], "b:string"))
    rows = cells(["X", "V"], "a:string") | cells(["W", "Z"], "b:string")
    known = airport.encode(rows)
    grown(airport, rows)
    found = airport.encode(rows)
    assert torch.equal(found[known != 0], known[known != 0])
    assert sorted(found[known == 0].tolist()) == [5, 6]


@pytest.mark.parametrize(
    ("column", "key"),
    [
        (Text("t", max_tokens=2, min_count=1), Read("t", "tokens", max_tokens=2).key),
        (Set("s", max_tokens=2), Set("s", max_tokens=2).key),
    ],
)
def test_words_of_texts_and_members_of_sets_grow(column, key):
    fitted(column, bags([["a", "b"], ["b"]], key))
    known = column.encode(bags([["a", "b"]], key))
    dim = column.dim
    grown(column, bags([["b", "c"], ["d"]], key))
    assert torch.equal(column.encode(bags([["a", "b"]], key)), known)
    assert sorted(column.encode(bags([["c", "d"]], key))[0].tolist()) == [4, 5]
    assert column.dim == dim


def test_of_new_words_the_most_frequent_take_the_room_that_is_left():
    text = Text("t", max_tokens=2, min_count=1)
    text.most = 3
    fitted(text, bags([["a", "b"]], text.key))
    grown(text, bags([["c"], ["d"], ["d"]], text.key))
    assert text.encode(bags([["d", "c"]], text.key)).tolist() == [[4, 0]]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        (OneHot("city"), cells(["a", "b"]), cells(["c"])),
        (Hashed("city", buckets=9), cells(["a", "b"]), cells(["c"])),
        (MultiHot("s", max_tokens=2), bags([["a", "b"]], MultiHot("s", max_tokens=2).key), None),
    ],
)
def test_what_would_widen_the_bodys_input_or_has_no_vocabulary_stays(column, first, second):
    fitted(column, first)
    state = {name: x.clone() for name, x in column.state_dict().items()}
    grown(column, bags([["c"]], column.key) if second is None else second)
    assert all(torch.equal(x, state[name]) for name, x in column.state_dict().items())


@pytest.mark.parametrize("freeze", [True, False])
def test_new_words_begin_with_their_pretrained_vectors_and_known_rows_keep_their_place(freeze, tmp_path):
    path = tmp_path / "some.vec"
    path.write_text("Oslo 1 1\nUlm 2 2\n")
    city = fitted(Embedding("city", vectors=Pretrained(path, freeze=freeze)), cells(["Oslo", "Rome"]))
    old = city.layer()
    grown(city, cells(["Ulm", "Bern"]))
    new = city.layer()
    assert new(city.encode(cells(["Oslo", "Ulm"]))).tolist() == [[1, 1], [2, 2]]
    if isinstance(old, Kept):  # of the learned rows the known ones come first
        assert torch.equal(new.place[: len(old.place)], old.place)
        assert new.rows.table.weight.shape == (4, 2)
    path.unlink()
    with pytest.raises(ValueError, match="is missing; city:string begins with"):
        grown(city, cells(["Paris"]))
    assert "2 of 4" in city.notes()[0]
