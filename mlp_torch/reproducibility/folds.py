"""Folds: N runs of which each tests another part of the rows, so that every row is tested once.

Book: ch. 6, Repeatable Splitting. Of run i, fold i is tested, fold i + 1 (of the last: fold 0) validates, the rest
trains. Folds are ranges of buckets of a fingerprint, hence the same for ever, and never cut a group in two.

>>> ranges(1, of=4, buckets=100, calibration=10)
[('calibration', 5), ('train', 20), ('test', 25), ('val', 25), ('calibration', 5), ('train', 20)]
"""

from itertools import pairwise

from mlp_torch.errors import ConfigError

FEWEST, MOST = 3, 100


def ranges(index: int, *, of: int, buckets: int, calibration: int) -> list[tuple[str, int]]:
    """Consecutive ranges of buckets: the split that they belong to, and how many they are.

    Args:
        index: the fold that is tested.
        of: how many folds there are.
        buckets: to be dealt out.
        calibration: how many of them are for calibration: the first ones of each training fold, rounded up.

    Raises:
        ConfigError: if there is no such fold, or calibration leaves a fold no training rows.
    """
    check(index, of)
    borders = [buckets * i // of for i in range(of + 1)]
    taken = -(-calibration // (of - 2))
    if taken >= buckets // of:
        share = calibration / buckets
        raise ConfigError(f"calibration must leave each of {of} folds training rows, however: calibration={share}")
    found = []
    for i, size in enumerate(end - first for first, end in pairwise(borders)):
        judged = {index: "test", (index + 1) % of: "val"}.get(i)
        found += [(judged, size)] if judged else [("calibration", taken), ("train", size - taken)]
    return found


def check(index: int, of: int) -> None:
    """Refuses a number of folds that leaves no training rows, and a fold that is none of them. Raises ConfigError."""
    check_number(of)
    if type(index) is not int or not 0 <= index < of:
        raise ConfigError(f"fold must be a whole number from 0 to {of - 1}, of folds={of}, however: fold={index}")


def check_number(of: int) -> None:
    """Refuses a number of folds that leaves nothing to train on. Raises ConfigError."""
    if type(of) is not int or not FEWEST <= of <= MOST:
        rule = f"folds must be a whole number from {FEWEST} (one tests, one validates, the rest train) to {MOST}"
        raise ConfigError(f"{rule}, however: folds={of}")


def check_parts(of: int) -> None:
    """Refuses a number of folds that is none for a stage, of which one is left out at a time. Raises ConfigError."""
    if type(of) is not int or not 2 <= of <= MOST:
        raise ConfigError(f"folds of a stage must be a whole number from 2 to {MOST}, however: folds={of}")
