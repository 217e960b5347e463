"""The closing report says who wins, and a tie is no win."""

import json

import pytest

from mlp_torch.responsible.report import Report, number, stored

HIGHER = {"auroc": True, "log_loss": False, "bias": None}
CONTENDERS = ("model", "constant", "look-up", "trees")


def report(split: str = "test", **values: dict[str, float]) -> Report:
    """A report of one split; `lookup` stands for the look-up."""
    found = Report(HIGHER)
    for name, metrics in values.items():
        found.add("look-up" if name == "lookup" else name, split, metrics)
    return found


MODEL = {"loss": 0.5, "auroc": 0.7, "log_loss": 0.5}
WORSE = {"loss": 0.6, "auroc": 0.5, "log_loss": 0.6}
BETTER = {"loss": 0.4, "auroc": 0.8, "log_loss": 0.4}


def test_trees_that_win_are_named_with_the_figures():
    assert report(model=MODEL, trees=BETTER).findings() == [
        "Boosted trees win on test by auroc (0.8 against 0.7), log_loss (0.4 against 0.5)."
        ' What may help: docs/representation.md, "When trees win".'
    ]


def test_trees_that_win_by_one_metric_are_named_beside_what_the_model_wins_by():
    mixed = {"loss": 0.6, "auroc": 0.71, "log_loss": 0.6}
    assert report(model=MODEL, trees=mixed).findings() == [
        "Boosted trees win on test by auroc (0.71 against 0.7); the model by log_loss (0.5 against 0.6)."
    ]


@pytest.mark.parametrize("trees", [WORSE, MODEL])
def test_trees_that_lose_or_tie_are_said_not_to_win(trees):
    assert report(model=MODEL, trees=trees).findings() == [
        "The model is at least as good as boosted trees on test by every metric."
    ]


def test_without_trees_or_without_a_common_metric_nothing_is_said_of_them():
    assert report(model=MODEL).findings() == []
    assert report(model=MODEL, trees={}).findings() == []
    assert report(model=MODEL, trees={"loss": 0.4, "bias": 3.0}).findings() == []
    assert report("val", model=MODEL, trees=BETTER).findings() == []  # they are chosen on validation rows


@pytest.mark.parametrize(("name", "title"), [("constant", "constant"), ("lookup", "look-up")])
@pytest.mark.parametrize(("split", "where"), [("val", "validation"), ("test", "test")])
def test_a_simple_contender_that_beats_the_model_is_a_warning(name, title, split, where):
    assert report(split, model=MODEL, **{name: BETTER}).findings() == [
        f"WARNING: the {title} beats the model on {where} by auroc (0.8 against 0.7), log_loss (0.4 against 0.5)."
    ]


@pytest.mark.parametrize("constant", [WORSE, MODEL, {}])
def test_a_simple_contender_that_loses_or_ties_is_not_named(constant):
    assert report(model=MODEL, constant=constant).findings() == []


def many(auroc: float, accuracy: float, calibration: float, loss: float) -> dict[str, float]:
    return {"auroc": auroc, "log_loss": accuracy, "calibration": calibration, "loss": loss}


def test_one_metric_alone_is_no_warning_unless_the_loss_agrees():
    found = Report({**HIGHER, "calibration": False})
    found.add("model", "test", many(0.7, 0.5, 0.02, 0.5))
    found.add("constant", "test", many(0.5, 0.6, 0.0, 0.6))  # a constant is always well calibrated
    assert found.findings() == []
    found.add("constant", "test", many(0.5, 0.6, 0.0, 0.5))
    assert found.findings() == ["WARNING: the constant beats the model on test by calibration (0 against 0.02)."]


def test_half_of_the_metrics_are_a_warning_whatever_the_loss():
    constant = {"loss": 0.6, "auroc": 0.71, "log_loss": 0.6}
    assert report(model=MODEL, constant=constant).findings() == [
        "WARNING: the constant beats the model on test by auroc (0.71 against 0.7)."
    ]


def test_a_difference_that_the_table_does_not_show_is_a_tie():
    almost = {"loss": 0.5, "auroc": 0.700001, "log_loss": 0.5}
    assert report(model=MODEL, trees=almost).wins("trees", "model", "test") == []
    shown = {"loss": 0.5, "auroc": 0.7001, "log_loss": 0.5}
    assert report(model=MODEL, trees=shown).wins("trees", "model", "test") == ["auroc (0.7001 against 0.7)"]


