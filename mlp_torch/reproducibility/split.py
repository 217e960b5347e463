"""Which rows are for training, calibration, validation and test: decided by each row alone, the same for ever.

Book: ch. 6, Repeatable Splitting. No random numbers and no state: a row's split depends on its own values, so that
neither other rows, nor their order, nor a later download moves it. Split by the column that carries the correlation
(a date, a person), else near copies of training rows are tested.

Shape: Inputs of N rows -> (N,) int64, index into `SPLITS`; -1 = in no split, which the caller counts as dropped.

>>> split = ByTime("day", val="2013-10-01", test="2013-11-01", calibration=0.0, end="2014-01-01")
>>> days = torch.tensor([15_978, 15_979, 16_010, 16_071], dtype=torch.float64)  # 30 Sep, 1 Oct, 1 Nov, 1 Jan
>>> split.assign({"day:time": days * 86_400})
tensor([ 0,  2,  3, -1])
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime

import torch
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError, Problem, how_many
from mlp_torch.ingest.fingerprint import cross, fingerprints, tensorflow_bucket
from mlp_torch.ingest.reads import Inputs, Read, Words
from mlp_torch.reproducibility.days import day_buckets
from mlp_torch.reproducibility.folds import ranges

SPLITS = ("train", "calibration", "val", "test")
TRAIN, CALIBRATION, VAL, TEST = range(4)

BUCKETS = 10_000  # a share is a whole number of these


class Split:
    """A rule that gives each row its split.

    Attributes:
        reads: what it needs of the raw fields.
        needed: the splits that this rule means to fill; others may be empty.
        same: the splits whose rows are the training rows.
    """

    reads: dict[str, Read]
    needed: tuple[str, ...]
    same: tuple[str, ...] = ()

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        """(N,) int64: index into `SPLITS`, -1 = in no split. `words` only make errors readable."""
        raise NotImplementedError

    def together(self) -> list[Read]:
        """Fields of which rows with the same value, of times with the same day, must not be torn apart."""
        return list(self.reads.values())

    def fold(self, index: int, *, of: int) -> "Split":
        """The same rule for one run of a cross-validation: one fold of several is tested, the next one validates.

        Raises:
            ConfigError: where the rule makes no folds.
        """
        rule = "folds need a split that makes them, as ByFingerprint does"
        raise ConfigError(f"{rule}, however: data.split is {type(self).__name__}; docs/repeats.md shows another")


class ByTime(Split):
    """Training before validation before test, as in use: a random split of what has trends tells too good a story.

    Of the training days a share, chosen by the fingerprint of the day's ISO date ("2013-01-31"), is the calibration
    split: whole days, so that no calibration row has a neighbour of the same day among the training rows.

    Rows may come in any order. Whether another time of a row lies after this one is not judged: a schedule's does.

    Args:
        field: the time; in local time, days are local days.
        val: ISO date or time from which rows are validation rows.
        test: from which rows are test rows.
        calibration: share of the training days; 0 leaves the calibration split empty.
        start: rows before it are in no split.
        end: rows from it on are in no split.
        missing: of rows without a time: `error` refuses them, `train` makes training rows of them, which nobody tests.

    Raises:
        ConfigError: if a time is no ISO time without a zone, the times do not ascend, the share or `missing` is none.
    """

    def __init__(
        self,
        field: str,
        *,
        val: str,
        test: str,
        calibration: float = 0.05,
        start: str | None = None,
        end: str | None = None,
        missing: str = "error",
    ):
        if missing not in ("error", "train"):
            raise ConfigError(f"missing must be error or train, however: {missing=}")
        self.reads, self.missing = {"time": Read(field, "time")}, missing
        given = {"start": start, "val": val, "test": test, "end": end}
        known = {name: seconds(time, name) for name, time in given.items() if time is not None}
        if sorted(set(known.values())) != list(known.values()):
            raise ConfigError(f"start, val, test and end must ascend, however: {given}")
        self.edges = torch.tensor([known["val"], known["test"]], dtype=torch.float64)
        self.start, self.end = known.get("start", -torch.inf), known.get("end", torch.inf)
        self.calibration = buckets_of({"calibration": calibration})["calibration"]
        self.needed = filled({"calibration": self.calibration})

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        """As in `Split`.

        Raises:
            DataError: `missing_split_field` where the time is missing.
        """
        read = self.reads["time"]
        time = inputs[read.key]  # (N,)
        dated = time.isfinite()  # (N,)
        if self.missing == "error":
            refuse_missing(~dated, read.field)
        split = torch.full_like(time, TRAIN, dtype=torch.int64)
        split[dated] = self.placed(time[dated])
        return split

    def placed(self, time: Tensor) -> Tensor:
        """The split of rows with a time, (N,) -> (N,)."""
        after = torch.bucketize(time, self.edges, right=True)  # (N,) how many of the two edges are reached
        split = torch.tensor([TRAIN, VAL, TEST])[after]
        split[(after == 0) & (day_buckets(time, BUCKETS) < self.calibration)] = CALIBRATION
        split[(time < self.start) | (time >= self.end)] = -1
        return split


class ByFingerprint(Split):
    """The book's repeatable split: the fingerprint of some fields, modulo 10,000, against fixed ranges.

    From 0 upwards the ranges are train, calibration, val, test, and test ends at 10,000, for ever. So the test rows
    depend on `test` alone, the validation rows on `val` and `test`; a training row stays one as long as the other
    shares together do not grow. All fields are read as text; missing is a value too (alone: bucket 0, train).

    Args:
        fields: one field: its own fingerprint; several: their cross, in this order.
        val: share of the distinct values, hence about that share of the rows; a whole number of 1/10,000.
        test: likewise.
        calibration: likewise; 0 leaves the calibration split empty.

    Raises:
        ConfigError: if there is no field, one is given twice, or the shares are none.
    """

    def __init__(self, fields: list[str], *, val: float = 0.1, test: float = 0.1, calibration: float = 0.05):
        if isinstance(fields, str) or not fields or len(set(fields)) < len(fields):
            raise ConfigError(f"fields must be a list of one or more distinct names, however: fields={fields!r}")
        self.reads = {field: Read(field, "string") for field in fields}
        self.shares = buckets_of({"calibration": calibration, "val": val, "test": test})
        # NOTE[BOOK] the book takes ABS(MOD(FARM_FINGERPRINT(x), n)); uint64 mod n is the convention that crosses have
        # too, so that one or several fields are cut alike, and its buckets are of equal size.
        self.by_bucket = by_bucket([("train", BUCKETS - sum(self.shares.values())), *self.shares.items()])
        self.needed = filled(self.shares)

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        parts = [inputs[read.key] for read in self.reads.values()]
        fingerprint = parts[0] if len(parts) == 1 else cross(parts)
        return self.by_bucket[tensorflow_bucket(fingerprint, BUCKETS)]

    def fold(self, index: int, *, of: int) -> "ByFingerprint":
        """As in `Split`: the buckets are cut into equal ranges, whatever `val` and `test` are (see `folds`)."""
        found, kept = copy(self), {"calibration": self.shares["calibration"]}
        found.by_bucket, found.needed = by_bucket(ranges(index, of=of, buckets=BUCKETS, **kept)), filled(kept)
        return found


class ByColumn(Split):
    """A split that somebody else has made: a field holds its name, or the values that belong to each part.

    Args:
        field: read as text; whole numbers are their decimal text ("2013").
        train: the values of training rows.
        val: of validation rows.
        test: of test rows.
        calibration: of calibration rows; by default that split is empty.

    Raises:
        ConfigError: if values are no lists of texts, or a value is named twice.
    """

    def __init__(
        self,
        field: str,
        *,
        train: Sequence[str],
        val: Sequence[str],
        test: Sequence[str],
        calibration: Sequence[str] = (),
    ):
        self.reads = {"split": Read(field, "string")}
        given = dict(zip(SPLITS, (train, calibration, val, test), strict=True))
        for name, values in given.items():
            if isinstance(values, str) or not all(isinstance(value, str) for value in values):
                raise ConfigError(f"{name} must be a list of texts, however: {name}={values!r}")
        self.values = [value for values in given.values() for value in values]
        if twice := sorted({value for value in self.values if self.values.count(value) > 1}):
            raise ConfigError(f"a value must belong to one split, however: {twice} are named twice")
        self.fingerprints = fingerprints(self.values)
        self.index = torch.tensor([SPLITS.index(name) for name, values in given.items() for _ in values])
        self.needed = tuple(name for name, values in given.items() if values or name != "calibration")

    def together(self) -> list[Read]:
        """Nothing: what the field says is known of whole splits only."""
        return []

    def assign(self, inputs: Inputs, words: Words | None = None) -> Tensor:
        """As in `Split`.

        Raises:
            DataError: `missing_split_field`, or `unknown_split` for values that are named nowhere.
        """
        read = self.reads["split"]
        x = inputs[read.key]  # (N,)
        refuse_missing(x == 0, read.field)
        split = torch.full_like(x, -1)
        for value, index in zip(self.fingerprints, self.index, strict=True):
            split[x == value] = index
        if (split < 0).any():
            names = dict(words(read)) if words else {}
            raise DataError(unknown_split(x, split < 0, read.field, names, self.values))
        return split


def check_sizes(split: Tensor, minimum: int = 1, *, needed: Sequence[str] = SPLITS) -> None:
    """Refuses a table of which a part has too few rows.

    Args:
        split: (N,) what `assign` gave.
        minimum: of rows.
        needed: the splits that must have them: the rule's `needed`.

    Raises:
        DataError: `empty_split` with the sizes of all splits.
    """
    counts = torch.bincount(split + 1, minlength=len(SPLITS) + 1)[1:].tolist()  # the first is of rows in no split
    sizes = dict(zip(SPLITS, counts, strict=True))
    if small := [name for name in needed if sizes[name] < minimum]:
        found = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        outside = int((split < 0).sum())
        text = f"{' and '.join(small)} must have at least {how_many(minimum, 'row')}, however: {found}"
        text += f", in no split {outside:,}"
        raise DataError(Problem("empty_split", text, key="data.split"))


def seconds(time: str, name: str) -> float:
    """Seconds of wall clock from 1970 of an ISO date or time."""
    try:
        read = datetime.fromisoformat(time)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must be an ISO date or time, however: {name}={time!r}") from None
    if read.tzinfo is not None:
        raise ConfigError(f"{name} must be a wall clock time without a zone, however: {name}={time!r}")
    return (read - datetime(1970, 1, 1)).total_seconds()


def buckets_of(shares: dict[str, float]) -> dict[str, int]:
    """Shares as numbers of buckets."""
    if not (all(share >= 0 for share in shares.values()) and sum(shares.values()) < 1):
        text = ", ".join(f"{name}={share}" for name, share in shares.items())
        raise ConfigError(f"shares must be at least 0 and sum to less than 1, however: {text}")
    for name, share in shares.items():
        if abs(share * BUCKETS - round(share * BUCKETS)) > 1e-6:
            raise ConfigError(f"a share must be a whole number of 1/{BUCKETS:,}, however: {name}={share}")
    return {name: round(share * BUCKETS) for name, share in shares.items()}


def by_bucket(parts: Iterable[tuple[str, int]]) -> Tensor:
    """(BUCKETS,) index into `SPLITS`, of consecutive ranges of so many buckets."""
    names, counts = zip(*parts, strict=True)
    return torch.tensor([SPLITS.index(name) for name in names]).repeat_interleave(torch.tensor(counts))


def filled(shares: dict[str, int]) -> tuple[str, ...]:
    """The splits that are not given a share of 0."""
    return tuple(name for name in SPLITS if shares.get(name, 1) > 0)


def refuse_missing(missing: Tensor, field: str) -> None:
    """Rows without the field that decides have no split."""
    if bad := int(missing.sum()):
        rows = tuple(missing.nonzero().squeeze(1)[:5].tolist())
        text = "a row's split is decided by this field, which is missing"
        raise DataError(Problem("missing_split_field", text, (field,), bad, len(missing), rows, key="data.split"))


def unknown_split(x: Tensor, unknown: Tensor, field: str, names: dict[int, str], values: list[str]) -> Problem:
    """The problem of values that belong to no split, the most frequent first."""
    counts = Counter(x[unknown].tolist())
    listed = [f"{names.get(v, f'fingerprint {v}')!r} ({how_many(count, 'row')})" for v, count in counts.most_common(20)]
    more = ", …" if len(counts) > len(listed) else ""
    text = f"values that belong to no split: {', '.join(listed)}{more}; known: {', '.join(values[:20])}"
    rows = tuple(unknown.nonzero().squeeze(1)[:5].tolist())
    return Problem("unknown_split", text, (field,), int(unknown.sum()), len(x), rows, key="data.split")
