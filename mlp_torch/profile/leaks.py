"""Fields that give the target away: copies of it, and those that nearly tell it by themselves.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> grade, word = look("grade", pa.array(["1", "2", "3"] * 20)), look("word", pa.array(["good", "fair", "poor"] * 20))
>>> print(leak(word, grade, grade.present))
copy_of_target: "word": each of its values goes with one value of the target, and the other way round; leave it out
"""

import numpy as np
from numpy.typing import NDArray

from mlp_torch.ingest.cells import Mask
from mlp_torch.profile.facts import FEW, Facts
from mlp_torch.profile.finding import Finding

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
COPY = 0.999  # rank correlation
TELLS = 0.9  # rank correlation, share of errors or of variance from which on a field tells too much by itself
TELLS_AUROC = 0.85
LEAST = 10  # rows; with fewer anything may look like a copy
PER_CLASS = 10  # rows; with fewer a number is no class
PER_WORD = 5  # rows; with fewer chance alone tells much
BINS = 20


def is_class_number(facts: Facts) -> bool:
    """Whether a number can stand for classes: few whole numbers, each in several rows."""
    return facts.whole and facts.distinct <= FEW and facts.rows - facts.missing >= PER_CLASS * facts.distinct


def leak(facts: Facts, target: Facts, used: Mask) -> Finding | None:
    """What a field tells of the target by itself, where that is too much.

    Args:
        facts: of the field.
        target: facts of the target.
        used: (N,) the rows that have a label.
    """
    if target.is_opaque:  # of cells that hold several values nobody knows which are equal
        return None
    if reason := copied(facts, target, used):
        return Finding("copy_of_target", (facts.name,), reason, advice="leave it out", loud=True)
    if reason := telling(facts, target, used):
        question = "is it known before the event? Else leave it out"
        return Finding("near_target", (facts.name,), reason, advice=question, loud=True)
    return None


def copied(facts: Facts, target: Facts, used: Mask) -> str:
    """Why a field is the target under another name; "" where it is not."""
    both = facts.present & used
    if both.sum() < LEAST or facts.distinct < 2:
        return ""
    a, b = facts.codes[both], target.codes[both]
    values = distinct(b)
    # where each row has a value of its own any two fields go with each other, hence two rows a value at least
    if 1 < values <= len(b) / 2 and distinct(a) == values == len(np.unique(a * (b.max() + 1) + b)):
        return "each of its values goes with one value of the target, and the other way round"
    if facts.kind == target.kind == "number" and values > 2 and abs(rho := correlation(ranks(a), ranks(b))) > COPY:
        return f"it follows the target in the same order (rank correlation {rho:.4f})"
    return ""


def telling(facts: Facts, target: Facts, used: Mask) -> str:
    """How well a field tells the target alone, where that is suspicious; "" where it is not."""
    both = facts.present & used
    if used.sum() < 10 * LEAST or distinct(target.codes[used]) < 2 or facts.distinct + bool(facts.missing) < 2:
        return ""
    is_class = target.kind != "number" or target.distinct == 2 or is_class_number(target)
    is_ordered = facts.kind in ("number", "time") and both.sum() >= 10 * LEAST
    if is_ordered and not is_class:
        rho = correlation(ranks(facts.codes[both]), ranks(target.codes[both]))
        return f"the target follows it in order (rank correlation {rho:.3f})" if abs(rho) > TELLS else ""
    if is_ordered and distinct(target.codes[both]) == 2:
        area = auroc(facts.codes[both], target.codes[both])
        if max(area, 1 - area) == 1:
            return "a threshold on it separates the classes without error"
        if max(area, 1 - area) > TELLS_AUROC:
            return f"it alone orders the classes with AUROC {max(area, 1 - area):.3f}"
    group = grouped(facts)[used]
    if distinct(group) * PER_WORD > len(group):
        return ""
    if is_class:
        return by_class(group, target.codes[used], facts.missing)
    share = explained(group, ranks(target.codes[used]))
    return f"its values alone explain {share:.0%} of the order of the target" if share > TELLS else ""


def by_class(group: Codes, label: Codes, missing: int) -> str:
    """How many errors are left to whoever says the commonest class of each group; "" where they are enough."""
    classes = int(label.max()) + 1
    pairs, counts = np.unique(group * classes + label, return_counts=True)
    right = np.zeros(int(group.max()) + 1, np.int64)  # rows of the commonest class of each group
    np.maximum.at(right, pairs // classes, counts)
    base = len(label) - int(np.bincount(label).max())
    left = len(label) - int(right.sum())
    what = "whether it is missing, and its values," if missing else "its values"
    if not left:
        return f"{what} have one class each"
    removed = 1 - left / base
    return f"{what} alone leave {left:,} of {base:,} errors" if removed > TELLS else ""


def grouped(facts: Facts) -> Codes:
    """(N,) the words, or numbers in bins of equally many rows; missing is a group of its own, 0."""
    if facts.kind == "text" or facts.distinct <= BINS:
        return facts.codes + 1
    group = np.zeros(facts.rows, np.int64)
    here = facts.present
    group[here] = 1 + np.floor(ranks(facts.codes[here]) * BINS / (here.sum() + 1)).astype(np.int64)
    return group


def distinct(codes: Codes) -> int:
    """How many different codes there are."""
    return int(np.count_nonzero(np.bincount(codes)))


def ranks(codes: Codes) -> Floats:
    """(N,) ranks from 1, equal values share their mean rank; codes of numbers are in the order of their values."""
    counts = np.bincount(codes)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return found


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's; of ranks it is Spearman's. 0 where one of them is constant."""
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def auroc(codes: Codes, label: Codes) -> float:
    """Area under the ROC curve of an ordered field for the greater of two labels (Mann and Whitney's U)."""
    positive = label == label.max()
    n, rows = int(positive.sum()), len(label)
    return float((ranks(codes)[positive].sum() - n * (n + 1) / 2) / (n * (rows - n)))


def explained(group: Codes, y: Floats) -> float:
    """Share of the variance that lies between groups (eta squared)."""
    counts = np.bincount(group)
    sums = np.bincount(group, y)
    known = counts > 0
    between = (sums[known] ** 2 / counts[known]).sum() - y.sum() ** 2 / len(y)
    total = ((y - y.mean()) ** 2).sum()
    return float(between / total) if total else 0.0
