"""Above which probability a row is called positive: rules that find it for a named objective on calibration rows.

Book: ch. 3, Rebalancing and Multilabel; ch. 7 on perspectives: a threshold is where money, missed cases and false
alarms are weighed, and 0.5 is the right one for accuracy alone.

A cut lies halfway between two neighbouring probabilities, so that rows of equal probability stay together, and one of
another rounding in another runtime falls on the same side. All cuts are tried. Of cuts that are equally good the
highest is taken, which calls the fewest rows positive.

Shape: probability (N,), y (N,) 0 or 1, weight (N,) -> a number from 0 to 1; a row is positive above it.

>>> probability, y = torch.tensor([0.1, 0.3, 0.4, 0.8]), torch.tensor([0, 1, 0, 1])
>>> [round(rule.find(probability, y, torch.ones(4)), 2) for rule in (BestF(), AtPrecision(0.9), AtRecall(0.5))]
[0.2, 0.6, 0.6]
"""

from typing import NamedTuple

import torch
from torch import Tensor

FEW = 10  # rows of either class from which a threshold can be found; below, chance alone would choose it


class Cuts(NamedTuple):
    """What each cut makes of the rows: (m,) float64 each, from the highest threshold to the lowest.

    The first calls no row positive. One that would have to lie below a probability of 0 is not there.
    """

    threshold: Tensor
    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor

    def recall(self) -> Tensor:
        """Share of positive rows that are called so; 0 where there are none."""
        return (self.tp / (self.tp + self.fn)).nan_to_num()

    def precision(self) -> Tensor:
        """Share of rows called positive that are; 0 where none is called so."""
        return (self.tp / (self.tp + self.fp)).nan_to_num()


def cuts(probability: Tensor, y: Tensor, weight: Tensor) -> Cuts:
    """All cuts between distinct probabilities, by one sort and cumulative sums of weights."""
    values, place = torch.unique(probability.double(), return_inverse=True)  # ascending
    k, w = len(values), weight.double()
    positive = torch.bincount(place, w * (y == 1), minlength=k).flip(0)
    negative = torch.bincount(place, w * (y != 1), minlength=k).flip(0)
    zero = values.new_zeros(1)
    tp, fp = torch.cat([zero, positive.cumsum(0)]), torch.cat([zero, negative.cumsum(0)])  # (k + 1,)
    ends = torch.cat([values.new_ones(1), values.flip(0), zero])
    kept = slice(None, k if k and values[0] == 0 else None)
    columns = ((ends[1:] + ends[:-1]) / 2, tp, fp, tp[-1] - tp, fp[-1] - fp)
    return Cuts(*(column[kept] for column in columns))


def outcomes(called: Tensor, y: Tensor, weight: Tensor, threshold: float) -> Cuts:
    """What one threshold makes of the rows: (1,) each; `called` (N,) bool."""
    w, true = weight.double(), y == 1
    parts = (called & true, called & ~true, ~called & true, ~called & ~true)
    return Cuts(w.new_tensor([threshold]), *((w * part).sum().reshape(1) for part in parts))


class Rule:
    """How a threshold is found. A rule of one's own says what each cut is worth.

    Attributes:
        start: the threshold before anything is found.
        searches: whether it needs calibration rows.
        objective: what `score` is, as an axis of a picture has it; "" where it is nothing to look at.
    """

    start = 0.5
    searches = True
    objective = ""

    def score(self, cuts: Cuts) -> Tensor:
        """What each cut is worth, (m,); more is better."""
        raise NotImplementedError

    def find(self, probability: Tensor, y: Tensor, weight: Tensor) -> float:
        """The best threshold; `start` where no row has weight."""
        found = cuts(probability, y, weight)
        if not float(weight.sum()) > 0:
            return self.start
        return float(found.threshold[self.score(found).argmax()])  # the first of equal ones

    def missed(self, at: Cuts) -> str:
        """What the rule was asked for and the found cut does not reach, as a clause; "" where it does."""
        return ""


class Fixed(Rule):
    """A given number.

    Args:
        threshold: above 0 and below 1.
    """

    searches = False

    def __init__(self, threshold: float = 0.5):
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be above 0 and below 1, however: threshold={threshold}")
        self.start = float(threshold)

    def find(self, probability: Tensor, y: Tensor, weight: Tensor) -> float:
        return self.start


