"""Calendar parts and cyclical encoding (ch. 2), from a time field and inside the graph, so that serving cannot differ.

Times are seconds of wall clock as given; weekday and hour are those of the local clock that the data speak of.
Elapsed days are a number: `Scaled(field, kind="time")`.

Shape: (B,) float64 seconds since 1970-01-01, NaN = missing -> `Calendar` (B,) int64, `Cyclical` (B, 2) float32.

>>> noon = {"at:time": torch.tensor([1357041600.0], dtype=torch.float64)}  # 2013-01-01T12:00, a Tuesday
>>> Calendar("at", "hour").encode(noon), Calendar("at", "weekday").encode(noon)
(tensor([12]), tensor([1]))
>>> Cyclical("at", period=86400, kind="time").encode(noon).round(decimals=3)
tensor([[ 0., -1.]])
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.column import Column
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim, default_dim

SIZES = {"minute": 60, "hour": 24, "minute_of_day": 1440, "weekday": 7, "day": 31, "month": 12}


def civil(days: Tensor) -> tuple[Tensor, Tensor]:
    """Month (1..12) and day of month (1..31) of days since 1970-01-01, proleptic Gregorian.

    Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    """
    z = days + 719468  # days since 0000-03-01
    day_of_era = torch.remainder(z, 146097)
    leap = day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    year_of_era = leap // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)  # from 1 March
    month = (5 * day_of_year + 2) // 153  # 0 = March
    day = day_of_year - (153 * month + 2) // 5 + 1
    return torch.remainder(month + 2, 12) + 1, day


class Calendar(Column):
    """A part of a time as a category: the hour, the weekday (0 = Monday), the month …; missing has a code of its own.

    Args:
        field: the raw field.
        part: one of minute, hour, minute_of_day, weekday, day, month. Day and month count from 0 here.
        dim: width of a row; by default about 1.6 · √codes.
    """

    def __init__(self, field: str, part: str, *, dim: int | None = None):
        super().__init__({"x": Read(field, "time")})
        if part not in SIZES:
            raise ValueError(f"part must be one of {', '.join(SIZES)}, however: {part=}")
        self.key, self.name, self.size = self.reads["x"].key, part, SIZES[part]
        self.codes, self.dim = self.size + 1, checked_dim(dim) or default_dim(self.size)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        # two million years, within which float64 divides whole numbers to the right floor, in a tenth of int64's time;
        # a limit that float32 holds, to which ONNX rounds it
        seconds = torch.floor(torch.nan_to_num(x).clamp(-(2.0**46), 2.0**46))
        days = torch.floor(seconds / 86400)
        minute = torch.floor((seconds - days * 86400) / 60)  # of the day
        if self.name == "minute":
            code = (minute - torch.floor(minute / 60) * 60).long()
        elif self.name == "hour":
            code = torch.floor(minute / 60).long()
        elif self.name == "minute_of_day":
            code = minute.long()
        elif self.name == "weekday":
            code = (days + 3 - torch.floor((days + 3) / 7) * 7).long()  # 1970-01-01 was a Thursday
        elif self.name == "day":
            code = civil(days.long())[1] - 1
        else:
            code = civil(days.long())[0] - 1
        return torch.where(torch.isnan(x), torch.full_like(code, self.size), code)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(inputs)


class Cyclical(Column):
    """Sine and cosine of a value that comes round: 23:59 is near 00:00. Missing is (0, 0), off the circle.

    Args:
        field: the raw field.
        period: after how much it comes round, in the field's unit; for times in seconds (86400 = a day).
        kind: `number` or `time`.
    """

    period: Tensor
    turn: Tensor

    def __init__(self, field: str, period: float, *, kind: Literal["number", "time"] = "number"):
        super().__init__({"x": Read(field, kind)})
        if not (math.isfinite(period) and period > 0):
            raise ValueError(f"period must be finite and more than 0, however: {period=}")
        self.key, self.dim = self.reads["x"].key, 2
        # buffers, since ONNX rounds Python floats to float32; an argument and a constant, so no part of the state
        self.register_buffer("period", torch.tensor(float(period), dtype=torch.float64), persistent=False)
        self.register_buffer("turn", torch.tensor(2 * math.pi, dtype=torch.float64), persistent=False)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        angle = torch.remainder(x, self.period) / self.period * self.turn
        circle = torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1)  # (B, 2)
        return torch.nan_to_num(circle).float()

    def layer(self) -> nn.Module:
        return nn.Identity()
