"""What is predicted, once classes that no training row has are left out."""

import pyarrow as pa

from mlp_torch.profile.facts import look
from mlp_torch.proposal.target import aim


def test_two_classes_that_are_left_of_three_are_a_binary_problem():
    goal = aim(look("fast", pa.array(["yes", "no"] * 50 + ["Yes"])))
    assert goal.head == "multiclass"
    left = goal.without(["Yes"])
    assert (left.head, left.node["classes"]) == ("binary", ["no", "yes"])
    assert left.policy == {"na_values": ["Yes"], "missing": "drop"}
    assert left.used.sum() == 100
    assert any('1 rows of 1 classes ("Yes") are dropped' in note for note in left.notes)
    assert any('class 1, whose probability is predicted, is "yes"' in note for note in left.notes)


def test_three_classes_that_are_left_of_four_stay_several():
    goal = aim(look("kind", pa.array(["a", "b", "c"] * 40 + ["d"]))).without(["d"])
    assert (goal.head, "classes" in goal.node, list(goal.classes)) == ("multiclass", False, ["a", "b", "c"])
