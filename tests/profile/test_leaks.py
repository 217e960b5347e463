"""Fields that give the target away, and fields that only help."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from mlp_torch.profile.facts import look
from mlp_torch.profile.leaks import auroc, correlation, leak, ranks
from mlp_torch.profile.suspicions import suspicions

DRAW = np.random.default_rng(0)
Y = DRAW.normal(size=400)
CLASS = DRAW.choice(["no", "yes"], 400, p=[0.7, 0.3])


def code(values: object, target: object) -> str | None:
    """The code of what a field tells of a target."""
    field, goal = look("x", pa.array(values)), look("y", pa.array(target))
    found = leak(field, goal, goal.present)
    return found.code if found else None


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (Y, Y),
        (2 * Y + 1, Y),
        (-np.exp(Y), Y),  # the same order, no straight line
        (np.where(CLASS == "yes", 1, 0), CLASS),
        (np.where(CLASS == "yes", "ja", "nein"), CLASS),
    ],
)
def test_a_copy_of_the_target_is_found_under_any_name(values: object, target: object) -> None:
    assert code(values, target) == "copy_of_target"


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (Y + DRAW.normal(size=400) / 5, Y),
        (np.where(CLASS == "yes", 2, 0) + DRAW.normal(size=400), CLASS),
        (np.where(CLASS == "yes", "late", DRAW.choice(["a", "b"], 400)), CLASS),
        (np.where(CLASS == "yes", "paid", None), CLASS),  # there only after the event
        (np.where(DRAW.random(400) < 0.02, "c", np.where(CLASS == "yes", "b", "a")), CLASS),
        (np.digitize(Y, np.quantile(Y, np.arange(0.1, 1, 0.1))).astype(str), Y),
    ],
)
def test_a_field_that_nearly_tells_the_target_is_suspicious(values: object, target: object) -> None:
    assert code(values, target) == "near_target"


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (DRAW.normal(size=400), Y),
        (Y + DRAW.normal(size=400), Y),
        (DRAW.normal(size=400), CLASS),
        (np.where(CLASS == "yes", 1, 0) + DRAW.normal(size=400), CLASS),
        ([f"w{i}" for i in range(400)], CLASS),  # each row has a value of its own
        (DRAW.integers(0, 60, 400).astype(str), CLASS),
        (["k"] * 400, CLASS),
        ([None] * 400, CLASS),
        (np.where(DRAW.random(400) < 0.5, Y, np.nan), CLASS),
    ],
)
def test_noise_ids_and_honest_help_are_not(values: object, target: object) -> None:
    assert code(values, target) is None


def test_few_rows_prove_nothing() -> None:
    assert code([1, 2, 3, 4], [2, 4, 6, 8]) is None


def test_ranks_spearman_and_auroc_are_those_of_scipy_and_sklearn() -> None:
    x = look("x", pa.array(DRAW.integers(0, 30, 400)))
    y = look("y", pa.array(DRAW.integers(0, 30, 400)))
    assert np.array_equal(ranks(x.codes), rankdata(x.values))
    assert correlation(ranks(x.codes), ranks(y.codes)) == pytest.approx(spearmanr(x.values, y.values).statistic)
    label = (CLASS == "yes").astype(int)
    assert auroc(x.codes, label) == pytest.approx(roc_auc_score(label, x.values))


@pytest.mark.parametrize(("fields", "loud"), [(3, True), (4, False)])
def test_many_fields_that_nearly_tell_the_target_are_no_alarm(fields: int, loud: bool) -> None:
    noisy = {f"x{i}": np.where(CLASS == "yes", 2, 0) + DRAW.normal(size=400) for i in range(fields)}
    known = {name: look(name, pa.array(values)) for name, values in {**noisy, "y": CLASS}.items()}
    found = [finding for finding in suspicions(known, target="y") if finding.code == "near_target"]
    assert [finding.loud for finding in found] == [loud] * fields
