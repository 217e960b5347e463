"""Mean and deviation of several runs, by arithmetic done by hand; metrics that some runs lack; run by run."""

import json

import pytest

from mlp_torch.responsible.report import Report, stored
from mlp_torch.responsible.spread import Spread

HIGHER = {"auroc": True, "rmse": False, "bias": None}


def run(**contenders: dict[str, float]) -> Report:
    """A run's report on test rows."""
    report = Report(HIGHER)
    for name, values in contenders.items():
        report.add(name, "test", values)
    return report


def test_mean_and_sample_deviation_are_those_of_the_runs():
    spread = Spread({name: run(model={"rmse": value}) for name, value in (("a", 1.0), ("b", 2.0), ("c", 6.0))})
    assert spread.mean.flat() == {"test/rmse": 3.0}
    assert spread.deviation.flat() == {"test/rmse": pytest.approx(7**0.5)}  # (4 + 1 + 9) / 2
    assert spread.table().splitlines()[1].split() == ["rmse", "3", "±", "2.6"]


def test_one_run_has_no_deviation_and_is_not_compared_run_by_run():
    spread = Spread({"a": run(model={"rmse": 1.0}, trees={"rmse": 2.0})})
    assert spread.deviation.flat() == {}
    assert "±" not in spread.table()
    assert spread.findings() == ["The model is at least as good as boosted trees on test by every metric."]


def test_a_metric_that_the_first_run_lacks_is_told_of_the_others():
    values = ({"rmse": 1.0}, {"rmse": 1.0, "auroc": 0.5}, {"rmse": 1.0, "auroc": 0.7})
    spread = Spread({str(i): run(model=each) for i, each in enumerate(values)})
    assert spread.mean.flat()["test/auroc"] == pytest.approx(0.6)
    assert "0.6 ± 0.14 (of 2)" in spread.table()
    assert "(of 3)" not in spread.table()


def test_run_by_run_the_better_one_is_told_in_the_direction_of_each_metric():
    one = run(model={"auroc": 0.75, "rmse": 3.0, "bias": 1.0}, trees={"auroc": 0.5, "rmse": 2.0, "bias": 0.0})
    other = run(model={"auroc": 0.75, "rmse": 1.0, "bias": 1.0}, trees={"auroc": 0.5, "rmse": 2.0, "bias": 0.0})
    said = Spread({"a": one, "b": other}).findings()[-1]
    assert said == (
        "Run by run, the model is better than boosted trees on test by auroc in 2 of 2 (by 0.25 ± 0), "
        "rmse in 1 of 2 (by 0 ± 1.4)."
    )


def test_a_report_comes_back_as_it_was_stored():
    report = run(model={"auroc": 0.7}, constant={"auroc": 0.5})
    again = stored(json.loads(json.dumps(report.to_json())))
    assert (again.flat(), again.higher) == (report.flat(), report.higher)


def test_metrics_on_some_rows_have_mean_and_deviation_beside_the_others_and_no_place_in_the_table():
    reports = {str(i): run(model={"auroc": 0.7}) for i in range(3)}
    for name, value in (("0", 0.5), ("1", 0.7)):
        reports[name].add_slice("unseen", "test", {"auroc": value})
    spread = Spread(reports)
    assert spread.mean.flat() == {"test/auroc": pytest.approx(0.7), "test/auroc_unseen": pytest.approx(0.6)}
    assert spread.deviation.flat()["test/auroc_unseen"] == pytest.approx(0.02**0.5)
    assert "unseen" not in spread.table()
    assert spread.findings() == []


def test_metrics_on_some_rows_come_back_as_they_were_stored():
    report = run(model={"auroc": 0.7})
    report.add_slice("unseen", "test", {"auroc": 0.5})
    again = stored(json.loads(json.dumps(report.to_json())))
    assert again.flat() == {"test/auroc": 0.7, "test/auroc_unseen": 0.5}
    assert "unseen" not in again.table()