class BestF(Rule):
    """The highest F-measure: 1 weighs recall and precision alike, 2 leans to recall, 0.5 to precision.

    Args:
        beta: recall is worth beta times as much as precision.
    """

    def __init__(self, beta: float = 1.0):
        if not beta > 0:
            raise ValueError(f"beta must be above 0, however: beta={beta}")
        self.square = beta**2
        self.objective = f"F{beta:g}"

    def score(self, cuts: Cuts) -> Tensor:
        hits = (1 + self.square) * cuts.tp
        return (hits / (hits + self.square * cuts.fn + cuts.fp)).nan_to_num()

    def missed(self, at: Cuts) -> str:
        return "" if float(at.tp + at.fn) > 0 else "without a positive row no threshold is better than another"


class BestValue(Rule):
    """The highest value, where each outcome is worth an amount, in any unit; a cost is negative.

    With probabilities that are right the best threshold is (tn - fp) / (tn - fp + tp - fn); what is found on
    calibration rows needs no such belief.

    Args:
        tp: of a row that is positive and called so.
        fp: of a false alarm.
        fn: of a missed case.
        tn: of a row that is rightly left alone.
    """

    objective = "value per row"

    def __init__(self, *, tp: float = 0.0, fp: float = 0.0, fn: float = 0.0, tn: float = 0.0):
        if tp <= fn or tn <= fp:
            text = "a right answer must be worth more than a wrong one (tp > fn and tn > fp)"
            raise ValueError(f"{text}, however: tp={tp}, fp={fp}, fn={fn}, tn={tn}")
        self.amounts = (tp, fp, fn, tn)

    def score(self, cuts: Cuts) -> Tensor:
        parts = (cuts.tp, cuts.fp, cuts.fn, cuts.tn)
        total = sum((amount * part for amount, part in zip(self.amounts, parts, strict=True)), 0.0 * cuts.tp)
        return total / (cuts.tp + cuts.fp + cuts.fn + cuts.tn)


class AtRecall(Rule):
    """The highest threshold that still finds a share of the positive rows.

    Args:
        recall: that share, above 0 and at most 1.
    """

    def __init__(self, recall: float):
        check_share("recall", recall)
        self.recall = recall

    def score(self, cuts: Cuts) -> Tensor:
        return cuts.recall().clamp(max=self.recall)

    def missed(self, at: Cuts) -> str:
        found = float(at.recall())
        return "" if found >= self.recall else f"no threshold reaches recall {self.recall:g}, the most is {found:.3g}"


class AtPrecision(Rule):
    """The highest recall among thresholds with a precision; the highest precision where none has it.

    Args:
        precision: above 0 and at most 1.
    """

    def __init__(self, precision: float):
        check_share("precision", precision)
        self.precision = precision

    def score(self, cuts: Cuts) -> Tensor:
        precision = cuts.precision()
        return torch.where(precision >= self.precision, 1 + cuts.recall(), precision)

    def missed(self, at: Cuts) -> str:
        found = float(at.precision())
        if found >= self.precision:
            return ""
        return f"no threshold reaches precision {self.precision:g}, the highest is {found:.3g}"


def check_share(name: str, share: float) -> None:
    """Refuses what is no share of rows.

    Raises:
        ValueError: naming it.
    """
    if not 0 < share <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, however: {name}={share}")


def is_scarce(y: Tensor) -> bool:
    """Whether rows of one class are so few that no threshold can be found, (N,) 0 or 1, NaN = not known."""
    return min(int((y == 1).sum()), int((y == 0).sum())) < FEW


def rule_of(threshold: float | Rule) -> Rule:
    """A rule, or a number as one."""
    return threshold if isinstance(threshold, Rule) else Fixed(threshold)


def told(rule: Rule, at: Cuts, y: Tensor) -> str:
    """The found threshold and what it makes of the rows, in a sentence; few positive ones find no good threshold."""
    precision, recall, f1 = float(at.precision()), float(at.recall()), float(BestF().score(at))
    rows = f"{len(y):,} calibration rows, {int(y.sum()):,} of them positive"
    missed = rule.missed(at)
    loud, why = ("WARNING: ", f" ({missed})") if missed else ("", "")
    figures = f"precision {precision:.3g}, recall {recall:.3g}, F1 {f1:.3g}"
    return f"{loud}threshold {float(at.threshold):.3g}: {figures} on {rows}{why}"