def test_a_metric_that_is_neither_better_high_nor_low_decides_nothing():
    assert report(model={"bias": 1.0}, trees={"bias": 5.0}).wins("trees", "model", "test") == []
    assert report(model={"odd": 1.0}, trees={"odd": 5.0}).wins("trees", "model", "test") == []


def test_a_metric_that_one_of_both_lacks_decides_nothing():
    found = report(model={"loss": 0.5, "log_loss": 0.5}, constant={"loss": 0.6, "auroc": 0.5, "log_loss": 0.6})
    assert found.findings() == []


def test_a_baseline_of_the_users_own_is_judged_shown_and_stored_by_its_name():
    found = report(model=MODEL, rule=BETTER)
    assert found.findings()[0].startswith("WARNING: the rule beats the model on test by auroc")
    assert found.flat()["test/auroc_rule"] == 0.8
    assert "rule" in found.table().split("\n")[1]


def test_all_values_are_stored_under_their_split_metric_and_contender():
    found = report(model=MODEL, constant=WORSE, lookup=BETTER, trees=BETTER)
    assert found.flat() == {
        **{f"test/{name}": value for name, value in MODEL.items()},
        **{f"test/{name}_baseline": value for name, value in WORSE.items()},
        **{f"test/{name}_lookup": value for name, value in BETTER.items()},
        **{f"test/{name}_trees": value for name, value in BETTER.items()},
    }


def full() -> Report:
    """Four contenders, two splits, seven metrics beside the loss."""
    names = ["log_loss", "accuracy", "auroc", "average_precision", "f1", "brier", "calibration_error"]
    found = Report({})
    for i, name in enumerate(CONTENDERS):
        for j, split in enumerate(("val", "test")):
            values = {metric: (i + 1) * 0.012345 + j * 1234.5 + k for k, metric in enumerate(["loss", *names])}
            if name == "constant":
                del values["auroc"]
            found.add(name, split, values)
    return found


def test_the_table_of_four_contenders_two_splits_and_eight_metrics_fits_120_columns():
    lines = full().table().split("\n")
    assert len(lines) == 10
    assert max(map(len, lines)) <= 120
    assert not [line for line in lines if line != line.rstrip()]


def test_the_columns_of_the_table_stand_below_their_names():
    title, head, *body = full().table().split("\n")
    assert head.split() == ["metric", *CONTENDERS, *CONTENDERS]
    ends = [i + 1 for i, char in enumerate(head) if char != " " and (i + 1 == len(head) or head[i + 1] == " ")][1:]
    for line in body:
        cells = line.split()
        assert len(cells) == 9
        assert [line[:end].split()[-1] for end in ends] == cells[1:]
        assert all(len(line) == end or line[end] == " " for end in ends)
    assert title.split() == ["validation", "test"]
    assert title.index("test") > head.index("trees")


def test_a_metric_without_a_value_is_a_dash():
    (line,) = [line for line in full().table().split("\n") if line.startswith("auroc")]
    assert [cell == "–" for cell in line.split()[1:5]] == [False, True, False, False]


def test_metrics_of_one_split_alone_need_no_other():
    assert report(model={"auroc": 0.7}).table() == "          test\nmetric    model\nauroc       0.7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (1234567.0, "1.235e+06"),
        (0.0, "0"),
        (-0.5, "-0.5"),
        (0.00001234, "1.234e-05"),
        (None, "–"),
    ],
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


LABELS = [
    {
        "label": name,
        "auroc": auroc,
        "average_precision": 0.5,
        "f1": 0.25,
        "threshold": 0.3,
        "positives": n,
        "rows": 2000,
    }
    for name, auroc, n in (("war", 0.6, 20), ("drama", 0.71234, 1000), ("news", None, 0))
]


def test_the_worst_labels_are_named_and_all_are_stored():
    report = Report({"auroc": True})
    report.add_labels("val", LABELS[1:])
    assert report.findings() == []
    report.add_labels("test", LABELS)
    text = "war (0.6; F1 0.25, 20 rows), drama (0.712; F1 0.25, 1,000 rows)"
    assert report.findings() == [f"Worst labels on test by AUROC: {text}; all are in report.json."]
    again = stored(json.loads(json.dumps(report.to_json())))
    assert again.labels == {"val": LABELS[1:], "test": LABELS}


def test_a_head_of_one_label_leaves_no_table_of_labels():
    report = Report({"auroc": True})
    report.add_labels("test", [])
    assert report.labels == {}
    assert report.findings() == []
