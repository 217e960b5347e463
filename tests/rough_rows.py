"""Random rows, good and bad: each kind of trouble that a cell can have, in fields of every kind and policy.

Rows come in three forms: `text` (every cell is text or missing, as in a CSV), `typed` (every field has one type, as in
Parquet), `wild` (any cell may be anything that a Python program can put there, or be left out).
"""

import math
import random
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlp_torch.column import Column
from mlp_torch.ingest.source import Frame
from mlp_torch.representation.calendar import Calendar, Cyclical
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.target import AtLeast
from mlp_torch.training.data import Data

Row = dict[str, Any]
POLICIES: dict[str, dict[str, Any]] = {
    "age": {"min": 0, "max": 120},
    "wind": {"max": 1000, "invalid": "missing", "na_values": ["-999", "NA"]},
    "fare": {"min": 0, "invalid": "drop", "missing": "drop"},
    "hour": {"min": 0, "max": 24, "invalid": "missing", "na_values": ["7"]},
    "town": {"na_values": ["NA", "5"]},
    "tail": {"missing": "error"},
    "at": {"invalid": "missing", "missing": "error"},
    "code": {"invalid": "drop"},
}
KINDS = {
    "age": ("number",),
    "wind": ("number",),
    "fare": ("number",),
    "hour": ("number", "string"),
    "town": ("string",),
    "tail": ("string",),
    "at": ("time",),
    "seen": ("string", "time"),
    "code": ("number", "time"),
}
DELAY = {"delay": 20.0}  # the label, which serving does not want
LONG = 65_536  # bytes that a cell may have


def columns() -> dict[str, Column]:
    """What reads the fields as KINDS says."""
    return {
        "age": Scaled("age"),
        "wind": Scaled("wind"),
        "fare": Scaled("fare"),
        "hour": Scaled("hour"),
        "hour_word": Embedding("hour", dim=2),
        "town": Embedding("town", dim=2),
        "tail": Hashed("tail", buckets=20, dim=2),
        "at": Cyclical("at", 86400, kind="time"),
        "seen": Calendar("seen", "hour", dim=2),
        "seen_word": Embedding("seen", dim=2),
        "code": Scaled("code"),
        "code_time": Calendar("code", "weekday", dim=2),
    }


def data() -> Data:
    """Good rows to train on."""
    draw = random.Random(1)
    table = [{**good(draw, "typed"), "delay": float(i % 3 * 20 - 10)} for i in range(400)]
    split = ByFingerprint(["tail"], val=0.2, test=0.2, calibration=0.1)
    return Data(Frame(table), columns(), AtLeast("delay", 15), split, fields=POLICIES).prepare()


GOOD: dict[str, Callable[[random.Random], Any]] = {
    "age": lambda draw: draw.choice([0.0, 120.0, -0.0, 5e-324, draw.uniform(0, 120)]),
    "wind": lambda draw: draw.choice([-1e9, -999.0, math.nan, draw.gauss(0, 100)]),
    "fare": lambda draw: draw.choice([0, 2**53, draw.randrange(500)]),
    "hour": lambda draw: draw.randrange(25),
    "town": lambda draw: draw.choice(["Ulm", "Köln", "Ko\u0308ln", "", " ", "NA", "nan", "None", "日本", "5", None]),
    "tail": lambda draw: draw.choice(["", "00123", "a\0b", "\x1b[31m", 'a "b", c\r\nd', f"N{draw.randrange(99)}"]),
    "at": lambda draw: moment(draw),
    "seen": lambda draw: draw.choice([None, moment(draw)]),
    "code": lambda draw: draw.choice([None, math.nan, -5.5, float(draw.randrange(2**31))]),
}


def moment(draw: random.Random) -> str:
    """A time in text."""
    date = f"{draw.randint(1, 9999):04}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
    clock = f"{draw.randrange(24):02}:{draw.randrange(60):02}"
    return draw.choice([date, f"{date}T{clock}", f"{date} {clock}:{draw.randrange(60):02}"])


def good(draw: random.Random, form: str) -> Row:
    """A row that nothing is wrong with."""
    row = {name: value(draw) for name, value in GOOD.items()}
    if form != "text":
        return row
    row["code"] = None  # no text is both a number and a time
    return {name: told(value) for name, value in row.items()}


def told(value: Any) -> str | None:
    """A value as a CSV has it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return repr(value) if isinstance(value, float) else str(value)


NUMBERS: list[Any] = [
    math.nan, math.inf, -math.inf, 0.0, -0.0, 2.5, 5.0, 7.0, 24.5, -3.0, 1e300, 5e-324, 2.0**53, 2.0**60, -999.0,
    1001.0,
]  # fmt: skip
WHOLES: list[Any] = [0, 5, 7, 25, -3, -999, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63)]
TEXTS = [
    "", " ", "NA", "-999", "-999.0", "7", "5", "5.0", "-0", "+5", " 5", "5 ", "1e3", "1e999", "-1e999", "0x10",
    "NaN", "Infinity", "1_000", "1,5", "1.", ".5", "٣", "9007199254740992", "9007199254740993",
    "18446744073709551616", "2.5", "130", "Ulm", "true", "a\0b", "\x1b[31m", "5\n", "日本", "😀", "\ufeff5",
    "2024-02-29", "2023-02-29", "2024-01-01T10:00", "2024-01-01t10:00", "2024-01-01 10:00:01",
    "2024-01-01T25:00", "2024-01-01T10:00Z", "0000-01-01", "0001-01-01", "9999-12-31T23:59:59", "24-1-1",
    "20240101", "2024-01-01日",
]  # fmt: skip
BROKEN = ["\ud800", "a\udfffb", "5\ud83d"]  # lone surrogates: no CSV holds them, as bytes Parquet does
OTHERS: list[Any] = [
    None, True, False, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30, [], [5], ["a", None], {}, {"a": 1}, [[[]]], (5,),
    datetime(2024, 1, 1), Decimal("1.5"), b"Ulm",
]  # fmt: skip
FLOATS, INTS = ("age", "wind", "code"), ("fare", "hour")


def odd(draw: random.Random, form: str, name: str) -> Any:
    """A cell that may be bad in this field."""
    if form == "typed" and name in FLOATS + INTS:
        return draw.choice([None, *(NUMBERS if name in FLOATS else WHOLES)])
    if draw.random() < 0.02:
        letter = draw.choice("xé")
        return letter * (LONG // len(letter.encode()) + draw.randrange(2))
    if form == "wild":
        return draw.choice(draw.choice([NUMBERS, WHOLES, TEXTS, BROKEN, OTHERS]))
    return draw.choice([None, *TEXTS, *BROKEN])


def rough(draw: random.Random, form: str) -> Row:
    """A row with up to three odd cells; of a wild one a field may be left out."""
    row = good(draw, form)
    for name in draw.sample([*KINDS], draw.choice([0, 1, 1, 1, 2, 3])):
        if form == "wild" and draw.random() < 0.02:
            del row[name]
        else:
            row[name] = odd(draw, form, name)
    return row
