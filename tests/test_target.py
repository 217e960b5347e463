"""Targets: raw fields to y, and the labels that they refuse."""

import io

import pytest
import torch
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.reproducibility.transform import restore
from mlp_torch.target import MAX_CLASSES, AtLeast, Category, Flags, Labels, Number

NAN = float("nan")


def inputs(words: list[str | None]) -> dict[str, Tensor]:
    return {"y:string": fingerprints(words)}


def fit(target: Category, words: list[str | None]) -> Category:
    distinct = sorted({word for word in words if word is not None})
    target.fit(inputs(words), lambda read: list(zip(fingerprints(distinct).tolist(), distinct, strict=True)))
    return target


def problem(caught: pytest.ExceptionInfo[DataError]) -> tuple[object, ...]:
    (found,) = caught.value.problems
    return found.code, found.columns, found.bad, found.total, found.examples


def test_a_number_is_kept_as_it_is() -> None:
    y = Number("y").encode({"y": torch.tensor([1.5, NAN, -1e300], dtype=torch.float64)})
    assert y.dtype == torch.float64
    assert y[[0, 2]].tolist() == [1.5, -1e300]
    assert bool(y[1].isnan())
    assert Number("y").classes == []


def test_a_threshold_is_reached_by_its_own_value() -> None:
    target = AtLeast("y", 15, classes=("on time", "late"))
    y = target.encode({"y": torch.tensor([14.999999, 15.0, 300.0, -15.0, NAN], dtype=torch.float64)})
    assert y[:4].tolist() == [0.0, 1.0, 1.0, 0.0]
    assert bool(y[4].isnan())
    assert target.classes == ["on time", "late"]


def test_impossible_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"classes must name class 0 and class 1, however: classes=\['late'\]"):
        AtLeast("y", 15, classes=("late",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold must be finite, however: threshold=nan"):
        AtLeast("y", NAN)


def test_classes_are_the_words_of_training_rows_in_order() -> None:
    target = fit(Category("y"), ["pear", "日本", "apple", "", "pear"])
    assert target.classes == ["", "apple", "pear", "日本"]
    assert target.encode(inputs(["pear", "", "日本", "apple"])).tolist() == [2.0, 0.0, 3.0, 1.0]


def test_classes_that_are_given_keep_their_order() -> None:
    target = fit(Category("y", classes=["pear", "apple"]), ["apple", "pear"])
    assert target.classes == ["pear", "apple"]
    assert target.encode(inputs(["apple", "pear"])).tolist() == [1.0, 0.0]


def test_a_missing_label_is_no_class() -> None:
    y = fit(Category("y"), ["a", "b", None]).encode(inputs([None, "b"]))
    assert bool(y[0].isnan())
    assert y[1] == 1.0
    assert fit(Category("y"), ["a", "b"]).encode(inputs([])).shape == (0,)


def test_a_label_that_only_another_split_has_is_told_with_its_rows() -> None:
    target = fit(Category("y"), ["a", "b"])
    with pytest.raises(DataError) as caught:
        target.encode(inputs(["a", "c", None, "d", "c"]))
    assert problem(caught)[:4] == ("unknown_label", ("y",), 3, 5)
    assert caught.value.problems[0].rows == (1, 3, 4)


def test_a_label_beside_the_classes_given_is_told_with_its_count() -> None:
    with pytest.raises(DataError) as caught:
        fit(Category("y", classes=["a", "b"]), ["a", "c", "b", "c", None])
    assert problem(caught) == ("unknown_label", ("y",), 2, 5, ("c",))
    assert caught.value.problems[0].rows == ()  # they would count training rows, not the file's


@pytest.mark.parametrize("words", [["a", "a", None], [None, None], []])
def test_one_class_is_too_few(words: list[str | None]) -> None:
    with pytest.raises(DataError, match="class") as caught:
        fit(Category("y"), words)
    assert problem(caught)[0] == "one_class"


def test_a_class_that_no_training_row_has_is_refused() -> None:
    with pytest.raises(DataError, match=r"no training row of class .*c"):
        fit(Category("y", classes=["a", "b", "c"]), ["a", "b"])


def test_a_class_may_be_given_once() -> None:
    with pytest.raises(ValueError, match=r"classes must be distinct, however: classes=\['a', 'b', 'a'\]"):
        Category("y", classes=["a", "b", "a"])


def test_too_many_classes_look_continuous() -> None:
    words: list[str | None] = [str(i) for i in range(MAX_CLASSES + 1)]
    with pytest.raises(DataError, match="looks continuous: 1,001 distinct values, at most 1,000 classes"):
        fit(Category("y"), words)
    assert len(fit(Category("y"), words[1:]).classes) == MAX_CLASSES


def test_classes_return_from_a_file_into_a_target_that_was_not_fitted() -> None:
    target, file = fit(Category("y"), ["pear", "apple", "fig"]), io.BytesIO()
    torch.save(target.state_dict(), file)
    file.seek(0)
    fresh = Category("y")
    assert fresh.classes == []
    restore(fresh, torch.load(file, weights_only=True))
    assert fresh.classes == target.classes
    assert fresh.encode(inputs(["fig", "pear"])).tolist() == [1.0, 2.0]


def lists(cells: list[list[str]], target: Labels) -> tuple[dict[str, Tensor], list[tuple[int, str]]]:
    """Cells as a set is read, and their words."""
    (read,) = target.reads.values()
    rows = [[*cell, *[None] * (read.max_tokens - len(cell))][: read.max_tokens] for cell in cells]
    words = sorted({word for cell in cells for word in cell})
    x = torch.stack([fingerprints(row) for row in rows])
    return {read.key: x}, list(zip(fingerprints(words).tolist(), words, strict=True))


def labelled(target: Labels, cells: list[list[str]]) -> Tensor:
    inputs, words = lists(cells, target)
    target.fit(inputs, lambda read: words)
    return target.encode(inputs)


def test_labels_of_a_cell_are_marks_of_the_classes_in_order() -> None:
    target = Labels("genre")
    y = labelled(target, [["war", "drama"], ["drama"], [], ["action", "action"]])
    assert target.classes == ["action", "drama", "war"]
    assert y[[0, 1, 3]].tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 0]]
    assert bool(y[2].isnan().all())


