"""Calendar parts against Python's datetime, the circle against math."""

import math
from datetime import datetime, timedelta

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mlp_torch.representation.calendar import SIZES, Calendar, Cyclical, civil

EPOCH = datetime(1970, 1, 1)
PARTS = {
    "minute": lambda t: t.minute,
    "hour": lambda t: t.hour,
    "minute_of_day": lambda t: t.hour * 60 + t.minute,
    "weekday": lambda t: t.weekday(),
    "day": lambda t: t.day - 1,
    "month": lambda t: t.month - 1,
}
every_part = pytest.mark.parametrize("part", SIZES)


def seconds(*times: datetime) -> dict[str, Tensor]:
    return {"at:time": torch.tensor([(t - EPOCH) / timedelta(seconds=1) for t in times], dtype=torch.float64)}


def test_all_parts_are_compared() -> None:
    assert set(PARTS) == set(SIZES)


@given(st.datetimes())
def test_parts_are_those_of_python(time: datetime) -> None:
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)  # float64 seconds of the year 1 hold 10 µs
    for part, of in PARTS.items():
        assert Calendar("at", part).encode(seconds(time)).item() == of(time), part


@every_part
@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00", "1600-02-29T12:30:00", "1900-02-28T23:59:59", "1900-03-01T00:00:00",
        "1969-12-31T23:59:59.999", "1970-01-01T00:00:00", "2000-02-29T00:00:00", "2024-02-29T23:59:59",
        "2024-12-31T23:59:59", "2100-03-01T00:00:00", "9999-12-31T23:59:59.999",
    ],
)  # fmt: skip
def test_leap_days_turns_of_years_and_both_ends_are_those_of_python(part: str, text: str) -> None:
    time = datetime.fromisoformat(text)
    assert Calendar("at", part).encode(seconds(time)).item() == PARTS[part](time)


def test_every_day_of_four_centuries_is_that_of_python() -> None:
    first = datetime(1800, 1, 1)
    days = torch.arange(146097) + (first - EPOCH).days
    month, day = civil(days)
    truth = [first + timedelta(days=i) for i in range(146097)]
    assert month.tolist() == [t.month for t in truth]
    assert day.tolist() == [t.day for t in truth]


@every_part
def test_a_missing_time_has_the_last_code(part: str) -> None:
    column = Calendar("at", part)
    assert column.encode({"at:time": torch.tensor([math.nan, 0.0]).double()})[0].item() == SIZES[part]
    assert column.codes == SIZES[part] + 1


def test_parts_that_training_never_shows_are_spare() -> None:
    column = Calendar("at", "month")
    rows = seconds(*(datetime(2013, month, 9) for month in range(1, 10)))
    column.see(column.encode(rows))
    assert column.layer().spare.tolist() == [9, 10, 11, 12]  # October to December, missing


def test_an_unknown_part_and_a_width_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"part must be one of minute, .*month, however: part='year'"):
        Calendar("at", "year")
    with pytest.raises(ValueError, match="dim must be at least 1, however: dim=0"):
        Calendar("at", "hour", dim=0)


@given(st.floats(-1e9, 1e9), st.sampled_from([1.0, 7.0, 24.0, 360.0, 86400.0]))
def test_the_circle_is_that_of_math(value: float, period: float) -> None:
    angle = math.fmod(value, period) / period * 2 * math.pi  # fmod is exact
    found = Cyclical("x", period).encode({"x": torch.tensor([value], dtype=torch.float64)})
    assert torch.allclose(found, torch.tensor([[math.sin(angle), math.cos(angle)]]), rtol=0, atol=1e-6)


def test_the_last_minute_of_a_day_is_near_the_first() -> None:
    column = Cyclical("at", 86400, kind="time")
    late, early, noon = column.encode(
        seconds(datetime(2024, 2, 29, 23, 59), datetime(1961, 3, 1), datetime(2024, 1, 1, 12))
    )
    assert torch.dist(late, early) < 0.01
    assert torch.dist(noon, early) == pytest.approx(2.0)


def test_a_missing_value_lies_off_the_circle() -> None:
    found = Cyclical("x", 360).encode({"x": torch.tensor([math.nan, 0.0]).double()})
    assert found.tolist() == [[0.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("period", [0.0, -1.0, math.inf, math.nan])
def test_a_circle_needs_a_period(period: float) -> None:
    with pytest.raises(ValueError, match="period must be finite and more than 0, however: period="):
        Cyclical("x", period)
