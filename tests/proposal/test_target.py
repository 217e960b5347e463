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
    assert any('1 row of 1 class ("Yes") dropped by na_values' in note for note in left.notes)
    assert any('class 1, whose probability is predicted, is "yes"' in note for note in left.notes)


def test_three_classes_that_are_left_of_four_stay_several():
    goal = aim(look("kind", pa.array(["a", "b", "c"] * 40 + ["d"]))).without(["d"])
    assert (goal.head, "classes" in goal.node, list(goal.classes)) == ("multiclass", False, ["a", "b", "c"])


def test_whole_numbers_in_an_order_are_told_to_be_ordinal_too():
    goal = aim(look("rating", pa.array(["1", "2", "3", "4", "5"] * 40)))
    assert goal.head == "multiclass"
    assert "If their order counts (a rating): override /head: ordinal above" in goal.notes


def test_classes_whose_order_as_text_is_another_are_given_in_that_of_their_numbers():
    goal = aim(look("rating", pa.array([str(i) for i in range(8, 13)] * 40)))
    (note,) = (note for note in goal.notes if "ordinal" in note)
    assert note.endswith('above, and classes: ["8", "9", "10", "11", "12"] here')
