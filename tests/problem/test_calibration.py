"""Golden values: scikit-learn, scipy, true probabilities of synthetic rows, and arithmetic by hand."""

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss
from torch import Tensor, nn

from mlp_torch.head import Head
from mlp_torch.problem.calibration import Calibrator, Isotonic, Temperature, calibrator
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.problem.reliability import equal_mass
from mlp_torch.problem.thresholds import BestF
from mlp_torch.reproducibility.transform import restore
from mlp_torch.script import script
from mlp_torch.target import AtLeast, Category, Flags

LATE = AtLeast("delay", 15)


def drawn(n: int = 4000, sure: float = 3.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits `sure` times too large, labels of the true probabilities, uneven weights."""
    draw = torch.Generator().manual_seed(seed)
    true = 1.5 * torch.randn(n, generator=draw) - 0.5
    y = (torch.rand(n, generator=draw) < true.sigmoid()).double()
    return sure * true, y, torch.rand(n, generator=draw) + 0.5


def three() -> Category:
    target = Category("fate")
    target.fit({}, lambda read: [(11, "lost"), (12, "kept"), (13, "found")])
    return target


def classes(n: int, sure: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    true = 1.5 * torch.randn(n, 3, generator=draw)
    y = torch.multinomial(true.softmax(dim=1), 1, generator=draw).squeeze(1).double()
    return sure * true, y, torch.rand(n, generator=draw) + 0.5


def nll(b: float, logits: Tensor, y: Tensor, weight: Tensor) -> float:
    """By scikit-learn."""
    z = b * logits.double()
    p = z.sigmoid() if z.dim() == 1 else z.softmax(dim=1)
    return log_loss(y.numpy(), p.numpy(), sample_weight=weight.numpy())


def unscripted_and_scripted(module: Calibrator, logits: Tensor) -> tuple[Tensor, Tensor]:
    return module(logits), script(module)(logits)


@pytest.mark.parametrize("rows", [drawn(), drawn(sure=0.4), classes(2000, 3.0)], ids=["sure", "cautious", "three"])
def test_the_temperature_is_where_scipy_finds_the_least_log_loss(rows: tuple[Tensor, Tensor, Tensor]) -> None:
    temperature = Temperature()
    temperature.fit(*rows)
    best = minimize_scalar(nll, bounds=(0.05, 20), args=rows, method="bounded", options={"xatol": 1e-9})
    assert float(temperature.inverse) == pytest.approx(best.x, rel=1e-4)
    assert nll(float(temperature.inverse), *rows) < nll(1.0, *rows)


def test_the_temperature_of_labels_is_one_over_those_that_are_known() -> None:
    logits, y, _ = drawn(n=3000)
    table = y.reshape(-1, 3)
    table[::4, 1] = math.nan
    temperature = Temperature()
    temperature.fit(logits.reshape(-1, 3), table, torch.ones(1000))
    known = ~table.flatten().isnan()
    alone = Temperature()
    alone.fit(logits[known], table.flatten()[known], torch.ones(int(known.sum())))
    assert float(temperature.inverse) == pytest.approx(float(alone.inverse), rel=1e-12)
    assert temperature.learned()["temperature"] == pytest.approx(3.0, rel=0.15)


def test_the_temperature_stays_within_bounds_where_rows_are_told_apart_without_error() -> None:
    logits, temperature = torch.tensor([-1.0, 1.0]).repeat(50), Temperature()
    temperature.fit(logits, torch.tensor([0.0, 1.0]).repeat(50), torch.ones(100))
    assert temperature.learned()["temperature"] == pytest.approx(0.05)
    temperature.fit(logits, torch.tensor([1.0, 0.0]).repeat(50), torch.ones(100))  # against all it says
    assert temperature.learned()["temperature"] == pytest.approx(20)
    for rows in ((torch.zeros(60), torch.ones(60)), (torch.zeros(0), torch.zeros(0))):
        temperature.fit(*rows, torch.ones(len(rows[0])))
        assert temperature.learned()["temperature"] == 1


def test_isotonic_is_that_of_scikit_learn_on_the_rows_and_its_two_half_rows() -> None:
    logits, y, weight = drawn(500)
    isotonic = Isotonic()
    isotonic.fit(logits, y, weight)
    p, half = logits.double().sigmoid(), 0.5 * float(weight.mean())
    theirs = IsotonicRegression(out_of_bounds="clip").fit(
        [*p.tolist(), float(p.min()), float(p.max())], [*y.tolist(), 1, 0], [*weight.tolist(), half, half]
    )
    new = torch.cat([logits, torch.linspace(-40, 40, 333)])
    expected = theirs.predict(new.double().sigmoid().numpy())
    assert isotonic(new).sigmoid().numpy() == pytest.approx(expected, abs=1e-6)
    plain = IsotonicRegression(out_of_bounds="clip").fit(p, y, weight)
    middle = (p > 0.2) & (p < 0.8)  # where the half rows do not reach
    assert isotonic(logits[middle]).sigmoid().numpy() == pytest.approx(plain.predict(p[middle].numpy()), abs=1e-6)
    assert {0.0, 1.0} <= set(plain.predict(p.numpy()))


def test_rows_without_a_positive_say_half_a_row_by_hand() -> None:
    logits, isotonic = torch.arange(8.0) - 4, Isotonic()
    isotonic.learn(logits, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.ones(8))
    assert isotonic(logits).sigmoid().tolist() == pytest.approx([0.5 / 4.5] * 4 + [4 / 4.5] * 4)
    assert isotonic(torch.tensor([-1000.0, 1000.0])).sigmoid().tolist() == pytest.approx([0.5 / 4.5, 4 / 4.5])


def test_isotonic_never_falls_and_never_is_certain() -> None:
    isotonic = Isotonic()
    isotonic.fit(*drawn(700))
    found = isotonic(torch.linspace(-200, 200, 4001)).sigmoid()
    assert bool((found.diff() >= -1e-7).all())
    assert 0 < float(found.min()) < float(found.max()) < 1


def test_isotonic_of_one_probability_is_its_share_between_the_half_rows() -> None:
    isotonic = Isotonic()
    isotonic.learn(torch.full((9,), 2.0), torch.tensor([1.0] + [0.0] * 8), torch.ones(9))
    assert isotonic(torch.tensor([-3.0, 2.0, 9.0])).sigmoid().tolist() == pytest.approx([1.5 / 10] * 3)


@pytest.mark.parametrize(("kind", "least"), [(Temperature, 50), (Isotonic, 100)])
def test_few_rows_calibrate_nothing_and_are_told(kind: type[Calibrator], least: int) -> None:
    calibrator, (logits, y, weight) = kind(), drawn(least, sure=0.2)
    calibrator.fit(logits, y, weight)
    assert not torch.allclose(calibrator(logits), logits, atol=0.1)
    assert calibrator.notes() == []
    weight[0] = 0
    calibrator.fit(logits, y, weight)
    assert torch.equal(calibrator(logits), logits)
    assert len(calibrator.notes()) == 1
    assert f"the calibration split has {least - 1} labels" in calibrator.notes()[0]


@pytest.mark.parametrize("kind", [Temperature, Isotonic])
def test_rows_of_one_class_calibrate_nothing(kind: type[Calibrator]) -> None:
    calibrator, (logits, y, weight) = kind(), drawn(500, sure=0.2)
    y.fill_(0)
    y[:9] = 1
    calibrator.fit(logits, y, weight)
    assert torch.equal(calibrator(logits), logits)
    assert "500 labels, 9 of them not of the most frequent class, and" in calibrator.notes()[0]


@pytest.mark.parametrize("kind", [Temperature, Isotonic])
def test_what_an_earlier_fit_has_learned_does_not_enter(kind: type[Calibrator]) -> None:
    twice, once = kind(), kind()
    twice.fit(*drawn(sure=0.3, seed=5))
    before = twice(drawn(50)[0])
    twice.fit(*drawn())
    once.fit(*drawn())
    assert torch.equal(twice(drawn(50)[0]), once(drawn(50)[0]))
    assert not torch.equal(before, once(drawn(50)[0]))


@pytest.mark.parametrize("kind", [Temperature, Isotonic])
def test_before_it_has_learned_logits_stay_bit_for_bit(kind: type[Calibrator]) -> None:
    for found in unscripted_and_scripted(kind(), drawn(50)[0]):
        assert torch.equal(found, drawn(50)[0])


@pytest.mark.parametrize("kind", [Temperature, Isotonic])
def test_what_was_learned_returns_from_a_file_whatever_its_length(kind: type[Calibrator]) -> None:
    learned, again = kind(), kind()
    learned.fit(*drawn())
    file = io.BytesIO()
    torch.save(learned.state_dict(), file)
    file.seek(0)
    restore(again, torch.load(file, weights_only=True))
    for found in unscripted_and_scripted(again, drawn(50)[0]):
        assert torch.equal(found, learned(drawn(50)[0]))


@pytest.mark.parametrize("calibration", ["temperature", "isotonic"])
def test_a_deliberately_over_confident_head_is_right_within_two_points_after_calibration(calibration: Any) -> None:
    head = Binary(2, LATE, calibration=calibration)
    logits, y, _ = drawn(20_000)
    held, held_y, _ = drawn(20_000, seed=1)
    before = float(equal_mass(head.predict(held.unsqueeze(1))["probability"], held_y).error())
    head.calibrate(logits.unsqueeze(1), y, torch.ones(len(y)))
    p = head.predict(held.unsqueeze(1))["probability"]
    true = (held / 3).sigmoid()
    assert before > 0.1
    assert float(equal_mass(p, held_y).error()) <= 0.02
    assert float((p - true).abs().mean()) <= 0.02


def test_several_classes_are_right_within_two_points_after_calibration() -> None:
    head = Multiclass(2, three(), calibration="temperature")
    out, y, weight = classes(20_000, sure=4.0)
    held, held_y, _ = classes(20_000, sure=4.0, seed=1)

    def error() -> float:
        prediction, label, metric = head.metrics()["calibration_error"]
        return float(metric(head.predict(held)[prediction], head.labels(held_y)[label]))

    before, order = error(), head.predict(held)["class"]
    head.calibrate(out, y, weight)
    assert before > 0.1
    assert error() <= 0.02
    assert torch.equal(head.predict(held)["class"], order)


def test_labels_are_right_within_two_points_after_calibration() -> None:
    head = Multilabel(2, Flags(["a", "b"]), calibration="temperature")
    out, y, _ = drawn(20_000)
    head.calibrate(out.reshape(-1, 2), y.reshape(-1, 2), torch.ones(10_000))
    held, held_y, _ = drawn(20_000, seed=1)
    p = head.predict(held.reshape(-1, 2))["probabilities"]
    assert float(equal_mass(p.flatten(), held_y).error()) <= 0.02


def test_the_shift_to_the_true_prior_comes_before_calibration() -> None:
    """Logits of a draw with as many of each class: the correction alone is right, and calibration finds nothing."""
    draw = torch.Generator().manual_seed(0)
    true = 1.5 * torch.randn(50_000, generator=draw) - 3
    y, weight = (torch.rand(50_000, generator=draw) < true.sigmoid()).double(), torch.ones(50_000)
    share = float(y.mean())
    head = Binary(2, LATE, calibration="temperature")
    head.fit(y, weight, torch.where(y == 1, 0.5 / share, 0.5 / (1 - share)).float())
    out = (true - head.shift).unsqueeze(1)
    head.calibrate(out, y, weight)
    assert share < 0.12
    alone = Temperature()
    alone.fit(true, y, weight)
    assert head.learned()["temperature"] == pytest.approx(alone.learned()["temperature"], rel=1e-5)
    assert head.learned()["temperature"] == pytest.approx(1, abs=0.03)
    assert float(head.predict(out)["probability"].mean()) == pytest.approx(share, abs=5e-3)


def test_rows_without_a_label_do_not_calibrate() -> None:
    out, y, weight = drawn(300)
    unknown = torch.full((50,), math.nan).double()
    heads = [Binary(2, LATE, calibration="isotonic") for _ in range(2)]
    heads[0].calibrate(out.unsqueeze(1), y, weight)
    heads[1].calibrate(
        torch.cat([out, out[:50]]).unsqueeze(1), torch.cat([y, unknown]), torch.cat([weight, weight[:50]])
    )
    assert torch.equal(heads[0].calibrator.x, heads[1].calibrator.x)
    assert torch.equal(heads[0].calibrator.y, heads[1].calibrator.y)


@pytest.mark.parametrize("calibration", ["temperature", "isotonic"])
def test_rows_without_weight_do_not_calibrate_nor_stop_it_where_all_are(calibration: Any) -> None:
    out, y, weight = drawn(300)
    heads = [Binary(2, LATE, calibration=calibration, threshold=BestF()) for _ in range(3)]
    heads[0].calibrate(out.unsqueeze(1), y, weight)
    heads[1].calibrate(torch.cat([out, out + 9]).unsqueeze(1), torch.cat([y, y]), torch.cat([weight, 0 * weight]))
    heads[2].calibrate(out.unsqueeze(1), y, 0 * weight)
    probe = torch.linspace(-3, 3, 20).unsqueeze(1)
    known, more, none = (head.predict(probe)["probability"] for head in heads)
    assert torch.equal(known, more)
    assert heads[0].learned() == heads[1].learned()
    assert torch.equal(none, Binary(2, LATE).predict(probe)["probability"])


def test_what_needs_calibration_rows_says_so_and_what_needs_none_does_not() -> None:
    def needs(head: Head) -> bool:
        return head.calibrates

    assert needs(Binary(2, LATE, calibration="isotonic"))
    assert needs(Multiclass(2, three(), calibration="temperature"))
    assert needs(Multilabel(2, Flags(["a", "b"]), calibration="temperature"))
    assert not needs(Binary(2, LATE, threshold=0.2))
    assert not needs(Multiclass(2, three()))


def test_a_calibration_that_a_head_cannot_use_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"calibration must be one of none, temperature, however: calibration='isotonic'"
    ):
        Multiclass(2, three(), calibration="isotonic")
    with pytest.raises(ValueError, match=r"one of none, temperature, isotonic, however: calibration='platt'"):
        Binary(2, LATE, calibration="platt")  # type: ignore[arg-type]
    assert isinstance(calibrator("none"), nn.Module)


def test_a_calibrated_probability_beats_log_loss_of_the_uncalibrated_on_new_rows() -> None:
    new, new_y, _ = drawn(4000, seed=7)
    for kind in (Temperature, Isotonic):
        module = kind()
        module.fit(*drawn())
        assert log_loss(new_y, module(new).sigmoid().numpy()) < log_loss(new_y, new.sigmoid().numpy()) - 0.1
    assert np.isfinite(log_loss(new_y, module(new).sigmoid().numpy()))
