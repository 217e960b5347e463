"""Rows that two splits share, by hand and by chance, and classes that one training row shows."""

import torch

from mlp_torch.target import AtLeast, Category, Number
from mlp_torch.training.table.suspicions import copies_of, rare_classes

DRAW = torch.Generator().manual_seed(0)
NEW = torch.arange(1000) >= 800  # rows that are asked for
X = torch.randint(0, 10**9, (1000,), generator=DRAW)
CITY = torch.randint(0, 5, (1000,), generator=DRAW)
LABEL = torch.randint(0, 2, (1000,), generator=DRAW)


def found(*columns: torch.Tensor) -> list[int]:
    return copies_of(list(columns), ~NEW, NEW).nonzero().squeeze(1).tolist()


def test_copies_of_known_rows_are_found_and_no_other_rows() -> None:
    x, city, label = X.clone(), CITY.clone(), LABEL.clone()
    for column in (x, city, label):
        column[[801, 900, 999]] = column[[5, 5, 700]]
    assert found(x, city, label) == [801, 900, 999]
    label[999] = 1 - label[999]
    assert found(x, city, label) == [801, 900]
    assert found(X, CITY, LABEL) == []


def test_rows_that_two_asked_for_share_are_no_copies_of_known_ones() -> None:
    x = X.clone()
    x[[801, 802]] = 7
    assert found(x, torch.zeros_like(x)) == []


def test_common_values_make_equal_rows_by_chance() -> None:
    assert set(CITY[NEW].tolist()) <= set(CITY[~NEW].tolist())
    assert found(CITY, LABEL) == []
    assert found(CITY) == []
    assert found(CITY, 2 * CITY + 1, CITY % 2) == []  # though all of it follows from the first


def test_common_values_of_many_columns_make_no_equal_rows_by_chance() -> None:
    columns = [torch.randint(0, 30, (1000,), generator=DRAW) for _ in range(8)]
    for column in columns:
        column[999] = column[0]
    assert found(*columns) == [999]


def test_classes_that_one_training_row_shows_are_named() -> None:
    target = Category("fruit")
    target.classes = ["apple", "fig", "pear"]
    (warning,) = rare_classes(target, torch.tensor([0, 0, 1, 2, 2], dtype=torch.float64))
    assert warning.startswith('rare_class: column "fruit" has 1 of 3 classes with 1 training row each: "fig"')
    assert rare_classes(target, torch.tensor([0, 0, 1, 1, 2, 2], dtype=torch.float64)) == []
    assert rare_classes(Number("fruit"), torch.tensor([1.0])) == []
    assert len(rare_classes(AtLeast("delay", 15), torch.tensor([0.0, 1.0, 1.0]))) == 1
