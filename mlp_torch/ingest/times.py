"""The one ISO form of a time, `YYYY-MM-DD[(T| )HH:MM[:SS]]`, as seconds of wall clock since 1970-01-01.

Text and numbers alike are the clock on the wall: no time zone is read or applied, so the graph needs no zone tables.
One parser serves tables and `model.pt`; it looks at single bytes, since Python and TorchScript differ in the rest.

>>> wall_seconds("1970-01-02"), wall_seconds("1970-01-01T00:01:05"), wall_seconds("2026-02-30")
(86400, 65, None)
>>> iso(65)
'1970-01-01T00:01:05'
"""

from datetime import UTC, datetime, timedelta


def wall_seconds(text: str) -> int | None:
    """Seconds since 1970-01-01, or None for what is no time: another form, a 30th of February, the year 0."""
    n = len(text)
    if n != 10 and n != 16 and n != 19:
        return None
    year, month, day = digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)
    if year < 1 or month < 1 or month > 12 or day < 1 or text[4] != "-" or text[7] != "-":
        return None
    if day > days_in(year, month):
        return None
    days = days_since_1970(year, month, day)
    if n == 10:
        return days * 86400
    clock = clock_seconds(text)
    if clock < 0:
        return None
    return days * 86400 + clock


def clock_seconds(text: str) -> int:
    """Seconds since midnight of `…(T| )HH:MM[:SS]` from the eleventh byte on; -1 for what is no time of day."""
    hour, minute, second = digits(text, 11, 13), digits(text, 14, 16), 0
    if len(text) == 19:
        second = digits(text, 17, 19)
        if text[16] != ":":
            return -1
    if (text[10] != "T" and text[10] != " ") or text[13] != ":":
        return -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    return hour * 3600 + minute * 60 + second


def digits(text: str, start: int, end: int) -> int:
    """The number that ASCII digits spell; -1 where one of the bytes is none."""
    value = 0
    for i in range(start, end):
        digit = ord(text[i]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


def days_in(year: int, month: int) -> int:
    """Length of a month in the Gregorian calendar."""
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


def days_since_1970(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, also before its start.

    Formula: `days_from_civil`, howardhinnant.github.io/date_algorithms.html; years begin in March there, so that the
    leap day comes last. Here years are at least 1, hence no negative eras.
    """
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


FIRST, LAST = -62135596800, 253402300799  # 0001-01-01T00:00:00 and 9999-12-31T23:59:59 in seconds since 1970


def iso(seconds: float) -> str:
    """The text of a time, to the second below."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds // 1)).replace(tzinfo=None).isoformat()