def test_a_cell_without_labels_may_be_none_of_the_classes() -> None:
    y = labelled(Labels("genre", empty="none"), [["war"], ["drama"], []])
    assert y[2].tolist() == [0, 0]


def test_labels_of_few_rows_are_refused_or_left_out_and_told() -> None:
    cells = [["war", "war"], ["war", "drama"], ["drama"], ["opera"]]
    with pytest.raises(DataError) as caught:
        labelled(Labels("genre", min_count=2), cells)
    assert problem(caught) == ("unknown_label", ("genre",), 1, 4, ("opera",))
    target = Labels("genre", min_count=2, others="ignore")
    assert labelled(target, cells).tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]
    assert target.notes() == ["1 labels of genre are no class and are ignored: opera"]


def test_a_cell_with_more_labels_than_may_be_is_refused_and_not_cut() -> None:
    with pytest.raises(DataError) as caught:
        labelled(Labels("genre", max_labels=2), [["a", "b"], ["a", "b", "c"], ["a"]])
    assert problem(caught)[:4] == ("too_many_labels", ("genre",), 1, 3)
    assert caught.value.problems[0].rows == (1,)


def test_classes_without_rows_are_named_one_by_one() -> None:
    with pytest.raises(DataError) as caught:
        labelled(Labels("genre", classes=["war", "no", "yes"], others="ignore"), [["war"], ["drama"]])
    assert caught.value.problems[0].text == 'no training row of the classes "no", "yes"'
    assert caught.value.problems[0].key == "data.target.classes"


def test_labels_that_are_given_must_be_there() -> None:
    with pytest.raises(DataError, match=r"class_without_rows.*opera"):
        labelled(Labels("genre", classes=["war", "opera"], others="ignore"), [["war"], ["drama"]])
    with pytest.raises(DataError, match="no_classes"):
        labelled(Labels("genre"), [["war"], ["war"]])


def test_impossible_labels_are_refused() -> None:
    for options in (
        {"min_count": 0},
        {"max_labels": 0},
        {"others": "drop"},
        {"empty": "zero"},
        {"classes": ["a", "a"]},
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            Labels("genre", **options)  # type: ignore[arg-type]


def test_labels_return_from_a_file() -> None:
    target = Labels("genre")
    cells = [["war", "drama"], ["drama"], ["action"]]
    y = labelled(target, cells)
    file = io.BytesIO()
    torch.save(target.state_dict(), file)
    file.seek(0)
    other = Labels("genre")
    restore(other, torch.load(file, weights_only=True))
    assert other.classes == target.classes
    assert torch.equal(other.encode(lists(cells, other)[0]), y)


def test_flags_are_one_zero_or_missing() -> None:
    target = Flags(["war", "drama"])
    y = target.encode({"war": torch.tensor([1.0, NAN]).double(), "drama": torch.tensor([0.0, 1.0]).double()})
    assert target.classes == ["war", "drama"]
    assert y[0].tolist() == [1, 0]
    assert y[1].isnan().tolist() == [True, False]
    with pytest.raises(DataError) as caught:
        target.encode({"war": torch.tensor([1.0, 0.0]).double(), "drama": torch.tensor([0.5, 1.0]).double()})
    assert problem(caught) == ("unknown_label", ("drama",), 1, 2, ("0.5",))
    with pytest.raises(DataError) as caught:
        target.encode({"war": torch.tensor([2.0, 3.0]).double(), "drama": torch.tensor([0.5, 1.0]).double()})
    assert [(each.columns, each.bad) for each in caught.value.problems] == [(("war",), 2), (("drama",), 1)]


@pytest.mark.parametrize("fields", [["war"], ["war", "war"]])
def test_flags_are_two_fields_or_more(fields: list[str]) -> None:
    with pytest.raises(ValueError, match="fields must be two or more"):
        Flags(fields)
