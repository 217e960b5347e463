"""Golden values: scikit-learn, and arithmetic by hand."""

from functools import partial

import pytest
import torch
from sklearn import metrics as sklearn_metrics

from mlp_torch.problem.rates import Hits, Rate, answered, precise, recalled, right_if_decided

SAID = torch.tensor([0, 0, 1, 1, 2, 2, 2, 1])
TRUE = torch.tensor([0, 2, 1, 2, 2, 2, 1, 0])


@pytest.mark.parametrize("of", [0, 1, 2])
def test_recall_and_precision_equal_those_of_scikit_learn(of: int) -> None:
    recall, precision = Rate(partial(recalled, of=of)), Rate(partial(precise, of=of))
    for part in (slice(0, 3), slice(3, 8)):  # as batches come
        recall.update(SAID[part], TRUE[part])
        precision.update(SAID[part], TRUE[part])
    given = {"labels": [of], "average": "macro"}
    assert recall.compute().item() == pytest.approx(sklearn_metrics.recall_score(TRUE, SAID, **given))
    assert precision.compute().item() == pytest.approx(sklearn_metrics.precision_score(TRUE, SAID, **given))


def test_accuracy_counts_rows_that_are_answered_and_have_an_answer() -> None:
    # answered: rows 0, 1, 4, 5, 6; of those the label of row 6 is neutral; row 1 is wrong
    assert Hits(partial(right_if_decided, neutral=1))(SAID, TRUE).item() == 0.75
    assert Rate(partial(answered, neutral=1))(SAID, TRUE).item() == 5 / 8


def test_a_class_that_is_never_named_has_no_precision() -> None:
    assert Rate(partial(precise, of=2))(torch.tensor([0, 1]), torch.tensor([0, 2])).isnan()


def test_only_accuracy_says_which_model_is_better() -> None:
    assert Rate(partial(recalled, of=0)).higher_is_better is None
    assert Hits(partial(right_if_decided, neutral=1)).higher_is_better is True
