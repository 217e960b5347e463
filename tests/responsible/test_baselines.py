"""Baselines on tables whose answer is known, judged by the real heads; golden values from scikit-learn or by hand."""

import math
import sys

import pytest
import torch
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.head import Batch, Head
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.regression import Regression
from mlp_torch.responsible import baselines, verdict
from mlp_torch.responsible.baselines import Constant, LookUp, Trees, constant
from mlp_torch.responsible.columns import Columns
from mlp_torch.responsible.verdict import judge
from mlp_torch.target import AtLeast, Category, Flags, Number


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def codes(n: int, k: int, seed: int) -> Tensor:
    return torch.randint(k, (n,), generator=draw(seed))


def normal(n: int, seed: int) -> Tensor:
    return torch.randn(n, 1, generator=draw(seed))


def tables(features: dict[str, Tensor], y: Tensor) -> dict[str, Batch]:
    """Five parts for training, one each for the other splits."""
    sizes, ends = [5 * len(y) // 8, len(y) // 8, len(y) // 8, len(y) // 8], []
    for size in sizes:
        start = ends[-1].stop if ends else 0
        ends.append(slice(start, start + size))
    names = ("train", "calibration", "val", "test")
    return {
        name: Batch(
            {k: x[rows] for k, x in features.items()}, y[rows], torch.ones(len(y[rows])), torch.arange(len(y[rows]))
        )
        for name, rows in zip(names, ends, strict=True)
    }


def coin(probability: Tensor, seed: int) -> Tensor:
    return torch.bernoulli(probability.double(), generator=draw(seed))


def binary() -> Binary:
    return Binary(1, AtLeast("late", 1))


def regression(y: Tensor) -> Regression:
    head = Regression(1, Number("delay"))
    head.fit(y, torch.ones(len(y)))
    return head


def loss(rival: Constant | LookUp | Trees, head: Head, split: Batch) -> float:
    return judge(head, rival.out(split.features), split.y).values["loss"]


def fitted(rival: Constant | LookUp | Trees, head: Head, parts: dict[str, Batch]) -> Constant | LookUp | Trees:
    rival.fit(head, parts)
    return rival


# --- judge


def test_the_verdict_is_that_of_scikit_learn():
    out, y = normal(3000, 0), coin(torch.full((3000,), 0.3), 1)
    values = judge(binary(), out, y).values
    p = out[:, 0].sigmoid().double()
    assert values["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-6)
    assert values["average_precision"] == pytest.approx(average_precision_score(y, p), abs=1e-6)
    assert values["loss"] == pytest.approx(log_loss(y, p), abs=1e-6)


def test_rows_without_a_label_change_nothing():
    out, y = normal(200, 0), coin(torch.full((200,), 0.3), 1)
    more = torch.cat([y, torch.full((50,), torch.nan, dtype=torch.float64)])
    found, expected = judge(binary(), torch.cat([out, normal(50, 2) * 9]), more), judge(binary(), out, y)
    assert found == expected
    assert judge(binary(), out, 1 - y) != expected


@pytest.mark.parametrize("make", [lambda y: binary(), regression], ids=["binary", "regression"])
def test_rows_judged_in_chunks_give_the_verdict_of_all_at_once(make, monkeypatch):
    out, y = normal(1000, 0), coin(torch.full((1000,), 0.3), 1)
    y[::7] = torch.nan
    head = make(y)
    whole = judge(head, out, y).values
    monkeypatch.setattr(verdict, "CHUNK", 64)
    assert judge(head, out, y).values == pytest.approx(whole, rel=1e-6)


def test_a_chunk_without_any_label_is_passed_over(monkeypatch):
    out, y = normal(100, 0), coin(torch.full((100,), 0.5), 1)
    y[20:40] = torch.nan
    monkeypatch.setattr(verdict, "CHUNK", 20)
    assert math.isfinite(judge(binary(), out, y).values["auroc"])


def test_the_mean_loss_is_weighted_and_its_metrics_are_not():
    head, out = binary(), torch.tensor([[0.0], [2.0]])
    y, weight = torch.tensor([1.0, 0.0]).double(), torch.tensor([3.0, 1.0])
    expected = (3 * math.log(2) + math.log(1 + math.exp(2))) / 4
    found = judge(head, out, y, weight=weight)
    assert found.values["loss"] == pytest.approx(expected, rel=1e-6)
    assert found.values["accuracy"] == judge(head, out, y).values["accuracy"]


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_a_ranking_of_one_class_is_no_number_and_says_why(only):
    verdict = judge(binary(), normal(20, 0), torch.full((20,), only, dtype=torch.float64))
    assert verdict.undefined["auroc"] == verdict.undefined["average_precision"] == f"one class only: {only:.0f}"
    assert {"loss", "accuracy", "brier", "log_loss"} <= set(verdict.values)
    assert not set(verdict.values) & set(verdict.undefined)


def test_a_ranking_of_one_class_among_several_is_no_number_either():
    verdict = judge(three_classes(), torch.randn(20, 3, generator=draw(0)), torch.ones(20, dtype=torch.float64))
    assert "auroc" in verdict.undefined
    assert "accuracy" in verdict.values


@pytest.mark.parametrize("n", [0, 5])
def test_without_any_label_everything_is_undefined(n):
    verdict = judge(binary(), torch.zeros(n, 1), torch.full((n,), torch.nan, dtype=torch.float64))
    assert verdict.values == {}
    assert verdict.undefined["auroc"] == "no row has a label"
    assert verdict.undefined["loss"] == "not finite: nan"


def test_a_loss_that_is_infinite_is_undefined():
    y = torch.tensor([1.0, 2.0]).double()
    verdict = judge(regression(y), torch.full((2, 1), torch.inf), y)
    assert verdict.undefined["loss"] == "not finite: inf"
    assert "loss" not in verdict.values


# --- constant


def test_the_constant_is_the_heads_best_for_every_row_and_skips_rows_without_label():
    y = torch.tensor([1.0, 0.0, 0.0, 0.0, torch.nan]).double()
    out = constant(binary(), y, torch.ones(5), 3)
    assert out.shape == (3, 1)
    assert out[:, 0].sigmoid().tolist() == pytest.approx([0.25] * 3, abs=1e-6)
    weighted = constant(binary(), y, torch.tensor([3.0, 1, 1, 1, 9]), 1)
    assert float(weighted.sigmoid()) == pytest.approx(0.5, abs=1e-6)


def test_no_other_constant_beats_it_on_its_own_rows():
    y = coin(torch.full((500,), 0.2), 0)
    head, out = binary(), constant(binary(), coin(torch.full((500,), 0.2), 0), torch.ones(500), 500)
    best = judge(head, out, y).values["loss"]
    assert all(judge(head, out + shift, y).values["loss"] > best for shift in (-0.1, 0.1))


# --- look-up


def of_hour(n: int = 16_000) -> tuple[dict[str, Tensor], Tensor]:
    """Late by the hour alone: p is .1, .3, .5 or .7."""
    features = {"noise": normal(n, 1), "hour": codes(n, 4, 2), "carrier": codes(n, 6, 3)}
    return features, coin(0.1 + 0.2 * features["hour"], 4)


def test_a_table_without_a_group_that_is_believed_is_the_constant():
    features, y = of_hour(400)
    rival = LookUp(smallest=1000)
    assert rival.fit(binary(), tables(features, y)) == [
        "The look-up table is the constant: no group has 1,000 training rows."
    ]
    assert len(rival.out(features).unique()) == 1


def test_the_table_of_the_column_that_decides_is_found():
    features, y = of_hour()
    parts = tables(features, y)
    rival = LookUp(best=1)
    assert rival.fit(binary(), parts) == ["The look-up table is over hour, 4 groups."]
    p = rival.out({**features, "hour": torch.tensor([0, 1, 2, 3])})[:, 0].sigmoid()
    means = [float(parts["train"].y[parts["train"].features["hour"] == hour].mean()) for hour in range(4)]
    assert p.tolist() == pytest.approx(means, abs=1e-4)


def test_a_pair_is_found_where_neither_column_alone_says_anything():
    n = 16_000
    features = {"a": codes(n, 2, 1), "b": codes(n, 2, 2), "c": codes(n, 2, 3)}
    parts = tables(features, coin(0.1 + 0.8 * (features["a"] ^ features["b"]), 4))
    rival = LookUp()
    rival.fit(binary(), parts)
    assert rival.table.name == "a × b"
    single = fitted(LookUp(best=1), binary(), parts)
    assert loss(rival, binary(), parts["test"]) < 0.36 < 0.68 < loss(single, binary(), parts["test"])


def test_numbers_are_cut_into_bins_of_training_rows_and_missing_has_its_own():
    n = 16_000
    x = normal(n, 1)
    y = (x[:, 0].double() ** 2) + 0.1 * normal(n, 2)[:, 0].double()
    x[::10] = torch.nan
    y[::10] = 7.0
    parts = tables({"x": torch.cat([normal(n, 3), x], dim=1)}, y)
    head = regression(parts["train"].y)
    rival = fitted(LookUp(best=1), head, parts)
    assert rival.table.name == "x[1]"
    asked = torch.tensor([[0.0, torch.nan], [0.0, 0.0]])
    found = head.predict(rival.out({"x": asked}))["prediction"].tolist()
    assert found[0] == pytest.approx(7.0, abs=1e-4)
    assert found[1] == pytest.approx(0.0, abs=0.05)


def test_a_rare_indicator_is_a_group_of_its_own():
    n = 16_000
    rare = (codes(n, 30, 1) == 0).float().unsqueeze(1)  # quantiles alone would not see 3 % of ones
    parts = tables({"rare": rare}, coin(0.1 + 0.8 * rare[:, 0], 2))
    rival = fitted(LookUp(), binary(), parts)
    assert rival.out({"rare": torch.tensor([[0.0], [1.0]])})[:, 0].sigmoid().tolist() == pytest.approx(
        [0.1, 0.9], abs=0.04
    )


def test_small_groups_and_unseen_codes_get_the_constant_of_all_rows():
    features, y = of_hour(1600)
    parts = tables(features, y)
    size = (parts["train"].features["hour"] == 0).sum().item()
    head, overall = binary(), constant(binary(), parts["train"].y, parts["train"].weight, 1)[0]
    asked = {**features, "hour": torch.tensor([0, 99, -5])}
    only_hour = {name: Batch({"hour": b.features["hour"]}, *b[1:]) for name, b in parts.items()}
    kept = fitted(LookUp(smallest=size), head, only_hour).out(asked)
    small = fitted(LookUp(smallest=size + 1), head, only_hour).out(asked)
    assert not torch.equal(kept[0], overall)
    assert torch.equal(small[0], overall)
    assert torch.equal(kept[1:], overall.expand(2, 1))


def test_unseen_codes_of_one_column_do_not_alias_pairs_of_another():
    n = 16_000
    features = {"a": codes(n, 2, 1) * 7, "b": codes(n, 3, 2)}
    parts = tables(features, coin(0.1 + 0.4 * (features["a"] == 7) * (features["b"] == 0), 3))
    rival, head = fitted(LookUp(), binary(), parts), binary()
    assert rival.table.name == "a × b"
    asked = {"a": torch.tensor([0, 1, 7, 14]), "b": torch.tensor([3, 0, -1, 2])}
    overall = constant(head, parts["train"].y, parts["train"].weight, 4)
    assert torch.equal(rival.out(asked), overall)


def test_the_table_is_chosen_on_validation_rows_not_on_training_rows():
    # a code for every ten rows fits training rows best, and validation rows have other codes
    n = 16_000
    features = {"id": torch.arange(n) // 10, "hour": codes(n, 2, 1)}
    parts = tables(features, coin(0.2 + 0.3 * features["hour"], 2))
    rival = fitted(LookUp(smallest=10, best=1), binary(), parts)
    assert rival.table.name == "hour"


def test_weights_count_in_tables():
    hour = torch.zeros(1600, dtype=torch.int64)
    parts = tables({"hour": hour}, (torch.arange(1600) % 2).double())
    weight = 1 + 2 * parts["train"].y.float()
    parts["train"] = parts["train"]._replace(weight=weight)
    out = fitted(LookUp(), binary(), parts).out({"hour": hour[:1]})
    assert float(out.sigmoid()) == pytest.approx(0.75, abs=1e-3)


def test_training_rows_without_label_are_not_counted():
    features, y = of_hour()
    y[::3] = torch.nan
    parts = tables(features, y)
    labelled = {split: Batch(some(t.features, t.y), *(x[~t.y.isnan()] for x in t[1:])) for split, t in parts.items()}
    one, other = (fitted(LookUp(best=1), binary(), each) for each in (parts, labelled))
    assert torch.equal(one.table.outs, other.table.outs)


def some(features: dict[str, Tensor], y: Tensor) -> dict[str, Tensor]:
    return {name: x[~y.isnan()] for name, x in features.items()}


# --- trees


def circles(n: int = 8000) -> tuple[dict[str, Tensor], Tensor]:
    """Three columns decide together, which no table of two can say."""
    x = torch.randn(n, 2, generator=draw(1))
    carrier = codes(n, 40, 2)
    sign = torch.where(carrier % 2 == 0, 1.0, -1.0)  # no threshold on the code sees this
    return {"x": x, "carrier": carrier}, coin((3 * sign * x[:, 0] * x[:, 1]).sigmoid(), 3)


def test_trees_win_where_three_columns_decide_together():
    features, y = circles()
    parts = tables(features, y)
    head = binary()
    by = {type(r).__name__: loss(fitted(r, head, parts), head, parts["test"]) for r in (Constant(), LookUp(), Trees())}
    assert by["Trees"] < 0.58 < 0.67 < min(by["LookUp"], by["Constant"])


@pytest.mark.parametrize("rival", [LookUp(), Trees()], ids=["look-up", "trees"])
def test_nothing_wins_on_shuffled_labels(rival):
    features, y = circles()
    parts = tables(features, y[torch.randperm(len(y), generator=draw(5))])
    head = binary()
    flat = loss(fitted(Constant(), head, parts), head, parts["test"])
    rival.fit(head, parts)
    assert loss(rival, head, parts["test"]) > flat - 0.003
    assert judge(head, rival.out(parts["test"].features), parts["test"].y).values.get("auroc", 0.5) < 0.55


def test_the_same_seed_gives_the_same_trees_and_another_seed_others(monkeypatch):
    gentle = baselines.ways  # whose trees see half of the columns each; the plain ones have nothing to draw
    monkeypatch.setattr(baselines, "ways", lambda train: gentle(train)[:1])
    features, y = circles(4000)
    parts = tables(features, y)
    test = parts["test"].features
    first, again, threads, other = (
        fitted(Trees(seed=seed, num_threads=n, rounds=60), binary(), parts).out(test)
        for seed, n in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert torch.equal(first, again)
    assert torch.equal(first, threads)
    assert not torch.equal(first, other)


def test_trees_on_numbers_are_in_the_unit_of_the_head():
    x = normal(8000, 1)
    y = 100 + 30 * (x[:, 0] > 0).double() + normal(8000, 2)[:, 0].double()
    parts = tables({"x": x}, y)
    head = regression(parts["train"].y)
    values = judge(head, fitted(Trees(), head, parts).out(parts["test"].features), parts["test"].y).values
    assert values["rmse"] < 1.1  # the noise has 1
    assert fitted(Trees(), head, parts).fit(head, parts)[0].startswith("The boosted trees are")


def three_classes() -> Multiclass:
    target = Category("kind", classes=["a", "b", "c"])
    target.classes = ["a", "b", "c"]
    return Multiclass(1, target)


def test_trees_and_tables_answer_for_several_classes():
    kind = codes(8000, 3, 1)
    y = torch.where(coin(torch.full((8000,), 0.8), 2) > 0, kind, codes(8000, 3, 3)).double()
    parts, head = tables({"kind": kind, "noise": normal(8000, 4)}, y), three_classes()
    for rival in (LookUp(), Trees()):
        values = judge(head, fitted(rival, head, parts).out(parts["test"].features), parts["test"].y).values
        assert values["accuracy"] == pytest.approx(0.8 + 0.2 / 3, abs=0.03)


class Held(Binary):
    """Says which rows it got to turn scores into an `out`."""

    def from_scores(self, scores: Tensor, held_scores: Tensor, held_y: Tensor) -> Tensor:
        self.held_y, self.widths = held_y, (scores.shape[1], held_scores.shape)
        return super().from_scores(scores, held_scores, held_y)


@pytest.mark.parametrize("calibrated", [True, False])
def test_scores_are_turned_by_the_calibration_split_or_else_by_validation_rows(calibrated):
    features, y = circles(2400)
    parts, head = tables(features, y), Held(1, AtLeast("late", 1))
    if not calibrated:
        parts["calibration"] = Batch({k: x[:0] for k, x in features.items()}, y[:0], torch.ones(0), torch.arange(0))
    fitted(Trees(rounds=5), head, parts)
    expected = parts["calibration" if calibrated else "val"].y
    assert torch.equal(head.held_y, expected)
    assert head.widths == (1, (len(expected), 1))


def test_without_lightgbm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"pip install 'mlp_torch\[trees\]'"):
        Trees()


def test_a_lightgbm_that_cannot_be_loaded_is_told(monkeypatch, tmp_path):
    (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"LightGBM is installed, yet cannot be loaded: libgomp\.so\.1"):
        Trees()


@pytest.mark.parametrize("rival", [LookUp(), Trees()], ids=["look-up", "trees"])
def test_a_split_without_labels_is_refused(rival):
    features, y = of_hour(800)
    parts = tables(features, y)
    parts["val"] = parts["val"]._replace(y=torch.full_like(parts["val"].y, torch.nan))
    with pytest.raises(DataError, match=r"empty_split: val must have labelled rows, however: 0 of 100"):
        rival.fit(binary(), parts)


def test_several_codes_of_a_row_are_a_column_each():
    two = torch.stack([torch.arange(800) % 7, torch.arange(800) // 7 % 4], dim=1)
    columns = Columns({"airport": two})({"airport": two})
    assert list(columns) == ["airport[0]", "airport[1]"]
    assert torch.equal(columns["airport[1]"], two[:, 1])
    parts = tables({"airport": two}, coin(torch.where(two[:, 1] > 1, 0.9, 0.1), 1))
    assert LookUp(smallest=5).fit(binary(), parts) == [
        "The look-up table is over airport[1], 4 groups ([i]: a column's number i, from 0; of a text its words of "
        "code i)."
    ]


def test_the_most_frequent_words_of_a_bag_are_marks():
    bag = torch.tensor([[4, 7], [4, -1], [7, 4], [2, -1]])
    columns = Columns({"tags": bag})({"tags": torch.tensor([[7, 7], [9, 4]])})
    assert {name: x.tolist() for name, x in columns.items()} == {
        "tags[2]": [0, 0],
        "tags[4]": [0, 1],
        "tags[7]": [1, 0],
    }
    many = torch.arange(400).reshape(200, 2) % 150
    many[0, 1] = -1
    assert len(Columns({"tags": many})({"tags": many})) == 100


def test_the_numbers_of_a_map_add_up_by_bucket():
    pairs = torch.tensor([[[3.0, 0.5], [3.0, 2.0]], [[8.0, -1.0], [0.0, 0.0]]])
    columns = Columns({"bids": pairs})({"bids": pairs})
    assert {name: x.tolist() for name, x in columns.items()} == {"bids[3]": [2.5, 0.0], "bids[8]": [0.0, -1.0]}


def test_patches_of_an_image_are_their_means():
    photo = torch.arange(2 * 28 * 28).reshape(2, 1, 28, 28).remainder(250).to(torch.uint8)
    columns = Columns({"photo": photo})({"photo": photo})
    assert len(columns) == 14 * 14
    assert columns["photo[0]"][0] == photo[0, 0, :2, :2].float().mean()
    small = photo[:, :, :8, :8]
    assert torch.equal(columns_of(small), small.float().flatten(1))


def columns_of(photo: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(Columns({"photo": photo})({"photo": photo}).values()), dim=1)


def test_trees_learn_each_label_from_the_rows_that_it_is_known_of():
    x = torch.rand(900, generator=torch.Generator().manual_seed(0))
    y = torch.stack([x > 0.5, x < 0.3], dim=1).double()
    y[:400, 1] = torch.nan
    head = Multilabel(1, Flags(["large", "small"]))
    parts = tables({"x": x}, y)
    trees = Trees(num_threads=1)
    trees.fit(head, parts)
    predicted = head.predict(trees.out(parts["test"].features))["classes"]
    known = ~parts["test"].y.isnan()
    assert float((predicted == parts["test"].y)[known].float().mean()) > 0.97
