"""Shared embeddings: one table for several fields."""

import pytest
import torch
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.reads import Read
from mlp_torch.model import Encoder
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.shared import SharedEmbedding
from mlp_torch.reproducibility.transform import Transform
from tests.representation.fitted import fitted


def inputs(origin: list[str | None], dest: list[str | None]) -> dict[str, Tensor]:
    return {"origin:string": fingerprints(origin), "dest:string": fingerprints(dest)}


ROWS = inputs(["EWR", "JFK", "EWR", None], ["BOS", "EWR", "ORD", "BOS"])


def known(read: Read) -> list[tuple[int, str]]:
    words = {"origin": ["EWR", "JFK"], "dest": ["BOS", "EWR", "ORD"]}[read.field]
    return list(zip(fingerprints(words).tolist(), words, strict=True))


def fit(column: SharedEmbedding, rows: dict[str, Tensor] = ROWS) -> SharedEmbedding:
    return fitted(column, rows, words=known)


def test_a_category_has_one_vector_in_whichever_field_it_stands() -> None:
    column = fit(SharedEmbedding(["origin", "dest"], dim=3))
    vectors = column.layer().eval()(column.encode(inputs(["EWR", "BOS", "JFK"], ["BOS", "EWR", "JFK"])))
    origin, dest = vectors.unflatten(1, (2, 3)).unbind(1)
    assert torch.equal(origin[0], dest[1])
    assert torch.equal(origin[1], dest[0])
    assert torch.equal(origin[2], dest[2])
    assert not torch.equal(origin[0], dest[0])


def test_the_vocabulary_is_the_union_and_the_rows_of_both_fields_train_a_vector() -> None:
    column = fit(SharedEmbedding(["origin", "dest"], dim=3))
    assert column.codes == 2 + 4
    layer = column.layer()
    layer(column.encode(inputs(["EWR"], ["EWR"]))).sum().backward()
    (row,) = column.encode(inputs(["EWR"], ["EWR"]))[0].unique().tolist()
    assert layer.rows.table.weight.grad[row].tolist() == [2, 2, 2]


def test_a_backbone_gets_a_width_for_each_field() -> None:
    encoder = Encoder({"airport": fit(SharedEmbedding(["origin", "dest"], dim=3)), "x": fit_plain()})
    assert encoder.widths == {"airport.origin": 3, "airport.dest": 3, "x": 2}
    assert encoder.d_out == 8


def fit_plain() -> Embedding:
    column = Embedding("origin", dim=2)
    column.fit(Sample(ROWS, torch.zeros(4), known))
    column.resize()
    return column


def test_a_row_with_an_unseen_category_in_one_of_the_fields_counts_as_unseen_once() -> None:
    transform = Transform({"airport": SharedEmbedding(["origin", "dest"])}).fit(Sample(ROWS, torch.zeros(4), known))
    asked = inputs(["EWR", "XXX", "XXX", None], ["BOS", "BOS", "YYY", "EWR"])
    assert transform.unseen(transform(asked))["airport"].tolist() == [False, True, True, False]


def test_the_row_for_missing_is_spare_only_where_no_field_has_a_missing_cell() -> None:
    assert fit(SharedEmbedding(["origin", "dest"])).layer().rows.spare.tolist() == [0]
    full = inputs(["EWR"], ["BOS"])
    assert fit(SharedEmbedding(["origin", "dest"]), full).layer().rows.spare.tolist() == [0, 1]


def test_codes_are_called_by_the_words_of_both_fields() -> None:
    assert sorted(fit(SharedEmbedding(["origin", "dest"])).meanings()) == [
        "(missing)", "(unknown)", "BOS", "EWR", "JFK", "ORD",
    ]  # fmt: skip


def test_cells_of_both_fields_count_for_min_count_and_most() -> None:
    column = fit(SharedEmbedding(["origin", "dest"], min_count=2))
    assert sorted(column.meanings()) == ["(missing)", "(unknown)", "BOS", "EWR"]  # of three cells, and of two
    with pytest.raises(ValueError, match="origin:string, dest:string must have at most 3 categories, however: 4; use"):
        fit(SharedEmbedding(["origin", "dest"], most=3))


def test_a_penalty_counts_the_table_once() -> None:
    column = fit(SharedEmbedding(["origin", "dest"], dim=3, l2=0.5))
    encoder = Encoder({"x": column})
    weight = encoder.layers["x"].rows.table.weight
    assert encoder.penalties()[0].item() == pytest.approx(0.5 * weight.square().sum().item())


@pytest.mark.parametrize("fields", [["origin"], ["origin", "origin"], []])
def test_fewer_than_two_fields_are_refused(fields: list[str]) -> None:
    with pytest.raises(ValueError, match="fields must be at least 2 different ones, however: fields="):
        SharedEmbedding(fields)
