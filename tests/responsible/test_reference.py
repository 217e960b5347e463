"""Contenders that are trained models: in whose terms they speak, and which member is the best."""

import re

import pytest
import torch
from test_contracts_heads import Rows, rows
from test_contracts_models import parts_of

from mlp_torch.head import Batch, Head
from mlp_torch.judgement import paired
from mlp_torch.model import Model, predicted
from mlp_torch.problem.ensembles import Ensemble
from mlp_torch.problem.gaussian import Gaussian
from mlp_torch.problem.quantiles import Quantiles
from mlp_torch.problem.reframing import Reframed
from mlp_torch.problem.regression import Regression
from mlp_torch.responsible.reference import BestMember, Reference
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import judge

DATA, HELD, TEST = (rows(Regression, n, seed=seed) for seed, n in enumerate((200, 150, 40)))
TABLES = {"train": DATA.batch(), "calibration": HELD.batch(), "val": HELD.batch(), "test": TEST.batch()}


def model_of(kind: type[Head], data: Rows = DATA) -> Model:
    torch.manual_seed(0)
    return parts_of(kind, {}, data).single().eval()


def reference(model: Model, head: Head) -> torch.Tensor:
    found = Reference("other")
    found.model = model
    found.fit(head.eval(), TABLES)
    with torch.no_grad():
        return found.out({"x": TEST.x})


def test_a_model_with_a_head_that_is_fitted_alike_speaks_for_itself() -> None:
    model = model_of(Reframed)
    with torch.no_grad():
        assert torch.equal(reference(model, model_of(Reframed).head), model({"x": TEST.x}))


def test_a_regression_speaks_of_distributions_with_the_residuals_of_rows_that_it_has_not_seen() -> None:
    model, head = model_of(Regression), model_of(Reframed).head
    with torch.no_grad():
        test, held = (predicted(model, model({"x": x}))["prediction"].double() for x in (TEST.x, HELD.x))
    assert torch.equal(reference(model, head), head.from_scores(test, held, HELD.y))


def test_a_regression_in_other_units_is_translated() -> None:
    model = model_of(Regression, DATA._replace(y=10 * DATA.y))
    head = model_of(Regression).head
    with torch.no_grad():
        wanted = predicted(model, model({"x": TEST.x}))["prediction"]
        assert torch.allclose(head.predict(reference(model, head))["prediction"], wanted, rtol=1e-4, atol=1e-4)


def test_a_quantile_regression_speaks_by_all_its_quantiles() -> None:
    model, head = model_of(Quantiles), model_of(Reframed).head
    with torch.no_grad():
        values = predicted(model, model({"x": TEST.x}))["quantiles"]
    levels = torch.tensor(model.head.scales()["levels"], dtype=torch.float64)
    found = reference(model, head)
    assert torch.equal(found, head.from_quantiles(levels, values))
    medians = head.predict(found)["median"]
    assert torch.allclose(medians, values[:, 3], atol=0.2 * float(DATA.y.std()))


def test_a_quantile_regression_beside_a_regression_speaks_by_its_median() -> None:
    model, head = model_of(Quantiles), model_of(Regression).head
    with torch.no_grad():
        median = predicted(model, model({"x": TEST.x}))["median"]
    assert torch.allclose(head.predict(reference(model, head))["prediction"], median, rtol=1e-4, atol=1e-4)


