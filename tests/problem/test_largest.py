"""The largest error, worked out by hand."""

import torch

from mlp_torch.problem.largest import LargestError
from mlp_torch.problem.regression import Regression
from mlp_torch.responsible.verdict import judge
from mlp_torch.target import Number


def test_it_is_the_largest_distance_in_either_direction_over_all_batches():
    error = LargestError()
    for predicted, true in (([1.0, 2.0], [1.5, 2.0]), ([0.0], [-4.0]), ([7.0], [9.0])):
        error.update(torch.tensor(predicted), torch.tensor(true))
    assert error.compute() == 4


def test_it_starts_anew_once_it_is_reset():
    error = LargestError()
    error.update(torch.tensor([1.0]), torch.tensor([9.0]))
    error.reset()
    error.update(torch.tensor([1.0]), torch.tensor([2.0]))
    assert error.compute() == 1


def test_a_head_judges_by_it_in_the_targets_unit():
    head = Regression(1, Number("miles"))
    y = torch.tensor([100.0, 300.0], dtype=torch.float64)
    head.fit(y, torch.ones(2))
    head.perspectives = {"largest": ("prediction", next(iter(head.labels(y))), LargestError())}
    verdict = judge(head, torch.tensor([[0.0], [3.0]]), y)
    assert verdict.values["largest"] == 200  # the mean is 200, a standard deviation 100: 200 and 500 are said
