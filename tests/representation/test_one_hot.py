"""One-hot and dummy coding against scikit-learn."""

import warnings

import pytest
import torch
from sklearn.preprocessing import OneHotEncoder
from torch import Tensor

from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Encoder
from mlp_torch.representation.one_hot import OneHot
from tests.representation.fitted import fitted

WORDS = ["Rome", "Oslo", None, "Rome", "naïve", ""]


def rows(words: list[str | None]) -> dict[str, Tensor]:
    return {"city:string": fingerprints(words)}


def fit(column: OneHot, words: list[str | None]) -> OneHot:
    return fitted(column, rows(words))


@pytest.mark.parametrize("drop", [False, True])
def test_inputs_are_those_of_scikit_learn_in_the_order_of_fingerprints(drop: bool) -> None:
    column = fit(OneHot("city", drop_first=drop), WORDS)
    known, served = fingerprints([word for word in WORDS if word is not None]), rows([*WORDS, "unseen"])
    wanted = OneHotEncoder(drop="first" if drop else None, handle_unknown="ignore", sparse_output=False)
    wanted.fit(known.numpy()[:, None])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found unknown categories", category=UserWarning)
        expected = wanted.transform(served["city:string"].numpy()[:, None])
    found = column.layer()(column.encode(served))
    assert found.tolist() == expected.tolist()
    assert column.dim == found.shape[1] == 4 - drop


def test_a_missing_cell_and_an_unseen_category_are_all_zeros() -> None:
    column = fit(OneHot("city"), WORDS)
    assert not column.layer()(column.encode(rows([None, "unseen"]))).any()
    assert (column.encode(rows(["unseen", "Rome"])) == column.unknown).tolist() == [True, False]


def test_a_penalty_makes_inputs_weights_that_are_learned() -> None:
    plain, penalized = fit(OneHot("city"), WORDS), fit(OneHot("city", l1=0.5, l2=0.25), WORDS)
    assert not list(plain.layer().parameters())
    assert torch.equal(penalized.layer()(penalized.encode(rows(WORDS))), plain.layer()(plain.encode(rows(WORDS))))
    assert Encoder({"city": penalized}).penalties()[0].item() == 4 * 0.5 + 4 * 0.25


def test_one_category_leaves_nothing_to_a_dummy_coding() -> None:
    assert fit(OneHot("city"), ["Rome", None]).dim == 1
    with pytest.raises(ValueError, match="city:string must have two categories for drop_first, however: it has one"):
        fit(OneHot("city", drop_first=True), ["Rome", None])


def test_too_many_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="city:string must have at most 2 categories, however: 4"):
        fit(OneHot("city", most=2), WORDS)