def test_the_best_member_is_chosen_on_validation_rows() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(parts_of(Regression, {}, DATA), members=3).eval()
    good = ensemble.members[1]
    optimizer = torch.optim.Adam(good.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        good.loss(good({"x": DATA.x}), DATA.batch()).mean().backward()
        optimizer.step()
    best = BestMember(ensemble)
    (note,) = best.fit(ensemble.head, TABLES)
    assert best.place == 1
    assert note.startswith("The 3 members by themselves: loss ")
    with torch.no_grad():
        assert torch.equal(best.out({"x": TEST.x}), good({"x": TEST.x}))


@pytest.mark.parametrize("better", [True, False])
def test_paired_differences_say_by_how_much_others_lose(better: bool) -> None:
    head = model_of(Regression).head
    truth = head.teach(TEST.y).float().unsqueeze(1)
    ours, theirs = (truth + 0.1, truth + 1.0) if better else (truth + 1.0, truth + 0.1)
    table = Batch({}, TEST.y, TEST.weight, torch.arange(40))
    model = model_of(Regression)
    (told,) = paired((model, ours), {"other": (head, theirs)}, table)
    assert told.startswith("loss on test above the model's")
    assert told.endswith(f"other {'0.99 (0.99 to 0.99)' if better else '-0.99 (-0.99 to -0.99)'}.")


def test_scores_of_rows_count_once_as_in_the_table_and_losses_by_their_weight() -> None:
    torch.manual_seed(0)
    weight = torch.rand(40) + 0.1
    for kind, name, wanted in ((Gaussian, "crps", torch.ones(40)), (Regression, "loss", weight)):
        model = model_of(kind)
        with torch.no_grad():
            ours = model({"x": TEST.x})
        theirs = model.head.constant(DATA.y, DATA.weight).expand_as(ours)
        (told,) = paired((model, ours), {"constant": (model.head, theirs)}, Batch({}, TEST.y, weight, torch.arange(40)))
        values = [judge(model, out, TEST.y, weight=wanted).values[name] for out in (ours, theirs)]
        assert f"constant {number(values[1] - values[0])} (" in told


@pytest.mark.parametrize("kind", [Reframed, Gaussian, Quantiles])
def test_distributions_are_compared_by_their_crps(kind: type[Head]) -> None:
    model = model_of(kind)
    with torch.no_grad():
        ours = model({"x": TEST.x})
        theirs = model.head.constant(DATA.y, DATA.weight).expand_as(ours)
    table = Batch({}, TEST.y, torch.ones(40), torch.arange(40))
    (told,) = paired((model, ours), {"constant": (model.head, theirs)}, table)
    crps = [judge(model, out, TEST.y).values["crps"] for out in (ours, theirs)]
    assert told.startswith("crps on test above the model's")
    assert f"constant {number(crps[1] - crps[0])} (" in told


def test_paired_differences_are_less_sure_where_rows_belong_together() -> None:
    torch.manual_seed(0)
    head, model = model_of(Regression).head, model_of(Regression)
    truth = head.teach(TEST.y).float().unsqueeze(1)
    day = torch.arange(4).repeat_interleave(10)  # four days of ten rows, each of which has its own luck
    luck = torch.tensor([0.1, 0.5, 1.0, 1.5])[day].unsqueeze(1)
    table, answers = Batch({}, TEST.y, TEST.weight, torch.arange(40)), {"other": (head, truth + luck)}

    def width(groups: torch.Tensor | None) -> float:
        (told,) = paired((model, truth), answers, table, groups=groups)
        low, high = re.search(r"\((.*) to (.*)\)", told).groups()
        return float(high) - float(low)

    assert width(day) > 2 * width(None)
    assert paired((model, truth), answers, table, groups=torch.zeros(40)) == []  # of one day nothing is known


def test_one_quantile_is_a_point_with_residuals() -> None:
    torch.manual_seed(0)
    model, head = parts_of(Quantiles, {"levels": (0.5,)}, DATA).single().eval(), model_of(Reframed).head
    with torch.no_grad():
        test, held = (predicted(model, model({"x": x}))["median"].double() for x in (TEST.x, HELD.x))
    assert torch.equal(reference(model, head), head.from_scores(test, held, HELD.y))


def test_a_difference_that_is_no_number_is_told_in_words() -> None:
    model = model_of(Regression)
    wild = Batch({}, TEST.y.index_fill(0, torch.tensor([0]), 1e300), torch.ones(40), torch.arange(40))
    outs = torch.zeros(40, 1)
    (told,) = paired((model, outs), {"other": (model.head, outs + 1)}, wild)
    assert told.endswith("other not finite.")
