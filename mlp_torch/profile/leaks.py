"""Fields that give the target away: copies, which are left out, and suspects, which are named.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> from mlp_torch.proposal.target import aim
>>> grade, word = look("grade", pa.array(["1", "2", "3"] * 20)), look("word", pa.array(["good", "fair", "poor"] * 20))
>>> copied(word, aim(grade))
'each of its values goes with one value of the target, and the other way round'
"""

import numpy as np

from mlp_torch.profile.facts import Facts
from mlp_torch.proposal.target import Goal

STRAIGHT = 0.999  # correlation
LEAST = 10  # rows; with fewer anything may look like a copy


def copied(facts: Facts, goal: Goal) -> str:
    """Why a field is the target under another name; "" where it is not."""
    both = facts.present & goal.used
    if both.sum() < LEAST or facts.distinct < 2:
        return ""
    a, b = facts.codes[both], goal.index[both]
    values, pairs = len(np.unique(b)), len(np.unique(a * (b.max() + 1) + b))
    # where each row has a value of its own any two fields go with each other, hence two rows a value at least
    if len(np.unique(a)) == values == pairs and 1 < values <= len(b) / 2:
        return "each of its values goes with one value of the target, and the other way round"
    if facts.kind == goal.facts.kind == "number" and not goal.classes:
        x, y = facts.values[both], goal.facts.values[both]
        if x.std() > 0 and y.std() > 0 and (r := abs(float(np.corrcoef(x, y)[0, 1]))) > STRAIGHT:
            return f"it follows the target in a straight line (correlation {r:.4f})"
    return ""


def suspect(facts: Facts, goal: Goal) -> str:
    """What makes a field look as if it were known only after the event; "" where nothing does."""
    both = facts.present & goal.used
    a, b = facts.codes[both], goal.index[both]
    if not goal.classes or len(b) < 10 * LEAST or len(np.unique(b)) < 2:
        return ""
    words = len(np.unique(a))
    if facts.kind == "text" and 1 < words <= len(b) / 5 and len(np.unique(a * (b.max() + 1) + b)) == words:
        return "each of its values has one class only: is it known before the event?"
    if facts.kind == "number" and len(np.unique(b)) == 2:
        low, high = (facts.values[both][b == label] for label in np.unique(b))
        if low.max() < high.min() or high.max() < low.min():
            return "a threshold on it separates the classes without error: is it known before the event?"
    return ""
